"""Parser: checks the settings of a training of a bi-encoder and builds its objects.

It does what elq/training/parser.py does for a linker.
"""

from elq.disambiguation.data import MentionData
from elq.disambiguation.export import finish
from elq.disambiguation.module import BiEncoderModule
from elq.errors import ElqError
from elq.training.parser import ELQCLI


class BiEncoderCLI(ELQCLI):
    """The CLI of a training, for the module and the data of given mentions."""

    TASK = "biencoder"
    MODULE = BiEncoderModule
    DATA = MentionData
    MONITOR = "dev_recall"

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
