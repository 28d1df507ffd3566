"""Recorded training runs, for comparing one and several processes: ``python -m tests.recorder RUNS.json OUT``."""

import json
import sys
from pathlib import Path

import torch
from lightning import Callback

from elq.training.parser import ELQCLI


class Recorder(Callback):
    """Keeps the gradients of the first step, the losses of every step, and the scores of every epoch."""

    def __init__(self) -> None:
        self.gradients: dict[str, torch.Tensor] = {}
        self.losses: list[list[float]] = []
        self.scores: list[list[float]] = []

    def on_before_optimizer_step(self, trainer, module, optimizer):
        if not self.gradients:
            self.gradients = {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.losses.append([float(trainer.callback_metrics[name]) for name in ("mention_loss", "entity_loss")])

    def on_train_epoch_end(self, trainer, module):
        self.scores.append(
            [float(trainer.callback_metrics[name]) for name in sorted(trainer.callback_metrics) if "dev" in name]
        )


def recorded(values: dict) -> dict:
    """Fit plain values and return what was recorded, with the final weights; the same on every process."""
    cli, recorder = ELQCLI(values, run=False), Recorder()
    cli.trainer.callbacks.append(recorder)
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    kept = {name: getattr(recorder, name) for name in ("gradients", "losses", "scores")}
    return {**kept, "weights": dict(cli.model.state_dict()), "rank": cli.trainer.global_rank}


if __name__ == "__main__":
    found = {way: recorded(values) for way, values in json.loads(Path(sys.argv[1]).read_text()).items()}
    if all(run.pop("rank") == 0 for run in found.values()):
        torch.save(found, sys.argv[2])
