"""Batches of a multimodal training: the features of some mentions, and of the entities that are their candidates."""

import random
from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from elq.disambiguation.examples import drawn
from elq.multimodal.feature_maker import EntityFeatures, MentionFeatures
from elq.multimodal.features import ModalityFeatures
from elq.multimodal.training.settings import Negatives


class MultimodalBatch:
    """The input of a step. It is not a dataclass, since Lightning changes the fields of these.

    Args:
        mentions: the features of M mentions.
        entities: the features of U different entities.
        rows: (M, K) which of them are the candidates of each mention.
        gold: (M,) the places of the gold entities among the candidates.
    """

    __slots__ = ("entities", "gold", "mentions", "rows")

    def __init__(self, mentions: ModalityFeatures, entities: ModalityFeatures, rows: Tensor, gold: Tensor) -> None:
        self.mentions, self.entities, self.rows, self.gold = mentions, entities, rows, gold

    def to(self, target: torch.device | str) -> "MultimodalBatch":
        """The same batch with its tensors on another device (Lightning calls this)."""
        return MultimodalBatch(*(getattr(self, name).to(target) for name in ("mentions", "entities", "rows", "gold")))

    def pin_memory(self) -> "MultimodalBatch":
        """The batch itself, since it is used once."""
        return self


def candidate_rows(
    gold: Sequence[int],
    hard: Sequence[Collection[int]],
    in_batch: int,
    entities: int,
    seed: str,
) -> list[list[int]]:
    """The catalogue rows of the candidates of M mentions, the gold entity first; all mentions have the same number of them.

    Args:
        gold: the rows of the gold entities.
        hard: the rows of wrong candidates of each mention.
        in_batch: how many gold entities of other mentions are added.
        entities: N, the number of rows of the catalogue, of which entities are drawn where there are too few others.
        seed: they are drawn by this seed.

    >>> [sorted(rows) for rows in candidate_rows([4, 5], [{1}, {2}], 1, 9, "0")], candidate_rows([4], [{1}], 0, 9, "0")
    ([[1, 4, 5], [2, 4, 5]], [[4, 1]])
    """
    generator, made = random.Random(seed), []
    size = max(map(len, hard), default=0) + in_batch + 1
    for own, wrong in zip(gold, hard, strict=True):
        rows = [own, *sorted({*wrong} - {own})]
        others = sorted({*gold} - {*rows})
        rows += generator.sample(others, min(in_batch, len(others)))
        while len(rows) < min(size, entities):
            row = generator.randrange(entities)
            rows += [] if row in rows else [row]
        made.append(rows)
    width = min(map(len, made), default=0)
    return [rows[:width] for rows in made]


class MultimodalCollator:
    """Makes the batches of one epoch.

    Args:
        mentions: the features of all mentions.
        entities: the features of entities.
        gold: the catalogue row of the gold entity of each mention.
        nearest: for each mention, the rows from which hard negatives are drawn: the nearest ones, and those with its name.
        negatives: how many are drawn.
        count: N, the number of entities.
        seed: they are drawn by this seed.
    """

    def __init__(
        self,
        mentions: MentionFeatures,
        entities: EntityFeatures,
        gold: Sequence[int],
        nearest: Sequence[tuple[Sequence[int], Sequence[int]]],
        negatives: Negatives,
        *,
        count: int,
        seed: int,
    ) -> None:
        self.mentions, self.entities, self.gold, self.nearest = mentions, entities, gold, nearest
        self.negatives, self.count, self.seed = negatives, count, seed

    def __call__(self, numbers: Sequence[int]) -> MultimodalBatch:
        """Make a batch of the mentions with these numbers."""
        hard = [drawn(*self.nearest[number], self.negatives.hard, f"{self.seed} {number}") for number in numbers]
        gold = [self.gold[number] for number in numbers]
        rows = torch.tensor(
            candidate_rows(gold, hard, self.negatives.in_batch, self.count, f"{self.seed} {numbers[0] if numbers else 0}"),
            dtype=torch.int64,
        ).view(len(numbers), -1)  # (M, K)
        different, places = torch.unique(rows, return_inverse=True)  # (U,), (M, K)
        zeros = torch.zeros(len(numbers), dtype=torch.int64)
        return MultimodalBatch(self.mentions.at(numbers), self.entities.at(different), places, zeros)
