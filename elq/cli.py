"""The training parser: Lightning's CLI over the module's and the data module's signatures.

Two doors lead here, to the same run: ``python train.py`` composes conf/ with hydra and hands over plain values, and
``elq fit --config config.yaml`` (or ``python -m elq.cli fit …`` on a cluster) reads the file that every run leaves behind.
"""

import logging
import sys
from typing import Any

from lightning import Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger

from elq.data import QuestionData
from elq.export import finish
from elq.module import ELQModule


class ELQCLI(LightningCLI):
    """LightningCLI with the project's callbacks under keys of their own, and the export after a fit."""

    def __init__(self, args: ArgsType = None, *, run: bool = True) -> None:
        self.metrics: dict[str, float] = {}
        super().__init__(
            ELQModule, QuestionData, args=args, run=run, seed_everything_default=0, save_config_kwargs={"overwrite": True}
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Callbacks that an experiment may set but not lose by replacing a list, and settings that two rooms share."""
        parser.add_lightning_class_args(ModelCheckpoint, "checkpoint")
        parser.add_lightning_class_args(EarlyStopping, "early_stopping")
        parser.set_defaults(
            {
                "checkpoint.monitor": "dev_f1",
                "checkpoint.mode": "max",
                "checkpoint.save_last": True,
                "checkpoint.save_on_train_epoch_end": True,  # a checkpoint of a whole epoch resumes at the next one
                "checkpoint.filename": "best",
                "checkpoint.enable_version_counter": False,
                "early_stopping.monitor": "dev_f1",
                "early_stopping.mode": "max",
                "early_stopping.patience": 5,
                "early_stopping.check_on_train_epoch_end": False,  # after a validation, which max_steps may leave out
                "trainer.reload_dataloaders_every_n_epochs": 1,
                "trainer.use_distributed_sampler": False,
                "trainer.num_sanity_val_steps": 0,
            }
        )
        parser.link_arguments("model.encoder", "data.encoder")
        parser.link_arguments("model.max_span_tokens", "data.max_span_tokens")
        parser.link_arguments("seed_everything", "data.seed", compute_fn=int)

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """What ``elq`` offers beside its own commands."""
        hidden = {"model", "dataloaders", "datamodule", "train_dataloaders", "val_dataloaders"}
        return {"fit": hidden, "validate": hidden, "test": hidden}

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Plain values are taken as they are, and a list of arguments too: only None stands for the command line."""
        self.config = parser.parse_object(args) if isinstance(args, dict) else parser.parse_args(args)  # type: ignore[arg-type]

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """A trainer that logs to ``metrics.csv`` in the run folder, with a progress bar on a terminal only."""
        config = self._get(self.config_init, "trainer")
        if config.get("logger") in (None, True):
            kwargs["logger"] = CSVLogger(config.get("default_root_dir") or ".", name="", version="")
        kwargs["enable_progress_bar"] = config.get("enable_progress_bar") is not False and sys.stderr.isatty()
        return super().instantiate_trainer(**kwargs)

    def after_fit(self) -> None:
        """Choose γ, export, evaluate. Kept in ``metrics``."""
        self.metrics = finish(self.trainer, self.model, self.datamodule)


def main(args: ArgsType = None) -> None:
    """``elq fit | validate | test``."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    ELQCLI(args)


if __name__ == "__main__":
    main()
