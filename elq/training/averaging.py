"""Averaging: the exported weights of a training may be a moving mean of its steps."""

from functools import partial

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

from elq.training.module import ELQModule


def nearer(mean: Tensor, current: Tensor, _: Tensor | int, *, decay: float) -> Tensor:
    """The mean, moved towards the current values. Where both are equal, as for frozen weights, it stays the same in every bit.

    >>> import torch
    >>> nearer(torch.tensor([1.0, 3.0]), torch.tensor([1.0, 1.0]), 1, decay=0.75)
    tensor([1.0000, 2.5000])
    """
    return mean + (1 - decay) * (current - mean)


class MovingMean(WeightAveraging):
    """Keeps the exponential moving mean of the weights, which is validated, saved as the weights of checkpoints, and exported.

    It needs the memory of a second copy of the network, and checkpoints have half as much again.

    Args:
        decay: how much of the mean stays at each step; with 0.999 it looks back some thousand steps.
    """

    def __init__(self, decay: float = 0.999) -> None:
        super().__init__(avg_fn=partial(nearer, decay=decay))

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Copy the network, which needs its type head before that: Lightning calls this before the setup of the module."""
        if isinstance(pl_module, ELQModule):
            pl_module.add_types()
        super().setup(trainer, pl_module, stage)
