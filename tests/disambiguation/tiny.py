"""A tiny training of a bi-encoder, and one that is broken and goes on."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback

from elq.commands.train import fit
from elq.disambiguation.parser import BiEncoderCLI

Values = dict[str, Any]


def tiny_values(
    encoder: Path, catalogue: Path, questions: Path, entities: Path, *, model: Values, epochs: tuple[int, int]
) -> Values:
    """Plain values of a tiny training run of two stages, the second with hard negatives."""
    sources = [{"file": str(questions), "repeat": 3}]
    first, second = epochs
    return {
        "task": "biencoder",
        "seed_everything": 3,
        "trainer": {"accelerator": "cpu", "devices": 1, "log_every_n_steps": 1, "gradient_clip_val": 1.0},
        "model": {"encoder": str(encoder), "warmup_steps": 2, "context_tokens": 24, "entity_tokens": 24, **model},
        "data": {
            "catalogue": str(catalogue),
            "entities": str(entities),
            "build": {"precision": "fp32"},
            "train": [{"epochs": first, "sources": sources}, {"epochs": second, "hard_negatives": 2, "sources": sources}],
            "dev": str(questions),
            "batch_size": 4,
        },
    }


class Break(Callback):
    """Stops a training in an epoch, as a kill does."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if trainer.current_epoch == self.epoch and batch_idx == 1:
            raise RuntimeError("broken")


def broken(values: Values, folder: Path, epoch: int) -> None:
    """Train in a folder until a batch of an epoch."""
    cli = BiEncoderCLI(copy.deepcopy(_in(values, folder)), run=False)
    cli.trainer.callbacks.append(Break(epoch))
    with pytest.raises(RuntimeError, match="broken"):
        cli.trainer.fit(cli.model, datamodule=cli.datamodule)


def resumed(values: Values, folder: Path, whole: Path) -> tuple[Values, Values]:
    """Go on in a folder, and return the last weights of the unbroken training and of this one."""
    fit({**copy.deepcopy(_in(values, folder)), "ckpt_path": str(folder / "checkpoints" / "last.ckpt")}, folder)
    first, second = (torch.load(f / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for f in (whole, folder))
    return first, second


def _in(values: Values, folder: Path) -> Values:
    return {**values, "trainer": {**values["trainer"], "default_root_dir": str(folder)}}
