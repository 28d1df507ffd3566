"""Data: the Lightning data module of pairs of pictures, for the training of an image tower."""

import logging
import random
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from elq.errors import ElqError
from elq.multimodal.tower.batches import PairBatch, PairCollator, SimilarBatches, nearest
from elq.multimodal.tower.pairs import read_material
from elq.multimodal.tower.settings import TowerTraining
from elq.training.stages import require_files
from elq.vision.encoding import View

log = logging.getLogger(__name__)

NEAR = 12  # the nearest entities of which those of a group are drawn


class TowerData(LightningDataModule):
    """Pictures of entities in a catalogue and in annotated questions.

    Only entities of training questions are trained on. The pictures of other entities in the catalogue are never in a pair.

    Args:
        catalogue: JSONL, JSON, CSV or Parquet file of entities with pictures.
        train: files of annotated questions, each with a picture that shows its entity, or with a box that does.
        dev: files of development questions, on which the best epoch is chosen; their entities should not be in ``train``.
        columns: elq's field → the catalogue file's column, for each name that differs.
        batch_size: number of entities in a batch, of which each is a negative of the others; two pictures of each are encoded.
        group: number of entities in a group of similar ones, of which batches consist.
        most: the largest number of entities in an epoch, which are drawn anew in each epoch; null: all of them.
        dev_most: the largest number of pictures of each file of development questions that are measured after an epoch.
        dev_among: the largest number of other entities among which the right one is looked for after an epoch.
        settings: the settings of the model. They are copied from it.
        seed: seed of the order and of what is drawn.
    """

    def __init__(
        self,
        catalogue: str,
        *,
        train: list[str],
        dev: list[str],
        columns: dict[str, str] | None = None,
        batch_size: int = 32,
        group: int = 4,
        most: int | None = None,
        dev_most: int = 100,
        dev_among: int = 1_000,
        settings: TowerTraining | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        least = {"batch_size": 2, "group": 1, "most": 2, "dev_most": 1, "dev_among": 1}
        for name, value in (
            *(("batch_size", batch_size), ("group", group), ("most", most), ("dev_most", dev_most)),
            ("dev_among", dev_among),
        ):
            if value is not None and value < least[name]:
                raise ElqError(f"data.{name} is {value}, but must be at least {least[name]}: give a larger number")
        for name, files in (("train", train), ("dev", dev)):
            if not files:
                raise ElqError(f"data.{name} is empty: give at least one file of annotated questions, as data.{name}=[FILE]")
        self.catalogue_file, self.train_files, self.dev_files, self.columns = catalogue, train, dev, columns
        self.batch_size, self.group, self.most = batch_size, group, most
        self.dev_most, self.dev_among = dev_most, dev_among
        self.settings, self.seed = settings or TowerTraining(), seed
        self.near: Sequence[Sequence[int]] | None = None

    def prepare_data(self) -> None:
        """Check that every file exists."""
        require_files([self.catalogue_file, *self.train_files, *self.dev_files])

    def setup(self, stage: str) -> None:
        """Read the catalogue and the questions, and open every picture once."""
        if self.near is not None:
            return
        self.material = read_material(self.catalogue_file, self.train_files, self.dev_files, self.columns)
        if len(self.material.train) < self.batch_size:
            raise ElqError(
                f"{len(self.material.train)} entities of the training questions have two pictures or more, but a batch has"
                f" {self.batch_size}: give more questions with pictures, or a smaller data.batch_size"
            )
        for file, found in self.material.dev.items():
            if not [row for row, _ in found if row in self.material.catalogue]:
                raise ElqError(f"no entity of the questions in {file} has a picture in the catalogue: give other questions")
        trained = {one.row for one in self.material.train}
        if shared := trained & {row for found in self.material.dev.values() for row, _ in found}:
            log.warning("%d entities are in data.train and in data.dev: the figures of these say little", len(shared))
        self.near = [[] for _ in self.material.train]

    def first_views(self) -> list[View]:
        """One picture of each entity of the training: that of the catalogue, if it has one."""
        return [[*one.own, *one.shown][0] for one in self.material.train]

    def group_by(self, vectors: Tensor) -> None:
        """Let similar entities come into the same batch.

        Args:
            vectors: (n, F) of the pictures of :meth:`first_views`.
        """
        self.near = nearest(vectors, NEAR)

    def batches(self, epoch: int) -> SimilarBatches:
        """The batches of an epoch on this process."""
        assert self.near is not None
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        return SimilarBatches(
            *(self.near, self.batch_size, self.group), seed=self.seed, epoch=epoch, most=self.most, rank=rank, world=world
        )

    def train_dataloader(self) -> DataLoader[PairBatch]:
        """The batches of the current epoch. The trainer calls this method in every epoch."""
        epoch = self.trainer.current_epoch if self.trainer else 0
        seed = self.seed * 1_009 + epoch
        collator = PairCollator(self.material.train, self.settings.network.preparation, seed=seed)
        numbers: Any = range(len(self.material.train))  # what the collator takes
        return DataLoader(numbers, batch_sampler=self.batches(epoch), collate_fn=collator)

    def val_dataloader(self) -> DataLoader[Tensor]:
        """One empty batch: the module measures the development pictures together."""
        return DataLoader([torch.zeros(1)])  # type: ignore[arg-type]

    def development(self, *, every: bool = False) -> tuple[Mapping[str, list[tuple[int, View]]], dict[int, tuple[View, ...]]]:
        """What is measured: for each file the rows of entities and the pictures, and the pictures of the catalogue among which
        the right one is looked for, by row.

        Args:
            every: whether all are taken. If not, at most ``dev_most`` pictures of a file, and ``dev_among`` other entities.
        """
        own = self.material.catalogue
        found = {file: [pair for pair in pairs if pair[0] in own] for file, pairs in self.material.dev.items()}
        if every:
            return found, dict(own)
        draws = random.Random(self.seed)
        found = {file: draws.sample(pairs, min(len(pairs), self.dev_most)) for file, pairs in found.items()}
        gold = {row for pairs in found.values() for row, _ in pairs}
        others = sorted(own.keys() - gold)
        kept = gold | {*draws.sample(others, min(len(others), self.dev_among))}
        return found, {row: own[row] for row in sorted(kept)}
