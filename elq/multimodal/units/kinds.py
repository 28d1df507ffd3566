"""The kinds of units: registers them by name."""

from elq.errors import ElqError
from elq.multimodal.unit import Sizes, Unit, UnitSettings
from elq.multimodal.units.cosine import PictureUnit, TextUnit
from elq.multimodal.units.drin import DRIN
from elq.multimodal.units.dxr import DXR
from elq.multimodal.units.dzmned import DZMNED
from elq.multimodal.units.fbmel import FBMEL
from elq.multimodal.units.ghmfc import GHMFC
from elq.multimodal.units.hq import HQ
from elq.multimodal.units.m3el import ContrastUnit, VisionUnit
from elq.multimodal.units.mimic import CMFU, TGLU, VDLU
from elq.multimodal.units.mkb import CrossUnit
from elq.multimodal.units.twitter import JMEL

KINDS: tuple[type[Unit], ...] = (
    *(TextUnit, PictureUnit, TGLU, VDLU, CMFU, DZMNED, GHMFC, ContrastUnit, VisionUnit, DRIN, CrossUnit, DXR, HQ, FBMEL, JMEL),
)
UNITS = {kind.name: kind for kind in KINDS}


def unit_class(name: str) -> type[Unit]:
    """The class of a unit.

    Raises:
        ElqError: there is no unit of this name.
    """
    if name not in UNITS:
        raise ElqError(f"there is no unit {name!r}: choose one of {', '.join(UNITS)}")
    return UNITS[name]


def settings_of(name: str, **values: object) -> UnitSettings:
    """The settings of a unit, from values of which any may be left out.

    Raises:
        ElqError: there is no such unit or setting, or a value is not allowed.
    """
    known = unit_class(name).settings_class
    if unknown := sorted(values.keys() - known.__dataclass_fields__.keys()):
        raise ElqError(
            f"the unit {name} has no setting {', '.join(unknown)}: its settings are {', '.join(known.__dataclass_fields__)}"
        )
    return known(**values)  # type: ignore[arg-type]


def make_unit(name: str, sizes: Sizes, settings: UnitSettings | None = None) -> Unit:
    """A unit with random weights; without settings, those of the class."""
    kind = unit_class(name)
    return kind(sizes, kind.settings_class() if settings is None else settings)
