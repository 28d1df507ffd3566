"""Parser: checks the settings of a training and builds its objects.

It is Lightning's CLI, which reads the signatures of the module and of the data module. Two entry points use it for the same
run: ``python train.py`` composes conf/ with hydra and passes plain values, and ``elq fit --config config.yaml`` (or ``python -m
elq.training.parser fit …`` on a cluster) reads the config file that every run writes into its folder.
"""

import logging
import sys
import warnings
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar

import torch
from jsonargparse import ArgumentError
from lightning import LightningDataModule, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.loggers import CSVLogger

from elq.configuration.mistakes import explain
from elq.configuration.renamed import renamed_arguments, renamed_hyperparameters, renamed_values
from elq.encoding.pretrained import is_model_folder, resolve_encoder
from elq.errors import ElqError
from elq.training.averaging import MovingMean
from elq.training.data import QuestionData
from elq.training.export import MODEL, finish, keep_log
from elq.training.module import ELQModule
from elq.training.settings import DecisionSettings
from elq.training.stages import with_stages

for noisy in ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.seed"):
    logging.getLogger(noisy).setLevel(logging.WARNING)  # they list devices and advertise
warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")  # lightning 2.6 with a newer torch
warnings.filterwarnings("ignore", message=".*functional.all_gather is deprecated")  # lightning 2.6 calls it
warnings.filterwarnings("ignore", message=".*when logging on epoch level in distributed")  # torchmetrics has reduced it already
warnings.filterwarnings(
    "ignore", message="Experiment logs directory .* exists and is not empty"
)  # it has the log file of hydra

WORDS = ("best", "last", "hpc", "registry")  # checkpoints that Lightning finds itself


class SaveFitConfig(SaveConfigCallback):
    """Writes config.yaml into the run folder, but only for a fit, because a validation has no run folder of its own."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Save when a fit begins."""
        if stage == "fit":
            super().setup(trainer, pl_module, stage)


class LastStageStopping(EarlyStopping):
    """Early stopping that starts with the last stage, because an earlier stage may not improve the development F1."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check for early stopping, but only in the last stage."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        if data.stage_of(trainer.current_epoch) == len(data.stages) - 1:
            super().on_validation_end(trainer, pl_module)


class ELQCLI(LightningCLI):
    """LightningCLI with the callbacks ``checkpoint`` and ``early_stopping``, and with an export after a fit.

    A subclass for another task has other classes and another metric.
    """

    TASK: ClassVar[str] = "linker"
    MODULE: ClassVar[type[LightningModule]] = ELQModule
    DATA: ClassVar[type[LightningDataModule]] = QuestionData
    STOPPING: ClassVar[type[EarlyStopping]] = LastStageStopping
    MONITOR: ClassVar[str] = "dev_f1"  # the best epoch has the largest value
    ENCODER: ClassVar[bool] = True  # whether model and data share an encoder of texts

    def __init__(self, args: ArgsType = None, *, run: bool = True) -> None:
        self.metrics: dict[str, float] = {}
        super().__init__(
            self.MODULE,
            self.DATA,
            args=args,
            run=run,
            seed_everything_default=0,
            parser_kwargs={"exit_on_error": False},  # the parser raises errors instead of printing its usage and exiting
            save_config_callback=SaveFitConfig,
            save_config_kwargs={"overwrite": True},  # a resumed run writes it again
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the task and the callbacks, which have keys of their own, and link the settings that model and data share."""
        parser.add_argument("--task", default=self.TASK, help="the kind of training, see elq/commands/tasks.py")
        parser.add_lightning_class_args(ModelCheckpoint, "checkpoint")
        parser.add_lightning_class_args(self.STOPPING, "early_stopping")
        parser.set_defaults(
            {
                "checkpoint.monitor": self.MONITOR,
                "checkpoint.mode": "max",
                "checkpoint.save_on_train_epoch_end": True,
                "checkpoint.filename": "best",
                "checkpoint.enable_version_counter": False,
                "early_stopping.monitor": self.MONITOR,
                "early_stopping.mode": "max",
                "early_stopping.patience": 5,
                "early_stopping.check_on_train_epoch_end": False,  # max_steps can end an epoch before its validation
                "trainer.reload_dataloaders_every_n_epochs": 1,
                "trainer.use_distributed_sampler": False,
                "trainer.num_sanity_val_steps": 0,
            }
        )
        if self.ENCODER:
            parser.link_arguments("model.encoder", "data.encoder")
        parser.link_arguments("model.settings", "data.settings", apply_on="instantiate")
        parser.link_arguments("seed_everything", "data.seed", compute_fn=int)

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """The subcommands of Lightning that ``elq`` offers."""
        hidden = {"model", "dataloaders", "datamodule", "train_dataloaders", "val_dataloaders"}
        return {"fit": hidden, "validate": hidden, "test": hidden}

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse plain values or a list of arguments; None stands for the arguments of the command line.

        If ``trainer.max_epochs`` is not given, it becomes the sum of the stages' epochs.

        Raises:
            ElqError: a key is unknown, or a value has the wrong type.
        """
        try:
            if isinstance(args, dict):
                self.config = parser.parse_object(with_stages(renamed_values(args)))
            else:
                self.config = parser.parse_args(renamed_arguments(sys.argv[1:] if args is None else args))  # type: ignore[arg-type]
        except ArgumentError as error:
            raise ElqError(explain(str(error), known_keys)) from None
        command = self.config.get("subcommand")
        values = self.config[command] if command else self.config
        if values.trainer.max_epochs is None and values.data.train is not None:
            values.trainer.max_epochs = sum(stage.epochs for stage in values.data.train)

    def _parse_ckpt_path(self) -> None:
        """Use the settings of network and training in the checkpoint. Those of the decision come from the config."""
        values = self.config[self.config.subcommand] if self.config.get("subcommand") else {}
        checkpoint = values.get("ckpt_path")
        if checkpoint and str(checkpoint) not in WORDS and not Path(checkpoint).is_file():
            raise ElqError(f"ckpt_path {checkpoint} does not exist: give a file such as runs/…/checkpoints/best.ckpt")
        if checkpoint and Path(checkpoint).is_file():
            found = renamed_hyperparameters(torch.load(checkpoint, weights_only=True, map_location="cpu", mmap=True))
            decided = {field.name for field in fields(DecisionSettings)}
            found = {key: value for key, value in found.items() if key not in decided}
            self.config = self.parser.parse_object({self.config.subcommand: {"model": found}}, self.config)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """A trainer that logs a fit to ``metrics.csv`` in the run folder, and shows a progress bar only on a terminal."""
        config = self._get(self.config_init, "trainer")
        folder = Path(config.get("default_root_dir") or ".")
        if self.subcommand == "fit":
            self._refuse_finished(folder)
        if config.get("logger") in (None, True):
            fits = self.subcommand in (None, "fit")
            if fits:
                keep_log(folder)
            kwargs["logger"] = CSVLogger(folder, name="", version="") if fits else False
        kwargs["enable_progress_bar"] = config.get("enable_progress_bar") is not False and sys.stderr.isatty()
        try:
            trainer = super().instantiate_trainer(**kwargs)
        except MisconfigurationException as error:
            reason = " ".join(str(error).split())
            raise ElqError(f"this trainer cannot run here ({reason}): choose another one, such as trainer=cpu") from None
        # A run resumes from this checkpoint, so it is written after every epoch: Lightning's save_last would skip an epoch that
        # is not the best so far. It must come after the callback of the best epoch, because it stores that callback's state.
        last = ModelCheckpoint(filename="last", save_on_train_epoch_end=True, enable_version_counter=False)
        trainer.callbacks.append(last)  # type: ignore[attr-defined]
        if self.subcommand in (None, "fit") and (decay := self._get(self.config, "model.moving_mean")):
            trainer.callbacks.insert(0, MovingMean(decay))  # type: ignore[attr-defined]
        return trainer

    def instantiate_classes(self) -> None:
        """Build the objects from the settings.

        Raises:
            ElqError: a settings class refuses a value; the message is that of the class.
        """
        try:
            super().instantiate_classes()
        except ValueError as error:  # it comes from the parser, and has the error of the class as its cause
            cause: BaseException | None = error
            while cause is not None and not isinstance(cause, ElqError):
                cause = cause.__cause__ or cause.__context__
            if cause is None:
                raise
            raise cause from None

    def _refuse_finished(self, folder: Path) -> None:
        """Raise an ElqError if ``elq fit`` would replace the model of a finished run."""
        if (folder / MODEL).exists() and not self._get(self.config, "ckpt_path"):
            raise ElqError(
                f"{folder} holds a finished run: give another folder with --trainer.default_root_dir DIR, or resume that run"
                f" with --ckpt_path {folder}/checkpoints/last.ckpt"
            )

    def before_test(self) -> None:
        """Choose the threshold γ on the development questions, unless the settings have one.

        Raises:
            ElqError: no test file is given.
        """
        if self.datamodule.test_file is None:
            raise ElqError("data.test is missing: give a file of annotated questions with --data.test FILE")
        self.before_validate()
        if self.model.threshold is None:
            checkpoint = self._get(self.config, "ckpt_path")
            [scores] = self.trainer.validate(self.model, datamodule=self.datamodule, ckpt_path=checkpoint, verbose=False)
            self.model.threshold = scores["dev_threshold"]

    def before_validate(self) -> None:
        """Raise an ElqError for a network that nobody trained: without a checkpoint, and not from a model folder."""
        trained = is_model_folder(resolve_encoder(self.datamodule.encoder))
        if self._get(self.config, "ckpt_path") is None and not trained:
            raise ElqError("ckpt_path is missing: give the checkpoint to measure with --ckpt_path runs/…/checkpoints/best.ckpt")

    def after_fit(self) -> None:
        """Choose the threshold γ, export the model folder and measure it. The attribute ``metrics`` keeps the metrics."""
        self.metrics = finish(self.trainer, self.model, self.datamodule)


class _Built(Exception):  # noqa: N818 (not an error: it passes the parser on)
    def __init__(self, parser: LightningArgumentParser) -> None:
        self.parser = parser


class _ParserOnly(ELQCLI):
    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        raise _Built(parser)


def settings_parser() -> LightningArgumentParser:
    """A training parser that has not parsed anything."""
    try:
        _ParserOnly(run=False)
    except _Built as built:
        return built.parser
    raise AssertionError("the parser was not built")


def known_keys() -> list[str]:
    """Every dotted key that the training parser knows."""
    keys = [action.dest for action in settings_parser()._actions]
    return [key for key in keys if not key.endswith(".help") and key not in ("data.settings", "data.seed")]


def main(args: Sequence[str] | None = None) -> None:
    """``elq fit | validate | test``; their ``--help`` is short, ``--help_all`` lists every setting."""
    arguments = [*(sys.argv[1:] if args is None else args)]
    if {"-h", "--help"} & {*arguments[1:]}:
        from elq.training.overview import lightning_help

        print(lightning_help(arguments[0]))
        sys.exit(0)
    ELQCLI(["--help" if argument == "--help_all" else argument for argument in arguments])
