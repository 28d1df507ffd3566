"""What the Lightning modules of all networks share: dropout that resumes, the optimiser, clipping, and checkpoints."""

import itertools
from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Self

import torch
from lightning import LightningModule
from torch import nn

from elq.configuration.renamed import renamed_hyperparameters
from elq.training.schedule import clip_gradients, optimizer_steps, parameter_groups, warmup_and_decay


def undecayed(network: nn.Module) -> set[str]:
    """The names of the weights without weight decay, noted before FSDP flattens all weights."""
    return {name for name, weight in network.named_parameters() if weight.ndim <= 1}


class TrainedModule(LightningModule):
    """A module that trains one network. A subclass sets ``settings`` and ``undecayed``, and has a property ``data``."""

    settings: Any
    undecayed: set[str]  # names of weights
    total_steps: int  # optimiser steps of the whole run

    @property
    @abstractmethod
    def trained(self) -> nn.Module:
        """The network that is trained."""

    @property
    @abstractmethod
    def rates(self) -> Mapping[tuple[str, ...], float]:
        """Prefixes of weight names → the peak learning rate of these weights."""

    @property
    @abstractmethod
    def data(self) -> Any:
        """The data module of the running trainer."""

    def complete(self, checkpoint: Mapping[str, Any]) -> None:
        """Add the parts of the network that only the checkpoint knows; by default there are none."""

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls, checkpoint_path: str | Path, *, map_location: str = "cpu", weights_only: bool = True
    ) -> Self:
        """Load the module of a checkpoint. Old names of settings in the checkpoint are replaced."""
        checkpoint = torch.load(checkpoint_path, map_location=map_location, weights_only=weights_only)
        module = cls(**renamed_hyperparameters(checkpoint))
        module.complete(checkpoint)
        module.load_state_dict(checkpoint["state_dict"])
        return module.to(map_location)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Make dropout depend only on seed, epoch, batch and process, so that a resumed run has the same dropout."""
        step = (self.data.seed * 1_009 + self.current_epoch) * 1_000_003 + batch_idx
        torch.manual_seed((step * 1_009 + self.global_rank) % 2**63)

    def configure_optimizers(self) -> Any:
        """AdamW with several learning rates, warm-up and linear decay."""
        wanted = self.settings
        groups = parameter_groups(self.trained, self.rates, weight_decay=wanted.weight_decay, undecayed=self.undecayed)
        fused = self.trainer.precision != "16-mixed"  # its gradient scaler does not work with a fused optimiser and clipping
        optimizer = torch.optim.AdamW(groups, fused=fused)
        self.total_steps = self.optimizer_steps()
        factor = partial(warmup_and_decay, warmup=wanted.warmup_steps, total=self.total_steps)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Clip the gradients as the settings of the trainer say."""
        clip_gradients(self.trainer, optimizer, gradient_clip_val, gradient_clip_algorithm)

    def optimizer_steps(self) -> int:
        """Number of optimiser steps of the whole run."""
        return optimizer_steps(self.trainer, (len(self.data.batches(epoch)) for epoch in itertools.count()))
