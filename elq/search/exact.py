"""The exact index: compares a mention vector with every entity of the table."""

import torch
from torch import Tensor

from elq.search.index import EntityIndex
from elq.search.options import NoOptions
from elq.search.table import BLOCK, EntityTable

RESIDENT_BYTES = 1 << 30  # an fp32 copy of a table up to this size is kept in memory, since converting is slower than scoring
FEW = 16  # up to this number of queries, the table is the left factor of the product, see ExactIndex


class ExactIndex(EntityIndex):
    """Brute force over the whole table, block by block; the last block may be smaller.

    The product of a few queries is computed as table · queriesᵀ, since queries · tableᵀ takes 3 to 8 times as long (MKL, two
    cores). A single query is computed twice, since a matrix times a vector uses only one core.
    """

    kind = "exact"
    sees_all = True

    @classmethod
    def memory_bytes(cls, rows: int, width: int, options: NoOptions) -> int:
        """The size of an fp32 copy of the table, or of one block if the whole table is too large."""
        size = rows * width * 4
        return size if size <= RESIDENT_BYTES else min(rows, BLOCK) * width * 4

    @classmethod
    def disk_bytes(cls, rows: int, width: int, options: NoOptions) -> int:
        """0, since this index has no file."""
        return 0

    def __init__(self, table: EntityTable, *, block: int = BLOCK) -> None:
        super().__init__(table)
        self.block = block
        mapped, size = table.dtype == "float32", len(table) * table.width * 4
        self._resident = table.tensor() if mapped or size <= RESIDENT_BYTES else None

    def _rows(self, start: int) -> Tensor:
        end = min(start + self.block, len(self.table))
        return self.table.tensor(start, end) if self._resident is None else self._resident[start:end]

    def _products(self, vectors: Tensor, start: int) -> Tensor:
        """The inner products of the queries with a block of rows: (Q, block)."""
        if len(vectors) > FEW:
            return vectors @ self._rows(start).T
        few = vectors if len(vectors) > 1 else vectors.repeat(2, 1)
        return (self._rows(start) @ few.T)[:, : len(vectors)].T.contiguous()

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
