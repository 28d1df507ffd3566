"""The exact index: brute force over the whole table."""

import torch
from torch import Tensor

from elq.search.index import EntityIndex
from elq.search.options import NoOptions
from elq.search.table import BLOCK, EntityTable

RESIDENT_BYTES = 1 << 30  # an fp32 copy of a table up to this size is kept in memory: converting takes longer than scoring
FEW = 16  # queries up to which a product takes the table's side, see ExactIndex


class ExactIndex(EntityIndex):
    """Brute force over the whole table, in blocks; the last, partial block included.

    A few queries are multiplied as table · queriesᵀ: queries · tableᵀ takes 3 to 8 times as long (MKL, two cores), and one
    query alone is a matrix times a vector, on one core.
    """

    kind = "exact"
    sees_all = True

    @classmethod
    def memory_bytes(cls, rows: int, width: int, options: NoOptions) -> int:
        """The fp32 copy of a table, or a block of it where the whole is too large."""
        size = rows * width * 4
        return size if size <= RESIDENT_BYTES else min(rows, BLOCK) * width * 4

    @classmethod
    def disk_bytes(cls, rows: int, width: int, options: NoOptions) -> int:
        """Nothing: the table is the index."""
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
        """Inner products with a block of rows: (Q, block)."""
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
