"""Data: the Lightning data module of mentions with pictures, whose features come from frozen towers and are computed once."""

import logging
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from elq.disambiguation.mining import namesakes
from elq.encoding.pretrained import DEFAULT
from elq.entities.build import BuildSettings
from elq.errors import ElqError
from elq.multimodal.candidates import Finder, Nearest
from elq.multimodal.examples import PicturedMention, pictured_examples
from elq.multimodal.feature_maker import EntityFeatures, are_named
from elq.multimodal.picture_features import PROMPTS, open_pictures
from elq.multimodal.text_features import TextTower
from elq.multimodal.training.base import make_base, make_pictures, open_base
from elq.multimodal.training.batches import MultimodalBatch, MultimodalCollator
from elq.multimodal.training.material import STORE, FeatureMaker
from elq.multimodal.training.settings import MultimodalTraining, Negatives
from elq.multimodal.unit import Sizes
from elq.questions.annotated import read_questions
from elq.training.batches import ShuffledBatches
from elq.training.stages import require_files
from elq.vision.opening import open_tower

log = logging.getLogger(__name__)

FOLDER = "features"  # in the run folder
TOGETHER = 256  # mentions whose nearest entities are looked for together
POOL = 32  # entities by text, and as many by picture, of which hard negatives are drawn
FITTED = 3_000  # mentions on which the ranking of texts is fitted


class MultimodalData(LightningDataModule):
    """Mentions with pictures for training and development, over one catalogue. Builds the entities folder if it is out of date.

    Args:
        catalogue: JSONL, JSON, CSV or Parquet file of entities with pictures.
        entities: an entities folder of that catalogue, which is built if it is missing or out of date.
        train: files of annotated questions with pictures.
        dev: files of development questions, on which the best epoch is chosen and the weights of texts and pictures are fitted.
        build: data type, precision and index of the entities folder.
        columns: elq's field → the catalogue file's column, for each name that differs.
        batch_size: number of mentions in a batch.
        negatives: the wrong candidates of a mention, see :class:`elq.multimodal.training.settings.Negatives`.
        nearest: the candidates of a mention in development and in linking.
        prompt: what shows a box: ``crop`` or ``drawn``, see elq/multimodal/picture_features.py.
        parts: whether the main part of a picture of the catalogue, such as the sign of a logo beside its name, is one more
            picture of its entity.
        most: the largest number of mentions in an epoch, which are drawn anew in each epoch; null: all of them.
        dev_most: the largest number of development mentions that are measured after each epoch; in the end, all are.
        cache: the folder in which the features are kept; null: a folder in the run folder. Several runs may share one.
        tower: name or folder of the image tower. It is copied from ``model.tower``.
        encoder: folder or name of an encoder, or the folder of a bi-encoder. It is copied from ``model.encoder``.
        settings: the settings of the model. They are copied from it.
        seed: seed of the order and of what is drawn.
    """

    def __init__(
        self,
        catalogue: str,
        *,
        entities: str,
        train: list[str],
        dev: list[str],
        build: BuildSettings | None = None,
        columns: dict[str, str] | None = None,
        batch_size: int = 32,
        negatives: Negatives | None = None,
        nearest: Nearest | None = None,
        prompt: str = "crop",
        parts: bool = False,
        most: int | None = None,
        dev_most: int = 600,
        cache: str | None = None,
        tower: str = "efficientnet_lite0",
        encoder: str = DEFAULT,
        settings: MultimodalTraining | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        for name, value in (("batch_size", batch_size), ("most", most), ("dev_most", dev_most)):
            if value is not None and value < 1:
                raise ElqError(f"data.{name} is {value}, but must be at least 1: give a larger number")
        for name, files in (("train", train), ("dev", dev)):
            if not files:
                raise ElqError(f"data.{name} is empty: give at least one file of annotated questions, as data.{name}=[FILE]")
        if prompt not in PROMPTS:
            raise ElqError(f"data.prompt is {prompt!r}, but must be one of {', '.join(PROMPTS)}: choose one")
        self.catalogue_file, self.entities_folder, self.train_files, self.dev_files = catalogue, entities, train, dev
        self.build, self.columns, self.batch_size = build or BuildSettings(), columns, batch_size
        self.negatives, self.prompt, self.parts = negatives or Negatives(), prompt, parts
        self.most, self.dev_most, self.cache, self.tower_name, self.encoder = most, dev_most, cache, tower, encoder
        self.settings, self.seed = settings or MultimodalTraining(), seed
        self.nearest = self.settings.candidates(nearest or Nearest())
        self.ready = False

    def prepare_data(self) -> None:
        """Check that every file exists, and build the entities folder with its pictures (in one process on each machine)."""
        require_files([self.catalogue_file, *self.train_files, *self.dev_files])
        device = "cuda" if torch.cuda.is_available() else "cpu"
        make_base(self.encoder, self.catalogue_file, self.entities_folder, self.build, self.columns, device)
        store = self._folder() / STORE
        make_pictures(self.entities_folder, self.catalogue_file, self.tower_name, store, parts=self.parts)

    def setup(self, stage: str) -> None:
        """Open the entities, read the mentions, and compute the features that are not kept yet."""
        if self.ready:
            return
        self.open()
        train, dev = self.read(self.train_files), self.read(self.dev_files)
        self.train, self.dev = self.maker.mentions(train, "training"), self.maker.mentions(dev, "development")
        self.nearby = self._nearby(train)
        if "words" in self.maker.needs:
            near = (row for pair in self.nearby for row in (*pair[0], *pair[1]))
            self.maker.keep_entities(self.entities, sorted({*near, *self.train.rows}))
        self.ready = True
        log.info("%s mentions for training, %s for development", f"{len(train):,}", f"{len(dev):,}")

    def open(self) -> None:
        """Open the entities, and fit the weights of vectors, names and fame on training mentions, unless the base has them.

        They are fitted on mentions whose words are a name in the catalogue, if there are any: what "they" means, a text alone
        does not say, and names would seem to count for nothing.
        """
        self.base, tower = open_base(self.encoder, self.entities_folder), open_tower(self.tower_name)
        self.pictures = open_pictures(self.base.entities, tower)
        needs = self.settings.network(Sizes(text=self.base.network.width, picture=self.pictures.width)).needs
        self.maker = FeatureMaker(self.base, tower, self._folder(), self.prompt, needs)
        self.entities = EntityFeatures(TextTower(self.base), self.pictures, needs)
        if not self.base.ranking.fitted:
            words = [one for one in self.read(self.train_files) if one.named]
            names = [one for one, there in zip(words, are_named(self.base, words), strict=True) if there]
            self.base.fit((names or words)[:FITTED])

    def _folder(self) -> Path:
        if self.cache is not None:
            return Path(self.cache)
        return Path(self.trainer.default_root_dir if self.trainer else ".") / FOLDER

    def read(self, files: Sequence[str]) -> list[PicturedMention]:
        """The mentions and boxes of files of annotated questions."""
        catalogue = self.base.entities.catalogue
        found = [one for file in files for one in pictured_examples(read_questions(file, catalogue), catalogue, file)]
        if not found:
            raise ElqError(f"{', '.join(files)} have no mention whose entity is in the catalogue: give other files")
        return found

    def _nearby(self, examples: Sequence[PicturedMention]) -> list[tuple[list[int], list[int]]]:
        """For each mention, the wrong entities that are nearest by text and by picture, and those with its name."""
        rows: list[list[int]] = []
        finder = Finder(self.base, self.pictures, Nearest(text=POOL, picture=POOL))
        for at in range(0, len(examples), TOGETHER):
            numbers = range(at, min(at + TOGETHER, len(examples)))
            near = finder.find([examples[number] for number in numbers], self.train.shown([*numbers]))[0]
            rows += near.tolist()
        named = namesakes(self.base.dictionary, examples)
        return [
            ([row for row in near if row not in (-1, one.row)], own if one.named else [])
            for near, own, one in zip(rows, named, examples, strict=True)
        ]

    def of_epoch(self, epoch: int) -> Sequence[int]:
        """The numbers of the training mentions of an epoch."""
        numbers = range(len(self.train.rows))
        if self.most is None or self.most >= len(numbers):
            return numbers
        return random.Random(self.seed * 1_000_003 + epoch).sample(numbers, self.most)

    def batches(self, epoch: int) -> ShuffledBatches:
        """The batches of an epoch on this process."""
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        sizes = [len(self.train.examples[number].text) for number in self.of_epoch(epoch)]
        return ShuffledBatches(sizes, self.batch_size, seed=self.seed, epoch=epoch, rank=rank, world=world)

    def train_dataloader(self) -> DataLoader[MultimodalBatch]:
        """The batches of the current epoch. The trainer calls this method in every epoch."""
        epoch = self.trainer.current_epoch if self.trainer else 0
        collator = MultimodalCollator(
            self.train.features,
            self.entities,
            self.train.rows,
            self.nearby,
            self.negatives,
            count=len(self.base.entities.catalogue),
            seed=self.seed * 1_009 + epoch,
        )
        numbers: Any = self.of_epoch(epoch)  # what the collator takes
        return DataLoader(numbers, batch_sampler=self.batches(epoch), collate_fn=collator)

    def val_dataloader(self) -> DataLoader[Tensor]:
        """One empty batch: the module measures the development mentions together."""
        return DataLoader([torch.zeros(1)])  # type: ignore[arg-type]

    def development(self, *, every: bool = False) -> list[int]:
        """The numbers of the development mentions that are measured: all, or at most ``dev_most`` drawn ones."""
        numbers = range(len(self.dev.rows))
        if every or len(numbers) <= self.dev_most:
            return [*numbers]
        return sorted(random.Random(self.seed).sample(numbers, self.dev_most))
