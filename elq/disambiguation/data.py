"""Data: the Lightning data module of given mentions, which gives batches in stages."""

import logging
import random
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from elq.disambiguation.examples import MentionBatch, MentionCollator, MentionExample, entity_texts, examples_of
from elq.disambiguation.mining import entity_table, hard_negatives, mention_table, namesakes, pool_of
from elq.disambiguation.settings import BiEncoderTraining, MentionStage, check_mention_stages
from elq.disambiguation.views import CHOICES
from elq.encoding.marked import MarkedTexts
from elq.encoding.pretrained import DEFAULT
from elq.entities.build import BuildSettings, build_entities
from elq.entities.manifest import Entities, open_entities, refuse_changed
from elq.entities.texts import EntityText
from elq.errors import ElqError
from elq.files import replacing
from elq.model.biencoder import BiEncoder
from elq.names.dictionary import Dictionary
from elq.questions.annotated import read_questions
from elq.training.batches import ShuffledBatches
from elq.training.stages import repeated, require_files, stage_of

if TYPE_CHECKING:
    from elq.disambiguation.module import BiEncoderModule

log = logging.getLogger(__name__)

PRIOR = ("qid", "popularity")
TEXTS = {"blink": EntityText(separator=" [unused2] "), "chinese": EntityText(form="chinese")}  # the usual entity texts
SAMPLE = 2_000  # drawn entities among the development entities


class MentionData(LightningDataModule):
    """Mentions for training and development, over one catalogue. Builds the entities folder if it is not up to date.

    Args:
        catalogue: JSONL, JSON, CSV or Parquet file of entities.
        entities: an entities folder of that catalogue, which is built if it is missing or out of date. The training uses its
            records and names; the vectors in it may be of another encoder.
        train: the stages, in order. The last one continues if ``trainer.max_epochs`` is more than their sum.
        dev: file of development questions, on which the best epoch is chosen.
        build: how the entities folder is built; its encoder is that of the model if it names no other.
        text: the text of an entity; None: with the markers ``blink``, title, aliases and description, with a marker before the
            description; with the markers ``chinese``, the form ``chinese``.
        entity_views: ``whole``, or ``sentences``: in the model folder, the sentences of a description have vectors of their own
            (elq/disambiguation/views.py).
        held_out: whether development mentions are those of a fifth of the entities, and training mentions those of the others
            (elq/disambiguation/split.py). If not, the files are used as they are.
        encoder: folder or name of the encoder. It is copied from ``model.encoder``.
        columns: elq's field → the catalogue file's column, for each name that differs.
        batch_size: number of mentions per batch and device.
        workers: number of processes that make the batches of each device; with 0, the training process makes them itself.
        dev_entities: the entities among which a development mention looks for its own while the network is trained: those of
            the development mentions, those with their names, and drawn ones. In the end it looks among all entities.
        settings: the settings of the model.
        seed: seed of the order and of the hard negatives.
    """

    def __init__(
        self,
        catalogue: str,
        *,
        entities: str,
        train: list[MentionStage],
        dev: str,
        build: BuildSettings | None = None,
        text: EntityText | None = None,
        entity_views: str = "whole",
        held_out: bool = False,
        encoder: str = DEFAULT,
        columns: dict[str, str] | None = None,
        batch_size: int = 64,
        workers: int = 0,
        dev_entities: int = 6_000,
        settings: BiEncoderTraining | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_mention_stages(train)
        for name, value, least in (("batch_size", batch_size, 1), ("workers", workers, 0), ("dev_entities", dev_entities, 1)):
            if value < least:
                raise ElqError(f"data.{name} is {value}, but must be at least {least}: give a larger number")
        if entity_views not in CHOICES:
            raise ElqError(f"data.entity_views is {entity_views!r}, but must be one of {', '.join(CHOICES)}: choose one")
        build = build or BuildSettings()
        self.build = replace(build, encoder=build.encoder or encoder, prior=PRIOR)
        self.settings = settings or BiEncoderTraining()
        self.text = text or TEXTS[self.settings.markers]
        self.catalogue_file, self.entities_folder, self.columns = catalogue, entities, columns
        self.stages, self.dev_file, self.held_out, self.entity_views = train, dev, held_out, entity_views
        self.batch_size, self.workers, self.dev_entities, self.seed = batch_size, workers, dev_entities, seed
        self._training: list[list[MentionExample]] = []
        self._negatives: list[tuple[list[int], list[int]]] | None = None

    def prepare_data(self) -> None:
        """Check that every file exists, and build the entities folder (in one process on each machine)."""
        files = [source.file for stage in self.stages for source in stage.sources]
        require_files([self.catalogue_file, self.dev_file, *files])
        device = "cuda" if torch.cuda.is_available() else "cpu"
        build_entities(self.catalogue_file, self.entities_folder, self.build, columns=self.columns, device=device)

    def setup(self, stage: str) -> None:
        """Open the entities folder and read the mentions."""
        self.entities: Entities = open_entities(self.entities_folder)
        refuse_changed(self.entities, "a training")
        self.dictionary = Dictionary(self.entities.catalogue)
        self.dev = self._read(self.dev_file, development=True)
        if not self.dev:
            raise ElqError(
                f"{self.dev_file} has no mention for development: give another file as data.dev, or data.held_out=false"
            )
        if stage == "fit" and not self._training:
            self._training = [self._mentions(number, each) for number, each in enumerate(self.stages)]

    def _read(self, file: str, *, development: bool, ranking: bool | None = None) -> list[MentionExample]:
        part = development if self.held_out else None
        questions = read_questions(file, self.entities.catalogue)
        return examples_of(questions, self.entities.catalogue, file, development=part, ranking=ranking)

    def _mentions(self, number: int, stage: MentionStage) -> list[MentionExample]:
        found: list[MentionExample] = []
        for source in stage.sources:
            read = self._read(source.file, development=False, ranking=False)
            found += [example for copy in repeated(read, source.repeat) for example in copy]
        if not found:
            raise ElqError(f"stage {number + 1} of data.train has no mentions: give files with other mentions")
        log.info("stage %d: %s mentions for %d epochs", number + 1, f"{len(found):,}", stage.epochs)
        return found

    def for_ranking(self) -> list[MentionExample]:
        """The training mentions that the towers have not seen, on which the ranking is fitted."""
        files = dict.fromkeys(source.file for source in self.stages[-1].sources)
        return [example for file in files for example in self._read(file, development=False, ranking=True)]

    def stage_of(self, epoch: int) -> int:
        """Number of the stage that an epoch belongs to."""
        return stage_of(self.stages, epoch)

    def batches(self, epoch: int) -> ShuffledBatches:
        """The batches of an epoch on this process."""
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        sizes = [len(example.text) for example in self._training[self.stage_of(epoch)]]
        return ShuffledBatches(sizes, self.batch_size, seed=self.seed, epoch=epoch, rank=rank, world=world)

    def refresh(self, module: "BiEncoderModule", epoch: int, folder: Path, *, half: bool) -> None:
        """Find the hard negatives of an epoch with the network as it is before the epoch.

        In the first epoch of a stage it looks among all entities, in the others among those that were found then.

        Args:
            module: has the network.
            epoch: number of the epoch.
            folder: the run folder, which keeps the entities that were found.
            half: whether the towers multiply in bf16.
        """
        number = self.stage_of(epoch)
        self._negatives = None
        if not self.stages[number].hard_negatives:
            return
        examples, kept = self._training[number], folder / f"mined_{number + 1}.npy"
        frozen = self.settings.entity_tower == "frozen"  # then all entities can be looked at
        rows = torch.from_numpy(np.load(kept)) if kept.is_file() else torch.arange(len(self.entities.catalogue))  # (C,)
        network, marked = module.network.eval(), module.texts
        log.info("epoch %d: hard negatives are looked for among %s entities", epoch, f"{len(rows):,}")
        table = self.table(network, marked, rows, half=half)  # (C, D)
        near = hard_negatives(mention_table(network, marked, examples, half=half), table, rows, examples)
        network.train()
        self._negatives = list(zip(near, namesakes(self.dictionary, examples), strict=True))
        if not kept.is_file() and not frozen:
            with replacing(kept, "wb") as stream:
                np.save(stream, np.array(pool_of([*near, [e.row for e in examples]]), np.int64))

    def table(self, network: BiEncoder, marked: MarkedTexts, rows: Tensor, *, half: bool) -> Tensor:
        """The vectors (C, D) of the entities in catalogue rows (C,): of the entity tower, or of the entities folder."""
        if self.settings.entity_tower != "frozen":
            return entity_table(network, marked, entity_texts(self.entities.catalogue, rows.tolist(), self.text), half=half)
        whole = len(rows) == len(self.entities.catalogue)
        return (self.entities.table.tensor() if whole else self.entities.table.gather(rows))[:, : network.width]

    def train_dataloader(self) -> DataLoader[MentionBatch]:
        """The batches of the current epoch. The trainer calls this method in every epoch."""
        epoch = self.trainer.current_epoch if self.trainer else 0
        number = self.stage_of(epoch)
        examples = self._training[number]
        assert self.trainer is not None
        module = cast("BiEncoderModule", self.trainer.lightning_module)
        self.refresh(module, epoch, Path(self.trainer.default_root_dir), half=module.in_half)
        collator = MentionCollator(
            module.texts,
            self.entities.catalogue,
            self.text,
            module.network.context.padding,
            examples,
            self._negatives,
            count=self.stages[number].hard_negatives,
            seed=self.seed * 1_009 + epoch,
            table=self.entities.table if self.settings.entity_tower == "frozen" else None,
        )
        numbers: Any = range(len(examples))  # what the collator takes
        return DataLoader(numbers, batch_sampler=self.batches(epoch), collate_fn=collator, num_workers=self.workers)

    def development_rows(self) -> Tensor:
        """The catalogue rows (C,) of the entities among which development mentions look for their own, in training."""
        if self.settings.entity_tower == "frozen":
            return torch.arange(len(self.entities.catalogue))
        gold = {example.row for example in self.dev}
        generator = random.Random(self.seed)
        named = sorted(pool_of(namesakes(self.dictionary, self.dev, 8)))
        room = max(0, self.dev_entities - len(gold))
        drawn = generator.sample(range(len(self.entities.catalogue)), min(SAMPLE, room // 2, len(self.entities.catalogue)))
        found = gold | {*drawn} | {*generator.sample(named, min(len(named), room - len(drawn)))}
        return torch.tensor(sorted(found), dtype=torch.int64)

    def val_dataloader(self) -> DataLoader[Tensor]:
        """One empty batch: the module measures all development mentions together."""
        return DataLoader([torch.zeros(1)])  # type: ignore[arg-type]
