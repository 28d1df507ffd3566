"""The grown index: an index over the base of a table, of which rows were removed and to which segments were added."""

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor

from elq.search.exact import ExactIndex
from elq.search.index import EntityIndex
from elq.search.table import EntityTable


class GrownIndex(EntityIndex):
    """Searches the base with an index that was built for it, and the rows of the segments one by one.

    Args:
        base: the index over the base of the table; it does not see all entities.
        table: the whole table.
        removed: rows that no search may find.
    """

    def __init__(self, base: EntityIndex, table: EntityTable, removed: Collection[int]) -> None:
        super().__init__(table)
        self.base, self.kind = base, base.kind  # type: ignore[misc]  # messages name the kind of the base
        self.size = len(table) - len(removed)
        rows = len(base.table)
        self._removed = torch.tensor(sorted(row for row in removed if row < rows), dtype=torch.int64)
        later = [row - rows for row in removed if row >= rows]
        self._rest = ExactIndex(EntityTable(*table.segments), removed=later) if len(table) > rows else None

    @classmethod
    def memory_bytes(cls, rows: int, width: int, options: Any) -> int:
        """0, since such an index is not built, but grows from one that was built."""
        return 0

    @classmethod
    def disk_bytes(cls, rows: int, width: int, options: Any) -> int:
        """0, as for :meth:`memory_bytes`."""
        return 0

    def _search(self, vectors: Tensor, k: int, normalise: bool) -> tuple[Tensor, Tensor, Tensor]:
        scores, rows = self._search_base(vectors, k)
        if self._rest is not None and self._rest.size:
            more, found, _ = self._rest._search(vectors, min(k, self._rest.size), False)
            scores = torch.cat([scores, more], -1)
            rows = torch.cat([rows, found + len(self.base.table)], -1)
        missing = k - scores.shape[-1]
        scores = torch.nn.functional.pad(scores, (0, max(missing, 0)), value=-torch.inf)
        rows = torch.nn.functional.pad(rows, (0, max(missing, 0)), value=-1)
        scores, order = scores.sort(dim=-1, descending=True, stable=True)
        return scores[:, :k], rows.gather(-1, order)[:, :k], scores[:, 0]

    def _search_base(self, vectors: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """The best k rows of the base that were not removed. If too many were, more rows are asked for."""
        total = len(self.base.table)
        asked = min(k, total)
        while True:
            scores, rows, _ = self.base._search(vectors, asked, False)
            gone = torch.isin(rows, self._removed)
            enough = ((rows >= 0) & ~gone).sum(-1) >= min(k, total - len(self._removed))  # a graph may find fewer than asked
            if asked == total or not gone.any() or bool(enough.all()):
                break
            asked = min(2 * asked, total)
        return scores.masked_fill(gone, -torch.inf), rows.masked_fill(gone, -1)
