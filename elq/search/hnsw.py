"""The HNSW index: searches approximately, but fast, in a graph (faiss).

The graph links similar entities. A search follows the links, so it compares the query with few entities and may miss some of
the best.
"""

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
HEADER_BYTES = 1_024  # size of the header of the file, a little more than faiss needs


@dataclass(frozen=True, kw_only=True)
class HnswOptions:
    """The options of the HNSW index."""

    links: int = option(
        32, "graph links per entity, faiss's M: more links find more entities, but need more memory", least=2, most=1_024
    )
    ef_construction: int = option(
        200, "length of the search list while building: a longer list makes a better graph", least=1, most=100_000
    )
    ef_search: int = option(
        128, "length of the search list, at least K: a longer list finds more entities, but is slower", least=1, most=100_000
    )


class HnswIndex(EntityIndex):
    """A navigable small-world graph (faiss IndexHNSWFlat, inner product). The scores are computed from the table.

    Args:
        table: the entity table.
        graph: the faiss index over the same vectors.
        ef_search: the length of the list of entities that a search keeps while it follows the links; at least K.
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
        """The size of the file: it is memory-mapped, so at most all of it is in memory."""
        return cls.disk_bytes(rows, width, options)

    @classmethod
    def disk_bytes(cls, rows: int, width: int, options: HnswOptions) -> int:
        """The size of the vectors in fp32 and of the graph.

        An entity has 2 · links places of 4 bytes on the lowest layer, on average links / (links − 1) such places on the higher
        layers, and 12 bytes for its number of layers and its offset.
        """
        return HEADER_BYTES + rows * (4 * width + 8 * options.links + 32)

    @classmethod
    def build(cls, table: EntityTable, options: HnswOptions) -> Self:
        """Build the graph, which links every entity of the table to similar entities."""
        import faiss

        graph = faiss.IndexHNSWFlat(table.width, options.links, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction, graph.hnsw.efSearch = options.ef_construction, options.ef_search
        for start in range(0, len(table), BLOCK):
            graph.add(table.tensor(start, start + BLOCK).numpy())
        return cls(table, graph, options.ef_search)

    @classmethod
    def open(cls, table: EntityTable, folder: Path, chosen: Mapping[str, Value]) -> Self:
        """Open ``index.faiss``, memory-mapped. If ``ef_search`` is not chosen, its value is that of the file."""
        graph = read_graph(folder / HNSW_FILE, len(table), table.width)
        return cls(table, graph, int(chosen.get("ef_search", graph.hnsw.efSearch)))

    def _search(self, vectors: Tensor, k: int, normalise: bool) -> tuple[Tensor, Tensor, Tensor]:
        import faiss

        # an argument of the call and not an attribute of the index, since several threads may use the index
        breadth = faiss.SearchParametersHNSW(efSearch=max(self.ef_search, k))  # type: ignore[attr-defined]
        _, found = self._faiss.search(np.ascontiguousarray(vectors.numpy()), k, params=breadth)
        rows = torch.from_numpy(found)  # (Q, K), −1 where the graph found fewer than K
        scores = torch.einsum("qd,qkd->qk", vectors, self.table.gather(rows.clamp_min(0)))  # (Q, K)
        scores, order = scores.masked_fill(rows < 0, -torch.inf).sort(dim=-1, descending=True, stable=True)
        return scores, rows.gather(-1, order), scores[:, 0]

    def save(self, folder: Path) -> None:
        """Write ``index.faiss``."""
        import faiss

        # if faiss opened the file itself, it would ignore an error in the last write
        with replacing(folder / HNSW_FILE, "wb") as stream:
            faiss.write_index(self._faiss, faiss.PyCallbackIOWriter(stream.write))  # type: ignore[attr-defined]
