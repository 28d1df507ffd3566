"""The presets: which units, losses and options make up each published system."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from elq.errors import ElqError
from elq.multimodal.network import MultimodalNetwork, NetworkConfig
from elq.multimodal.unit import Sizes


@dataclass(frozen=True, kw_only=True)
class Preset:
    """One system.

    Args:
        units: the settings of each unit that differ from its defaults, by the name of the unit.
        source: the paper, and what of it is here.
        mean: how the scores of the units become one, see :class:`elq.multimodal.network.NetworkConfig`.
        total_loss: the weight of the cross-entropy of the total.
        decoding: ``rank`` (the best candidate of each mention) or ``matching`` (all mentions of a document together, see
            ``elq/multimodal/matching.py``).
    """

    units: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    source: str
    mean: str = "learned"
    total_loss: float = 1.0
    decoding: str = "rank"

    def config(self, sizes: Sizes) -> NetworkConfig:
        """The configuration of the network for features of these widths."""
        return NetworkConfig(
            units=self.units, text=sizes.text, picture=sizes.picture, mean=self.mean, total_loss=self.total_loss
        )

    def network(self, sizes: Sizes) -> MultimodalNetwork:
        """A network with random weights."""
        return MultimodalNetwork(self.config(sizes))


PRESETS: dict[str, Preset] = {
    "text": Preset(units={"text": {"loss_weight": 0.0}}, source="the cosine of the vectors of texts alone, for comparison"),
    "mimic": Preset(
        units={"tglu": {}, "vdlu": {}, "cmfu": {}},
        mean="equal",
        source="MIMIC (Luo et al., KDD 2023): the mean of three units, each with a loss of its own",
    ),
}


def preset(name: str) -> Preset:
    """A preset.

    Raises:
        ElqError: there is no preset of this name.
    """
    if name not in PRESETS:
        raise ElqError(f"there is no preset {name!r}: choose of {', '.join(PRESETS)}")
    return PRESETS[name]
