"""The index: which K entities have the largest inner product with a mention vector.

One contract, several kinds. A score is the inner product in fp32 with the row as the table stores it, whatever the kind:
kinds that search approximately take their scores again from the table, so only which rows are found can differ.
"""

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from elq.errors import ElqError
from elq.files import replacing
from elq.search.faiss_files import read_graph
from elq.search.table import BLOCK, EntityTable

RESIDENT_BYTES = 1 << 30  # an fp32 copy of a table up to this size is kept in memory: converting takes longer than scoring
QUERIES = 1_024  # searched at a time: bounds the (Q, block) products
FEW = 16  # queries up to which a product takes the table's side, see ExactIndex
HNSW_FILE = "index.faiss"


class EntityIndex(ABC):
    """Search over N frozen entity vectors. Safe to call from several threads."""

    kind: str
    sees_all = False  # whether a search looks at every entity

    def __init__(self, table: EntityTable) -> None:
        self.table = table

    def search(self, vectors: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """The k best entities of each query.

        Args:
            vectors: (Q, D) mention vectors.
            k: candidates per query; cut to N.

        Returns:
            Inner products (Q, K) fp32, best first, and table rows (Q, K) int64; −inf and −1 where nothing was found.

        Raises:
            ElqError: another width than the table's, k < 1, or a score that is NaN or Inf.
        """
        return self._checked(vectors, k, False)[:2]

    def search_normalised(self, vectors: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
        """:meth:`search`, and log Σ exp of all N inner products of each query, (Q,) fp32.

        Raises:
            ElqError: as there, and if this kind does not see all entities.
        """
        if not self.sees_all:
            raise ElqError(
                f'score mode "table" needs all entities, which the {self.kind} index does not see: use the exact index'
            )
        return self._checked(vectors, k, True)

    def _checked(self, vectors: Tensor, k: int, normalise: bool) -> tuple[Tensor, Tensor, Tensor]:
        if vectors.shape[-1] != self.table.width:
            raise ElqError(
                f"query vectors have width {vectors.shape[-1]}, but the entity table has width {self.table.width}:"
                " model and table must come from the same encoder"
            )
        if k < 1:
            raise ElqError(f"{k} candidates were asked for, but at least 1 is needed")
        k = min(k, len(self.table))
        if not len(vectors):
            return torch.empty(0, k), torch.empty(0, k, dtype=torch.int64), torch.empty(0)
        found = [self._search(part, k, normalise) for part in torch.split(vectors.detach().float().cpu(), QUERIES)]
        scores, rows, totals = (torch.cat(column) for column in zip(*found, strict=True))
        if (wrong := ~(scores < torch.inf)).any():  # exact search ranks NaN first, so a bad row cannot hide
            row = int(rows[wrong][0])
            raise ElqError(
                f"the score of row {row} of the entity table is {float(scores[wrong][0])}: the table or the model holds NaN or"
                " Inf, build or export it again"
            )
        return scores, rows, totals

    @abstractmethod
    def _search(self, vectors: Tensor, k: int, normalise: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Scores and rows (Q, K), and log Σ exp (Q,) if it is asked for, else anything."""

    def save(self, folder: str | Path) -> None:  # noqa: B027 (nothing is the right default)
        """Write what the kind needs beside the table; the exact index needs nothing."""


class ExactIndex(EntityIndex):
    """Brute force over the whole table, in blocks; the last, partial block included.

    A few queries are multiplied as table · queriesᵀ: queries · tableᵀ takes 3 to 8 times as long (MKL, two cores), and one
    query alone is a matrix times a vector, on one core.
    """

    kind = "exact"
    sees_all = True

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


class HnswIndex(EntityIndex):
    """A navigable small-world graph (faiss IndexHNSWFlat, inner product), scores taken again from the table.

    Args:
        table: the entity table.
        links: graph links per entity (faiss's M).
        ef_construction: breadth of the search while building.
        ef_search: breadth of the search; at least K is used. More finds more of the true best, and takes longer.
        path: a saved index to read instead of building one.
    """

    kind = "hnsw"

    def __init__(
        self,
        table: EntityTable,
        *,
        links: int = 32,
        ef_construction: int = 200,
        ef_search: int = 128,
        path: str | Path | None = None,
    ) -> None:
        import faiss

        super().__init__(table)
        self.ef_search = ef_search
        if path is not None:
            self._faiss = read_graph(path, len(table), table.width)
            self.ef_search = max(1, min(self._faiss.hnsw.efSearch, len(table)))  # as it was saved
            return
        self._faiss = faiss.IndexHNSWFlat(table.width, links, faiss.METRIC_INNER_PRODUCT)
        self._faiss.hnsw.efConstruction, self._faiss.hnsw.efSearch = ef_construction, ef_search
        for start in range(0, len(table), BLOCK):
            self._faiss.add(table.tensor(start, start + BLOCK).numpy())

    def _search(self, vectors: Tensor, k: int, normalise: bool) -> tuple[Tensor, Tensor, Tensor]:
        import faiss

        # given per call, since threads share the index
        breadth = faiss.SearchParametersHNSW(efSearch=max(self.ef_search, k))  # type: ignore[attr-defined]
        _, found = self._faiss.search(np.ascontiguousarray(vectors.numpy()), k, params=breadth)
        rows = torch.from_numpy(found)  # (Q, K), −1 where the graph gave fewer
        scores = torch.einsum("qd,qkd->qk", vectors, self.table.gather(rows.clamp_min(0)))  # (Q, K)
        scores, order = scores.masked_fill(rows < 0, -torch.inf).sort(dim=-1, descending=True, stable=True)
        return scores, rows.gather(-1, order), scores[:, 0]

    def save(self, folder: str | Path) -> None:
        """Write ``index.faiss``."""
        import faiss

        # faiss opening the file itself would pass over a write that fails at the end
        with replacing(Path(folder) / HNSW_FILE, "wb") as stream:
            faiss.write_index(self._faiss, faiss.PyCallbackIOWriter(stream.write))  # type: ignore[attr-defined]


INDEX_KINDS: dict[str, type[EntityIndex]] = {"exact": ExactIndex, "hnsw": HnswIndex}


def recall_against_exact(index: EntityIndex, *, k: int = 10, queries: int = 256) -> float:
    """Share of the true k nearest that an index finds, with entities spread over the table as queries."""
    table = index.table
    vectors = table.gather(torch.arange(0, len(table), max(1, len(table) // queries)))  # (Q, D)
    truth, found = ExactIndex(table).search(vectors, k)[1], index.search(vectors, k)[1]  # (Q, K)
    return float((truth.unsqueeze(-1) == found.unsqueeze(-2)).any(-1).float().mean())


def build_index(kind: str, table: EntityTable) -> EntityIndex:
    """Build an index of a kind over a table.

    Raises:
        ElqError: an unknown kind.
    """
    if kind not in INDEX_KINDS:
        raise ElqError(f"index kind {kind!r} is unknown: choose one of {', '.join(INDEX_KINDS)}")
    return INDEX_KINDS[kind](table)


def open_index(kind: str, table: EntityTable, folder: str | Path) -> EntityIndex:
    """Open the index that :meth:`EntityIndex.save` wrote into a folder."""
    return HnswIndex(table, path=Path(folder) / HNSW_FILE) if kind == "hnsw" else build_index(kind, table)
