"""The configuration of a network: its settings, and their file config.json."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from elq.entities.hierarchy import Hierarchy
from elq.entities.prior import prior_columns
from elq.errors import ElqError
from elq.model.type_head import NO_TYPES, TYPE_KINDS
from elq.names.named import COARSE, FINE

FORMAT = 4  # since format 4 misspellings are one of the kinds of names


@dataclass(frozen=True, kw_only=True)  # no slots: the training parser reads its __dict__
class NetworkSettings:
    """The settings of the network apart from its encoder. The settings of a training have the same names.

    Args:
        max_span_tokens: L, the length of the longest mention in tokens. With ``names``, a longer name may be a mention too.
        projection: whether mention vectors pass through a linear map, which starts as the identity.
        unit_norm: whether mention vectors are divided by their norm and multiplied by a learned scale.
        scale: the value at which that scale starts.
        names: whether the model learns scores for spans that are a name of the catalogue, and for the entities that the name
            may mean.
        fine_names: whether these scores distinguish more kinds of names (elq/names/named.py), for a model that links over
            catalogues of any size.
        capitals: whether the model learns scores for words with and without capital letters, in texts where these tell names
            from other words (elq/encoding/capitals.py).
        prior: features of the entities, with learned weights, see elq/entities/prior.py.
        nil: whether NIL ("not in the catalogue") is one more candidate of every mention. It is learned from gold mentions
            without an entity.
        whole_question: whether entities are compared with the whole question too, not only with the mention, see
            :class:`elq.model.heads.WholeQuestion`.
        question_tokens: the length of the longest question in the score mode ``elq``, in tokens with the special tokens.
        types: whether the model learns the types of mentions, and what passes through their hierarchy from the leaves to the
            roots (elq/model/type_head.py): ``none`` (no types), ``flat`` (nothing), ``goedel``, ``lukasiewicz``,
            ``weighted_goedel`` or ``weighted_lukasiewicz``.
        own_type_scores: whether the own score of a type that has children counts in that pass; false is the published pass.
    """

    max_span_tokens: int = 10
    projection: bool = True
    unit_norm: bool = True
    scale: float = 20.0
    names: bool = False
    fine_names: bool = False
    capitals: bool = False
    prior: Sequence[str] = ()
    nil: bool = False
    whole_question: bool = False
    question_tokens: int = 32
    types: str = NO_TYPES
    own_type_scores: bool = True

    def __post_init__(self) -> None:
        for name, least in (("max_span_tokens", 1), ("question_tokens", 3)):
            if type(value := getattr(self, name)) is not int or value < least:
                raise ElqError(f"{name} is {value!r}, but must be a whole number of at least {least}: correct it")
        if type(self.scale) not in (int, float) or not 0 < self.scale < math.inf:
            raise ElqError(f"scale is {self.scale!r}, but must be a number above 0: set it to 20.0, the default")
        if not isinstance(self.prior, list | tuple):
            raise ElqError(f"prior is {self.prior!r}, but must be a list of features: set it to a list, such as [qid]")
        object.__setattr__(self, "prior", tuple(self.prior))  # JSON gives a list
        prior_columns(self.prior)
        for name in ("projection", "unit_norm", "names", "fine_names", "capitals", "nil", "whole_question", "own_type_scores"):
            if type(getattr(self, name)) is not bool:
                raise ElqError(f"{name} is {getattr(self, name)!r}, but must be true or false: correct it")
        if self.types not in TYPE_KINDS:
            raise ElqError(f"types is {self.types!r}, but must be one of {', '.join(TYPE_KINDS)}: give one of them")
        if self.fine_names and not self.names:
            raise ElqError("fine_names is true, but names is false: set names to true too, or fine_names to false")

    @property
    def longest_mention(self) -> str:
        """How long a mention may be, in words."""
        return f"{self.max_span_tokens} tokens{', or a longer name of the catalogue' if self.names else ''}"

    @property
    def kinds_of_names(self) -> int:
        """The number of kinds of names that the model has scores for; 0 for a model without names."""
        return 0 if not self.names else FINE if self.fine_names else COARSE


@dataclass(frozen=True, kw_only=True)
class ELQConfig(NetworkSettings):
    """Everything from which the model's modules are built before its weights are loaded.

    Args:
        encoder: the encoder's own configuration.
        format: number of this file format.
        hierarchy: the types of a model that learns types; None until they are known.
    """

    encoder: dict[str, Any]
    format: int = FORMAT
    hierarchy: Hierarchy | None = None

    def __post_init__(self) -> None:
        NetworkSettings.__post_init__(self)
        if self.hierarchy is not None and self.types == NO_TYPES:
            raise ElqError(f"there is a hierarchy of types, but types is {self.types!r}: take a whole copy of config.json")

    def values(self) -> dict[str, Any]:
        """The values of config.json. A model without types or capitals has no keys about them, as in earlier versions."""
        unused = {"types", "own_type_scores", "hierarchy"} if self.types == NO_TYPES else set[str]()
        unused |= set[str]() if self.capitals else {"capitals"}
        return {key: value for key, value in asdict(self).items() if key not in unused}


OTHER_KINDS = {  # kinds of config.json that are not of a linker → what they are, and what uses them
    "biencoder": "a bi-encoder, which links given mentions only: use it with `elq evaluate --given` or elq.Disambiguator",
    "crossencoder": "a cross-encoder, which re-ranks the candidates of another model: give it as --rerank or reranker=",
}


def kind_of(folder: str | Path) -> str | None:
    """The kind of a model folder that is not of a linker, such as "biencoder"; None for everything else."""
    try:
        values = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # what reads the file says what is wrong with it
    kind = values.get("kind") if isinstance(values, dict) else None
    return kind if isinstance(kind, str) else None


def refuse_other_kind(folder: str | Path) -> None:
    """Raise an ElqError if a model folder is that of a bi-encoder or of a cross-encoder."""
    if what := OTHER_KINDS.get(kind_of(folder) or ""):
        raise ElqError(f"{folder} is the folder of {what}")


def read_config(path: str | Path) -> ELQConfig:
    """Read ``config.json`` of a model folder.

    Raises:
        ElqError: the file is missing, is not JSON, has another format number, or has unknown or missing keys.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ElqError(f"{path} cannot be read ({error}): give a model folder of elq that contains this file") from None
    known = {field.name for field in fields(ELQConfig)}
    if not isinstance(values, dict) or "encoder" not in values or values.get("format") != FORMAT:
        refuse_other_kind(Path(path).parent)
        raise ElqError(
            f"{path} is not the configuration of an elq model of format {FORMAT}: give a model folder that this version of elq"
            " trained or imported"
        )
    if unknown := sorted(values.keys() - known):
        raise ElqError(
            f"{path} has the unknown keys {', '.join(unknown)}, but the keys are {', '.join(sorted(known))}: remove the unknown"
            " keys, or install the version of elq that wrote the file"
        )
    if values.get("hierarchy") is not None:
        try:
            values["hierarchy"] = Hierarchy(**values["hierarchy"])
        except TypeError:
            raise ElqError(
                f"{path} has a hierarchy of types with other keys than names and parents: put a whole copy of the file in its"
                " place"
            ) from None
    return ELQConfig(**values)
