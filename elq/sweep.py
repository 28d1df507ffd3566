"""Sweep: the quality at every threshold, and the choice of γ."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from elq.metrics import Counts, gold_entities, paired
from elq.types import Link, Question

FLOOR = -8.0  # links with a lower joint score are not looked at
MARGIN = 1e-3  # how far below the lowest score a threshold lies that keeps everything


class Threshold(NamedTuple):  # torchmetrics refuses a frozen dataclass as the result of compute
    """A threshold and what it reaches; the defaults (the released ELQ's threshold) stand for a sweep that found nothing."""

    threshold: float = -4.5
    f1: float = 0.0
    precision: float = 0.0
    recall: float = 0.0


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
            threshold = (score + lower) / 2 if math.isfinite(lower) else score - MARGIN
            curve.append(Threshold(threshold, **Counts(hits, kept, gold).quality()))
    return curve


class ThresholdSweep(Metric):
    """Chooses the threshold: the best micro set-level F1 on the questions whose main entity is in the catalogue.

    Feed it links decoded at a very low threshold. Raising a threshold only removes links (the overlap removal is greedy by
    score), so the links at any higher threshold are those that score at least as high.
    """

    full_state_update = False
    scores: list[Tensor]
    correct: list[Tensor]  # 0 or 1 in float32, the type torchmetrics gives the empty state of a process without questions
    gold: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("scores", [], dist_reduce_fx="cat")
        self.add_state("correct", [], dist_reduce_fx="cat")
        self.add_state("gold", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, questions: Sequence[Question], links: Sequence[Sequence[Link]]) -> None:
        """Keep the best score of each entity predicted for a question. Raises ElqError if the numbers differ."""
        found: list[tuple[float, float]] = []
        for question, predicted in paired(questions, links):
            if question.mentions and question.mentions[0].entity is not None:
                gold = gold_entities(question)
                best = {link.entity: link.score for link in sorted(predicted, key=lambda link: link.score)}  # the last stays
                found += [(score, float(entity in gold)) for entity, score in best.items()]
                self.gold += len(gold)
        columns = torch.tensor(found, dtype=torch.float32, device=self.device).reshape(-1, 2)  # (P, 2)
        self.scores.append(columns[:, 0])
        self.correct.append(columns[:, 1])

    def compute(self) -> Threshold:
        """The threshold with the best F1, the highest of equally good ones; ``Threshold()`` if every F1 is 0."""
        return max((cut for cut in self.curve() if cut.f1 > 0), key=lambda cut: cut.f1, default=Threshold())

    def curve(self) -> list[Threshold]:
        """The quality at every cut, for plotting. With several processes, call it ``with metric.sync_context():``."""
        scores, correct = (dim_zero_cat(state).tolist() if len(state) else [] for state in (self.scores, self.correct))
        return threshold_curve(scores, correct, int(self.gold))
