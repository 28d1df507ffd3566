"""The configuration of a bi-encoder: its settings, and their file config.json."""

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from elq.encoding.marked import BLINK, CHINESE
from elq.errors import ElqError
from elq.files import read_json_file

KIND, FORMAT = "biencoder", 1
MARKERS = {"blink": BLINK, "chinese": CHINESE}
TOWERS, POOLINGS = ("own", "tied", "frozen"), ("mean", "cls", "mention")
CONFIG = "config.json"


@dataclass(frozen=True, kw_only=True)  # no slots: the training parser reads its __dict__
class BiEncoderSettings:
    """The settings of the network apart from its encoder.

    Args:
        entity_tower: ``own`` (both towers are trained, and start with the same weights), ``tied`` (one tower encodes both
            mentions and entities), or ``frozen`` (the vectors of an entities folder are used as they are, so no entity is
            encoded again).
        pooling: the vector of a text: ``mean`` (the mean of its tokens), ``cls`` (its first token), or ``mention`` (of a
            context, the mean of its tokens plus the mean of the tokens of the mention with its markers; of an entity, the mean
            of its tokens). Vectors other than ``cls`` have unit norm.
        scale: the value at which the learned scale of inner products starts; it is not used with ``cls``.
        context_tokens: the length of the longest context, in tokens with the special tokens and the markers.
        entity_tokens: the length of the longest entity text, in tokens with the special tokens.
        markers: ``blink`` ([unused0] …) or ``chinese`` ([ENT_S] and [ENT_E], which are added to the vocabulary of the context
            tower; entity texts have no markers).
    """

    entity_tower: str = "own"
    pooling: str = "mention"
    scale: float = 20.0
    context_tokens: int = 64
    entity_tokens: int = 64
    markers: str = "blink"

    def __post_init__(self) -> None:
        for name, allowed in (("entity_tower", TOWERS), ("pooling", POOLINGS), ("markers", tuple(MARKERS))):
            if getattr(self, name) not in allowed:
                raise ElqError(f"{name} is {getattr(self, name)!r}, but must be one of {', '.join(allowed)}: choose one")
        if type(self.scale) not in (int, float) or not 0 < self.scale < math.inf:
            raise ElqError(f"scale is {self.scale!r}, but must be a number above 0: set it to 20.0, the default")

    @property
    def entity_pooling(self) -> str:
        """The pooling of entity texts, as an entities folder knows it."""
        return "cls" if self.pooling == "cls" else "mean"


@dataclass(frozen=True, kw_only=True)
class BiEncoderConfig(BiEncoderSettings):
    """Everything from which the towers are built before their weights are loaded: also the configuration of their encoder."""

    encoder: dict[str, Any]
    added_words: int = 0  # tokens that the context tower has beside those of its encoder (elq/encoding/added_words.py)
    kind: str = KIND
    format: int = FORMAT


def read_config(folder: str | Path) -> BiEncoderConfig:
    """Read ``config.json`` of the folder of a bi-encoder.

    Raises:
        ElqError: the file is missing, is not that of a bi-encoder, or has unknown keys or values that are not allowed.
    """
    path = Path(folder) / CONFIG
    values = read_json_file(path, "give the folder of a bi-encoder, such as runs/…/model")
    if not isinstance(values, dict) or values.get("kind") != KIND or values.get("format") != FORMAT:
        raise ElqError(
            f"{path} is not the configuration of a bi-encoder of format {FORMAT}: give a folder that `elq train"
            " experiment=biencoder` made"
        )
    known = {field.name for field in fields(BiEncoderConfig)}
    if unknown := sorted(values.keys() - known):
        raise ElqError(
            f"{path} has the unknown keys {', '.join(unknown)}, but the keys are {', '.join(sorted(known))}: remove the unknown"
            " keys, or install the version of elq that wrote the file"
        )
    if not isinstance(values.get("encoder"), dict):
        raise ElqError(f"{path} lacks encoder, the settings of the towers: put a whole copy of the file in its place")
    return BiEncoderConfig(**values)
