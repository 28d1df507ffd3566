"""Processes: what the processes of a training exchange.

With one process, nothing is exchanged.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Processes:
    """The W processes that share a batch.

    Args:
        rank: number of this process, from 0.
        world: W, the number of processes.
        all_gather: Lightning's function that stacks the tensors of all processes, called with (tensor, sync_grads=…); not
            called by a single process, which may have None.
    """

    rank: int = 0
    world: int = 1
    all_gather: Callable[..., Any] | None = None

    def stacked(self, value: Tensor, *, sync_grads: bool = False) -> Tensor:
        """Stack a tensor, which must have the same shape in all W processes: (…) → (W, …)."""
        if self.world == 1 or self.all_gather is None:
            return value.unsqueeze(0)
        found: Tensor = self.all_gather(value, sync_grads=sync_grads)
        return found

    def stacked_rows(self, rows: Tensor) -> Tensor:
        """Stack the table rows (C,) of W processes: (W, C⁺), filled up with −1; C⁺ is the largest C."""
        if self.world == 1:
            return rows.unsqueeze(0)
        most = int(self.stacked(torch.tensor(len(rows), device=rows.device)).max())
        return self.stacked(functional.pad(rows, (0, most - len(rows)), value=-1))

    def means(self, losses: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """Turn (sum, number of terms) pairs into (losses,) values whose average over W processes is the mean over all terms."""
        sums, counts = (torch.stack(column) for column in zip(*losses, strict=True))  # each (losses,)
        if self.world > 1:
            counts = self.stacked(counts).sum(0)  # (W, losses) → (losses,)
        return sums * self.world / counts.clamp_min(1)
