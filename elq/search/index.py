"""The index: the interface of all kinds of index.

An index finds the K entities with the largest inner products with a mention vector. For all kinds, a score is the fp32 inner
product with the row of the table: a kind that searches approximately computes its scores from the table too, so that two kinds
may find different rows, but give a row the same score.

A kind is one class. It defines its name, its options, its files, the memory and disk space that it needs, and how it is built,
saved and opened. elq/search/kinds.py registers it; no other module of elq mentions its name.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from elq.errors import ElqError
from elq.search.options import NoOptions, Value
from elq.search.table import EntityTable

QUERIES = 1_024  # queries that are searched together: this limits the size of the (Q, block) products


class EntityIndex(ABC):
    """Search over N frozen entity vectors. Several threads may use it.

    A new kind must define `kind`, `memory_bytes`, `disk_bytes` and `_search`; if it has files, also `files`, `save` and `open`.
    """

    kind: ClassVar[str]  # the name of the kind
    options: ClassVar[type[Any]] = NoOptions  # a frozen dataclass, all fields with defaults; see elq/search/options.py
    files: ClassVar[tuple[str, ...]] = ()  # what `save` writes into the entities folder; each name begins with "index."
    sees_all: ClassVar[bool] = False  # whether a search looks at every entity

    def __init__(self, table: EntityTable) -> None:
        self.table = table
        self.size = len(table)  # the number of entities that a search can find

    @classmethod
    @abstractmethod
    def memory_bytes(cls, rows: int, width: int, options: Any) -> int:
        """The largest size in memory of the finished index of N × D vectors, without the memory-mapped table."""

    @classmethod
    @abstractmethod
    def disk_bytes(cls, rows: int, width: int, options: Any) -> int:
        """The largest size on disk of the files of an index of N × D vectors."""

    @classmethod
    def refuses_prior(cls, options: Any) -> str:
        """The reason to refuse a table with a prior, as the end of "the … index"; "" accepts it."""
        return ""

    @classmethod
    def require(cls, options: Any) -> None:
        """Raise an ElqError if a build needs something that is missing, such as a server. It is called before the long work."""
        return  # most kinds need nothing

    @classmethod
    def build(cls, table: EntityTable, options: Any) -> Self:
        """Build an index over a table.

        Args:
            table: the entity table.
            options: an instance of the kind's options class.
        """
        return cls(table)

    @classmethod
    def open(cls, table: EntityTable, folder: Path, chosen: Mapping[str, Value]) -> Self:
        """Open the index that :meth:`save` wrote into a folder. An index without files is built again.

        Args:
            table: the entity table.
            folder: the entities folder.
            chosen: the options that were chosen; the values of the others are in the file.
        """
        return cls.build(table, cls.options(**chosen))

    def save(self, folder: Path) -> None:  # noqa: B027 (a kind without files has nothing to write)
        """Write the files of the index into a folder."""

    def search(self, vectors: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Find the k best entities of each query.

        Args:
            vectors: (Q, D) mention vectors.
            k: candidates of each query; if k is larger than N, N is used.

        Returns:
            Inner products (Q, K) fp32, best first, and table rows (Q, K) int64; −inf and −1 where no entity was found.

        Raises:
            ElqError: the vectors have another width than the table, k < 1, or a score is NaN or Inf.
        """
        return self._checked(vectors, k, False)[:2]

    def search_normalised(self, vectors: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
        """:meth:`search`, and log Σ exp of all N inner products of each query, (Q,) fp32.

        Raises:
            ElqError: as for :meth:`search`, or this kind does not compute the scores of all entities.
        """
        if not self.sees_all:
            raise ElqError(
                f'score mode "table" needs the scores of all entities, which the {self.kind} index does not compute: choose'
                ' score mode "shortlist", or build the entities with `elq build --index exact`'
            )
        return self._checked(vectors, k, True)

    def _checked(self, vectors: Tensor, k: int, normalise: bool) -> tuple[Tensor, Tensor, Tensor]:
        if vectors.shape[-1] != self.table.width:
            raise ElqError(
                f"query vectors have width {vectors.shape[-1]}, but the entity table has width {self.table.width}:"
                " build the entities with the encoder with which the model was trained (`elq build --encoder`)"
            )
        if k < 1:
            raise ElqError(f"{k} candidates were asked for, but at least 1 is needed: raise the number (--candidates)")
        k = min(k, self.size)
        if not len(vectors):
            return torch.empty(0, k), torch.empty(0, k, dtype=torch.int64), torch.empty(0)
        found = [self._search(part, k, normalise) for part in torch.split(vectors.detach().float().cpu(), QUERIES)]
        scores, rows, totals = found[0] if len(found) == 1 else map(torch.cat, zip(*found, strict=True))
        if (wrong := ~(scores < torch.inf)).any():  # exact search sorts NaN first, so a bad row is always found
            row = int(rows[wrong][0])
            raise ElqError(
                f"the score of row {row} of the entity table is {float(scores[wrong][0])}, but must be a finite number: the"
                " table or the model contains NaN or Inf, so build the entities again, or train the model again"
            )
        return scores, rows, totals

    @abstractmethod
    def _search(self, vectors: Tensor, k: int, normalise: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Scores and rows (Q, K), and log Σ exp (Q,); without ``normalise`` the third tensor is not used."""
