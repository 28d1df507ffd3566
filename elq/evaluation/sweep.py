"""Sweep: the quality at every threshold, and the choice of γ.

All of it is of one process; elq/training/sweep.py reduces the sweeps of several.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from elq.errors import ElqError
from elq.evaluation.counting import Counts, count, gold_entities, paired
from elq.types import Link, Question

OBJECTIVES = ("set_in_catalogue", "set_all", "strong", "weak")  # tasks of elq/evaluation/counting.py whose micro F1 may choose
SWEEP_FLOOR = -8.0  # links with a lower joint score are not looked at when γ is chosen
# How training chooses γ: objective, slack and depth of a ThresholdSweep. F1 is flat around its best, where a handful of
# questions moves it: the middle between the highest and the lowest threshold that are nearly as good varies less. Template
# questions are easier, and hardly tell thresholds apart over which people's questions gain in recall: there it is the lowest.
DEV_CHOICE, TEMPLATE_CHOICE = (OBJECTIVES[0], 0.005, 0.5), ("set_all", 0.005, 1.0)
MARGIN = 1e-3  # how far below the lowest score a threshold lies that keeps everything


class Threshold(NamedTuple):  # torchmetrics refuses a frozen dataclass as the result of compute
    """A threshold and what it reaches; the defaults (the released ELQ's threshold) stand for a sweep that found nothing."""

    threshold: float = -4.5
    f1: float = 0.0
    precision: float = 0.0
    recall: float = 0.0


def between(lower: float, upper: float) -> float:
    """A threshold that parts two float32 scores: halfway, and the upper one where float32 has nothing between them.

    A linker compares in float32, where the middle of two neighbours is one of them.

    >>> between(-2.0, -1.0)
    -1.5
    """
    middle = (lower + upper) / 2
    return middle if float(np.float32(middle)) > lower else upper


def threshold_curve(scores: Sequence[float], correct: Sequence[float], gold: int) -> list[Threshold]:
    """Every threshold that makes a difference, highest first, with the micro quality of what scores at least as high.

    Each lies halfway to the next lower score, where small changes move no link across it; the last one ``MARGIN`` below.

    Args:
        scores: of the predicted entities.
        correct: 1 for an entity in its question's gold set, else 0.
        gold: size of all gold sets together.

    >>> [(cut.threshold, round(cut.f1, 2)) for cut in threshold_curve([-3.0, -1.0, -2.0], [1, 1, 0], gold=2)]
    [(-1.5, 0.67), (-2.5, 0.5), (-3.001, 0.8)]
    """
    ordered = sorted(zip(scores, correct, strict=True), reverse=True)
    curve, hits = [], 0
    for kept, (score, right) in enumerate(ordered, 1):
        hits += int(right)
        lower = ordered[kept][0] if kept < len(ordered) else -math.inf
        if lower < score:  # equal scores are kept or dropped together
            threshold = between(lower, score) if math.isfinite(lower) else score - MARGIN
            curve.append(Threshold(threshold, **Counts(hits, kept, gold).quality()))
    return curve


def predictions_by_score(question: Question, links: Sequence[Link], objective: str) -> tuple[list[tuple[float, float]], int]:
    """What a question adds to the curve of an objective, one of ``OBJECTIVES``.

    Returns:
        (score, correct) of each prediction, and the number of gold items. A prediction is an entity with its best score in the
        tasks of sets, a link in the others; 1 is correct. A link counts as what it adds to those that score higher.
    """
    if objective == "set_in_catalogue" and (not question.mentions or question.mentions[0].entity is None):
        return [], 0
    if objective in ("set_in_catalogue", "set_all"):
        gold = gold_entities(question)
        best = {link.entity: link.score for link in sorted(links, key=lambda link: link.score)}  # the last stays
        return [(score, float(entity in gold)) for entity, score in best.items()], len(gold)
    ordered = sorted(links, key=lambda link: -link.score)
    totals = [count(question, ordered[:most])[objective] for most in range(len(ordered) + 1)]
    gains = [float(after.correct - before.correct) for before, after in itertools.pairwise(totals)]
    return [(link.score, gain) for link, gain in zip(ordered, gains, strict=True)], totals[0].gold


def chosen(curve: Sequence[Threshold], slack: float = 0.0, depth: float = 0.0) -> Threshold:
    """The threshold of a curve to take as γ; ``Threshold()`` if every F1 is 0.

    Args:
        curve: from the highest threshold to the lowest.
        slack, depth: see :class:`ThresholdSweep`; by default the highest threshold with the best F1 is taken.

    >>> chosen([Threshold(-1.0, f1=0.5), Threshold(-2.0, f1=0.6), Threshold(-3.0, f1=0.6)]).threshold
    -2.0
    """
    found = [cut for cut in curve if cut.f1 > 0]
    best = max((cut.f1 for cut in found), default=0.0)
    good = [cut for cut in found if cut.f1 >= best - slack]
    if not good:
        return Threshold()
    highest, lowest = good[0].threshold, good[-1].threshold
    wanted = highest + depth * (lowest - highest)
    return min(good, key=lambda cut: abs(cut.threshold - wanted))


@dataclass
class ThresholdSweep:
    """Chooses the threshold by the micro F1 of the objective, by default of sets where the main entity is in the catalogue.

    Feed it links decoded at a very low threshold. Raising a threshold only removes links (the overlap removal is greedy by
    score), so the links at any higher threshold are those that score at least as high.

    Args:
        objective: one of ``OBJECTIVES``.
        slack: thresholds whose F1 is at most this much below the best are as good.
        depth: which of them is taken: the one nearest to this share of the way from the highest to the lowest.
        scores: of the predictions so far, as the linker has them in float32.
        correct: of the same predictions: 1 for a right one, else 0.
        gold: number of gold items so far.

    Raises:
        ElqError: another objective.
    """

    objective: str = OBJECTIVES[0]
    slack: float = 0.0
    depth: float = 0.0
    scores: list[float] = field(default_factory=list)
    correct: list[float] = field(default_factory=list)
    gold: int = 0

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise ElqError(f"the objective is {self.objective!r}, but must be one of {', '.join(OBJECTIVES)}")

    def update(self, questions: Sequence[Question], links: Sequence[Sequence[Link]]) -> None:
        """Keep score and rightness of each prediction for a question. Raises ElqError if the numbers differ."""
        for question, predicted in paired(questions, links):
            predictions, gold = predictions_by_score(question, predicted, self.objective)
            self.scores += [float(np.float32(score)) for score, _ in predictions]
            self.correct += [right for _, right in predictions]
            self.gold += gold

    def compute(self) -> Threshold:
        """The chosen threshold, see :func:`chosen`."""
        return chosen(self.curve(), self.slack, self.depth)

    def curve(self) -> list[Threshold]:
        """The quality at every threshold that makes a difference, highest first."""
        return threshold_curve(self.scores, self.correct, self.gold)
