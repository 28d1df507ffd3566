"""What the units have in common that make one vector of the text and the picture of a mention."""

from dataclasses import dataclass

from torch import Tensor

from elq.multimodal.features import ModalityFeatures
from elq.multimodal.unit import UnitSettings, check_numbers
from elq.multimodal.units.parts import has_text


@dataclass(frozen=True, kw_only=True)
class FusedSettings(UnitSettings):
    """The settings of such a unit.

    Args:
        scale: the factor of cosines at the start; it is learned.
        margin: by how much the right candidate must be better, in losses that have a margin.
        text_alone: whether the unit also scores mentions without a picture. If not, the text units decide about them alone, so
            that they are linked as if there were no pictures at all.
    """

    scale: float = 10.0
    margin: float = 1.0
    text_alone: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_numbers(self, "scale", "margin")


def speaks_of(mentions: ModalityFeatures, settings: FusedSettings) -> Tensor:
    """The mentions (M,) about which a unit says something: those with a text, and with a picture unless it is not needed."""
    there = has_text(mentions)
    return there if settings.text_alone else there & mentions.picture_mask.any(-1)
