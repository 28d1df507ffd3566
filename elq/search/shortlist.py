"""The shortlist index: what all approximate kinds have in common. Faiss finds a shortlist, and the table gives the scores."""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from elq.errors import AGAIN, ElqError
from elq.files import replacing
from elq.search.index import EntityIndex
from elq.search.options import Value, option
from elq.search.table import EntityTable
from elq.tensors import Array

FILE = "index.faiss"
GATHERED = 2**21  # values of the table that are in memory as fp32 at a time; larger blocks of memory are not given back
LISTED = 2**18  # entities of all shortlists that are in memory at a time
FLOOR = 0.99  # the least recall@1 of a compressed kind, by default


def shortlist_option(default: int) -> Any:
    """Declare the option ``shortlist``."""
    meaning = "entities whose scores are computed from the table, at least K: more find more entities, but are slower"
    return option(default, meaning, least=1, most=1_000_000)


def floor_option() -> Any:
    """Declare the option ``least_recall``."""
    return option(FLOOR, "share of the nearest entities that the index must find when it is built", least=0, most=1)


def padded(vectors: Array, width: int) -> Array:
    """Vectors with columns of zeros behind them: (Q, D) → (Q, width).

    >>> padded(np.ones((1, 3), np.float32), 4)
    array([[1., 1., 1., 0.]], dtype=float32)
    """
    return vectors if vectors.shape[1] == width else np.pad(vectors, ((0, 0), (0, width - vectors.shape[1])))


def rescored(table: EntityTable, vectors: Tensor, rows: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k best of S rows for each of Q queries, by their scores from the table.

    Args:
        table: the entity table.
        vectors: (Q, D) fp32 on the CPU.
        rows: (Q, S) int64, −1 where there is no row.
        k: at most S.

    Returns:
        Scores (Q, K), best first, and rows (Q, K); −inf and −1 where there is no row. Among equals the earlier row comes first.
    """
    found = []
    step = max(1, GATHERED // (table.width * rows.shape[1]))
    for queries, some in zip(torch.split(vectors, step), torch.split(rows.sort(dim=-1).values, step), strict=True):
        scores = torch.einsum("qd,qsd->qs", queries, table.gather(some.clamp_min(0)))  # (Q, S)
        scores, order = scores.masked_fill(some < 0, -torch.inf).sort(dim=-1, descending=True, stable=True)
        found.append((scores[:, :k], some.gather(-1, order)[:, :k]))
    scores, rows = (torch.cat(column) for column in zip(*found, strict=True))
    return scores, rows


class ShortlistIndex(EntityIndex):
    """An approximate index: a faiss index finds S entities, and their scores are computed from the table.

    Args:
        table: the entity table.
        index: the faiss index over the rows of the table.
        shortlist: S, the entities whose scores are computed; if K is larger, K.
    """

    files = (FILE,)
    raising: ClassVar[tuple[str, ...]] = ()  # the options that raise the recall, the most effective first
    lowering: ClassVar[tuple[str, ...]] = ()  # those that raise it if they are lowered

    def __init__(self, table: EntityTable, index: Any, shortlist: int) -> None:
        super().__init__(table)
        self._faiss = index
        self.shortlist = max(1, min(shortlist, len(table)))

    @classmethod
    def memory_bytes(cls, rows: int, width: int, options: Any) -> int:
        """The size of the file: it is memory-mapped, so at most all of it is in memory."""
        return cls.disk_bytes(rows, width, options)

    @classmethod
    def build(cls, table: EntityTable, options: Any) -> Self:
        """Build an index over a table without a prior."""
        return cls.build_with(table, options, 0)

    @classmethod
    @abstractmethod
    def build_with(cls, table: EntityTable, options: Any, prior: int) -> Self:
        """Build an index over a table.

        Args:
            table: the entity table.
            options: an instance of the kind's options class.
            prior: P, the number of columns of the prior, which are the last of the table.
        """

    @classmethod
    def values(cls, chosen: Mapping[str, Value]) -> Any:
        """The options of this kind: those that were chosen, and the defaults of the others."""
        return cls.options(**chosen)

    @abstractmethod
    def _nearest(self, vectors: Array, size: int, k: int) -> Array:
        """Rows (Q, S) of the entities that are probably nearest to the queries (Q, D), at least k of each; −1 for no row."""

    def _search(self, vectors: Tensor, k: int, normalise: bool) -> tuple[Tensor, Tensor, Tensor]:
        step = max(1, LISTED // max(k, self.shortlist))
        found = [self._listed(some, k) for some in torch.split(vectors, step)]
        scores, rows = (torch.cat(column) for column in zip(*found, strict=True))
        return scores, rows, scores[:, 0]

    def _listed(self, vectors: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Scores and rows (Q, K) of the best of the shortlists of Q queries."""
        found = self._nearest(np.ascontiguousarray(vectors.numpy()), max(k, self.shortlist), k)
        if found.max() >= len(self.table):
            raise ElqError(f"the {self.kind} index has an entity in row {found.max()} of {len(self.table)}: {AGAIN}")
        return rescored(self.table, vectors, torch.from_numpy(found), k)

    def save(self, folder: Path) -> None:
        """Write ``index.faiss``."""
        import faiss

        # if faiss opened the file itself, it would ignore an error in the last write
        with replacing(folder / FILE, "wb") as stream:
            faiss.write_index(self._whole(), faiss.PyCallbackIOWriter(stream.write))  # type: ignore[attr-defined]

    def _whole(self) -> Any:
        """The faiss index that is written to the file."""
        return self._faiss
