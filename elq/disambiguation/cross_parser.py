"""Parser: checks the settings of a training of a cross-encoder and builds its objects, like elq/training/parser.py."""

import sys
from pathlib import Path

from jsonargparse import ArgumentError
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI

from elq.configuration.mistakes import explain
from elq.disambiguation.cross_data import CrossData
from elq.disambiguation.cross_export import finish
from elq.disambiguation.cross_module import CrossModule
from elq.errors import ElqError
from elq.training.parser import ELQCLI, WORDS, SaveFitConfig

EPOCHS = 2
MONITOR = "fit_both_accuracy"


class CrossCLI(ELQCLI):
    """The training parser of cross-encoders. It has the subcommand ``fit`` only."""

    def __init__(self, args: ArgsType = None, *, run: bool = True) -> None:
        self.metrics: dict[str, float] = {}
        LightningCLI.__init__(
            self,
            CrossModule,
            CrossData,
            args=args,
            run=run,
            seed_everything_default=0,
            parser_kwargs={"exit_on_error": False},
            save_config_callback=SaveFitConfig,
            save_config_kwargs={"overwrite": True},
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the callbacks, which have keys of their own, and link the settings that model and data share."""
        parser.add_argument("--task", default="crossencoder", help="the kind of training")
        parser.add_lightning_class_args(ModelCheckpoint, "checkpoint")
        parser.add_lightning_class_args(EarlyStopping, "early_stopping")
        parser.set_defaults(
            {
                "checkpoint.monitor": MONITOR,
                "checkpoint.mode": "max",
                "checkpoint.save_on_train_epoch_end": True,
                "checkpoint.filename": "best",
                "checkpoint.enable_version_counter": False,
                "early_stopping.monitor": MONITOR,
                "early_stopping.mode": "max",
                "early_stopping.patience": 5,
                "early_stopping.check_on_train_epoch_end": False,
                "trainer.max_epochs": EPOCHS,
                "trainer.reload_dataloaders_every_n_epochs": 1,
                "trainer.use_distributed_sampler": False,
                "trainer.num_sanity_val_steps": 0,
            }
        )
        parser.link_arguments("model.encoder", "data.encoder")
        parser.link_arguments("model.settings", "data.settings", apply_on="instantiate")
        parser.link_arguments("seed_everything", "data.seed", compute_fn=int)

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
