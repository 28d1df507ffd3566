"""The sweep of several processes: the states of elq/evaluation/sweep.py as a metric of torchmetrics, which reduces them."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from elq.evaluation.sweep import OBJECTIVES, Threshold, ThresholdSweep
from elq.types import Link, Question


class SharedSweep(Metric):
    """A :class:`elq.evaluation.sweep.ThresholdSweep` over the questions of all processes.

    Args:
        objective, slack, depth: of that sweep.
    """

    full_state_update = False
    scores: list[Tensor]
    correct: list[Tensor]  # 0 or 1 in float32, the type torchmetrics gives the empty state of a process without questions
    gold: Tensor

    def __init__(self, objective: str = OBJECTIVES[0], slack: float = 0.0, depth: float = 0.0) -> None:
        super().__init__()
        self.empty = ThresholdSweep(objective, slack, depth)
        self.add_state("scores", [], dist_reduce_fx="cat")
        self.add_state("correct", [], dist_reduce_fx="cat")
        self.add_state("gold", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, questions: Sequence[Question], links: Sequence[Sequence[Link]]) -> None:
        """Keep score and rightness of each prediction for a question. Raises ElqError if the numbers differ."""
        batch = ThresholdSweep(self.empty.objective)
        batch.update(questions, links)
        self.scores.append(torch.tensor(batch.scores, dtype=torch.float32, device=self.device))
        self.correct.append(torch.tensor(batch.correct, dtype=torch.float32, device=self.device))
        self.gold += batch.gold

    def compute(self) -> Threshold:
        """The chosen threshold; ``Threshold()`` if every F1 is 0."""
        return self._whole().compute()

    def curve(self) -> list[Threshold]:
        """The quality at every cut, for plotting. With several processes, call it ``with metric.sync_context():``."""
        return self._whole().curve()

    def _whole(self) -> ThresholdSweep:
        scores, correct = (dim_zero_cat(state).tolist() if len(state) else [] for state in (self.scores, self.correct))
        return replace(self.empty, scores=scores, correct=correct, gold=int(self.gold))
