"""Parser: checks the settings of a training of a bi-encoder and builds its objects.

It does what elq/training/parser.py does for a linker.
"""

from typing import Any

from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import ArgsType, LightningArgumentParser, LightningCLI

from elq.disambiguation.data import MentionData
from elq.disambiguation.export import finish
from elq.disambiguation.module import BiEncoderModule
from elq.errors import ElqError
from elq.training.parser import ELQCLI, LastStageStopping, SaveFitConfig

TASK = "biencoder"


class BiEncoderCLI(ELQCLI):
    """The CLI of a training, for the module and the data of given mentions."""

    def __init__(self, args: ArgsType = None, *, run: bool = True) -> None:
        self.metrics: dict[str, float] = {}
        LightningCLI.__init__(
            self,
            BiEncoderModule,
            MentionData,
            args=args,
            run=run,
            seed_everything_default=0,
            parser_kwargs={"exit_on_error": False},  # the parser raises errors instead of printing its usage and exiting
            save_config_callback=SaveFitConfig,
            save_config_kwargs={"overwrite": True},  # a resumed run writes it again
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the callbacks and the task, and link the settings that model and data share."""
        parser.add_argument("--task", default=TASK, help="the kind of training")
        parser.add_lightning_class_args(ModelCheckpoint, "checkpoint")
        parser.add_lightning_class_args(LastStageStopping, "early_stopping")
        stopped: dict[str, Any] = {"monitor": "dev_recall", "mode": "max"}
        parser.set_defaults(
            {
                **{f"checkpoint.{key}": value for key, value in stopped.items()},
                "checkpoint.save_on_train_epoch_end": True,
                "checkpoint.filename": "best",
                "checkpoint.enable_version_counter": False,
                **{f"early_stopping.{key}": value for key, value in stopped.items()},
                "early_stopping.patience": 5,
                "early_stopping.check_on_train_epoch_end": False,
                "trainer.reload_dataloaders_every_n_epochs": 1,
                "trainer.use_distributed_sampler": False,
                "trainer.num_sanity_val_steps": 0,
            }
        )
        parser.link_arguments("model.encoder", "data.encoder")
        parser.link_arguments("model.settings", "data.settings", apply_on="instantiate")
        parser.link_arguments("seed_everything", "data.seed", compute_fn=int)

    def before_validate(self) -> None:
        """Raise an ElqError if there is no checkpoint to measure."""
        if self._get(self.config, "ckpt_path") is None:
            raise ElqError("ckpt_path is missing: give the checkpoint to measure with --ckpt_path runs/…/checkpoints/best.ckpt")

    def before_test(self) -> None:
        """Raise an ElqError: a bi-encoder is measured by its model folder."""
        raise ElqError("`elq test` measures linkers only: the metrics of a bi-encoder are in metrics.json of its run folder")

    def after_fit(self) -> None:
        """Export the model folder and measure it. The attribute ``metrics`` keeps the metrics."""
        self.metrics = finish(self.trainer, self.model, self.datamodule)
