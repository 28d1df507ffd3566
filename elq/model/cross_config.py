"""The configuration of a cross-encoder: its settings, what it was trained behind, and their file config.json."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from elq.entities.texts import EntityText
from elq.errors import ElqError

KIND, FORMAT = "crossencoder", 1
FILES = ("config.json", "model.safetensors", "tokenizer.json")
CANDIDATES = 16  # K, the candidates of a mention that are scored
BEHIND = ("linker", "biencoder")  # kinds of a first stage


@dataclass(frozen=True, kw_only=True)  # no slots: the training parser reads its __dict__
class CrossSettings:
    """The settings of a cross-encoder apart from its encoder.

    Args:
        context_tokens: the length of the longest context, in tokens with the special tokens and the markers.
        entity_tokens: the length of the longest entity text, in tokens with the special tokens.
        entity_fields: the fields of an entity that are read, see :class:`elq.entities.texts.EntityText`.
    """

    context_tokens: int = 64
    entity_tokens: int = 48
    entity_fields: Sequence[str] = ("title", "aliases", "description")

    def __post_init__(self) -> None:
        for name in ("context_tokens", "entity_tokens"):
            if type(value := getattr(self, name)) is not int or value < 5:
                raise ElqError(f"{name} is {value!r}, but must be a whole number of at least 5: raise it")
        object.__setattr__(self, "entity_fields", tuple(self.entity_fields))  # JSON gives a list
        EntityText(fields=tuple(self.entity_fields))  # refuses fields that do not exist


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstStage:
    """What a cross-encoder was trained behind, and how its scores and those of the first stage become one.

    The score of a candidate is log_weight · log p + score_weight · s, with log p(entity | mention) of the first stage and the
    score s of the cross-encoder.

    Args:
        folder: the name of the folder of the first stage.
        kind: ``linker`` or ``biencoder``.
        candidates: K, the number of its candidates.
        margin: candidates whose log p is lower than that of the best one by more than this are not read, and keep their
            probability; None: all K are read.
        log_weight: the weight of log p.
        score_weight: the weight of s. With 0, and a log_weight of 1, the first stage alone decides.
    """

    folder: str = ""
    kind: str = "linker"
    candidates: int = CANDIDATES
    margin: float | None = None
    log_weight: float = 0.0
    score_weight: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in BEHIND:
            raise ElqError(f"the first stage is a {self.kind!r}, but must be one of {', '.join(BEHIND)}: correct config.json")
        if type(self.candidates) is not int or self.candidates < 1:
            raise ElqError(f"candidates is {self.candidates!r}, but must be a whole number of at least 1: correct config.json")
        for name in ("log_weight", "score_weight"):
            if type(value := getattr(self, name)) not in (int, float) or not math.isfinite(value):
                raise ElqError(f"{name} is {value!r}, but must be a finite number: correct config.json")
        if self.margin is not None and (type(self.margin) not in (int, float) or not self.margin > 0):
            raise ElqError(f"margin is {self.margin!r}, but must be a number above 0, or null: correct config.json")


@dataclass(frozen=True, kw_only=True)
class CrossConfig(CrossSettings):
    """Everything from which the network is built before its weights are loaded.

    Args:
        encoder: the encoder's own configuration.
        first_stage: what it was trained behind.
        kind: always ``crossencoder``.
        format: number of this file format.
    """

    encoder: dict[str, Any]
    first_stage: FirstStage = field(default_factory=FirstStage)
    kind: str = KIND
    format: int = FORMAT


def read_cross_config(folder: str | Path) -> CrossConfig:
    """Read ``config.json`` of a cross-encoder.

    Raises:
        ElqError: a file is missing, or the folder is no cross-encoder of this format.
    """
    folder = Path(folder)
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise ElqError(
            f"{folder} lacks {', '.join(missing)}, so it is no cross-encoder: give the model folder of a run of"
            " experiment=crossencoder, such as runs/crossencoder/latest/model"
        )
    try:
        values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ElqError(
            f"{folder / 'config.json'} cannot be read ({error}): put a whole copy of the file in its place"
        ) from None
    kind = values.get("kind", "linker") if isinstance(values, dict) else None
    if kind != KIND or values.get("format") != FORMAT:
        raise ElqError(
            f"{folder} is no cross-encoder of format {FORMAT}, but of the kind {kind!r}: give the model folder of a run of"
            " experiment=crossencoder, such as runs/crossencoder/latest/model"
        )
    try:
        return CrossConfig(**{**values, "first_stage": FirstStage(**values["first_stage"])})
    except (TypeError, KeyError) as error:
        names = ", ".join(each.name for each in fields(CrossConfig))
        raise ElqError(
            f"{folder / 'config.json'} is not the configuration of a cross-encoder ({error}): it must have the keys {names};"
            " put a whole copy of the file in its place"
        ) from None
