"""Retrieval for mentions with pictures: texts by BM25, pictures by nearest neighbours, and both lists together.

Source: Peng et al. 2022, "Multimodal Entity Tagging with Multimodal Knowledge Base", section on retrieval. BM25 is that of
Robertson and Zaragoza 2009, equation 3.15, with idf = ln(1 + (N − n + ½) / (n + ½)), which is never below 0.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from elq.errors import ElqError
from elq.names.words import words
from elq.tensors import Array


class BM25:
    """The weights of the words of many texts, by word.

    Args:
        texts: the texts; their numbers are the rows that a search gives.
        k1: how much a further occurrence of a word counts.
        b: how much the length of a text counts, from 0 (not at all) to 1.
    """

    def __init__(self, texts: Iterable[str], *, k1: float = 1.2, b: float = 0.75) -> None:
        if not k1 >= 0 or not 0 <= b <= 1:
            raise ElqError(f"k1 is {k1} and b is {b}, but k1 must be at least 0 and b from 0 to 1: leave them out")
        self._words: dict[str, int] = {}
        found: list[tuple[int, int, int]] = []  # word, text, times
        lengths: list[int] = []
        for row, text in enumerate(texts):
            counts = Counter(word.text for word in words(text))
            lengths.append(counts.total())
            found += [(self._words.setdefault(word, len(self._words)), row, times) for word, times in counts.items()]
        self.size = len(lengths)
        entries = np.array(found, np.int64).reshape(-1, 3)
        entries = entries[np.lexsort((entries[:, 1], entries[:, 0]))]
        texts_of = np.bincount(entries[:, 0], minlength=len(self._words))  # (words,) how many texts have the word
        self._starts = np.concatenate([[0], np.cumsum(texts_of)])
        idf = np.log1p((self.size - texts_of + 0.5) / (texts_of + 0.5))
        longness = 1 - b + b * np.array(lengths) / max(np.mean(lengths) if lengths else 1.0, 1e-9)
        times = entries[:, 2]
        self._rows = entries[:, 1]
        self._weights = idf[entries[:, 0]] * times * (k1 + 1) / (times + k1 * longness[self._rows])

    def scores(self, text: str) -> Array:
        """The scores (N,) of all texts for the words of a text; a word that is there twice counts twice."""
        made = np.zeros(self.size)
        for word, times in Counter(word.text for word in words(text)).items():
            number = self._words.get(word)
            if number is not None:
                part = slice(self._starts[number], self._starts[number + 1])
                made[self._rows[part]] += times * self._weights[part]
        return made

    def search(self, text: str, k: int) -> tuple[Array, Array]:
        """The rows and scores of the at most ``k`` best texts, the best first; of equal ones, that with the lower row.

        Texts without any of the words are not among them.
        """
        scores = self.scores(text)
        some = np.flatnonzero(scores > 0)
        order = some[np.lexsort((some, -scores[some]))][:k]
        return order, scores[order]


def nearest_entities(queries: Tensor, there: Tensor, pictures: Tensor, owners: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The entities with the nearest pictures: rows and cosines (M, k), the best first; −1 and −inf where there are fewer.

    Args:
        queries: (M, I, V) pictures of mentions with norm 1.
        there: (M, I) bool, those that exist.
        pictures: (R, V) pictures of entities with norm 1.
        owners: (R,) int64 the entity of each.
        k: the number of entities; an entity with several pictures is there once, with the nearest.
    """
    rows = torch.full((len(queries), k), -1, dtype=torch.int64)
    cosines = torch.full((len(queries), k), -torch.inf)
    entities, place = torch.unique(owners, return_inverse=True)  # (E,) and (R,)
    for m in range(len(queries)):
        own = queries[m][there[m]].float()  # (pictures that exist, V)
        if not len(own) or not len(pictures):
            continue
        best = (pictures.float() @ own.T).amax(-1)  # (R,)
        of_entity = torch.full((len(entities),), -torch.inf).scatter_reduce(0, place, best, "amax")  # (E,)
        found, order = of_entity.sort(descending=True, stable=True)
        count = min(k, len(entities))
        rows[m, :count], cosines[m, :count] = entities[order[:count]], found[:count]
    return rows, cosines


def merged(lists: Sequence[Sequence[int]], k: int) -> list[int]:
    """At most ``k`` rows of several lists in turn: the first of each list, then the second of each; each row once.

    >>> merged([[1, 2, 3], [2, 9]], 4)
    [1, 2, 9, 3]
    """
    made: dict[int, None] = {}
    for rank in range(max(map(len, lists), default=0)):
        for each in lists:
            if rank < len(each) and each[rank] >= 0:
                made.setdefault(each[rank])
    return list(made)[:k]
