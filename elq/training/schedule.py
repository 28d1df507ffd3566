"""Schedule: learning rates, optimiser steps and gradient clipping."""

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from lightning import Trainer
from lightning.pytorch.plugins.precision import Precision
from lightning.pytorch.utilities import GradClipAlgorithmType
from torch import nn
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.optim import Optimizer

from elq.errors import ElqError


def parameter_groups(
    model: nn.Module, rates: Mapping[tuple[str, ...], float], *, weight_decay: float, undecayed: Collection[str]
) -> list[dict[str, Any]]:
    """Make the parameter groups of the optimiser from the trainable weights of a model.

    Args:
        model: the network.
        rates: prefixes of weight names → the peak learning rate of these weights.
        weight_decay: weight decay of all weights that are not in ``undecayed``.
        undecayed: names of weights without weight decay.
    """
    groups = []
    for parts, lr in rates.items():
        weights = [(n, w) for n, w in model.named_parameters() if n.startswith(parts) and w.requires_grad]
        for decay, chosen in ((weight_decay, False), (0.0, True)):
            groups.append({"params": [w for n, w in weights if (n in undecayed) == chosen], "lr": lr, "weight_decay": decay})
    return [group for group in groups if group["params"]]


def warmup_and_decay(step: int, warmup: int, total: int) -> float:
    """Factor of the learning rate: rises linearly to 1 in ``warmup`` steps, and falls linearly to 0 at step ``total``.

    >>> [warmup_and_decay(step, 2, 6) for step in range(7)]
    [0.5, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0]
    """
    warm = (step + 1) / warmup if step < warmup else 1.0
    return min(warm, max(0.0, (total - step) / max(1, total - warmup)))


def optimizer_steps(trainer: Trainer, batches: Iterable[int]) -> int:
    """Number of optimiser steps of a whole run. The estimate of the trainer is wrong if the stages differ in length.

    Args:
        trainer: the trainer of the run.
        batches: number of batches in each epoch; may be endless.

    Raises:
        ElqError: ``max_epochs`` of the trainer is not at least 1.
    """
    if trainer.max_epochs is None or trainer.max_epochs < 1:
        raise ElqError(
            f"trainer.max_epochs is {trainer.max_epochs}, but must be at least 1"
            " for the learning rate schedule: give a number of epochs, such as trainer.max_epochs=5"
        )
    steps, limit = 0, trainer.limit_train_batches
    for _, there in zip(range(trainer.max_epochs), batches, strict=False):
        used = min(there, limit) if isinstance(limit, int) else int(there * limit)
        steps += math.ceil(used / trainer.accumulate_grad_batches)
    return min(steps, trainer.max_steps) if trainer.max_steps > 0 else steps


def clip_gradients(trainer: Trainer, optimizer: Optimizer, value: float | None, algorithm: str | None) -> None:
    """Clip the gradients of a trainer's model to a norm (or by ``value``), as the trainer's settings say.

    With FSDP, its wrapper clips, because only the wrapper knows the norm over the shares of all processes.
    """
    wrapper, kind = trainer.strategy.model, GradClipAlgorithmType(algorithm or "norm")
    if isinstance(wrapper, FullyShardedDataParallel) and value and kind == GradClipAlgorithmType.NORM:
        wrapper.clip_grad_norm_(value)
    elif value:
        # call the base class: the mixed precision plugin refuses a fused optimiser, even if gradients are not scaled
        Precision.clip_gradients(trainer.precision_plugin, optimizer, value, kind)
