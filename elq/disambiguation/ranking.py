"""The ranking: the score of a candidate of a given mention, from the vectors, its fame, and how the mention names it.

Score = vectors · (inner product) + Σ prior · (columns of its fame) + names[kind of name match]. The fame is in further columns
of the entity table (elq/entities/prior.py), and the kinds of name matches are those of elq/names/lookup.py. The few weights are
fitted on training mentions by maximum likelihood.

File format: ``ranking.json`` in the model folder, the fields of :class:`Ranking`.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
from torch import Tensor

from elq.entities.prior import prior_columns
from elq.errors import ElqError
from elq.files import read_json_file, write_json
from elq.model.heads import START_BONUS
from elq.types import NAME_KINDS

RANKING, FORMAT = "ranking.json", 1
KINDS = 2 * len(NAME_KINDS)
PENALTY = 0.02  # of the squares of the changes, so that a kind of match that is rare keeps its weight


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """The weights of the score.

    Args:
        vectors: of the inner product of the vectors.
        prior: of each column of the fame.
        names: of each kind of name match; a candidate whose name does not match gets 0.
        candidates: K, the number of candidates of a mention.
        fitted: the number of mentions on which the weights were fitted.
        format: number of this file format.
    """

    vectors: float = 1.0
    prior: tuple[float, ...] = ()
    names: tuple[float, ...] = START_BONUS
    candidates: int = 16
    fitted: int = 0
    format: int = FORMAT

    def __post_init__(self) -> None:
        object.__setattr__(self, "prior", tuple(self.prior))
        object.__setattr__(self, "names", tuple(self.names))
        numbers = (self.vectors, *self.prior, *self.names)
        if len(self.names) != KINDS or not all(type(number) in (int, float) for number in numbers):
            raise ElqError(f"{RANKING} needs numbers, and {KINDS} of them as names: put a whole copy of the file in its place")
        if type(self.candidates) is not int or self.candidates < 1:
            raise ElqError(f"candidates is {self.candidates!r}, but must be at least 1: set it to 16, the default")

    def save(self, folder: str | Path) -> None:
        """Write ``ranking.json``."""
        write_json(Path(folder) / RANKING, asdict(self))

    @classmethod
    def load(cls, folder: str | Path) -> "Ranking":
        """Read ``ranking.json``.

        Raises:
            ElqError: the file is missing, or is not of this format.
        """
        path = Path(folder) / RANKING
        values = read_json_file(path, "give the folder of a bi-encoder, such as runs/…/model")
        known = {field.name for field in fields(cls)}
        if not isinstance(values, dict) or values.get("format") != FORMAT or not values.keys() <= known:
            raise ElqError(f"{path} is not a ranking of format {FORMAT}: put a whole copy of the file in its place")
        return cls(**values)

    def queries(self, vectors: Tensor) -> Tensor:
        """Vectors (M, D + P) whose inner products with the rows of the table are the scores without the names.

        Args:
            vectors: (M, D) vectors of mentions.
        """
        fame = vectors.new_tensor(self.prior).expand(len(vectors), -1)  # (M, P)
        return torch.cat([self.vectors * vectors, fame], -1)  # (M, D + P)

    def bonus(self, kinds: Tensor) -> Tensor:
        """The scores (M, E) of the kinds (M, E) of name matches; 0 where the kind is −1."""
        return torch.tensor([0.0, *self.names])[kinds + 1]  # (M, E)


@dataclass(frozen=True, slots=True)
class Features:
    """What the score of each of E candidates of M mentions is made of; every gold entity is among them."""

    products: Tensor  # (M, E) inner products of the vectors; −inf where there is no candidate
    prior: Tensor  # (M, E, P) columns of the fame
    kinds: Tensor  # (M, E) kinds of name matches, −1 for none
    gold: Tensor  # (M,) the place of the gold entity


def joined(parts: Sequence[Features]) -> Features:
    """The features of all mentions of several parts, each filled up with no candidates to the number of the longest."""
    width = max(part.products.shape[1] for part in parts)

    def filled(values: Tensor, value: float) -> Tensor:
        more = values.new_full((len(values), width - values.shape[1], *values.shape[2:]), value)
        return torch.cat([values, more], 1)  # (M, E) or (M, E, P)

    return Features(
        torch.cat([filled(part.products, -torch.inf) for part in parts]),
        torch.cat([filled(part.prior, 0.0) for part in parts]),
        torch.cat([filled(part.kinds, -1) for part in parts]),
        torch.cat([part.gold for part in parts]),
    )


def scores_of(features: Features, weights: Tensor, prior: int) -> Tensor:
    """The scores (M, E) for weights (1 + P + kinds,)."""
    scale, fame, names = weights[0], weights[1 : 1 + prior], torch.cat([weights.new_zeros(1), weights[1 + prior :]])
    there = features.products > -torch.inf  # (M, E)
    total = scale * features.products.masked_fill(~there, 0.0) + features.prior.to(weights) @ fame  # (M, E)
    return (total + names[features.kinds + 1]).masked_fill(~there, -torch.inf)  # (M, E)


def fit_ranking(features: Features, prior: Sequence[str], candidates: int = 16) -> Ranking:
    """The weights with the largest likelihood of the gold entities. A weak penalty keeps those that matter little as they were.

    Args:
        features: of M mentions.
        prior: the names of the features of fame.
        candidates: K of the ranking.
    """
    columns = prior_columns(prior)
    start = torch.tensor([1.0, *[0.0] * columns, *START_BONUS], dtype=torch.float64)
    if not len(features.gold):
        return Ranking(prior=(0.0,) * columns, candidates=candidates)
    weights = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        scores = scores_of(features, weights, columns)  # (M, E)
        value = torch.nn.functional.cross_entropy(scores, features.gold, reduction="sum")
        value = (value + PENALTY / 2 * (weights - start).square().sum()) / len(features.gold)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    with torch.enable_grad():
        optimizer.step(loss)  # type: ignore[no-untyped-call]
    found = [round(value, 6) for value in weights.tolist()]
    names, fame = found[1 + columns :], found[1 : 1 + columns]
    return Ranking(vectors=found[0], prior=tuple(fame), names=tuple(names), candidates=candidates, fitted=len(features.gold))
