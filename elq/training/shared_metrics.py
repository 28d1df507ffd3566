"""Shared metrics: the threshold sweep and the metrics of several processes.

They are metrics of torchmetrics, which combines the states of the processes.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from elq.evaluation.metrics import METRICS, Sums, question_sums, values_of
from elq.evaluation.sweep import OBJECTIVES, Threshold, ThresholdSweep
from elq.types import Link, Question


class SharedSweep(Metric):
    """A :class:`elq.evaluation.sweep.ThresholdSweep` over the questions of all processes.

    Args:
        objective, slack, depth: the arguments of that sweep.
    """

    full_state_update = False
    scores: list[Tensor]
    correct: list[Tensor]  # 0 or 1; float32, because torchmetrics uses it for a process without questions
    gold: Tensor

    def __init__(self, objective: str = OBJECTIVES[0], slack: float = 0.0, depth: float = 0.0) -> None:
        super().__init__()
        self.empty = ThresholdSweep(objective, slack, depth)
        self.add_state("scores", [], dist_reduce_fx="cat")
        self.add_state("correct", [], dist_reduce_fx="cat")
        self.add_state("gold", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, questions: Sequence[Question], links: Sequence[Sequence[Link]]) -> None:
        """Add the predictions of questions, one list of links for each. Raises ElqError if the numbers differ."""
        batch = ThresholdSweep(self.empty.objective)
        batch.update(questions, links)
        self.scores.append(torch.tensor(batch.scores, dtype=torch.float32, device=self.device))
        self.correct.append(torch.tensor(batch.correct, dtype=torch.float32, device=self.device))
        self.gold += batch.gold

    def compute(self) -> Threshold:
        """The chosen threshold; ``Threshold()`` if every F1 is 0."""
        return self._whole().compute()

    def curve(self) -> list[Threshold]:
        """The quality at every threshold, for plots. With several processes, call it in ``with metric.sync_context():``."""
        return self._whole().curve()

    def _whole(self) -> ThresholdSweep:
        scores, correct = (dim_zero_cat(state).tolist() if len(state) else [] for state in (self.scores, self.correct))
        return replace(self.empty, scores=scores, correct=correct, gold=int(self.gold))


class SharedMetrics(Metric):
    """The metrics of links (elq/evaluation/metrics.py) over the questions of all processes."""

    full_state_update = False
    sums: Tensor  # (metrics, 2) float32: sums of the numerators and denominators

    def __init__(self) -> None:
        super().__init__()
        self.names = [name for name, metric in METRICS.items() if metric.needs == "links"]
        self.add_state("sums", torch.zeros(len(self.names), 2), dist_reduce_fx="sum")

    def update(self, questions: Sequence[Question], links: Sequence[Sequence[Link]]) -> None:
        """Add the sums of a batch. Raises ElqError if the numbers of questions and of lists of links differ."""
        found = question_sums(questions, links)
        rows = [[float(column.sum()) if column is not None else 0.0 for column in found[name]] for name in self.names]
        self.sums += torch.tensor(rows, dtype=torch.float32, device=self.device)

    def compute(self) -> dict[str, float]:
        """Name → value of each metric."""
        columns = self.sums.cpu().double().numpy()  # (metrics, 2)
        sums = {
            name: Sums(row[:1], None if METRICS[name].bottom is None else row[1:])
            for name, row in zip(self.names, columns, strict=True)
        }
        return values_of(sums)
