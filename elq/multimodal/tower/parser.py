"""Parser: checks the settings of a training of an image tower and builds its objects, like elq/training/parser.py."""

from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.cli import LightningArgumentParser

from elq.disambiguation.cross_parser import CrossCLI
from elq.multimodal.tower.data import TowerData
from elq.multimodal.tower.export import finish
from elq.multimodal.tower.module import TowerModule

EPOCHS = 12


class TowerCLI(CrossCLI):
    """The training parser of image towers. It has the subcommand ``fit`` only."""

    TASK = "image_tower"
    MODULE = TowerModule
    DATA = TowerData
    STOPPING = EarlyStopping
    MONITOR = "dev_accuracy"
    ENCODER = False

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add what every training has."""
        super().add_arguments_to_parser(parser)
        parser.set_defaults({"trainer.max_epochs": EPOCHS})

    def after_fit(self) -> None:
        """Export the folder of the tower and measure it. The attribute ``metrics`` keeps the metrics."""
        self.metrics = finish(self.trainer, self.model, self.datamodule)
