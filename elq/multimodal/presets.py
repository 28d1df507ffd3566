"""The presets: which units, losses and options make up each published system."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from elq.errors import ElqError
from elq.multimodal.config import NetworkConfig
from elq.multimodal.network import MultimodalNetwork
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
        retrieval: where further candidates come from: ``bm25`` (texts), ``pictures`` (nearest pictures), both in
            ``elq/multimodal/retrieval.py``, and ``joint`` (one index of both, :meth:`elq.multimodal.units.dxr.DXR.joint_rows`).
        noise: the settings of the noise filter; None: there is none.
        trees: whether trees rank the candidates at the end, see ``elq/multimodal/trees.py``.
    """

    units: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    source: str
    mean: str = "by_words"
    total_loss: float = 1.0
    decoding: str = "rank"
    retrieval: tuple[str, ...] = ()
    noise: Mapping[str, Any] | None = None
    trees: bool = False

    def config(self, sizes: Sizes) -> NetworkConfig:
        """The configuration of the network for features of these widths."""
        return NetworkConfig(
            units=self.units,
            text=sizes.text,
            picture=sizes.picture,
            mean=self.mean,
            total_loss=self.total_loss,
            noise=self.noise,
        )

    def network(self, sizes: Sizes) -> MultimodalNetwork:
        """A network with random weights."""
        return MultimodalNetwork(self.config(sizes))


FILTER: Mapping[str, Any] = {"candidates": 32}  # the settings of the noise filter of a preset
# Where a paper trains its towers, they are frozen here: the unit `text` is the cosine of the vectors of the towers.
PRESETS: dict[str, Preset] = {
    "text": Preset(units={"text": {"loss_weight": 0.0}}, source="the cosine of the vectors of texts alone, for comparison"),
    "mimic": Preset(
        units={"tglu": {}, "vdlu": {}, "cmfu": {}},
        source="MIMIC (Luo et al., KDD 2023): the mean of three units, each with a loss of its own; here the mean is learned",
    ),
    "ghmfc": Preset(
        units={"text": {}, "ghmfc": {"entity_patches": True}},
        source="GHMFC (Wang et al., SIGIR 2022): gated co-attention, a triplet loss and a contrast",
    ),
    "dzmned": Preset(
        units={"text": {}, "dzmned": {}},
        source="DZMNED (Moon et al., ACL 2018): attention over picture, text and letters, a hinge loss",
    ),
    "drin": Preset(
        units={"text": {}, "drin": {}},
        source="DRIN (Xing et al., ACM MM 2023): a graph over mention and candidates with four kinds of edges",
    ),
    "m3el": Preset(
        units={"tglu": {}, "m3el_vision": {}, "cmfu": {"back": True}, "icl": {}},
        source="M3EL (Hu et al. 2024): matching within and across modalities, with a contrast within each modality",
    ),
    "m3el_movie": Preset(
        units={"text": {}, "picture": {}, "cross": {}},
        decoding="matching",
        source="M3EL, the movie set (Gan et al., ACM MM 2021): texts and faces are matched with entities together",
    ),
    "mkb": Preset(
        units={"text": {}, "picture": {}, "cross": {}},
        retrieval=("bm25", "pictures"),
        source="multimodal entity tagging (Peng et al. 2022): retrieval by texts and by pictures, then both kinds of ranking",
    ),
    "dxr": Preset(
        units={"text": {}, "dxr": {}},
        retrieval=("joint",),
        source="DXR (Gur et al. 2021): one space and one index of texts and pictures",
    ),
    "hq": Preset(
        units={"text": {}, "picture": {}, "hq": {}},
        noise=FILTER,
        source="attention with high-quality images (Zhang et al., DASFAA 2021): a filter of pictures in two stages, attention",
    ),
    "fbmel": Preset(
        units={"text": {}, "picture": {}, "fbmel": {}},
        source="FBMEL (Mi et al. 2024, VP-MEL): a marked part of a picture, local prompts, a contrastive alignment",
    ),
    "twitter": Preset(
        units={"text": {}, "picture": {}, "jmel": {}},
        trees=True,
        source="Adjali et al. 2020: a triplet network over texts and pictures; its score, popularity and BM25 in ExtraTrees",
    ),
}


def preset(name: str) -> Preset:
    """A preset.

    Raises:
        ElqError: there is no preset of this name.
    """
    if name not in PRESETS:
        raise ElqError(f"there is no preset {name!r}: choose one of {', '.join(PRESETS)}")
    return PRESETS[name]
