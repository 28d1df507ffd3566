"""The exact index: compares a mention vector with every entity of the table."""

from collections.abc import Collection

import torch
from torch import Tensor

from elq.search.index import EntityIndex
from elq.search.options import NoOptions
from elq.search.table import BLOCK, EntityTable

PIECE = 2_048  # rows that are converted to fp32 and multiplied while they are in the cache of the processor
FEW = 16  # up to this number of queries, the table is the left factor of the product, see ExactIndex


class ExactIndex(EntityIndex):
    """Brute force over the whole table, block by block; the last block may be smaller.

    The product of a few queries is computed as table · queriesᵀ, since queries · tableᵀ takes 3 to 8 times as long (MKL, two
    cores). A single query is computed twice, since a matrix times a vector uses only one core. A float16 table is converted
    in small pieces: reading half of the bytes saves more time than the conversion takes, and no copy of the table is kept.

    Args:
        table: the entity table.
        block: rows that are scored together.
        removed: rows that no search may find.
    """

    kind = "exact"
    sees_all = True

    @classmethod
    def memory_bytes(cls, rows: int, width: int, options: NoOptions) -> int:
        """The size of one block in fp32."""
        return min(rows, BLOCK) * width * 4

    @classmethod
    def disk_bytes(cls, rows: int, width: int, options: NoOptions) -> int:
        """0, since this index has no file."""
        return 0

    def __init__(self, table: EntityTable, *, block: int = BLOCK, removed: Collection[int] = ()) -> None:
        super().__init__(table)
        self.block = block
        self._removed = torch.tensor(sorted(removed), dtype=torch.int64)
        self.size = len(table) - len(removed)

    def _products(self, vectors: Tensor, start: int) -> Tensor:
        """The inner products of the queries with a block of rows: (Q, block), −inf for removed rows."""
        end = min(start + self.block, len(self.table))
        if len(vectors) > FEW:
            products = vectors @ self.table.tensor(start, end).T
        else:
            few = vectors if len(vectors) > 1 else vectors.repeat(2, 1)
            products = torch.empty(len(few), end - start)
            for first in range(start, end, PIECE):
                last = min(first + PIECE, end)
                products[:, first - start : last - start] = (self.table.tensor(first, last) @ few.T).T
            products = products[: len(vectors)]
        if len(self._removed):
            low, high = torch.searchsorted(self._removed, torch.tensor([start, end])).tolist()
            products[:, self._removed[low:high] - start] = -torch.inf
        return products

    def _search(self, vectors: Tensor, k: int, normalise: bool) -> tuple[Tensor, Tensor, Tensor]:
        scores, total = torch.full((len(vectors), 0), -torch.inf), torch.full((len(vectors),), -torch.inf)
        rows = torch.empty(len(vectors), 0, dtype=torch.int64)
        for start in range(0, len(self.table), self.block):
            products = self._products(vectors, start)  # (Q, block)
            if normalise:
                total = torch.logaddexp(total, products.logsumexp(-1))  # (Q,)
            best, found = products.topk(min(k, products.shape[-1]), dim=-1)  # (Q, ≤k)
            scores = torch.cat([scores, best], dim=-1)
            rows = torch.cat([rows, found + start], dim=-1)
            scores, order = scores.sort(dim=-1, descending=True, stable=True)  # earlier rows first among equals
            scores, rows = scores[:, :k], rows.gather(-1, order)[:, :k]
        return scores, rows, total
