"""Faiss files: opens a faiss index file and checks it before it is used.

The file may come from another person, and faiss itself would follow links of a damaged graph to places outside it.
"""

from pathlib import Path
from typing import Any

import numpy as np

from elq.errors import AGAIN, ElqError
from elq.tensors import Array

REGISTER = 16  # numbers that a processor computes together


def whole_registers(width: int) -> int:
    """The width of 8-bit codes: that of the table, and columns of zeros up to the end of a register.

    >>> whole_registers(384), whole_registers(388)
    (384, 400)
    """
    return -(-width // REGISTER) * REGISTER


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

    index = _opened(path, faiss.IO_FLAG_MMAP_IFC, 256)
    is_graph = hasattr(index, "hnsw")
    if not (is_graph or (flat and isinstance(index, faiss.IndexFlat))) or index.metric_type != faiss.METRIC_INNER_PRODUCT:
        metric = {faiss.METRIC_INNER_PRODUCT: "inner products", faiss.METRIC_L2: "L2 distances"}.get(index.metric_type, "?")
        raise ElqError(
            f"{path} contains a {type(index).__name__} of {metric}, but must contain an HNSW index of inner products: {AGAIN}"
        )
    _check_size(path, index, rows, width)
    if is_graph and not _is_sound(index.hnsw, rows):
        raise ElqError(f"{path} contains a graph with links to places outside its {rows} vectors: {AGAIN}")
    return index


def read_codes(path: str | Path, rows: int, width: int) -> Any:
    """Open the memory-mapped file of 8-bit codes of a table.

    Args:
        path: the file.
        rows, width: N and D of the table.

    Raises:
        ElqError: the file is unreadable, or the index has another kind, metric or size, or is damaged.
    """
    import faiss

    index = _opened(path, faiss.IO_FLAG_MMAP_IFC, rows * width)
    if type(index) is not faiss.IndexScalarQuantizer:
        raise ElqError(f"{path} contains a {type(index).__name__}, but must contain an IndexScalarQuantizer: {AGAIN}")
    width = index.d if index.d == whole_registers(width) else width  # an older file may have no columns of zeros
    _check_size(path, index, rows, width)
    _check(path, index.codes.size() == rows * width and _is_quantiser(index.sq, width))
    return index


def read_fast_scan(path: str | Path, rows: int, width: int) -> tuple[Any, Any, Array | None]:
    """Read the file of product codes of 4 bits of a table, whose last code may have columns of zeros.

    Args:
        path: the file.
        rows, width: N and D of the table.

    Returns:
        The index in the file, which owns the others; its codes; and the rotation (D, P) that vectors need before, or None.

    Raises:
        ElqError: the file is unreadable, or the index has another kind, metric or size, or is damaged.
    """
    import faiss

    index: Any = _opened(path, faiss.IO_FLAG_READ_ONLY, rows)  # a code has at least a byte
    codes: Any = index
    rotation = None
    if type(index) is faiss.IndexPreTransform:
        turn, codes = _rotated(path, index, width)
        width, rotation = turn.d_out, faiss.vector_to_array(turn.A).reshape(turn.d_out, turn.d_in).T  # (D, P)
        _check(path, bool(np.isfinite(rotation).all()))
    kind: Any = type(codes)
    if kind is not faiss.IndexPQFastScan or codes.metric_type != faiss.METRIC_INNER_PRODUCT:
        raise ElqError(f"{path} contains a {type(codes).__name__}, but must contain an IndexPQFastScan: {AGAIN}")
    parts = codes.pq
    _check(path, parts.nbits == 4 and parts.M == codes.M > 0 and parts.d == codes.d == parts.M * parts.dsub)
    _check_size(path, codes, rows, -(-width // parts.dsub) * parts.dsub)
    _check(path, parts.centroids.size() == 16 * codes.d and codes.ksub == 16 and codes.M2 == -(-parts.M // 2) * 2)
    stored = -(-rows // 32) * 32  # the codes of 32 rows are stored together
    _check(path, (codes.bbs, codes.ntotal2, codes.codes.size()) == (32, stored, stored * codes.M2 // 2))
    codes.implem, codes.qbs, codes.skip = 0, 0, 0  # how it is searched: faiss chooses
    return index, codes, rotation


def read_lists(path: str | Path, rows: int, width: int, *, rotated: bool) -> Any:
    """Open the file of an index with inverted lists. The lists are memory-mapped, and the centres are in memory.

    Args:
        path: the file.
        rows, width: N and D of the table.
        rotated: whether the vectors are rotated and have product codes; otherwise they have 8-bit codes.

    Raises:
        ElqError: the file is unreadable, or the index has another kind, metric or size, or is damaged.
    """
    import faiss

    index = _opened(path, faiss.IO_FLAG_MMAP, 8 * rows)
    lists: Any = index
    inner = width
    wanted: type[Any] = faiss.IndexIVFPQ if rotated else faiss.IndexIVFScalarQuantizer
    if rotated:
        turn, lists = _rotated(path, index, width)
        inner = turn.d_out
        _check(path, lists.ntotal == rows)
    if type(lists) is not wanted:
        raise ElqError(f"{path} contains a {type(lists).__name__}, but must contain an {wanted.__name__}: {AGAIN}")
    if not rotated and lists.d == whole_registers(width):  # an older file may have no columns of zeros
        width = inner = lists.d
    _check_size(path, index, rows, width)
    stored: Any = faiss.downcast_InvertedLists(lists.invlists)
    _check(path, lists.metric_type == faiss.METRIC_INNER_PRODUCT and (lists.d, lists.nlist) == (inner, stored.nlist))
    _check(path, _is_centres(lists.quantizer, lists.nlist, inner) and stored.code_size == lists.code_size)
    _check(path, sum(map(stored.list_size, range(lists.nlist))) == rows)
    if rotated:
        parts = lists.pq
        sound = (parts.d, parts.nbits, parts.code_size, parts.dsub * parts.M) == (inner, 8, lists.code_size, inner)
        _check(path, sound and lists.code_size == parts.M and parts.centroids.size() == inner << 8)
    else:
        _check(path, lists.code_size == inner and _is_quantiser(lists.sq, inner))
    stored.prefetch_nthread = 0  # otherwise every search starts threads that read the lists beforehand
    return index


def _rotated(path: str | Path, index: Any, width: int) -> tuple[Any, Any]:
    """The rotation of an index over rotated vectors, and the index that gets them."""
    import faiss

    kind: Any = type(index)
    if kind is not faiss.IndexPreTransform or index.chain.size() != 1:
        raise ElqError(f"{path} contains a {type(index).__name__}, but must contain an IndexPreTransform: {AGAIN}")
    turn: Any = faiss.downcast_VectorTransform(index.chain.at(0))
    inner: Any = faiss.downcast_index(index.index)
    sound = isinstance(turn, faiss.LinearTransform) and turn.d_in == width and turn.A.size() == width * turn.d_out
    _check(path, sound and not turn.have_bias)
    return turn, inner


def _opened(path: str | Path, flag: int, least: int) -> Any:
    """Open a file of at least so many bytes: of a mapped file that ends in its header, faiss reads what is behind the end."""
    import faiss

    try:
        if (size := Path(path).stat().st_size) < least:
            raise ElqError(f"{path} is not a readable faiss index (it has {size} bytes instead of {least} or more): {AGAIN}")
        return faiss.read_index(str(path), flag)  # the vectors in the file stay on the disk
    except (OSError, RuntimeError, MemoryError) as error:
        raise ElqError(f"{path} is not a readable faiss index ({str(error).splitlines()[0]}): {AGAIN}") from None


def _check_size(path: str | Path, index: Any, rows: int, width: int) -> None:
    if (index.ntotal, index.d) != (rows, width):
        raise ElqError(f"{path} contains {index.ntotal} × {index.d} vectors, but the table has {rows} × {width}: {AGAIN}")


def _check(path: str | Path, sound: bool) -> None:
    if not sound:
        raise ElqError(f"{path} contains parts that do not fit each other: {AGAIN}")


def _is_quantiser(codes: Any, width: int) -> bool:
    """Whether a quantiser makes one byte of each number, within limits of its own for every column."""
    return (codes.qtype, codes.d, codes.code_size, codes.trained.size()) == (codes.QT_8bit, width, width, 2 * width)


def _is_centres(centres: Any, lists: int, width: int) -> bool:
    """Whether the centres of inverted lists are vectors that are compared one by one."""
    import faiss

    flat: Any = faiss.downcast_index(centres)
    same = isinstance(flat, faiss.IndexFlat) and flat.metric_type == faiss.METRIC_INNER_PRODUCT
    return same and (flat.ntotal, flat.d, flat.codes.size()) == (lists, width, 4 * lists * width)


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
