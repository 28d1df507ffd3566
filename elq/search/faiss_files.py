"""The graph: a faiss index file that somebody may have made elsewhere, mapped and looked through before it is followed."""

from pathlib import Path
from typing import Any

import numpy as np

from elq.errors import ElqError


def read_graph(path: str | Path, rows: int, width: int, *, flat: bool = False) -> Any:
    """A faiss index over a table of so many rows, mapped from its file.

    Args:
        path: the file.
        rows, width: N and D of the table.
        flat: take an index that is a mere copy of the table too.

    Raises:
        ElqError: unreadable, or an index of another kind, metric or size.
    """
    import faiss

    try:
        index: Any = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)  # its copy of the vectors stays on the disk
    except (RuntimeError, MemoryError) as error:
        raise ElqError(f"{path} is not a readable faiss index ({str(error).splitlines()[0]}): build the folder again") from None
    is_graph = hasattr(index, "hnsw")
    if not (is_graph or (flat and isinstance(index, faiss.IndexFlat))) or index.metric_type != faiss.METRIC_INNER_PRODUCT:
        metric = {faiss.METRIC_INNER_PRODUCT: "inner products", faiss.METRIC_L2: "L2 distances"}.get(index.metric_type, "?")
        raise ElqError(
            f"{path} holds a {type(index).__name__} of {metric}, but must hold an HNSW index of inner products: build it again"
        )
    if (index.ntotal, index.d) != (rows, width):
        raise ElqError(f"{path} holds {index.ntotal} × {index.d} vectors, but the table {rows} × {width}: build it again")
    if is_graph and not _is_sound(index.hnsw, rows):
        raise ElqError(f"{path} holds a graph that leads out of its {rows} vectors: build the folder again")
    return index


def _is_sound(graph: "faiss.HNSW", size: int) -> bool:  # type: ignore[name-defined]  # noqa: F821
    """Whether every link of a graph stays inside it; faiss would follow one that does not."""
    import faiss

    names = ("neighbors", "offsets", "levels", "cum_nneighbor_per_level")
    vectors = [getattr(graph, name) for name in names]
    if any(vector.size() == 0 for vector in vectors):
        return False
    neighbors, offsets, levels, room = (faiss.rev_swig_ptr(vector.data(), vector.size()) for vector in vectors)  # not copied
    if not (len(levels) == size and len(offsets) == size + 1 and 0 <= graph.entry_point < size):
        return False
    if not (levels.min() >= 1 and levels.max() < len(room) and levels[graph.entry_point] == graph.max_level + 1):
        return False
    ends = offsets[0] == 0 and offsets[-1] == len(neighbors) and room[0] == 0
    steps = np.array_equal(np.diff(offsets.astype(np.int64)), room[levels])
    if not (ends and steps and (np.diff(room) >= 0).all() and neighbors.min() >= -1 and neighbors.max() < size):
        return False
    for layer in range(1, int(levels.max())):  # all entities are on layer 0, few on those above
        members = np.flatnonzero(levels > layer)
        places = offsets[members, None].astype(np.int64) + np.arange(room[layer], room[layer + 1])  # (members, links)
        linked = neighbors[places]
        if (levels[linked[linked >= 0]] <= layer).any():
            return False
    return True
