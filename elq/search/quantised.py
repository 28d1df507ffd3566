"""The index `sq8`: compares a mention vector with every entity, each number of which has 8 bits (faiss)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from elq.search.faiss_files import read_codes, whole_registers
from elq.search.lists import limits
from elq.search.options import Value
from elq.search.shortlist import FILE, ShortlistIndex, floor_option, padded, shortlist_option
from elq.search.table import BLOCK, EntityTable
from elq.tensors import Array

HEADER_BYTES = 300  # of the file, a little more than faiss needs


@dataclass(frozen=True, kw_only=True)
class Sq8Options:
    """The options of the index ``sq8``."""

    shortlist: int = shortlist_option(100)
    least_recall: float = floor_option()


class Sq8Index(ShortlistIndex):
    """Brute force over 8-bit codes (faiss IndexScalarQuantizer, inner product): half of the bytes of a float16 table.

    Every column has its own limits, which are those of the table. Nothing else is learned. Columns of zeros fill up the last
    register, without which faiss computes number by number, which takes five times as long.
    """

    kind = "sq8"
    options = Sq8Options
    raising = ("shortlist",)

    @classmethod
    def disk_bytes(cls, rows: int, width: int, options: Sq8Options) -> int:
        """One byte for each number, and the limits of the columns in fp32."""
        return HEADER_BYTES + (rows + 8) * whole_registers(width)

    @classmethod
    def build_with(cls, table: EntityTable, options: Sq8Options, prior: int) -> Self:
        """Find the limits of the columns, then encode the rows."""
        import faiss

        width = whole_registers(table.width)
        codes = faiss.IndexScalarQuantizer(width, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
        codes.train(padded(limits(table), width))
        for start in range(0, len(table), BLOCK):
            codes.add(padded(table.tensor(start, start + BLOCK).numpy(), width))
        return cls(table, codes, options.shortlist)

    @classmethod
    def open(cls, table: EntityTable, folder: Path, chosen: Mapping[str, Value]) -> Self:
        """Open ``index.faiss``, memory-mapped."""
        return cls(table, read_codes(folder / FILE, len(table), table.width), cls.values(chosen).shortlist)

    def _nearest(self, vectors: Array, size: int, k: int) -> Array:
        found: Array = self._faiss.search(padded(vectors, self._faiss.d), size)[1]
        return found
