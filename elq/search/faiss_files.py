"""Faiss files: opens a faiss index file and checks it before it is used.

The file may come from another person, and faiss itself would follow links of a damaged graph to places outside it.
"""

from pathlib import Path
from typing import Any

import numpy as np

from elq.errors import AGAIN, ElqError


def read_graph(path: str | Path, rows: int, width: int, *, flat: bool = False) -> Any:
    """Open the memory-mapped file of a faiss index over a table.

    Args:
        path: the file.
        rows, width: N and D of the table.
        flat: whether a flat index, which is only a copy of the table, is accepted too.

    Raises:
        ElqError: the file is unreadable, or the index has another kind, metric or size, or is damaged.
    """
    import faiss

    try:
        index: Any = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)  # the vectors in the file stay on the disk
    except (RuntimeError, MemoryError) as error:
        raise ElqError(f"{path} is not a readable faiss index ({str(error).splitlines()[0]}): {AGAIN}") from None
    is_graph = hasattr(index, "hnsw")
    if not (is_graph or (flat and isinstance(index, faiss.IndexFlat))) or index.metric_type != faiss.METRIC_INNER_PRODUCT:
        metric = {faiss.METRIC_INNER_PRODUCT: "inner products", faiss.METRIC_L2: "L2 distances"}.get(index.metric_type, "?")
        raise ElqError(
            f"{path} contains a {type(index).__name__} of {metric}, but must contain an HNSW index of inner products: {AGAIN}"
        )
    if (index.ntotal, index.d) != (rows, width):
        raise ElqError(f"{path} contains {index.ntotal} × {index.d} vectors, but the table has {rows} × {width}: {AGAIN}")
    if is_graph and not _is_sound(index.hnsw, rows):
        raise ElqError(f"{path} contains a graph with links to places outside its {rows} vectors: {AGAIN}")
    return index


def _is_sound(graph: "faiss.HNSW", size: int) -> bool:  # type: ignore[name-defined]  # noqa: F821
    """Whether all links of a graph are to entities of the graph; faiss would follow other links without a check."""
    import faiss

    names = ("neighbors", "offsets", "levels", "cum_nneighbor_per_level")
    vectors = [getattr(graph, name) for name in names]
    if any(vector.size() == 0 for vector in vectors):
        return False
    neighbors, offsets, levels, slots = (faiss.rev_swig_ptr(vector.data(), vector.size()) for vector in vectors)  # not copied
    if not (len(levels) == size and len(offsets) == size + 1 and 0 <= graph.entry_point < size):
        return False
    if not (levels.min() >= 1 and levels.max() < len(slots) and levels[graph.entry_point] == graph.max_level + 1):
        return False
    ends = offsets[0] == 0 and offsets[-1] == len(neighbors) and slots[0] == 0
    steps = np.array_equal(np.diff(offsets.astype(np.int64)), slots[levels])
    if not (ends and steps and (np.diff(slots) >= 0).all() and neighbors.min() >= -1 and neighbors.max() < size):
        return False
    for layer in range(1, int(levels.max())):  # layer 0 has all entities; higher layers have few
        members = np.flatnonzero(levels > layer)
        places = offsets[members, None].astype(np.int64) + np.arange(slots[layer], slots[layer + 1])  # (members, links)
        linked = neighbors[places]
        if (levels[linked[linked >= 0]] <= layer).any():
            return False
    return True
