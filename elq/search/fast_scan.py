"""The index `pq4`: compares a mention vector with every entity by product codes of 4 bits, looked up in registers (faiss)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

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


@dataclass(frozen=True, kw_only=True)
class Pq4Options:
    """The options of the index ``pq4``."""

    columns: int = option(3, "columns with one code of 4 bits: fewer find more entities, but are slower", least=1, most=64)
    shortlist: int = shortlist_option(256)
    least_recall: float = floor_option()


class Pq4Index(ShortlistIndex):
    """Brute force over product codes (faiss IndexPQFastScan, inner product): with 3 columns, a twelfth of a float16 table.

    The product of a query with each of the 16 values of a code is rounded to 8 bits, so that the table of a code fits into a
    register, where 64 rows look it up with one instruction (André, Kermarrec and Le Scouarnec 2017, "Accelerated Nearest
    Neighbor Search with Quick ADC").

    Args:
        table: the entity table.
        index: the faiss index over the rows of the table, with columns of zeros behind them so that all codes are whole.
        shortlist: the entities whose scores are computed.
    """

    kind = "pq4"
    options = Pq4Options
    raising = ("shortlist", "columns")

    @classmethod
    def disk_bytes(cls, rows: int, width: int, options: Pq4Options) -> int:
        """Half a byte for each code, and the values of the codes in fp32."""
        parts = -(-width // options.columns)
        stored = -(-rows // TOGETHER) * TOGETHER * -(-parts // 2)
        return HEADER_BYTES + stored + 4 * CODES * parts * options.columns

    @classmethod
    def build_with(cls, table: EntityTable, options: Pq4Options, prior: int) -> Self:
        """Find the values of the codes with a part of the rows, then encode all rows."""
        import faiss

        parts = -(-table.width // options.columns)
        codes = faiss.IndexPQFastScan(parts * options.columns, parts, 4, faiss.METRIC_INNER_PRODUCT)
        rows = sample_rows(table, TRAINED)
        codes.train(padded(table.gather(rows.repeat(-(-FEWEST // len(rows)))).numpy(), codes.d))
        for start in range(0, len(table), BLOCK):
            codes.add(padded(table.tensor(start, start + BLOCK).numpy(), codes.d))
        return cls(table, codes, options.shortlist)

    @classmethod
    def open(cls, table: EntityTable, folder: Path, chosen: Mapping[str, Value]) -> Self:
        """Open ``index.faiss``, which is then in memory."""
        return cls(table, read_fast_scan(folder / FILE, len(table), table.width), cls.values(chosen).shortlist)

    def _nearest(self, vectors: Array, size: int, k: int) -> Array:
        found: Array = self._faiss.search(padded(vectors, self._faiss.d), size)[1]
        return found
