"""Types in the score: a candidate whose types the text speaks of gets more of the probability that all candidates share.

Only the probability that the candidates have together is divided among them anew. NIL, and all other entities, keep theirs, as
with a re-ranker (elq/linking/rerank.py), which works on what is found here.
"""

from collections.abc import MutableMapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from elq.entities.catalogue import Catalogue
from elq.entities.hierarchy import Hierarchy, RowTypes
from elq.linking.scoring import OVER_ALL, divided_by

_READ: MutableMapping[Catalogue, tuple[Hierarchy, RowTypes]] = WeakKeyDictionary()  # pickled linkers share a catalogue


@dataclass(frozen=True, slots=True)
class TypesInScore:
    """How types count in the score of candidates.

    Args:
        weight: w; a candidate's log p gets w · (2 · the mean probability of its types − 1).
        candidates: K; the first K candidates of a mention are compared.
    """

    weight: float
    candidates: int

    def enough(self, candidates: int, score_mode: str) -> int:
        """How many candidates are found where so many are asked for: at least K, if no score depends on that number."""
        return max(candidates, self.candidates) if score_mode in OVER_ALL else candidates


def row_types(catalogue: Catalogue, hierarchy: Hierarchy) -> RowTypes:
    """The types of all rows of a catalogue. They are read once, and forgotten with the catalogue."""
    known = _READ.get(catalogue)
    if known is None or known[0] != hierarchy:
        known = _READ[catalogue] = hierarchy, RowTypes(catalogue.all_types(), hierarchy)
    return known[1]


def type_fit(p: Tensor, rows: Tensor, types: RowTypes) -> Tensor:
    """How well the types of candidates fit their mentions, (Q, K) from −1 to 1: 2 · the mean probability of the types − 1.

    It is 0 for a candidate without a type that the model knows, and where there is no candidate.

    Args:
        p: (Q, Y) the probabilities of the types of the mentions.
        rows: (Q, K) catalogue rows of the candidates, −1 where there is none.
        types: the types of the catalogue's rows.

    >>> types = RowTypes([["film"], ["ship", "film"], []], Hierarchy(("film", "ship"), (-1, -1)))
    >>> type_fit(torch.tensor([[0.75, 0.25]]), torch.tensor([[0, 1, 2, -1]]), types)
    tensor([[0.5000, 0.0000, 0.0000, 0.0000]])
    """
    numbers, places = map(torch.from_numpy, types.pairs(rows.flatten().numpy()))  # of candidates and of types
    values = p[numbers // max(1, rows.shape[-1]), places]
    sums = torch.zeros(rows.numel()).index_add(0, numbers, values).view(rows.shape)  # (Q, K)
    counts = torch.bincount(numbers, minlength=rows.numel()).view(rows.shape)  # (Q, K)
    return torch.where(counts > 0, 2 * sums / counts.clamp_min(1) - 1, 0.0)  # (Q, K)


def with_types(rows: Tensor, log_probs: Tensor, p: Tensor, types: RowTypes, settings: TypesInScore) -> Tensor:
    """log p(entity | mention) of the candidates of Q mentions with types in the score, (Q, K) in the same order.

    Args:
        rows: (Q, K) catalogue rows, best first, −1 where there is no candidate.
        log_probs: (Q, K) log p(entity | mention) without types.
        p: (Q, Y) the probabilities of the types of the mentions.
        types: the types of the catalogue's rows.
        settings: how types count. Candidates behind its first K keep their probability.
    """
    compared = (rows >= 0) & (log_probs > -torch.inf) & (torch.arange(rows.shape[-1]) < settings.candidates)  # (Q, K)
    compared &= compared.sum(-1, keepdim=True) > 1  # one candidate alone keeps its probability in any case
    fit = type_fit(p, rows.masked_fill(~compared, -1), types)  # (Q, K)
    divided = divided_by(log_probs.masked_fill(~compared, -torch.inf), log_probs + settings.weight * fit)  # (Q, K)
    return torch.where(compared, divided, log_probs)


def taken_over(rows: Tensor, log_probs: Tensor, known_rows: Tensor, known: Tensor) -> Tensor:
    """The log probs (Q, M) of some rows, for which those of the known rows (Q, K) are taken where a row is among them.

    >>> taken_over(torch.tensor([[4, 2, -1]]), torch.full((1, 3), -1.0), torch.tensor([[2, -1]]), torch.tensor([[-5.0, -9.0]]))
    tensor([[-1., -5., -1.]])
    """
    same = (rows.unsqueeze(-1) == known_rows.unsqueeze(-2)) & (rows >= 0).unsqueeze(-1)  # (Q, M, K)
    found = known.unsqueeze(-2).masked_fill(~same, -torch.inf).amax(-1)  # (Q, M)
    return torch.where(same.any(-1), found, log_probs)
