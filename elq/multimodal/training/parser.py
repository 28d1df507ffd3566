"""Parser: checks the settings of a training of a multimodal network and builds its objects, like elq/training/parser.py."""

from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.cli import LightningArgumentParser

from elq.disambiguation.cross_parser import CrossCLI
from elq.multimodal.training.data import MultimodalData
from elq.multimodal.training.export import finish
from elq.multimodal.training.module import MultimodalModule

EPOCHS = 6


class MultimodalCLI(CrossCLI):
    """The training parser of multimodal networks. It has the subcommand ``fit`` only."""

    TASK = "multimodal"
    MODULE = MultimodalModule
    DATA = MultimodalData
    STOPPING = EarlyStopping
    MONITOR = "dev_accuracy"

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add what every training has, and the image tower, which model and data share."""
        super().add_arguments_to_parser(parser)
        parser.set_defaults({"trainer.max_epochs": EPOCHS})
        parser.link_arguments("model.tower", "data.tower")

    def after_fit(self) -> None:
        """Export the model folder and measure it. The attribute ``metrics`` keeps the metrics."""
        self.metrics = finish(self.trainer, self.model, self.datamodule)
