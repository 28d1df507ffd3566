"""Data: the Lightning data module, which gives batches of questions in stages.

Training may have several stages, for example template questions first and annotated questions then. Every epoch belongs to one
stage. Its order depends only on the seed and the epoch, so a resumed run sees the same batches as a run without a break.
"""

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader

from elq.encoding.pretrained import DEFAULT, encoder_values, load_tokenizer, resolve_encoder
from elq.encoding.transformer import position_limit
from elq.entities.build import BuildSettings, build_entities
from elq.entities.hierarchy import Hierarchy, RowTypes
from elq.entities.manifest import Entities, open_entities, refuse_changed
from elq.errors import ElqError
from elq.evaluation.evaluate import known_questions
from elq.model.type_head import NO_TYPES
from elq.names.dictionary import Dictionary
from elq.questions.annotated import read_questions
from elq.questions.frames import load_frames
from elq.questions.knobs import Knobs
from elq.questions.silver import with_silver
from elq.questions.swapped import swapped
from elq.questions.templates import Author, template_questions
from elq.tensors import Batch
from elq.training.batches import Collator, QuestionCollator, ShuffledBatches
from elq.training.held_out import check_development, held_out
from elq.training.nouns import GenericNouns
from elq.training.parts import PartCollator, PartSettings
from elq.training.settings import ModelSettings
from elq.training.stages import Source, Stage, check_stages, repeated, require_files, stage_of
from elq.training.stored import StoredQuestions, Together, is_large
from elq.training.type_data import TypeSettings, types_of
from elq.types import Question

log = logging.getLogger(__name__)


class QuestionData(LightningDataModule):
    """The questions for training, development and test, over one catalogue. Builds the entities folder if it is not up to date.

    Args:
        catalogue: JSONL, JSON, CSV or Parquet file of entities; null: the entities folder is used as it is.
        entities: the entities folder, which is built from the catalogue if it is missing or out of date.
        build: how the entities folder is built; its encoder is the question encoder if it names no other.
        encoder: folder or name of the question encoder, which has the tokenizer. It is copied from ``model.encoder``.
        columns: elq's field → the catalogue file's column, for each name that differs.
        train: the stages, in order. The last one continues if ``trainer.max_epochs`` is more than their sum.
        dev: file of development questions, on which the best epoch and the threshold are chosen.
        test: file of test questions, for `elq test`. A gold entity that the catalogue lacks counts as null there.
        dev_templates: number of template questions that replace ``dev``. They differ from those in training.
        dev_share: share of the training questions that is held out as development questions, if neither ``dev`` nor
            ``dev_templates`` is given; at least 20 questions, but at most half.
        frames: YAML file with your own template sentences.
        languages: the languages of the template sentences: de, en, es, fr or zh; English by default.
        batch_size: number of questions per batch and device.
        workers: number of processes that make the batches of each device; with 0, the training process makes them itself. A
            processor is kept busy by the training; a GPU waits for batches unless 4 or more processes make them.
        parts: batches over random parts of the catalogue, for a model that must not know its catalogue.
        types: which types the model learns, if ``model.types`` is not none.
        settings: the settings of the model, such as L, whether it uses names, and where it cuts questions.
        seed: seed of the order and of the template questions.
    """

    def __init__(
        self,
        catalogue: str | None,
        *,
        entities: str,
        train: list[Stage],
        dev: str | None = None,
        test: str | None = None,
        dev_templates: int = 0,
        dev_share: float = 0.0,
        build: BuildSettings | None = None,
        encoder: str = DEFAULT,
        columns: dict[str, str] | None = None,
        frames: str | None = None,
        languages: list[str] | None = None,
        batch_size: int = 64,
        workers: int = 0,
        parts: PartSettings | None = None,
        types: TypeSettings | None = None,
        settings: ModelSettings | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_stages(train)
        check_development(dev, dev_templates, dev_share, train)
        if batch_size < 1:
            raise ElqError(f"data.batch_size is {batch_size}, but must be at least 1: give a larger number")
        if workers < 0:
            raise ElqError(f"data.workers is {workers}, but must be at least 0: give 0, or the number of processes")
        self.settings, build, self.parts = settings or ModelSettings(), build or BuildSettings(), parts or PartSettings()
        if self.parts.share and not (self.settings.names and self.settings.loss == "sampled"):
            raise ElqError(
                f"data.parts.share is {self.parts.share}, but a part needs model.names=true and model.loss=sampled, not"
                f" {self.settings.names} and {self.settings.loss}: set both, or leave out data.parts"
            )
        prior = tuple(self.settings.prior)
        if build.prior and tuple(build.prior) != prior:
            raise ElqError(f"data.build.prior is {[*build.prior]}, but model.prior is {[*prior]}: set model.prior only")
        self.types = types or TypeSettings()
        self.typed: tuple[Hierarchy, RowTypes] | None = None  # the types that are learned
        self.build, self.encoder = replace(build, encoder=build.encoder or encoder, prior=prior), encoder
        self.catalogue_file, self.entities_folder = catalogue, entities
        self.columns, self.stages, self.frames, self.languages = columns, train, frames, languages or ["en"]
        self.dev_file, self.test_file, self.dev_templates, self.dev_share = dev, test, dev_templates, dev_share
        self.batch_size, self.workers, self.seed = batch_size, workers, seed
        self.dictionary: Dictionary | None = None
        self._training: list[Together] = []
        self._held_out: frozenset[str] = frozenset()  # texts of training questions that are development questions
        self._told = False  # whether the kinds of template questions are in the log
        self._rows: dict[str, int] = {}  # entity → row, looked up once, because it is slow for millions of entities

    def prepare_data(self) -> None:
        """Check that every file exists, and build the entities folder (in one process on each machine)."""
        used = [file for stage in self.stages for file in (*(s.file for s in stage.sources), *stage.held_out)]
        require_files([self.catalogue_file, self.dev_file, self.test_file, self.types.file, *used])
        if self.catalogue_file is None:
            return
        device = "cuda" if torch.cuda.is_available() else "cpu"
        build_entities(self.catalogue_file, self.entities_folder, self.build, columns=self.columns, device=device)

    def setup(self, stage: str) -> None:
        """Open the entities folder and read the questions."""
        self.entities: Entities = open_entities(self.entities_folder)
        refuse_changed(self.entities, "a training")
        sources = [source for part in self.stages for source in part.sources]
        fitted = stage == "fit" and any(source.partial for source in sources)  # only training reads sources
        self.dictionary = self.dictionary or (
            Dictionary(self.entities.catalogue, fine=self.settings.fine_names) if fitted or self.settings.needs_names else None
        )
        if self.settings.types != NO_TYPES and self.typed is None:
            self.typed = types_of(self.entities.catalogue, self.types)
        config = encoder_values(resolve_encoder(self.encoder))
        self.tokenizer = load_tokenizer(self.encoder, max_tokens=position_limit(config))
        if self.settings.longest_question is not None:
            self.tokenizer = self.tokenizer.released(self.settings.longest_question)
        self.dev = self._development()
        if stage == "test" and self.test_file is not None:
            self.test = known_questions(read_questions(self.test_file, self.entities.catalogue), self.entities.catalogue)
            self._find_rows(self.test_file, self.test)
        epochs = sum(stage.epochs for stage in self.stages)
        if self.trainer is not None and 0 < (self.trainer.max_epochs or 0) < epochs:
            log.warning(
                "trainer.max_epochs is %d, but the stages in data.train have %d epochs together: the last ones are left out",
                self.trainer.max_epochs,
                epochs,
            )
        if stage == "fit" and not self._training:
            self._training = [self._questions(number, stage) for number, stage in enumerate(self.stages)]

    @property
    def dev_name(self) -> str:
        """What the development questions are: the path of their file, or their number and where they come from."""
        made = "template questions" if self.dev_templates else "questions held out from data.train"
        return self.dev_file or f"{len(self.dev)} {made}"

    def _development(self) -> list[Question]:
        if self.dev_file:
            return self._read(self.dev_file)
        if self.dev_templates:
            # like the last stage with templates, but with a seed that no stage has: stage n has seed · 1,000,003 + n
            last = next((stage for stage in reversed(self.stages) if stage.templates), Stage())
            return self._templates(replace(last, templates=self.dev_templates), self.seed * 1_000_003 + 1_000_002)
        files = dict.fromkeys(source.file for stage in self.stages for source in stage.sources)
        drawn = held_out([question for file in files for question in self._read(file)], self.dev_share, self.seed)
        self._held_out = frozenset(question.text for question in drawn)
        log.info("%d of the training questions are held out as development questions (data.dev gives others)", len(drawn))
        return drawn

    def _questions(self, number: int, stage: Stage) -> Together:
        questions: list[Sequence[Question]] = []
        for source in stage.sources:
            if is_large(source.file):
                if source.repeat % 1:
                    raise ElqError(
                        f"{source.file} is large, so its repeat must be a whole number, not {source.repeat}: give one"
                    )
                if source.swapped:
                    raise ElqError(
                        f"swapped of {source.file} is {source.swapped}, but the questions of a large file are not in memory, so"
                        " they have no copies: leave it out, or give a part of the file"
                    )
                questions += repeated(self._stored(source), source.repeat)
                continue
            read = [question for question in self._read(source.file) if question.text not in self._held_out]
            if source.partial and self.dictionary is not None:
                read = [replace(question, partial=True) for question in with_silver(read, self.dictionary)]
                self._find_rows(source.file, read)
            questions += repeated(read, source.repeat)
            if source.swapped:
                questions += self._swapped(source, read, stage, self.seed * 1_000_003 + number)
        if stage.templates:
            questions.append(self._templates(stage, self.seed * 1_000_003 + number))
        together = Together(questions)
        log.info("stage %d: %s questions for %d epochs", number + 1, f"{len(together):,}", stage.epochs)
        return together

    def _stored(self, source: Source) -> StoredQuestions:
        silver = self.dictionary if source.partial else None
        stored = StoredQuestions(source.file, self.entities.catalogue, silver=silver, without=self._held_out)
        self._find(source.file, [(question, entity) for entity, question in stored.first.items()])
        return stored

    def _swapped(self, source: Source, read: Sequence[Question], stage: Stage, seed: int) -> list[list[Question]]:
        frames = load_frames(self.frames, self.languages)
        author = Author(self.entities.catalogue, frames, Knobs(), seed, self._without(stage))
        copies = [swapped(part, author) for part in repeated(read, source.swapped)]
        for made in copies:
            self._find_rows(f"swapped questions of {source.file}", made)
        return copies

    def _without(self, stage: Stage) -> set[str]:
        """The entities of the files that are held out from the questions that are made."""
        read = (question for file in stage.held_out for question in read_questions(file, self.entities.catalogue))
        return {m.entity for question in read for m in question.mentions if m.entity is not None}

    def _templates(self, stage: Stage, seed: int) -> list[Question]:
        catalogue, count, known = self.entities.catalogue, stage.templates, self._without(stage)
        tell, self._told = not self._told, True
        chosen: dict[str, Any] = {"frames": self.frames, "languages": self.languages, "without": known, **stage.knobs}
        made = list(template_questions(catalogue, count, seed=seed, tell_kinds=tell, **chosen))
        self._find_rows("template questions", made)
        return made

    def _read(self, file: str) -> list[Question]:
        questions = read_questions(file, self.entities.catalogue)
        self._find_rows(file, questions)
        return questions

    def _find_rows(self, source: str, questions: Sequence[Question]) -> None:
        self._find(source, [(q.id, m.entity) for q in questions for m in q.mentions if m.entity is not None])
        if self.parts.share:  # further entities are put into parts of the catalogue too
            others = sorted({entity for question in questions for entity in question.other_entities} - self._rows.keys())
            found = zip(others, self.entities.catalogue.rows(others).tolist(), strict=True)
            self._rows |= {entity: row for entity, row in found if row >= 0}

    def _find(self, source: str, ids: Sequence[tuple[str, str]]) -> None:
        """Find the rows of entities. ``ids`` are pairs of a question and an entity in it."""
        rows = self.entities.catalogue.rows([entity for _, entity in ids])
        if (unknown := rows < 0).any():
            question, entity = ids[int(unknown.argmax())]
            place = self.catalogue_file or self.entities_folder
            raise ElqError(
                f"{source}: question {question} has the entity {entity}, which is not in the catalogue {place}"
                f" ({int(unknown.sum())} such mentions): correct it, or write null for a mention without an entry"
            )
        self._rows |= dict(zip((entity for _, entity in ids), rows.tolist(), strict=True))

    def stage_of(self, epoch: int) -> int:
        """Number of the stage that an epoch belongs to.

        >>> stages = [Stage(epochs=1, templates=9), Stage(epochs=2, templates=9)]
        >>> data = QuestionData("c.jsonl", entities="e", train=stages, dev="d.jsonl")
        >>> [data.stage_of(epoch) for epoch in range(5)]
        [0, 1, 1, 1, 1]
        """
        return stage_of(self.stages, epoch)

    def batches(self, epoch: int) -> ShuffledBatches:
        """The batches of an epoch on this process."""
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        sizes = self._training[self.stage_of(epoch)].sizes
        return ShuffledBatches(sizes, self.batch_size, seed=self.seed, epoch=epoch, rank=rank, world=world)

    def train_dataloader(self) -> DataLoader[Batch]:
        """The batches of the current epoch. The trainer calls this method in every epoch."""
        epoch = self.trainer.current_epoch if self.trainer else 0
        questions = self._training[self.stage_of(epoch)]
        collator: Callable[[Sequence[Question]], Batch] = self._collator(self.dictionary)
        if self.parts.share:
            collator = PartCollator(collator, self.entities.catalogue, self.parts, seed=self.seed, epoch=epoch)  # type: ignore[arg-type]
        forked = "fork" if self.workers and sys.platform == "linux" else None  # a collator has files that cannot be pickled
        return DataLoader(
            questions,  # type: ignore[arg-type]
            batch_sampler=self.batches(epoch),
            collate_fn=collator,
            num_workers=self.workers,
            multiprocessing_context=forked,
        )

    def val_dataloader(self) -> DataLoader[Batch]:
        """The development questions of this process, in batches of similar length."""
        return self._measured(self.dev)

    def test_dataloader(self) -> DataLoader[Batch]:
        """The test questions of this process, in batches of similar length."""
        return self._measured(self.test)

    def _measured(self, questions: Sequence[Question]) -> DataLoader[Batch]:
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        mine = sorted(questions[rank::world], key=lambda question: len(question.text))
        cut = self.settings.longest_question is not None
        collator = QuestionCollator(
            self.tokenizer if cut else load_tokenizer(self.encoder),  # a linker reads a long question in windows
            max_span_tokens=self.settings.max_span_tokens,
            dictionary=self.dictionary if self.settings.names else None,
        )
        return DataLoader(mine, batch_size=self.batch_size, collate_fn=collator)  # type: ignore[arg-type]

    def _collator(self, dictionary: Dictionary | None) -> Collator:
        nouns = None
        if dictionary is not None and self.settings.noun_weight:
            nouns = GenericNouns(self.entities.catalogue, dictionary)
        return Collator(
            self.tokenizer,
            self._rows,
            max_span_tokens=self.settings.max_span_tokens,
            dictionary=dictionary,
            names=self.settings.names,
            wrong_names=self.settings.wrong_names,
            nouns=nouns,
        )
