"""Data: the Lightning data module of a cross-encoder, which gives batches of mentions with their candidates."""

import logging
import random
from collections.abc import Sequence
from pathlib import Path

from lightning import LightningDataModule
from torch.utils.data import DataLoader

from elq.disambiguation.cross_batches import CrossBatch, CrossCollator
from elq.disambiguation.cross_examples import Example, find_examples, open_first_stage, within
from elq.disambiguation.cross_settings import CrossTraining, Sizes
from elq.disambiguation.split import part_of
from elq.encoding.pretrained import DEFAULT, load_tokenizer
from elq.errors import ElqError
from elq.files import digest_of
from elq.model.crossencoder import PairTexts
from elq.questions.annotated import read_questions
from elq.training.batches import ShuffledBatches
from elq.training.stages import require_files
from elq.types import Question

log = logging.getLogger(__name__)

FOLDER = "candidates"  # in the run folder
ORDERING = ("config.json", "model.safetensors", "decision.json", "ranking.json", "views/views.json")  # files that decide them


class CrossData(LightningDataModule):
    """The mentions for training, for the fit of the weights and for development, with the candidates of a first stage.

    Args:
        behind: what the cross-encoder works behind: the model folder of a linker or of a bi-encoder, or elq/general.
        train: files of annotated questions.
        dev: file of development questions, on which the result is measured.
        fit: file of questions on which the weights of both stages are fitted; null: a part of the training questions. Give one
            if the first stage was trained on the training questions, since it is too sure of these.
        by_entity: development has the mentions of about 20% of all entities, training those of the others
            (elq/disambiguation/split.py); ``dev`` may then be one of the training files.
        catalogue: a catalogue file that a linker links over; null: its own entities.
        sizes: how much of it is used, see :class:`elq.disambiguation.cross_settings.Sizes`.
        batch_size: number of mentions in a batch.
        cache: the folder in which the candidates are kept; null: a folder in the run folder. Several runs may share one.
        encoder: folder or name of the encoder, which has the tokenizer. It is copied from ``model.encoder``.
        settings: the settings of the model. They are copied from it.
        seed: seed of the order and of what is drawn.
    """

    def __init__(
        self,
        behind: str,
        *,
        train: list[str],
        dev: str | None = None,
        fit: str | None = None,
        by_entity: bool = False,
        catalogue: str | None = None,
        sizes: Sizes | None = None,
        batch_size: int = 16,
        cache: str | None = None,
        encoder: str = DEFAULT,
        settings: CrossTraining | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise ElqError(f"data.batch_size is {batch_size}, but must be at least 1: give a larger number")
        if not train:
            raise ElqError("data.train is empty: give at least one file of annotated questions, as data.train=[FILE]")
        self.behind, self.train_files, self.dev_file, self.fit_file = behind, train, dev, fit
        self.by_entity, self.catalogue_file, self.sizes = by_entity, catalogue, sizes or Sizes()
        self.batch_size, self.cache, self.encoder, self.seed = batch_size, cache, encoder, seed
        self.settings = settings or CrossTraining()
        self.train: list[Example] = []
        self.fit: list[Example] = []
        self.dev: list[Example] = []

    def prepare_data(self) -> None:
        """Check that every file exists, and find the candidates (in one process on each machine)."""
        require_files([*self.train_files, self.dev_file, self.fit_file, self.catalogue_file])
        self._examples()

    def setup(self, stage: str) -> None:
        """Read the candidates and the catalogue."""
        if not self.train:
            self._examples()

    def _examples(self) -> None:
        first = open_first_stage(self.behind, self.catalogue_file)
        self.catalogue, folder = first.entities.catalogue, self._folder()
        files = [Path(self.behind).expanduser() / name for name in ORDERING]
        key = digest_of([file for file in files if file.is_file()], str(first.entities.manifest))
        found = {}
        for file in dict.fromkeys([*self.train_files, self.dev_file, self.fit_file]):
            if file is not None:
                questions = read_questions(file)
                for name, chosen in self._parts(Path(file).name.split(".")[0], questions).items():
                    examples = find_examples(first, chosen, self.sizes.candidates, folder, name, key)
                    found[file, name] = [within(example, self.sizes.margin) for example in examples]
        train = [one for file in self.train_files for one in found[file, self._name(file, development=False)]]
        self.dev = [] if self.dev_file is None else found[self.dev_file, self._name(self.dev_file, development=True)]
        self._divide(
            train, None if self.fit_file is None else found[self.fit_file, self._name(self.fit_file, development=False)]
        )

    def _folder(self) -> Path:
        if self.cache is not None:
            return Path(self.cache)
        return Path(self.trainer.default_root_dir if self.trainer else ".") / FOLDER

    def _name(self, file: str, *, development: bool) -> str:
        name = Path(file).name.split(".")[0]
        return f"{name}-{'development' if development else 'training'}" if self.by_entity else name

    def _parts(self, name: str, questions: Sequence[Question]) -> dict[str, Sequence[Question]]:
        if not self.by_entity:
            return {name: questions}
        return {
            f"{name}-training": part_of(questions, development=False),
            f"{name}-development": part_of(questions, development=True),
        }

    def _divide(self, train: list[Example], fit: list[Example] | None) -> None:
        """Divide the examples into those of training and those of the fit, text by text; keep at most as many as are wanted."""
        numbers = random.Random(self.seed)
        if fit is None:
            texts = sorted({example.text for example in train})
            held = {*numbers.sample(texts, max(1, round(self.sizes.fit_share * len(texts))))} if len(texts) > 1 else set[str]()
            fit = [example for example in train if example.text in held]
            train = [example for example in train if example.text not in held]
        self.fit = fit if len(fit) <= self.sizes.fit_most else numbers.sample(fit, self.sizes.fit_most)
        kept = [example for example in train if example.target >= 0]
        self.train = [example for example in kept if len(example.candidates) > 1]
        log.info(
            "%s mentions for training (%s more lack their entity among the candidates, %s have no other candidate), %s for the"
            " fit, %s for development",
            *(f"{len(self.train):,}", f"{len(train) - len(kept):,}", f"{len(kept) - len(self.train):,}"),
            *(f"{len(self.fit):,}", f"{len(self.dev):,}"),
        )
        if not self.train:
            raise ElqError(
                f"no training mention has its entity among the {self.sizes.candidates} candidates of {self.behind}: check that"
                " data.train and data.behind belong to one catalogue, or raise data.sizes.candidates"
            )

    def _of_epoch(self, epoch: int) -> list[Example]:
        most = self.sizes.most
        if most is None or most >= len(self.train):
            return self.train
        return random.Random(self.seed * 1_000_003 + epoch).sample(self.train, most)

    def batches(self, epoch: int) -> ShuffledBatches:
        """The batches of an epoch on this process."""
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        sizes = [len(example.text) for example in self._of_epoch(epoch)]
        return ShuffledBatches(sizes, self.batch_size, seed=self.seed, epoch=epoch, rank=rank, world=world)

    def _collator(self, negatives: int | None, seed: str = "") -> CrossCollator:
        texts = PairTexts(load_tokenizer(self.encoder), self.settings)
        return CrossCollator(texts, self.catalogue, self.padding, negatives, seed)

    @property
    def padding(self) -> int:
        """The vocabulary id of the padding token."""
        return load_tokenizer(self.encoder).id_of("[PAD]") or 0

    def train_dataloader(self) -> DataLoader[CrossBatch]:
        """The batches of the current epoch. The trainer calls this method in every epoch."""
        epoch = self.trainer.current_epoch if self.trainer else 0
        collator = self._collator(self.sizes.negatives, f"{self.seed} {epoch}")
        return DataLoader(self._of_epoch(epoch), batch_sampler=self.batches(epoch), collate_fn=collator)  # type: ignore[arg-type]

    def val_dataloader(self) -> DataLoader[CrossBatch]:
        """The mentions on which the weights are fitted, with all their candidates. Every process has all of them."""
        return self.measured(self.fit)

    def measured(self, examples: Sequence[Example]) -> DataLoader[CrossBatch]:
        """Batches of examples with all their candidates, of similar length."""
        ordered = sorted(examples, key=lambda example: len(example.text))
        return DataLoader(ordered, batch_size=self.batch_size, collate_fn=self._collator(None))  # type: ignore[arg-type]
