"""Optimal matching: all mentions and faces of a document get their entities together, in one assignment.

Source: Gan et al., ACM MM 2021, "Multimodal Entity Linking: A New Dataset and A Baseline" (the movie set M3EL), sections on the
correlation of texts and pictures and on bipartite graph matching: what is said and what is seen in a document is matched with
entities so that the sum of the scores is largest. The assignment is that of SciPy (``elq[multimodal]``).
"""

import math
from collections.abc import Hashable, Sequence

import numpy as np
import torch
from torch import Tensor

from elq.errors import ElqError
from elq.tensors import Array

FORBIDDEN = -1e9  # a pair that cannot be: SciPy needs finite numbers


def assigned(scores: Array) -> list[int]:
    """The column of each row in the assignment with the largest sum of scores; −1 for a row without a column.

    Args:
        scores: (R, C) numbers, −inf for a pair that cannot be. No two rows get the same column.

    >>> assigned(np.array([[5.0, 4.0], [5.0, 1.0]]))
    [1, 0]
    """
    from scipy.optimize import linear_sum_assignment

    chosen = [-1] * len(scores)
    rows, columns = linear_sum_assignment(np.maximum(scores, FORBIDDEN), maximize=True)
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        if scores[row, column] > -np.inf:
            chosen[row] = column
    return chosen


def pairs_of(similarity: Tensor, least: float) -> list[tuple[int, int]]:
    """Which mention and which face of a document are the same: the pairs with the largest sum of similarities.

    Args:
        similarity: (R, F) of R mentions and F faces.
        least: the least similarity of a pair; a mention or a face may be without a partner.

    >>> pairs_of(torch.tensor([[0.9, 0.8], [0.7, 0.1]]), least=0.5)
    [(0, 1), (1, 0)]
    """
    values = similarity.detach().cpu().double().numpy()
    gains = np.where(values >= least, values - least + 1e-12, 0.0)  # a pair below the least is worth as much as none
    return [(row, column) for row, column in enumerate(assigned(gains)) if column >= 0 and values[row, column] >= least]


def of_groups(scores: Tensor, rows: Tensor, members: Sequence[Sequence[int]], entities: Sequence[int]) -> Array:
    """The scores (G, E) of groups of mentions: the sum over the members; −inf for an entity that no member has as candidate.

    An entity that is a candidate of some members gets the lowest score of each other member from that one.
    """
    places = {entity: place for place, entity in enumerate(entities)}
    made = np.full((len(members), len(entities)), -np.inf)
    for group, numbers in enumerate(members):
        total, some = np.zeros(len(entities)), np.zeros(len(entities), bool)
        for number in numbers:
            own = {places[row]: score for row, score in candidates_of(scores, rows, number)}
            part = np.full(len(entities), min(own.values(), default=0.0))
            part[list(own)] = list(own.values())
            some[list(own)] = True
            total += part
        made[group, some] = total[some]
    return made


def candidates_of(scores: Tensor, rows: Tensor, number: int) -> list[tuple[int, float]]:
    """The catalogue rows and scores of the candidates that a mention has."""
    both = zip(rows[number].tolist(), scores[number].tolist(), strict=True)
    return [(row, score) for row, score in both if row >= 0 and score > -math.inf]


def matched(
    scores: Tensor,
    rows: Tensor,
    documents: Sequence[Hashable],
    groups: Sequence[Hashable] | None = None,
    sharing: float = math.inf,
) -> Tensor:
    """Scores in which the candidate that a mention is matched with comes first.

    Each document is matched by itself. The score of the matched candidate and the best score of the mention change places, so
    the order of the others stays. A mention that is matched with nothing keeps its scores.

    Args:
        scores: (M, K) of all candidates, −inf where there is none.
        rows: (M, K) catalogue rows of the candidates, −1 where there is none.
        documents: the document of each mention.
        groups: mentions (and faces) of a document with an equal value mean the same entity, and are matched as one, see
            :func:`pairs_of`; None: each is on its own.
        sharing: what it costs that a mention keeps its best candidate although another one has it; infinite: it never does.

    Raises:
        ElqError: there are not as many documents or groups as mentions, or ``sharing`` is below 0.

    >>> scores, rows = torch.tensor([[2.0, 1.9], [5.0, 1.0]]), torch.tensor([[7, 8], [7, 9]])
    >>> matched(scores, rows, ["film", "film"])
    tensor([[1.9000, 2.0000],
            [5.0000, 1.0000]])
    """
    own: Sequence[Hashable] = range(len(scores)) if groups is None else groups
    if not len(documents) == len(own) == len(scores):
        raise ElqError(
            f"{len(documents)} documents and {len(own)} groups are given for {len(scores)} mentions: give one for each"
        )
    if not sharing >= 0:
        raise ElqError(f"sharing is {sharing}, but must be at least 0: leave it out, so that no two mentions share an entity")
    made = scores.clone()
    together: dict[Hashable, dict[Hashable, list[int]]] = {}
    for number, (document, group) in enumerate(zip(documents, own, strict=True)):
        together.setdefault(document, {}).setdefault(group, []).append(number)
    for parts in together.values():
        members = list(parts.values())
        entities = sorted({row for numbers in members for n in numbers for row, _ in candidates_of(scores, rows, n)})
        for numbers, entity in zip(members, _entities_of(scores, rows, members, entities, sharing), strict=True):
            for number in numbers if entity is not None else ():
                place = ((rows[number] == entity) & (scores[number] > -torch.inf)).nonzero()
                if len(place):
                    first, best = int(place[0]), int(scores[number].argmax())
                    made[number, [first, best]] = scores[number, [best, first]]
    return made


def _entities_of(
    scores: Tensor, rows: Tensor, members: list[list[int]], entities: list[int], sharing: float
) -> list[int | None]:
    """The entity of each group of a document, or None."""
    if not entities:
        return [None] * len(members)
    matrix = of_groups(scores, rows, members, entities)  # (G, E)
    best = matrix.max(-1)  # (G,)
    private = np.full((len(members), len(members)), -np.inf)  # (G, G) a group's own column: its best entity, shared
    if sharing < math.inf:
        np.fill_diagonal(private, best - sharing)
    found: list[int | None] = []
    for group, column in enumerate(assigned(np.concatenate([matrix, private], -1))):
        if column >= len(entities):
            column = int(matrix[group].argmax())
        found.append(None if column < 0 else entities[column])
    return found
