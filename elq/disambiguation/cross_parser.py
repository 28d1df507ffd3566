"""Parser: checks the settings of a training of a cross-encoder and builds its objects, like elq/training/parser.py."""

import sys
from pathlib import Path
from typing import ClassVar

from jsonargparse import ArgumentError
from lightning import LightningDataModule, LightningModule
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.cli import ArgsType, LightningArgumentParser

from elq.configuration.mistakes import explain
from elq.disambiguation.cross_data import CrossData
from elq.disambiguation.cross_export import finish
from elq.disambiguation.cross_module import CrossModule
from elq.errors import ElqError
from elq.training.parser import ELQCLI, WORDS

EPOCHS = 2


class CrossCLI(ELQCLI):
    """The training parser of cross-encoders. It has the subcommand ``fit`` only."""

    TASK = "crossencoder"
    MODULE: ClassVar[type[LightningModule]] = CrossModule
    DATA: ClassVar[type[LightningDataModule]] = CrossData
    STOPPING = EarlyStopping
    MONITOR = "fit_both_accuracy"

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add what every training has. There are no stages, so the number of epochs has a default."""
        super().add_arguments_to_parser(parser)
        parser.set_defaults({"trainer.max_epochs": EPOCHS})

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """The subcommands of Lightning that are offered."""
        return {"fit": {"model", "dataloaders", "datamodule", "train_dataloaders", "val_dataloaders"}}

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse plain values or a list of arguments; None stands for the arguments of the command line.

        Raises:
            ElqError: a key is unknown, or a value has the wrong type.
        """
        try:
            if isinstance(args, dict):
                self.config = parser.parse_object(args)
            else:
                self.config = parser.parse_args(sys.argv[1:] if args is None else args)  # type: ignore[arg-type]
        except ArgumentError as error:
            keys = [action.dest for action in parser._actions]
            raise ElqError(explain(str(error), lambda: [key for key in keys if not key.endswith(".help")])) from None

    def _parse_ckpt_path(self) -> None:
        """Refuse a checkpoint that does not exist. The settings come from the config."""
        values = self.config[self.config.subcommand] if self.config.get("subcommand") else {}
        checkpoint = values.get("ckpt_path")
        if checkpoint and str(checkpoint) not in WORDS and not Path(checkpoint).is_file():
            raise ElqError(f"ckpt_path {checkpoint} does not exist: give a file such as runs/…/checkpoints/last.ckpt")

    def after_fit(self) -> None:
        """Export the model folder and measure it. The attribute ``metrics`` keeps the metrics."""
        self.metrics = finish(self.trainer, self.model, self.datamodule)
