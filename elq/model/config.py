"""The configuration of a network: everything that must be known before its weights are loaded."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from elq.entities.prior import prior_columns
from elq.errors import ElqError

FORMAT = 4  # 4: slips among the kinds of names


@dataclass(frozen=True, slots=True, kw_only=True)
class ELQConfig:
    """Everything needed to build the model's modules before its weights are loaded."""

    encoder: dict[str, Any]
    max_span_tokens: int = 10
    projection: bool = True
    unit_norm: bool = True
    scale: float = 20.0
    names: bool = False
    prior: Sequence[str] = ()
    nil: bool = False
    question_tokens: int = 32  # longest question under the score mode "elq", special tokens included
    format: int = FORMAT

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
