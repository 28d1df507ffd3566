"""Sweep: the quality at every threshold, and the choice of γ."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

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


class ThresholdSweep(Metric):
    """Chooses the threshold by the micro F1 of the objective, by default of sets where the main entity is in the catalogue.

    Feed it links decoded at a very low threshold. Raising a threshold only removes links (the overlap removal is greedy by
    score), so the links at any higher threshold are those that score at least as high.

    Args:
        objective: one of ``OBJECTIVES``.
        slack: thresholds whose F1 is at most this much below the best are as good.
        depth: which of them is taken: the one nearest to this share of the way from the highest to the lowest.
    """

    full_state_update = False
    scores: list[Tensor]
    correct: list[Tensor]  # 0 or 1 in float32, the type torchmetrics gives the empty state of a process without questions
    gold: Tensor

    def __init__(self, objective: str = OBJECTIVES[0], slack: float = 0.0, depth: float = 0.0) -> None:
        super().__init__()
        if objective not in OBJECTIVES:
            raise ElqError(f"the objective is {objective!r}, but must be one of {', '.join(OBJECTIVES)}")
        self.objective, self.slack, self.depth = objective, slack, depth
        self.add_state("scores", [], dist_reduce_fx="cat")
        self.add_state("correct", [], dist_reduce_fx="cat")
        self.add_state("gold", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, questions: Sequence[Question], links: Sequence[Sequence[Link]]) -> None:
        """Keep score and rightness of each prediction for a question. Raises ElqError if the numbers differ."""
        found: list[tuple[float, float]] = []
        for question, predicted in paired(questions, links):
            predictions, gold = predictions_by_score(question, predicted, self.objective)
            found += predictions
            self.gold += gold
        columns = torch.tensor(found, dtype=torch.float32, device=self.device).reshape(-1, 2)  # (P, 2)
        self.scores.append(columns[:, 0])
        self.correct.append(columns[:, 1])

    def compute(self) -> Threshold:
        """The chosen threshold, by default the highest with the best F1; ``Threshold()`` if every F1 is 0."""
        found = [cut for cut in self.curve() if cut.f1 > 0]
        best = max((cut.f1 for cut in found), default=0.0)
        good = [cut for cut in found if cut.f1 >= best - self.slack]
        if not good:
            return Threshold()
        highest, lowest = good[0].threshold, good[-1].threshold
        wanted = highest + self.depth * (lowest - highest)
        return min(good, key=lambda cut: abs(cut.threshold - wanted))

    def curve(self) -> list[Threshold]:
        """The quality at every cut, for plotting. With several processes, call it ``with metric.sync_context():``."""
        scores, correct = (dim_zero_cat(state).tolist() if len(state) else [] for state in (self.scores, self.correct))
        return threshold_curve(scores, correct, int(self.gold))
