"""Module: the Lightning module of a layout tower, with its loss, its start and its measure.

The network itself is in elq/vision/layout.py.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.functional import normalize

from elq.multimodal.tower.batches import PairBatch
from elq.multimodal.tower.data import TowerData
from elq.multimodal.tower.settings import TowerTraining
from elq.multimodal.units.losses import contrast
from elq.progress import track
from elq.training.trained import TrainedModule, undecayed
from elq.vision.efficientnet import read_weights
from elq.vision.encoding import View, batched, open_view
from elq.vision.layout import LayoutNetwork
from elq.vision.preparing import pixels_of

log = logging.getLogger(__name__)

TOGETHER = 16  # pictures that are encoded together when nothing is trained


class TowerModule(TrainedModule):
    """Trains a :class:`elq.vision.layout.LayoutNetwork` by a contrast of pictures of the same entity with those of others.

    Args:
        settings: fields of :class:`elq.multimodal.tower.settings.TowerTraining`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.settings = TowerTraining(**settings)
        self.save_hyperparameters()
        self.network = LayoutNetwork(self.settings.network, read_weights())
        first = 2 * sum(len(block) for block in self.network.body.blocks[: self.settings.frozen])
        for number, weight in enumerate(self.network.body.weights):
            weight.requires_grad_(number >= first)
        self.undecayed = undecayed(self.network)

    @property
    def trained(self) -> LayoutNetwork:
        """The network that is trained."""
        return self.network

    @property
    def rates(self) -> Mapping[tuple[str, ...], float]:
        """The learning rates of the blocks and of the projections."""
        return {("body.",): self.settings.lr, ("layout.", "cells."): self.settings.lr_projections}

    @property
    def data(self) -> TowerData:
        """The data module of the running trainer."""
        return cast(TowerData, self.trainer.datamodule)  # type: ignore[attr-defined]

    def setup(self, stage: str) -> None:
        """Let the projections begin as partial whitening of the pictures, and group similar entities.

        In a run that goes on, Lightning loads the checkpoint after this.
        """
        features, cells = self.features_of(self.data.first_views())
        self.network.start(features, cells, self.data.seed)
        self.data.group_by(features)

    def training_step(self, batch: PairBatch, batch_idx: int) -> Tensor:
        """The mean of the contrasts in both directions."""
        whole = self.network(torch.cat([batch.left, batch.right])).whole  # (2 · M, V)
        left, right = normalize(whole, dim=-1).chunk(2)  # (M, V) twice
        loss = pair_loss(left, right, batch.rows, self.settings.temperature)
        self.log("loss", loss.detach(), prog_bar=True, batch_size=len(batch.rows))
        return loss

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        """Nothing: the end of the validation measures the development pictures together."""

    def on_validation_epoch_end(self) -> None:
        """Log how often the entity with the nearest picture is the right one."""
        found = self.measured()
        mean = sum(found.values()) / len(found)
        self.log("dev_accuracy", mean)
        shown = ", ".join(f"{file} {value:.4f}" for file, value in found.items())
        log.info(
            "epoch %d: of the development pictures, %.4f have the right entity first (%s)", self.current_epoch, mean, shown
        )

    @torch.no_grad()
    def measured(self, *, every: bool = False) -> dict[str, float]:
        """For each file of development questions, which part of its pictures is nearest to one of the right entity."""
        asked, among = self.data.development(every=every)
        table = self.vectors_of([view for views in among.values() for view in views])  # (R, V)
        rows = torch.tensor([row for row, views in among.items() for _ in views])  # (R,)
        made = {}
        for file, pairs in asked.items():
            cosines = self.vectors_of([view for _, view in pairs]) @ table.T  # (n, R)
            gold = torch.tensor([row for row, _ in pairs])  # (n,)
            made[file] = float((rows[cosines.argmax(-1)] == gold).float().mean())
        return made

    @torch.no_grad()
    def vectors_of(self, views: Sequence[View], *, norm: bool = True) -> Tensor:
        """The vectors (n, V) of pictures, with norm 1 unless ``norm`` is False."""
        found = torch.cat([self.network(pixels).whole.cpu() for pixels in self._pixels(views)])  # (n, V)
        return normalize(found, dim=-1) if norm else found

    @torch.no_grad()
    def features_of(self, views: Sequence[View]) -> tuple[Tensor, Tensor]:
        """The features (n, F) of pictures, and the means (n, 1280) of their cells."""
        found = [self.network.maps(pixels) for pixels in self._pixels(views)]
        return torch.cat([one.cpu() for one, _ in found]), torch.cat([cells.mean(1).cpu() for _, cells in found])

    def _pixels(self, views: Sequence[View]) -> Iterable[Tensor]:
        preparation = self.settings.network.preparation
        for some in track([*batched(views, TOGETHER)], f"encoding pictures, {TOGETHER} at a time"):
            yield pixels_of([open_view(view) for view in some], preparation).to(self.device)


def pair_loss(left: Tensor, right: Tensor, rows: Tensor, temperature: float) -> Tensor:
    """The mean of −log softmax of each picture's partner among the partners of all entities of the batch, in both directions.

    Args:
        left: (M, V) vectors with norm 1.
        right: (M, V) vectors with norm 1 of other pictures of the same entities.
        rows: (M,) the entities. Pictures of the same entity are no negatives.
        temperature: what the cosines are divided by.
    """
    there, same = torch.ones_like(rows, dtype=torch.bool), rows.unsqueeze(1) == rows  # (M,), (M, M)
    return (contrast(left, right, there, temperature, same) + contrast(right, left, there, temperature, same)) / 2
