"""Sweep: measures the quality at every threshold, and chooses the threshold γ.

This module works in one process; elq/training/shared_metrics.py combines the sweeps of several processes.
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

OBJECTIVES = ("set_in_catalogue", "set_all", "strong", "weak")  # tasks whose micro F1 can choose γ
SWEEP_FLOOR = -8.0  # links with a lower joint score are not used for the choice of γ
# How training chooses γ: objective, slack and depth of a ThresholdSweep. Many thresholds have nearly the best F1, and a few
# questions decide which is best. So γ is the middle between the highest and the lowest of these thresholds, which varies less.
# Template questions are easier: lower thresholds hardly change their F1, but raise recall on people's questions. So with
# template questions γ is the lowest of these thresholds. ALL_CHOICE also counts the questions without an entity.
ALL_CHOICE = (OBJECTIVES[1], 0.005, 0.5)
DEV_CHOICE, TEMPLATE_CHOICE = (OBJECTIVES[0], 0.005, 0.5), ("set_all", 0.005, 1.0)
MARGIN = 1e-3  # distance from the lowest score to the threshold that keeps everything


class Threshold(NamedTuple):  # torchmetrics refuses a frozen dataclass as the result of compute
    """A threshold with its quality. The default, that of the released ELQ, is for a sweep that finds nothing."""

    threshold: float = -4.5
    f1: float = 0.0
    precision: float = 0.0
    recall: float = 0.0


def between(lower: float, upper: float) -> float:
    """A threshold between two float32 scores: their middle, or the upper score if float32 has no number between them.

    A linker compares in float32, where the middle of two neighbouring numbers is one of them.

    >>> between(-2.0, -1.0)
    -1.5
    """
    middle = (lower + upper) / 2
    return middle if float(np.float32(middle)) > lower else upper


def threshold_curve(scores: Sequence[float], correct: Sequence[float], gold: int) -> list[Threshold]:
    """Every threshold that changes the links, highest first, with the micro quality of the links that reach it.

    Each threshold is in the middle between two scores, so that small changes of scores do not change the links. The last one
    is ``MARGIN`` below the lowest score.

    Args:
        scores: scores of the predicted entities.
        correct: 1 for an entity in the gold set of its question, else 0.
        gold: sum of the sizes of all gold sets.

    >>> [(cut.threshold, round(cut.f1, 2)) for cut in threshold_curve([-3.0, -1.0, -2.0], [1, 1, 0], gold=2)]
    [(-1.5, 0.67), (-2.5, 0.5), (-3.001, 0.8)]
    """
    ordered = sorted(zip(scores, correct, strict=True), reverse=True)
    curve, hits = [], 0
    for kept, (score, right) in enumerate(ordered, 1):
        hits += int(right)
        lower = ordered[kept][0] if kept < len(ordered) else -math.inf
        if lower < score:  # links with equal scores are kept or removed together
            threshold = between(lower, score) if math.isfinite(lower) else score - MARGIN
            curve.append(Threshold(threshold, **Counts(hits, kept, gold).quality()))
    return curve


def predictions_by_score(question: Question, links: Sequence[Link], objective: str) -> tuple[list[tuple[float, float]], int]:
    """The predictions of a question for an objective, one of ``OBJECTIVES``.

    Returns:
        (score, correct) of each prediction, and the number of gold items. In the objectives ``set_…``, a prediction is an
        entity with its best score, and ``correct`` is 1 for an entity of the gold set, else 0. In the others, a prediction is a
        link, and ``correct`` is the number of correct pairs that it adds to those of the links with higher scores.
    """
    if objective == "set_in_catalogue" and (not question.mentions or question.mentions[0].entity is None):
        return [], 0
    if objective in ("set_in_catalogue", "set_all"):
        gold = gold_entities(question)
        best = {
            link.entity: link.score for link in sorted(links, key=lambda link: link.score)
        }  # the last one, which is the best, stays
        return [(score, float(entity in gold)) for entity, score in best.items()], len(gold)
    ordered = sorted(links, key=lambda link: -link.score)
    totals = [count(question, ordered[:most])[objective] for most in range(len(ordered) + 1)]
    gains = [float(after.correct - before.correct) for before, after in itertools.pairwise(totals)]
    return [(link.score, gain) for link, gain in zip(ordered, gains, strict=True)], totals[0].gold


def chosen(curve: Sequence[Threshold], slack: float = 0.0, depth: float = 0.0, *, near: float | None = None) -> Threshold:
    """The threshold of a curve that becomes γ; ``Threshold()`` if every F1 is 0.

    Args:
        curve: thresholds from the highest to the lowest.
        slack, depth: see :class:`ThresholdSweep`; by default, the highest threshold with the best F1 is chosen.
        near: instead of ``depth``, the good threshold that is nearest to this one.

    >>> chosen([Threshold(-1.0, f1=0.5), Threshold(-2.0, f1=0.6), Threshold(-3.0, f1=0.6)]).threshold
    -2.0
    """
    found = [cut for cut in curve if cut.f1 > 0]
    best = max((cut.f1 for cut in found), default=0.0)
    good = [cut for cut in found if cut.f1 >= best - slack]
    if not good:
        return Threshold()
    highest, lowest = good[0].threshold, good[-1].threshold
    wanted = highest + depth * (lowest - highest) if near is None else near
    return min(good, key=lambda cut: abs(cut.threshold - wanted))


@dataclass
class ThresholdSweep:
    """Chooses the threshold γ by the micro F1 of an objective.

    Give it links that were decoded with a very low threshold. A higher threshold only removes links (overlaps are removed
    greedily by score), so the links at any higher threshold are the links whose score is at least as high.

    Args:
        objective: one of ``OBJECTIVES``.
        slack: a threshold counts as good if its F1 is at most this much below the best.
        depth: which good threshold is chosen: 0 is the highest, 1 the lowest, and 0.5 the one nearest to their middle.
        scores: scores of the predictions so far, in float32 as in the linker.
        correct: 1 for each right one of these predictions, else 0.
        gold: number of gold items so far.

    Raises:
        ElqError: the objective is not one of ``OBJECTIVES``.
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
        """Add the predictions of questions, one list of links for each. Raises ElqError if the numbers differ."""
        for question, predicted in paired(questions, links):
            predictions, gold = predictions_by_score(question, predicted, self.objective)
            self.scores += [float(np.float32(score)) for score, _ in predictions]
            self.correct += [right for _, right in predictions]
            self.gold += gold

    def compute(self) -> Threshold:
        """The chosen threshold, see :func:`chosen`."""
        return chosen(self.curve(), self.slack, self.depth)

    def curve(self) -> list[Threshold]:
        """The quality at every threshold that changes the links, highest first."""
        return threshold_curve(self.scores, self.correct, self.gold)
