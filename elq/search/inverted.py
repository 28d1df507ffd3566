"""The indexes `ivf_sq8` and `ivf_pq`: search only the lists of entities whose centres are nearest (faiss).

The entities are divided into lists by k-means. A search compares the query with the centres, and then with the codes of the
entities in the nearest lists.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from elq.search.faiss_files import read_lists, whole_registers
from elq.search.lists import Lists, add, find_lists, flat, limits, lists_of
from elq.search.options import Value, option
from elq.search.shortlist import FILE, ShortlistIndex, floor_option, padded, shortlist_option
from elq.search.table import BLOCK, EntityTable
from elq.tensors import Array

HEADER_BYTES = 1_000  # of the file, a little more than faiss needs
CODES = 256  # values of one byte of a product code
LEAST, MOST = 4 * CODES, 128 * CODES  # differences with which product codes are trained
ROUNDS, FIRST = 8, 10  # of the search for a rotation, and of k-means of the codes


def _lists(default: int = 0) -> Any:
    return option(default, "lists of entities; 0: 4 times the square root of the entities", least=0, most=1_000_000)


def _nprobe(default: int) -> Any:
    meaning = "lists that are searched: more find more entities, but are slower"
    return option(default, meaning, least=1, most=1_000_000)


@dataclass(frozen=True, kw_only=True)
class IvfSq8Options:
    """The options of the index ``ivf_sq8``."""

    lists: int = _lists()
    nprobe: int = _nprobe(512)
    shortlist: int = shortlist_option(100)
    least_recall: float = floor_option()


@dataclass(frozen=True, kw_only=True)
class IvfPqOptions:
    """The options of the index ``ivf_pq``."""

    lists: int = _lists()
    nprobe: int = _nprobe(512)
    code_bytes: int = option(96, "bytes of a code: longer codes find more entities, but need more memory", least=1, most=4_096)
    shortlist: int = shortlist_option(200)
    least_recall: float = floor_option()


class InvertedIndex(ShortlistIndex):
    """Lists of entities by the nearest centre; a search looks at the ``nprobe`` nearest lists.

    Args:
        table: the entity table.
        index: the faiss index over the rows of the table.
        nprobe: the number of lists.
        shortlist: the entities whose scores are computed.
    """

    raising: ClassVar[tuple[str, ...]] = ("nprobe", "shortlist")
    lowering: ClassVar[tuple[str, ...]] = ("lists",)

    def __init__(self, table: EntityTable, index: Any, nprobe: int, shortlist: int) -> None:
        super().__init__(table, index, shortlist)
        import faiss

        self._lists: Any = faiss.downcast_index(getattr(index, "index", index))  # an IndexPreTransform contains it
        self.nprobe = nprobe

    @classmethod
    def build_with(cls, table: EntityTable, options: Any, prior: int) -> Self:
        """Divide the rows into lists, learn the codes of a part of the rows, then encode the rows."""
        lists = find_lists(table, lists_of(len(table), options.lists), prior)
        return cls(table, cls._encoded(table, lists, options), options.nprobe, options.shortlist)

    @classmethod
    @abstractmethod
    def _encoded(cls, table: EntityTable, lists: Lists, options: Any) -> Any:
        """A faiss index of the rows."""

    def _nearest(self, vectors: Array, size: int, k: int) -> Array:
        lists, nprobe = self._lists.nlist, self.nprobe
        found = self._probe(vectors, size, nprobe)
        while nprobe < lists and len(few := np.flatnonzero(found[:, k - 1] < 0)):  # the lists have fewer than K entities
            nprobe = min(4 * nprobe, lists)
            found[few] = self._probe(vectors[few], size, nprobe)
        return found

    @abstractmethod
    def _probe(self, vectors: Array, size: int, nprobe: int) -> Array:
        """Rows (Q, S) of the nearest entities in some lists; −1 for no row."""


class IvfSq8Index(InvertedIndex):
    """Lists of 8-bit codes (faiss IndexIVFScalarQuantizer, inner product)."""

    kind = "ivf_sq8"
    options = IvfSq8Options

    @classmethod
    def disk_bytes(cls, rows: int, width: int, options: IvfSq8Options) -> int:
        """One byte for each number, the row in 8 bytes, and the centres and the limits of the columns in fp32."""
        lists = lists_of(rows, options.lists)
        width = whole_registers(width)
        return HEADER_BYTES + rows * (width + 8) + lists * (4 * width + 8) + 8 * width

    @classmethod
    def open(cls, table: EntityTable, folder: Path, chosen: Mapping[str, Value]) -> Self:
        """Open ``index.faiss``, memory-mapped. If ``nprobe`` is not chosen, its value is that of the file."""
        index = read_lists(folder / FILE, len(table), table.width, rotated=False)
        return cls(table, index, int(chosen.get("nprobe", index.nprobe)), cls.values(chosen).shortlist)

    @classmethod
    def _encoded(cls, table: EntityTable, lists: Lists, options: IvfSq8Options) -> Any:
        import faiss

        width, quantiser = whole_registers(table.width), faiss.ScalarQuantizer.QT_8bit
        centres = flat(padded(lists.centres, width))
        index = faiss.IndexIVFScalarQuantizer(centres, width, len(lists.centres), quantiser, faiss.METRIC_INNER_PRODUCT)
        index.by_residual, index.nprobe = False, options.nprobe
        index.train(padded(limits(table), width))
        for start in range(0, len(table), BLOCK):
            add(index, padded(table.tensor(start, start + BLOCK).numpy(), width), lists.of_row[start : start + BLOCK])
        return index

    def _probe(self, vectors: Array, size: int, nprobe: int) -> Array:
        import faiss

        chosen = faiss.SearchParametersIVF(nprobe=nprobe)  # type: ignore[call-arg]
        found: Array = self._faiss.search(padded(vectors, self._faiss.d), size, params=chosen)[1]
        return found


class IvfPqIndex(InvertedIndex):
    """Lists of product codes of rotated vectors (faiss OPQMatrix and IndexIVFPQ, inner product).

    What is coded is the difference between a row and the centre of its list. The rotation is such that the codes lose little.
    """

    kind = "ivf_pq"
    options = IvfPqOptions
    raising = ("shortlist", "nprobe", "code_bytes", "lists")

    @classmethod
    def disk_bytes(cls, rows: int, width: int, options: IvfPqOptions) -> int:
        """The code, the row in 8 bytes; the rotation, the centres and the values of the codes in fp32."""
        parts, lists = parts_of(width, options.code_bytes), lists_of(rows, options.lists)
        inner = parts * -(-width // parts)
        return HEADER_BYTES + rows * (parts + 8) + lists * (4 * inner + 8) + 4 * inner * (width + CODES)

    @classmethod
    def open(cls, table: EntityTable, folder: Path, chosen: Mapping[str, Value]) -> Self:
        """Open ``index.faiss``, memory-mapped. If ``nprobe`` is not chosen, its value is that of the file."""
        index = cls(table, read_lists(folder / FILE, len(table), table.width, rotated=True), 1, cls.values(chosen).shortlist)
        index.nprobe = int(chosen.get("nprobe", index._lists.nprobe))
        return index

    @classmethod
    def _encoded(cls, table: EntityTable, lists: Lists, options: IvfPqOptions) -> Any:
        import faiss

        parts = parts_of(table.width, options.code_bytes)
        inner = parts * -(-table.width // parts)
        differences = lists.differences(table, max(LEAST, min(MOST, len(table))))  # (rows, D)
        rotation, codes = faiss.OPQMatrix(table.width, parts, inner), faiss.ProductQuantizer(inner, parts, 8)
        rotation.niter, rotation.niter_pq_0 = ROUNDS if len(table) > MOST else 1, FIRST
        rotation.max_train_points = len(differences)
        codes.cp.niter, codes.cp.min_points_per_centroid = FIRST, 1
        rotation.pq = codes
        rotation.train(differences)
        centres = rotation.apply(lists.centres)  # (lists, inner)
        index = faiss.IndexIVFPQ(flat(centres), inner, len(centres), parts, 8, faiss.METRIC_INNER_PRODUCT)
        index.nprobe = options.nprobe
        index.pq.cp = codes.cp
        index.pq.train(rotation.apply(differences))
        index.is_trained = True
        for start in range(0, len(table), BLOCK):
            rows = rotation.apply(table.tensor(start, start + BLOCK).numpy())
            add(index, rows, lists.of_row[start : start + BLOCK])
        whole = faiss.IndexPreTransform(rotation, index)
        whole.ntotal = index.ntotal
        return whole

    def _probe(self, vectors: Array, size: int, nprobe: int) -> Array:
        import faiss

        inner = faiss.SearchParametersIVF(nprobe=nprobe)  # type: ignore[call-arg]
        chosen = faiss.SearchParametersPreTransform(index_params=inner)  # type: ignore[call-arg]
        found: Array = self._faiss.search(vectors, size, params=chosen)[1]
        return found


def parts_of(width: int, code_bytes: int) -> int:
    """The number of parts of a vector, each of which has a code of one byte. All parts have the same number of columns.

    >>> parts_of(384, 96), parts_of(388, 96), parts_of(24, 96)
    (96, 97, 24)
    """
    columns = max(1, round(width / code_bytes))
    return -(-width // columns)
