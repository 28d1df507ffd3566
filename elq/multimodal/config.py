"""The configuration of a multimodal network: its units and the widths of its features, and their file config.json."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from elq.errors import ElqError
from elq.files import read_json_file
from elq.multimodal.noise import NoiseSettings
from elq.multimodal.unit import check_numbers

CONFIG = "config.json"
KIND, FORMAT = "multimodal", 1
MEANS = ("by_words", "learned", "equal")


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Everything from which a network is built before its weights are loaded.

    Args:
        units: the settings of each unit that differ from its defaults, by the name of the unit.
        text: D, the width of the vectors of texts and words.
        picture: V, the width of the vectors of pictures and patches.
        mean: ``learned`` (the mean of the units has learned weights, which begin equal), ``by_words`` (mentions whose words are
            a name in the catalogue have other learned weights than "this one" and boxes), or ``equal`` (plain mean).
        total_loss: the weight of the cross-entropy of the total. Each unit has a ``loss_weight`` of its own.
        noise: the settings of the filter that drops pictures (:class:`elq.multimodal.noise.NoiseSettings`) that differ from its
            defaults; None: there is no filter.
        kind: what the folder is.
        format: number of this file format.
    """

    units: Mapping[str, Mapping[str, Any]]
    text: int
    picture: int
    mean: str = "learned"
    total_loss: float = 1.0
    noise: Mapping[str, Any] | None = None
    kind: str = KIND
    format: int = FORMAT

    def __post_init__(self) -> None:
        if not self.units:
            raise ElqError("a multimodal network has 0 units, but must have at least 1: choose units, or a preset")
        if self.mean not in MEANS:
            raise ElqError(f"mean is {self.mean!r}, but must be one of {', '.join(MEANS)}: choose one")
        check_numbers(self, "total_loss", excluded=False)


def noise_settings(values: Mapping[str, Any]) -> NoiseSettings:
    """The settings of a filter.

    Raises:
        ElqError: there is no such setting, or a value is not allowed.
    """
    known = {each.name for each in fields(NoiseSettings)}
    if unknown := sorted(values.keys() - known):
        raise ElqError(f"the noise filter has no setting {', '.join(unknown)}: its settings are {', '.join(sorted(known))}")
    return NoiseSettings(**values)


def read_config(folder: str | Path) -> NetworkConfig:
    """Read ``config.json`` of the folder of a multimodal network.

    Raises:
        ElqError: the file is missing, is not that of a multimodal network, or has keys or values that are not allowed.
    """
    path = Path(folder) / CONFIG
    values = read_json_file(path, "give the folder of a multimodal network")
    if not isinstance(values, dict) or values.get("kind") != KIND or values.get("format") != FORMAT:
        raise ElqError(f"{path} is not the configuration of a multimodal network of format {FORMAT}: give the folder of one")
    known = {each.name for each in fields(NetworkConfig)}
    if wrong := sorted(values.keys() ^ known):
        raise ElqError(
            f"{path} has or lacks the keys {', '.join(wrong)}, but must have {', '.join(sorted(known))}: put a whole copy of"
            " the file in its place, or install the version of elq that wrote it"
        )
    if not isinstance(values["units"], dict) or not all(isinstance(each, dict) for each in values["units"].values()):
        raise ElqError(f"units in {path} must be objects with settings: put a whole copy of the file in its place")
    return NetworkConfig(**values)
