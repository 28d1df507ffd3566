"""Training data: questions → batches, in stages, as a Lightning data module.

Training may go through stages (say, template questions first, then annotated ones). Every epoch belongs to one stage, and its
order depends on the seed and the epoch only, so a resumed run sees what the unbroken one would have seen.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader

from elq.encoding.pretrained import DEFAULT, encoder_values, load_tokenizer, resolve_encoder
from elq.encoding.transformer import position_limit
from elq.entities.build import BuildSettings, build_entities
from elq.entities.manifest import Entities, open_entities
from elq.errors import ElqError
from elq.evaluation.evaluate import known_questions
from elq.names.dictionary import Dictionary
from elq.questions.annotated import read_questions
from elq.questions.silver import with_silver
from elq.questions.templates import template_questions
from elq.tensors import Batch
from elq.training.batches import Collator, QuestionCollator, ShuffledBatches
from elq.training.settings import ModelSettings
from elq.training.stages import Stage
from elq.types import Question

log = logging.getLogger(__name__)


class QuestionData(LightningDataModule):
    """Questions for training and development, over one catalogue. Builds the entities folder when it is missing or stale.

    Args:
        catalogue: JSONL, CSV or Parquet file of entities.
        entities: the entities folder; made from the catalogue by ``elq build``'s own code where it is not up to date.
        build: how the catalogue becomes a table and an index; its encoder is the question encoder unless it names another.
        encoder: folder or name of the question encoder, which gives the tokenizer; the model's own setting.
        columns: our field → the catalogue file's column, where the names differ.
        train: the stages, in order; the last one goes on if ``trainer.max_epochs`` is longer than all of them.
        dev: question file on which epoch and threshold are chosen.
        test: question file that `elq test` measures; an entity that the catalogue lacks counts as null there.
        dev_templates: that many template questions instead, other ones than in training, where nobody has annotated any.
        frames: YAML with further question frames for template questions.
        batch_size: questions per batch and device.
        settings: the model's own, among them L, whether it asks for names, and how it reads questions.
        seed: of the order and of the template questions.
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
        build: BuildSettings | None = None,
        encoder: str = DEFAULT,
        columns: dict[str, str] | None = None,
        frames: str | None = None,
        batch_size: int = 64,
        settings: ModelSettings | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not train or any(stage.epochs < 1 or not (stage.sources or stage.templates) for stage in train):
            raise ElqError(f"data.train is {train}, but needs stages of at least one epoch, with sources or template questions")
        if (dev is None) == (dev_templates < 1):
            raise ElqError(
                f"data.dev is {dev} and data.dev_templates {dev_templates}: give a question file, or a number of"
                " template questions instead"
            )
        if batch_size < 1:
            raise ElqError(f"data.batch_size is {batch_size}, but must be at least 1")
        self.settings, build = settings or ModelSettings(), build or BuildSettings()
        prior = tuple(self.settings.prior)
        if build.prior and tuple(build.prior) != prior:
            raise ElqError(f"data.build.prior is {[*build.prior]}, but model.prior {[*prior]}: set model.prior alone")
        self.build, self.encoder = replace(build, encoder=build.encoder or encoder, prior=prior), encoder
        self.catalogue_file, self.entities_folder = catalogue, entities
        self.columns, self.stages, self.frames = columns, train, frames
        self.dev_file, self.test_file, self.dev_templates = dev, test, dev_templates
        self.batch_size, self.seed = batch_size, seed
        self.dictionary: Dictionary | None = None
        self._training: list[list[Question]] = []
        self._rows: dict[str, int] = {}  # looked up once: at millions of entities a look-up is no small thing

    def prepare_data(self) -> None:
        """Check that every file is there, and build the entities (on one process per host)."""
        used = [file for stage in self.stages for file in (*(s.file for s in stage.sources), *stage.held_out)]
        wanted = [*(file for file in (self.catalogue_file, self.dev_file, self.test_file) if file is not None), *used]
        if missing := [file for file in dict.fromkeys(wanted) if not Path(file).is_file()]:
            raise ElqError(f"data files are missing: {', '.join(missing)}; give their paths in the data section of the config")
        if self.catalogue_file is None:
            return
        device = "cuda" if torch.cuda.is_available() else "cpu"
        build_entities(self.catalogue_file, self.entities_folder, self.build, columns=self.columns, device=device)

    def setup(self, stage: str) -> None:
        """Open the entities and read the questions."""
        self.entities: Entities = open_entities(self.entities_folder)
        sources = [source for part in self.stages for source in part.sources]
        fitted = stage == "fit" and any(source.partial for source in sources)  # what only training asks
        self.dictionary = self.dictionary or (Dictionary(self.entities.catalogue) if self.settings.names or fitted else None)
        config = encoder_values(resolve_encoder(self.encoder))
        self.tokenizer = load_tokenizer(self.encoder, max_tokens=position_limit(config))
        if self.settings.longest_question is not None:
            self.tokenizer = self.tokenizer.released(self.settings.longest_question)
        # of the kind of the last template stage; the stages have the seeds from seed · 1,000,003 on, far below this one
        last = next((stage for stage in reversed(self.stages) if stage.templates), Stage())
        templates, seed = replace(last, templates=self.dev_templates), self.seed * 1_000_003 + 1_000_002
        self.dev = self._read(self.dev_file) if self.dev_file else self._templates(templates, seed)
        if stage == "test" and self.test_file is not None:
            self.test = known_questions(read_questions(self.test_file, self.entities.catalogue), self.entities.catalogue)
            self._find_rows(self.test_file, self.test)
        epochs = sum(stage.epochs for stage in self.stages)
        if self.trainer is not None and 0 < (self.trainer.max_epochs or 0) < epochs:
            log.warning("trainer.max_epochs is %d, but the stages have %d epochs together", self.trainer.max_epochs, epochs)
        if stage == "fit" and not self._training:
            self._training = [self._questions(number, stage) for number, stage in enumerate(self.stages)]

    def _questions(self, number: int, stage: Stage) -> list[Question]:
        questions: list[Question] = []
        for source in stage.sources:
            read = self._read(source.file)
            if source.partial and self.dictionary is not None:
                read = [replace(question, partial=True) for question in with_silver(read, self.dictionary)]
                self._find_rows(source.file, read)
            questions += read * source.repeat
        if stage.templates:
            questions += self._templates(stage, self.seed * 1_000_003 + number)
        log.info("stage %d: %s questions for %d epochs", number + 1, f"{len(questions):,}", stage.epochs)
        return questions

    def _templates(self, stage: Stage, seed: int) -> list[Question]:
        catalogue, count = self.entities.catalogue, stage.templates
        known = {
            m.entity
            for file in stage.held_out
            for q in read_questions(file, catalogue)
            for m in q.mentions
            if m.entity is not None
        }
        made = list(template_questions(catalogue, count, seed=seed, frames=self.frames, without=known, **stage.knobs))
        self._find_rows("template questions", made)
        return made

    def _read(self, file: str) -> list[Question]:
        questions = read_questions(file, self.entities.catalogue)
        self._find_rows(file, questions)
        return questions

    def _find_rows(self, source: str, questions: Sequence[Question]) -> None:
        ids = [(q.id, m.entity) for q in questions for m in q.mentions if m.entity is not None]
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
        for number, stage in enumerate(self.stages):
            epoch -= stage.epochs
            if epoch < 0:
                return number
        return len(self.stages) - 1

    def batches(self, epoch: int) -> ShuffledBatches:
        """The batches of an epoch on this process."""
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        sizes = [len(question.text) for question in self._training[self.stage_of(epoch)]]
        return ShuffledBatches(sizes, self.batch_size, seed=self.seed, epoch=epoch, rank=rank, world=world)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Batches of the current epoch (the trainer asks again every epoch)."""
        epoch = self.trainer.current_epoch if self.trainer else 0
        questions = self._training[self.stage_of(epoch)]
        collator = self._collator(self.dictionary)
        return DataLoader(questions, batch_sampler=self.batches(epoch), collate_fn=collator)  # type: ignore[arg-type]

    def val_dataloader(self) -> DataLoader[Batch]:
        """This process's share of the development questions, of similar length together."""
        return self._measured(self.dev)

    def test_dataloader(self) -> DataLoader[Batch]:
        """This process's share of the test questions, of similar length together."""
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
        return Collator(
            self.tokenizer,
            self._rows,
            max_span_tokens=self.settings.max_span_tokens,
            dictionary=dictionary,
            names=self.settings.names,
        )
