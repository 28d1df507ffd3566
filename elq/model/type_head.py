"""The type head: which types the entity of a mention has, from the mention's vector (NeSLET, Findings of NAACL 2022).

It is a multi-label classifier. A bottom-up pass through the hierarchy of types then makes a type at least as probable as the
types below it. The published pass throws a type's own value away where the type has children; by default, this one keeps it,
since it is all that says that an entity is a city without saying which kind of city.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from elq.entities.hierarchy import Hierarchy
from elq.model.heads import SINGLE_SCALE

NO_TYPES, GOEDEL, LUKASIEWICZ, WEIGHTED = "none", "goedel", "lukasiewicz", "weighted_"
NORMS = (GOEDEL, LUKASIEWICZ, WEIGHTED + GOEDEL, WEIGHTED + LUKASIEWICZ)
TYPE_KINDS = (NO_TYPES, "flat", *NORMS)
START_LOGIT = -6.0  # a type is improbable at first; the sum over many children must not reach 1, where it has no gradient
START_WEIGHT = 2.0  # logit of the weight of a child
PREDICTED, LEAST = 5, 0.05  # types that a link shows, and their lowest probability


class Level(NamedTuple):
    """The types of one depth, and their parents."""

    children: Sequence[int]  # C places
    parents: Sequence[int]  # C places


class PredictedTypes(NamedTuple):
    """The most probable types of Q mentions, best first. All tensors are on the CPU."""

    names: Sequence[str]  # the Y types
    places: Tensor  # (Q, P) int64 in ``names``
    probabilities: Tensor  # (Q, P)

    def of(self, q: int) -> dict[str, float]:
        """The types of mention q that are probable enough to be shown, with their probabilities."""
        pairs = zip(self.places[q].tolist(), self.probabilities[q].tolist(), strict=True)
        return {self.names[place]: p for place, p in pairs if p >= LEAST}


def joined_types(parts: Sequence[PredictedTypes]) -> PredictedTypes | None:
    """The predicted types of the mentions of several batches, one after the other; None if there is no batch."""
    if not parts:
        return None
    return PredictedTypes(
        parts[0].names, torch.cat([one.places for one in parts]), torch.cat([one.probabilities for one in parts])
    )


def levels_of(parents: Sequence[int]) -> list[Level]:
    """The types that have a parent, grouped by their depth, the deepest first.

    >>> [(level.children, level.parents) for level in levels_of([-1, 0, 0, 1])]
    [([3], [1]), ([1, 2], [0, 0])]
    """
    depths: list[int] = []
    for parent in parents:
        depths.append(0 if parent < 0 else depths[parent] + 1)
    found = []
    for depth in range(max(depths, default=0), 0, -1):
        children = [place for place, own in enumerate(depths) if own == depth]
        found.append(Level(children, [parents[place] for place in children]))
    return found


def bottom_up(values: Tensor, levels: Sequence[Level], norm: str, *, own: bool = True, weights: Tensor | None = None) -> Tensor:
    """The values of all types after the pass from the leaves to the roots, level by level.

    Args:
        values: (Q, Y) from 0 to 1.
        levels: the levels of the hierarchy from :func:`levels_of`.
        norm: ``goedel``: a type gets the largest value of its children; ``lukasiewicz``: their sum, but at most 1.
        own: whether the value of a type that has children counts beside theirs. False is the published pass.
        weights: (Y,) from 0 to 1, factors of the values of children; None: all are 1. The own value has no factor.

    Returns:
        (Q, Y) from 0 to 1. A type without children keeps its value.

    >>> bottom_up(torch.tensor([[0.5, 0.25, 0.375]]), levels_of([-1, 0, 0]), "goedel", own=False)
    tensor([[0.3750, 0.2500, 0.3750]])
    >>> bottom_up(torch.tensor([[0.5, 0.25, 0.375]]), levels_of([-1, 0, 0]), "lukasiewicz")
    tensor([[1.0000, 0.2500, 0.3750]])
    """
    reduce = "amax" if norm == GOEDEL else "sum"
    for level in levels:
        children, parents = (torch.tensor(part, device=values.device) for part in level)  # (C,) twice
        passed = values[:, children]  # (Q, C)
        if weights is not None:
            passed = passed * weights[children]
        values = values.scatter_reduce(1, parents.expand_as(passed), passed, reduce, include_self=own)  # (Q, Y)
        if norm == LUKASIEWICZ:
            values = values.clamp_max(1.0)
    return values


class TypeHead(nn.Module):
    """The probabilities of the types of mentions.

    Args:
        width: D of the encoder.
        hierarchy: Y types.
        kind: ``flat`` (no pass through the hierarchy) or the norm of the pass, one of ``NORMS``.
        own: whether the own value of a type with children counts, see :func:`bottom_up`.
    """

    def __init__(self, width: int, hierarchy: Hierarchy, *, kind: str, own: bool = True) -> None:
        super().__init__()
        self.hierarchy, self.own = hierarchy, own
        self.norm = kind.removeprefix(WEIGHTED) if kind in NORMS else None
        self.linear = nn.Linear(width, len(hierarchy))
        nn.init.zeros_(self.linear.weight)
        nn.init.constant_(self.linear.bias, START_LOGIT)
        self.weight = (
            nn.Parameter(torch.full((len(hierarchy),), START_WEIGHT / SINGLE_SCALE)) if kind.startswith(WEIGHTED) else None
        )
        self._levels = levels_of(hierarchy.parents)

    def forward(self, vectors: Tensor) -> Tensor:
        """Probabilities (Q, Y) fp32 of Q mentions.

        Args:
            vectors: (Q, D + P) mention vectors; the P columns of the prior are not used.
        """
        values: Tensor = self.linear(vectors[:, : self.linear.in_features].float()).sigmoid()  # (Q, Y)
        if self.norm is None:
            return values
        weights = None if self.weight is None else (SINGLE_SCALE * self.weight).sigmoid()  # (Y,)
        return bottom_up(values, self._levels, self.norm, own=self.own, weights=weights)

    def most_probable(self, probabilities: Tensor) -> PredictedTypes:
        """The most probable types of Q mentions with these probabilities (Q, Y)."""
        best = probabilities.topk(min(PREDICTED, len(self.hierarchy)), dim=-1)  # (Q, P) twice
        return PredictedTypes(self.hierarchy.names, best.indices.cpu(), best.values.cpu())
