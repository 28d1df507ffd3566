"""The configuration of a network: everything that must be known before its weights are loaded."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from elq.entities.prior import prior_columns
from elq.errors import ElqError

FORMAT = 4  # 4: misspellings among the kinds of names


@dataclass(frozen=True, kw_only=True)  # no slots: the training parser reads its __dict__
class NetworkSettings:
    """What shapes the network, beside its encoder. Settings of training have the same names.

    Args:
        max_span_tokens: L, longest mention in tokens.
        projection: a linear map of mention vectors that starts as the identity.
        unit_norm: mention vectors of norm 1 times a learned scale.
        scale: where that scale starts.
        names: learned scores for spans that are a name of the catalogue, and for the entities that may be meant by it.
        prior: features of the entities, with learned weights, see elq/entities/prior.py.
        nil: "not in the catalogue" is one more candidate of every mention, learned from mentions without an entity.
        question_tokens: longest question in score mode ``elq``, special tokens included.
    """

    max_span_tokens: int = 10
    projection: bool = True
    unit_norm: bool = True
    scale: float = 20.0
    names: bool = False
    prior: Sequence[str] = ()
    nil: bool = False
    question_tokens: int = 32

    def __post_init__(self) -> None:
        for name, least in (("max_span_tokens", 1), ("question_tokens", 3)):
            if type(value := getattr(self, name)) is not int or value < least:
                raise ElqError(f"{name} is {value!r}, but must be a whole number of at least {least}")
        if type(self.scale) not in (int, float) or not 0 < self.scale < math.inf:
            raise ElqError(f"scale is {self.scale!r}, but must be a number above 0")
        if not isinstance(self.prior, list | tuple):
            raise ElqError(f"prior is {self.prior!r}, but must be a list of features")
        object.__setattr__(self, "prior", tuple(self.prior))  # JSON has lists
        prior_columns(self.prior)
        for name in ("projection", "unit_norm", "names", "nil"):
            if type(getattr(self, name)) is not bool:
                raise ElqError(f"{name} is {getattr(self, name)!r}, but must be true or false")


@dataclass(frozen=True, kw_only=True)
class ELQConfig(NetworkSettings):
    """Everything needed to build the model's modules before its weights are loaded.

    Args:
        encoder: the encoder's own configuration.
        format: number of this file format.
    """

    encoder: dict[str, Any]
    format: int = FORMAT


def read_config(path: str | Path) -> ELQConfig:
    """Read ``config.json`` of a model folder.

    Raises:
        ElqError: missing, not JSON, of another format number, or with unknown or missing keys.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ElqError(f"{path} cannot be read ({error}): give a folder that elq exported") from None
    known = {field.name for field in fields(ELQConfig)}
    if not isinstance(values, dict) or "encoder" not in values or values.get("format") != FORMAT:
        raise ElqError(f"{path} is not the configuration of an elq model of format {FORMAT}: give a folder that elq exported")
    if unknown := sorted(values.keys() - known):
        raise ElqError(f"{path} has the unknown keys {', '.join(unknown)}, but the keys are {', '.join(sorted(known))}")
    return ELQConfig(**values)
