"""The index: which K entities have the largest inner product with a mention vector. This module is the contract of all kinds.

A score is the inner product in fp32 with the row as the table stores it, whatever the kind: kinds that search approximately
take their scores again from the table, so only which rows are found can differ.

A kind is one class. It says its name, its options, its files, the memory and the disk it needs, and how it is built, saved and
opened; elq/search/kinds.py registers it, and nothing else in elq knows it by its name.
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

QUERIES = 1_024  # searched at a time: bounds the (Q, block) products


class EntityIndex(ABC):
    """Search over N frozen entity vectors. Safe to call from several threads.

    A new kind sets `kind`, writes `memory_bytes`, `disk_bytes` and `_search`, and, where it has files, `files`, `save` and
    `open` too.
    """

    kind: ClassVar[str]  # its name
    options: ClassVar[type[Any]] = NoOptions  # a frozen dataclass, all fields with defaults; see elq/search/options.py
    files: ClassVar[tuple[str, ...]] = ()  # what `save` writes into the entities folder; each name begins with "index."
    sees_all: ClassVar[bool] = False  # whether a search looks at every entity
    prior_refused: ClassVar[str] = ""  # the reason to refuse a table with a prior, as the end of "the … index"; "" accepts it

    def __init__(self, table: EntityTable) -> None:
        self.table = table

    @classmethod
    @abstractmethod
    def memory_bytes(cls, rows: int, width: int, options: Any) -> int:
        """What the finished index of N × D vectors holds in memory at the most, beside the mapped table."""

    @classmethod
    @abstractmethod
    def disk_bytes(cls, rows: int, width: int, options: Any) -> int:
        """What the files of an index of N × D vectors take at the most."""

    @classmethod
    def build(cls, table: EntityTable, options: Any) -> Self:
        """Index a table.

        Args:
            table: the entity table.
            options: an instance of the kind's options class.
        """
        return cls(table)

    @classmethod
    def open(cls, table: EntityTable, folder: Path, chosen: Mapping[str, Value]) -> Self:
        """Open the index that :meth:`save` wrote into a folder. A kind without files is built again.

        Args:
            table: the entity table.
            folder: the entities folder.
            chosen: the options that were chosen; for the others the file says what they were.
        """
        return cls.build(table, cls.options(**chosen))

    def save(self, folder: Path) -> None:  # noqa: B027 (nothing is the right default)
        """Write the kind's files into a folder."""

    def search(self, vectors: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """The k best entities of each query.

        Args:
            vectors: (Q, D) mention vectors.
            k: candidates per query; cut to N.

        Returns:
            Inner products (Q, K) fp32, best first, and table rows (Q, K) int64; −inf and −1 where nothing was found.

        Raises:
            ElqError: another width than the table's, k < 1, or a score that is NaN or Inf.
        """
        return self._checked(vectors, k, False)[:2]

    def search_normalised(self, vectors: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
        """:meth:`search`, and log Σ exp of all N inner products of each query, (Q,) fp32.

        Raises:
            ElqError: as there, and if this kind does not see all entities.
        """
        if not self.sees_all:
            raise ElqError(
                f'score mode "table" needs all entities, which the {self.kind} index does not see: use the exact index'
            )
        return self._checked(vectors, k, True)

    def _checked(self, vectors: Tensor, k: int, normalise: bool) -> tuple[Tensor, Tensor, Tensor]:
        if vectors.shape[-1] != self.table.width:
            raise ElqError(
                f"query vectors have width {vectors.shape[-1]}, but the entity table has width {self.table.width}:"
                " model and table must come from the same encoder"
            )
        if k < 1:
            raise ElqError(f"{k} candidates were asked for, but at least 1 is needed")
        k = min(k, len(self.table))
        if not len(vectors):
            return torch.empty(0, k), torch.empty(0, k, dtype=torch.int64), torch.empty(0)
        found = [self._search(part, k, normalise) for part in torch.split(vectors.detach().float().cpu(), QUERIES)]
        scores, rows, totals = (torch.cat(column) for column in zip(*found, strict=True))
        if (wrong := ~(scores < torch.inf)).any():  # exact search ranks NaN first, so a bad row cannot hide
            row = int(rows[wrong][0])
            raise ElqError(
                f"the score of row {row} of the entity table is {float(scores[wrong][0])}: the table or the model holds NaN or"
                " Inf, build or export it again"
            )
        return scores, rows, totals

    @abstractmethod
    def _search(self, vectors: Tensor, k: int, normalise: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Scores and rows (Q, K), and log Σ exp (Q,) if it is asked for, else anything."""
