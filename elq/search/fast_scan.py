"""The index `pq4`: compares a mention vector with every entity by product codes of 4 bits, looked up in registers (faiss)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from elq.search.faiss_files import read_fast_scan
from elq.search.lists import sample_rows
from elq.search.options import Value, option
from elq.search.shortlist import FILE, ShortlistIndex, floor_option, padded, shortlist_option
from elq.search.table import BLOCK, EntityTable
from elq.tensors import Array

HEADER_BYTES = 300  # of the file, a little more than faiss needs
CODES = 16  # values of a code of 4 bits
TOGETHER = 32  # rows whose codes are stored together
TRAINED = 16_384  # rows with which the values of the codes are found
FEWEST = 39 * CODES  # rows without which faiss warns of too few
DIVIDED = 1 << 19  # rows of the smallest part that a thread of its own searches


@dataclass(frozen=True, kw_only=True)
class Pq4Options:
    """The options of the index ``pq4``."""

    columns: int = option(3, "columns with one code of 4 bits: fewer find more entities, but are slower", least=1, most=64)
    dimensions: int = option(
        0,
        "columns to which wide vectors are rotated before they are coded, so that fewer codes do; at least these, so that all"
        " codes are whole; 0: none",
        least=0,
        most=9_999,
    )
    shortlist: int = shortlist_option(256)
    least_recall: float = floor_option()


def principal(table: EntityTable, dimensions: int) -> Tensor:
    """The rotation (D, P) of vectors to P dimensions that keeps most of their inner products; P is at most D.

    These are the principal axes of the rows, not centred, in a random order and mixture: otherwise the first code would have
    the largest values, and the last ones none (Jégou et al. 2010, "Aggregating local descriptors into a compact image
    representation").
    """
    rows = table.gather(sample_rows(table, TRAINED))  # (S, D)
    axes: Tensor = torch.linalg.eigh(rows.T @ rows).eigenvectors[:, -min(dimensions, table.width) :]  # (D, P)
    mixed: Tensor = torch.linalg.qr(torch.randn(axes.shape[1], axes.shape[1], generator=torch.Generator().manual_seed(0))).Q
    return (axes @ mixed).contiguous()


def part_of(codes: Any, first: int, after: int) -> Any:
    """Some rows of an IndexPQFastScan as an index of their own; ``first`` is a multiple of 32."""
    import faiss

    made: Any = faiss.IndexPQFastScan(codes.d, codes.M, 4, faiss.METRIC_INNER_PRODUCT)
    made.pq, made.is_trained, made.ntotal = codes.pq, True, after - first
    made.ntotal2 = -(-made.ntotal // TOGETHER) * TOGETHER
    row = codes.M2 // 2  # bytes
    made.codes.resize(made.ntotal2 * row)
    everything = faiss.rev_swig_ptr(codes.codes.get(), codes.codes.size())  # (bytes,)
    faiss.rev_swig_ptr(made.codes.get(), made.codes.size())[:] = everything[first * row :][: made.codes.size()]
    return made


def divided(codes: Any, parts: int) -> dict[int, Any]:
    """The rows of an IndexPQFastScan in about equal parts: the first row of each part → its index."""
    size = -(-codes.ntotal // (parts * TOGETHER)) * TOGETHER
    return {first: part_of(codes, first, min(first + size, codes.ntotal)) for first in range(0, codes.ntotal, size)}


class Pq4Index(ShortlistIndex):
    """Brute force over product codes (faiss IndexPQFastScan, inner product): with 3 columns, a twelfth of a float16 table.

    The product of a query with each of the 16 values of a code is rounded to 8 bits, so that the table of a code fits into a
    register, where 64 rows look it up with one instruction (André, Kermarrec and Le Scouarnec 2017, "Accelerated Nearest
    Neighbor Search with Quick ADC").

    Faiss searches for one query in one thread. So the rows of a large table are divided into parts when the index is opened,
    and each part has a thread of its own.

    Args:
        table: the entity table.
        index: the faiss index over the rows of the table, with columns of zeros behind them so that all codes are whole.
        shortlist: the entities whose scores are computed.
        rotation: (D, P) that was applied to the rows before they were coded; None: they were coded as they are.
        parts: the number of parts; with more than one, the index cannot be saved.
    """

    kind = "pq4"
    options = Pq4Options
    raising, lowering = ("shortlist", "dimensions"), ("columns",)

    def __init__(
        self, table: EntityTable, index: Any, shortlist: int, parts: int = 1, *, rotation: Tensor | None = None
    ) -> None:
        super().__init__(table, index, shortlist)
        self._rotation, self._owner = rotation, index  # the codes of an opened file belong to another faiss index
        self._parts = {0: index}
        if parts > 1:
            self._parts, self._faiss = divided(index, parts), None  # the codes are in memory only once

    @classmethod
    def disk_bytes(cls, rows: int, width: int, options: Pq4Options) -> int:
        """Half a byte for each code, and the values of the codes and the rotation in fp32."""
        parts = _parts_of(width, options)
        stored = -(-rows // TOGETHER) * TOGETHER * -(-parts // 2)
        rotation = HEADER_BYTES + 4 * width * parts * options.columns if options.dimensions else 0
        return HEADER_BYTES + stored + 4 * CODES * parts * options.columns + rotation

    @classmethod
    def build_with(cls, table: EntityTable, options: Pq4Options, prior: int) -> Self:
        """Find the values of the codes with a part of the rows, then encode all rows."""
        import faiss

        parts = _parts_of(table.width, options)
        codes = faiss.IndexPQFastScan(parts * options.columns, parts, 4, faiss.METRIC_INNER_PRODUCT)
        rotation = None
        if options.dimensions:  # in the file, it has a column for each column of the codes
            rotation = principal(table, codes.d)  # (D, P)
            rotation = torch.nn.functional.pad(rotation, (0, codes.d - rotation.shape[1]))
        rows = sample_rows(table, TRAINED)
        codes.train(_coded(table.gather(rows.repeat(-(-FEWEST // len(rows)))), rotation, codes.d))
        for start in range(0, len(table), BLOCK):
            codes.add(_coded(table.tensor(start, start + BLOCK), rotation, codes.d))
        return cls(table, codes, options.shortlist, rotation=rotation)

    @classmethod
    def open(cls, table: EntityTable, folder: Path, chosen: Mapping[str, Value]) -> Self:
        """Open ``index.faiss``, which is then in memory."""
        index, codes, rotation = read_fast_scan(folder / FILE, len(table), table.width)
        parts = min(torch.get_num_threads(), len(table) // DIVIDED)
        turned = None if rotation is None else torch.from_numpy(rotation.copy())
        made = cls(table, codes, cls.values(chosen).shortlist, parts, rotation=turned)
        made._owner = index if made._faiss is codes else None
        return made

    def _whole(self) -> Any:
        import faiss

        if self._rotation is None:
            return self._faiss
        turn: Any = faiss.LinearTransform(*self._rotation.shape, False)  # type: ignore[call-arg]
        faiss.copy_array_to_vector(self._rotation.T.numpy().ravel(), turn.A)
        turn.is_trained = True
        return faiss.IndexPreTransform(turn, self._faiss)

    def _nearest(self, vectors: Array, size: int, k: int) -> Array:
        width = next(iter(self._parts.values())).d
        queries, found = _coded(torch.from_numpy(vectors), self._rotation, width), dict[int, tuple[Array, Array]]()

        def search(first: int) -> None:
            scores, rows = self._parts[first].search(queries, size)  # (Q, S) twice
            found[first] = scores, np.where(rows < 0, rows, rows + first)

        others = [Thread(target=search, args=(first,)) for first in self._parts if first]
        for other in others:
            other.start()
        search(0)
        for other in others:
            other.join()
        scores, rows = (np.concatenate(side, axis=1) for side in zip(*(found[first] for first in self._parts), strict=True))
        if not others:
            return rows
        best = np.argpartition(-scores, size - 1, axis=1)[:, :size]  # (Q, S)
        return np.take_along_axis(rows, best, axis=1)


def _parts_of(width: int, options: Pq4Options) -> int:
    """The number of codes of a vector of D columns."""
    return -(-min(width, options.dimensions or width) // options.columns)


def _coded(vectors: Tensor, rotation: Tensor | None, width: int) -> Array:
    """Vectors (Q, D) as faiss gets them, (Q, width): rotated, with columns of zeros behind them."""
    return padded((vectors if rotation is None else vectors @ rotation).numpy(), width)
