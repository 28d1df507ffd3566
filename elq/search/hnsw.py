"""The HNSW index: searches approximately, but fast, in a graph (faiss).

The graph links similar entities. A search follows the links, so it compares the query with few entities and may miss some of
the best.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from elq.search.faiss_files import read_graph
from elq.search.options import Value, option
from elq.search.shortlist import FILE, ShortlistIndex, floor_option
from elq.search.table import BLOCK, EntityTable
from elq.tensors import Array

HNSW_FILE = FILE
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
        512, "length of the search list, at least K: a longer list finds more entities, but is slower", least=1, most=100_000
    )
    least_recall: float = floor_option()


class HnswIndex(ShortlistIndex):
    """A navigable small-world graph (faiss IndexHNSWFlat, inner product). The scores are computed from the table.

    In a table with a prior, the links connect entities that are similar without the prior; the search follows them by the whole
    score. With the prior in the links, they would connect entities of equal fame.

    Args:
        table: the entity table.
        graph: the faiss index over the same vectors.
        ef_search: the length of the list of entities that a search keeps while it follows the links; at least K.
    """

    kind = "hnsw"
    options = HnswOptions
    raising = ("ef_search", "links", "ef_construction")

    def __init__(self, table: EntityTable, graph: Any, ef_search: int) -> None:
        super().__init__(table, graph, 1)  # the graph has the vectors of the table, so its K best are the K best
        self.ef_search = max(1, min(ef_search, len(table)))

    @classmethod
    def disk_bytes(cls, rows: int, width: int, options: HnswOptions) -> int:
        """The size of the vectors in fp32 and of the graph.

        An entity has 2 · links places of 4 bytes on the lowest layer, on average links / (links − 1) such places on the higher
        layers, and 12 bytes for its number of layers and its offset.
        """
        return HEADER_BYTES + rows * (4 * width + 8 * options.links + 32)

    @classmethod
    def build_with(cls, table: EntityTable, options: HnswOptions, prior: int) -> Self:
        """Build the graph, which links every entity of the table to similar entities."""
        import faiss

        graph = faiss.IndexHNSWFlat(table.width, options.links, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction, graph.hnsw.efSearch = options.ef_construction, options.ef_search
        width = table.width - prior
        for start in range(0, len(table), BLOCK):
            block = table.tensor(start, start + BLOCK).clone()
            block[:, width:] = 0
            graph.add(block.numpy())
        if prior:  # it is added when all links are made
            flat: Any = faiss.downcast_index(graph.storage)
            stored = faiss.rev_swig_ptr(flat.get_xb(), len(table) * table.width).reshape(len(table), table.width)
            for start in range(0, len(table), BLOCK):
                stored[start : start + BLOCK, width:] = table.tensor(start, start + BLOCK)[:, width:].numpy()
        return cls(table, graph, options.ef_search)

    @classmethod
    def open(cls, table: EntityTable, folder: Path, chosen: Mapping[str, Value]) -> Self:
        """Open ``index.faiss``, memory-mapped. If ``ef_search`` is not chosen, its value is that of the file."""
        graph = read_graph(folder / HNSW_FILE, len(table), table.width)
        return cls(table, graph, int(chosen.get("ef_search", graph.hnsw.efSearch)))

    def _nearest(self, vectors: Array, size: int, k: int) -> Array:
        import faiss

        # an argument of the call and not an attribute of the index, since several threads may use the index
        breadth = faiss.SearchParametersHNSW(efSearch=max(self.ef_search, size))  # type: ignore[attr-defined]
        found: Array = self._faiss.search(vectors, size, params=breadth)[1]
        return found
