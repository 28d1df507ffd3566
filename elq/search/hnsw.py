"""The HNSW index: a graph of near entities (faiss), which finds most of the true best in a small part of the time."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from elq.files import replacing
from elq.search.faiss_files import read_graph
from elq.search.index import EntityIndex
from elq.search.options import Value, option
from elq.search.table import BLOCK, EntityTable

HNSW_FILE = "index.faiss"
HEADER_BYTES = 1_024  # of the file, somewhat more than faiss takes


@dataclass(frozen=True, kw_only=True)
class HnswOptions:
    """The options of the HNSW index."""

    links: int = option(32, "graph links per entity, faiss's M: more find more and take more memory", least=2, most=1_024)
    ef_construction: int = option(200, "breadth of the search while building: more build a better graph", least=1, most=100_000)
    ef_search: int = option(128, "breadth of a search, at least K: more find more and take longer", least=1, most=100_000)


class HnswIndex(EntityIndex):
    """A navigable small-world graph (faiss IndexHNSWFlat, inner product), scores taken again from the table.

    Args:
        table: the entity table.
        graph: the faiss index over the same vectors.
        ef_search: breadth of a search; at least K is used.
    """

    kind = "hnsw"
    options = HnswOptions
    files = (HNSW_FILE,)
    prior_refused = "misses many of the best entities of a table with a prior"

    def __init__(self, table: EntityTable, graph: Any, ef_search: int) -> None:
        super().__init__(table)
        self._faiss = graph
        self.ef_search = max(1, min(ef_search, len(table)))

    @classmethod
    def memory_bytes(cls, rows: int, width: int, options: HnswOptions) -> int:
        """What the file holds."""
        return cls.disk_bytes(rows, width, options)

    @classmethod
    def disk_bytes(cls, rows: int, width: int, options: HnswOptions) -> int:
        """The vectors in fp32, and the graph.

        An entity has 2 · links places of 4 bytes on the lowest layer, on average links / (links − 1) of them on the layers
        above it, and 12 bytes for its number of layers and its offset.
        """
        return HEADER_BYTES + rows * (4 * width + 8 * options.links + 32)

    @classmethod
    def build(cls, table: EntityTable, options: HnswOptions) -> Self:
        """Link every entity of the table to those near it."""
        import faiss

        graph = faiss.IndexHNSWFlat(table.width, options.links, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction, graph.hnsw.efSearch = options.ef_construction, options.ef_search
        for start in range(0, len(table), BLOCK):
            graph.add(table.tensor(start, start + BLOCK).numpy())
        return cls(table, graph, options.ef_search)

    @classmethod
    def open(cls, table: EntityTable, folder: Path, chosen: Mapping[str, Value]) -> Self:
        """Map ``index.faiss``. The breadth of a search is the chosen one, else that of the file."""
        graph = read_graph(folder / HNSW_FILE, len(table), table.width)
        return cls(table, graph, int(chosen.get("ef_search", graph.hnsw.efSearch)))

    def _search(self, vectors: Tensor, k: int, normalise: bool) -> tuple[Tensor, Tensor, Tensor]:
        import faiss

        # given per call, since threads share the index
        breadth = faiss.SearchParametersHNSW(efSearch=max(self.ef_search, k))  # type: ignore[attr-defined]
        _, found = self._faiss.search(np.ascontiguousarray(vectors.numpy()), k, params=breadth)
        rows = torch.from_numpy(found)  # (Q, K), −1 where the graph gave fewer
        scores = torch.einsum("qd,qkd->qk", vectors, self.table.gather(rows.clamp_min(0)))  # (Q, K)
        scores, order = scores.masked_fill(rows < 0, -torch.inf).sort(dim=-1, descending=True, stable=True)
        return scores, rows.gather(-1, order), scores[:, 0]

    def save(self, folder: Path) -> None:
        """Write ``index.faiss``."""
        import faiss

        # faiss opening the file itself would pass over a write that fails at the end
        with replacing(folder / HNSW_FILE, "wb") as stream:
            faiss.write_index(self._faiss, faiss.PyCallbackIOWriter(stream.write))  # type: ignore[attr-defined]
