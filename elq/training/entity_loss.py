"""Entity losses: one class for each strategy of the disambiguation loss.

An object holds what its strategy needs during training, such as the table on the device. It is not an nn.Module, because a
checkpoint must not hold the table, and DDP must not send it to the other processes. The formulas are in
elq/training/losses.py and elq/training/released_losses.py.
"""

from abc import ABC, abstractmethod
from functools import partial

import torch
from torch import Tensor, device

from elq.entities.manifest import Entities
from elq.entities.prior import UNKNOWN, prior_columns
from elq.tensors import Batch, Part
from elq.training.losses import candidate_rows, nearest_rows, sampled_loss, sharded_table_loss, table_loss
from elq.training.processes import Processes
from elq.training.released_losses import released_in_batch_loss, released_loss
from elq.training.settings import LossSettings


class EntityLoss(ABC):
    """The disambiguation loss of a batch. A strategy chooses the negative entities of each mention, and the formula."""

    entities: Entities
    processes: Processes

    def prepare(self, entities: Entities, target: device, processes: Processes, *, half: bool = False) -> None:
        """Prepare for training.

        Args:
            entities: the opened entities folder.
            target: the device of the mention vectors.
            processes: the processes that share the batches.
            half: whether the trainer computes in bf16.
        """
        self.entities, self.processes = entities, processes

    @abstractmethod
    def __call__(
        self, vectors: Tensor, batch: Batch, bonus: Tensor | None = None, nil: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The loss of a batch.

        Args:
            vectors: (M, D) vectors of the batch's gold mentions.
            batch: the gold rows, and the name matches: the entities that the mentions' names may mean.
            bonus: (M, E) numbers that are added to the scores of the name matches; None: no bonus.
            nil: (M,) score of NIL as one more candidate; None: NIL is not a candidate.

        Returns:
            Sum over the mentions that take part, and their number, both scalars.
        """

    def release(self) -> None:  # noqa: B027 (most strategies hold nothing)
        """Free the memory that :meth:`prepare` has taken on the device."""


def name_matches_of(batch: Batch, bonus: Tensor | None) -> Tensor | None:
    """(M, E) rows of the name matches of a batch; None if they get no bonus."""
    return None if bonus is None or batch.name_matches is None else batch.name_matches.rows


class TableLoss(EntityLoss):
    """Exact cross-entropy over all N entities. The whole table lies on the device."""

    _table: Tensor | None = None

    def prepare(self, entities: Entities, target: device, processes: Processes, *, half: bool = False) -> None:
        """Put the table on the device."""
        super().prepare(entities, target, processes, half=half)
        self._table = entities.table.tensor().to(target)

    def __call__(
        self, vectors: Tensor, batch: Batch, bonus: Tensor | None = None, nil: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The loss over the whole table."""
        assert self._table is not None  # prepared
        return table_loss(vectors, batch.rows, self._table, name_matches_of(batch, bonus), bonus, nil)

    def release(self) -> None:
        """Free the memory of the table."""
        self._table = None


class ShardedTableLoss(TableLoss):
    """The loss of :class:`TableLoss`, but each process holds only a share of the table's rows."""

    def prepare(self, entities: Entities, target: device, processes: Processes, *, half: bool = False) -> None:
        """Put this process's share of the table on the device."""
        EntityLoss.prepare(self, entities, target, processes, half=half)
        rank, world, rows = processes.rank, processes.world, len(entities.table)
        self._table = entities.table.tensor(rows * rank // world, rows * (rank + 1) // world).to(target)

    def __call__(
        self, vectors: Tensor, batch: Batch, bonus: Tensor | None = None, nil: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The loss over the shares of all processes. With several processes, ``bonus`` and ``nil`` are not used."""
        if self.processes.world == 1:
            return super().__call__(vectors, batch, bonus, nil)
        assert self._table is not None  # prepared
        own = self.entities.table.gather(batch.rows.clamp_min(0)).to(vectors.device)  # (M, D)
        gather = partial(self.processes.stacked, sync_grads=True)
        return sharded_table_loss(vectors, batch.rows, own, self._table, gather, self.processes.rank)


class SampledLoss(EntityLoss):
    """Cross-entropy over the gold entities of the batch and the nearest entities of every mention.

    Args:
        hard_negatives: number of nearest entities of each mention; 0: none.
    """

    _search_table: Tensor | None = None

    def __init__(self, hard_negatives: int) -> None:
        self.hard_negatives = hard_negatives

    def prepare(self, entities: Entities, target: device, processes: Processes, *, half: bool = False) -> None:
        """Put the table on the device for exact search, if the index is exact too."""
        super().prepare(entities, target, processes, half=half)
        if self.hard_negatives and entities.index.sees_all:
            # bf16 finds nearly the same entities, and is three times as fast
            self._search_table = entities.table.tensor().to(target, torch.bfloat16 if half else torch.float32)

    def __call__(
        self, vectors: Tensor, batch: Batch, bonus: Tensor | None = None, nil: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The loss over the gold, nearest and name-matched entities of all processes; over all entities of a part."""
        gold, matches = batch.rows, name_matches_of(batch, bonus)
        if batch.part is not None:
            rows = batch.part.rows.to(gold.device)  # (C,)
            return sampled_loss(vectors, gold, rows, self.part_vectors(batch.part).to(vectors.device), matches, bonus, nil)
        near = self.nearest(vectors, gold)  # (M, K)
        if matches is not None:
            near = torch.cat([near, matches], -1)  # (M, K + E)
        rows = candidate_rows(gold, near)  # (C,)
        # and the rows of the other processes; entity vectors are frozen, so no process needs gradients from another
        rows = candidate_rows(self.processes.stacked_rows(rows).flatten(), rows.new_empty(0))
        found = self.entities.table.gather(rows).to(vectors.device)  # (C, D)
        return sampled_loss(vectors, gold, rows, found, matches, bonus, nil)

    def part_vectors(self, part: Part) -> Tensor:
        """The vectors (C, D) of a part of the catalogue. The prior of anonymous entities is unknown."""
        found, columns = self.entities.table.gather(part.rows), prior_columns(self.entities.manifest.prior)
        if part.anonymous and columns:
            found[:, -columns:] = torch.tensor(UNKNOWN * (columns // len(UNKNOWN)))
        return found

    def nearest(self, vectors: Tensor, gold: Tensor) -> Tensor:
        """Rows (M, K) of the entities nearest to the mention vectors (M, D), on the device of ``gold``."""
        if not self.hard_negatives:
            return gold.new_empty(len(gold), 0)
        if self._search_table is not None:
            return nearest_rows(vectors, self._search_table, self.hard_negatives).to(gold.device)
        return self.entities.index.search(vectors, self.hard_negatives)[1].to(gold.device)

    def release(self) -> None:
        """Free the memory of the table."""
        self._search_table = None


class ReleasedLoss(EntityLoss):
    """The released ELQ's losses, over in-batch negatives or over hard negatives. They use neither names nor NIL.

    Args:
        hard_negatives: number of nearest entities of each mention, from the index; 0: in-batch negatives.
    """

    def __init__(self, hard_negatives: int) -> None:
        self.hard_negatives = hard_negatives

    def __call__(
        self, vectors: Tensor, batch: Batch, bonus: Tensor | None = None, nil: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The loss over in-batch or hard negatives."""
        gold, table, target = batch.rows, self.entities.table, vectors.device
        if not self.hard_negatives:
            everyone = self.processes.stacked_rows(gold)  # (W, M⁺)
            golds = table.gather(everyone[everyone >= 0]).to(target)  # (C, D)
            return released_in_batch_loss(vectors, gold, golds, int((everyone[: self.processes.rank] >= 0).sum()))
        nearest = self.entities.index.search(vectors, self.hard_negatives)[1]  # (M, K)
        own = table.gather(gold.clamp_min(0)).to(target)  # (M, D)
        found = table.gather(nearest.clamp_min(0)).to(target)  # (M, K, D)
        return released_loss(vectors, gold, batch.mentions.question, own, nearest.to(gold.device), found)


def make_entity_loss(settings: LossSettings) -> EntityLoss:
    """The strategy that the settings choose."""
    if settings.loss == "table":
        return ShardedTableLoss() if settings.table_sharding else TableLoss()
    kind = SampledLoss if settings.loss == "sampled" else ReleasedLoss
    return kind(settings.hard_negatives)
