"""The normaliser: estimates log Σ exp of all inner products of a mention, for an index that computes only some of them.

The entities that were found count exactly. The sum over all others is estimated from a sample of the table's rows (Rastogi and
Van Durme 2015; Mussmann and Ermon 2016).
"""

import math
from collections.abc import Collection

import numpy as np
import torch
from torch import Tensor

from elq.search.table import EntityTable

ROWS = 4_096  # of the sample
SEED = 0


class Normaliser:
    """Estimates log Σ exp of the inner products with all N entities of a table. Several threads may use it.

    The rows of the sample are drawn once, one from each of equal parts of the table.

    Args:
        table: the entity table.
        removed: rows that do not count.
        rows: the number of rows of the sample. A table that does not have more is the sample: then nothing is estimated.
        seed: seed of the draw.
    """

    def __init__(self, table: EntityTable, removed: Collection[int] = (), *, rows: int = ROWS, seed: int = SEED) -> None:
        self.size = len(table) - len(removed)
        edges = np.linspace(0, self.size, min(rows, self.size) + 1).astype(np.int64)
        drawn = edges[:-1] + (np.random.default_rng(seed).random(len(edges) - 1) * np.diff(edges)).astype(np.int64)
        if removed:
            drawn = np.delete(np.arange(len(table)), list(removed))[drawn]
        self._rows = torch.from_numpy(drawn)  # (S,) ascending
        self._vectors = table.gather(self._rows)  # (S, D)

    def products(self, vectors: Tensor) -> Tensor:
        """The inner products (Q, S) of mention vectors (Q, D) on the CPU, fp32, with the rows of the sample."""
        return vectors @ self._vectors.T

    def __call__(self, products: Tensor, scores: Tensor, rows: Tensor, worst: Tensor) -> Tensor:
        """The estimates of Q mentions, (Q,) fp32.

        Args:
            products: (Q, S) what :meth:`products` returned for them; it is overwritten.
            scores: (Q, E) inner products of the entities that count exactly, −inf where there is none.
            rows: (Q, E) their rows, each at most once, −1 where there is none.
            worst: (Q,) a limit of the inner products of the other entities. An approximate search may miss better ones: in the
                sample, they would count too much.
        """
        places = torch.searchsorted(self._rows, rows.contiguous()).clamp_max_(len(self._rows) - 1)  # (Q, E)
        twice = self._rows[places] == rows  # (Q, E)
        query, entity = twice.nonzero(as_tuple=True)
        products[query, places[query, entity]] = -math.inf
        counted = len(self._rows) - twice.sum(-1)  # (Q,)
        share = (self.size - (rows >= 0).sum(-1)) / counted.clamp_min(1)  # (Q,)
        rest = torch.minimum(products, worst.unsqueeze(-1), out=products).logsumexp(-1) + share.log()  # (Q,)
        return torch.logaddexp(scores.logsumexp(-1), rest)
