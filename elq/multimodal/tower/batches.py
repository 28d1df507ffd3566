"""Batches: pairs of pictures of entities that look alike, so that each is a hard negative of the others."""

import random
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch.utils.data import Sampler

from elq.multimodal.tower.augmenting import augmented
from elq.multimodal.tower.pairs import PicturedEntity
from elq.vision.encoding import open_view
from elq.vision.preparing import Preparation, pixels_of

PLAIN = 0.4  # the probability that a picture of the catalogue is taken as it is
BLOCK = 1024  # vectors that are compared together


def nearest(vectors: Tensor, k: int) -> list[list[int]]:
    """The k nearest others of each of n vectors by the cosine, best first; all others if there are fewer.

    >>> nearest(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.5]]), 1)
    [[2], [2], [0]]
    """
    unit, found = normalize(vectors, dim=-1), []
    for at in range(0, len(unit), BLOCK):
        cosines = unit[at : at + BLOCK] @ unit.T  # (b, n)
        own = torch.arange(len(cosines))
        cosines[own, at + own] = -torch.inf
        found += cosines.topk(min(k, len(unit) - 1), -1).indices.tolist()
    return found


class SimilarBatches(Sampler[list[int]]):
    """Batches of entities in an order that depends only on the seed and the epoch. Each process gets its share of every batch.

    The order consists of groups: an entity that is drawn, and some of its nearest that no group has yet.

    Args:
        near: for each entity the numbers of its nearest.
        batch_size: number of entities in a batch of one process.
        group: number of entities in a group, at most.
        seed: seed of the order.
        epoch: number of the epoch, from 0.
        most: number of entities in the epoch, at most; None: all of them.
        rank: number of this process, from 0.
        world: number of processes.
    """

    def __init__(
        self,
        near: Sequence[Sequence[int]],
        batch_size: int,
        group: int,
        *,
        seed: int,
        epoch: int,
        most: int | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.near, self.batch_size, self.group, self.seed, self.epoch = near, batch_size, group, seed, epoch
        self.count = min(len(near), most or len(near))
        self.rank, self.world = rank, world

    def __len__(self) -> int:
        return -(-self.count // (self.batch_size * self.world))

    def order(self) -> list[int]:
        """The entities of the epoch, group after group."""
        draws, left, found = random.Random(self.seed * 1_000_003 + self.epoch), {*range(len(self.near))}, list[int]()
        for first in draws.sample(range(len(self.near)), len(self.near)):
            if first not in left or len(found) >= self.count:
                continue
            others = [other for other in self.near[first] if other in left and other != first]
            chosen = [first, *draws.sample(others, min(self.group - 1, len(others)))]
            left -= {*chosen}
            found += chosen
        return found[: self.count]

    def __iter__(self) -> Iterator[list[int]]:
        order, step = self.order(), self.batch_size * self.world
        for at in range(0, len(order), step):
            yield order[at : at + step][self.rank :: self.world]


class PairBatch:
    """The input of a step. It is not a dataclass, since Lightning changes the fields of these.

    Args:
        left: pixels (M, 3, side, side) of one picture of each entity.
        right: those of another one.
        rows: (M,) the entities.
    """

    __slots__ = ("left", "right", "rows")

    def __init__(self, left: Tensor, right: Tensor, rows: Tensor) -> None:
        self.left, self.right, self.rows = left, right, rows

    def to(self, target: torch.device | str) -> "PairBatch":
        """The same batch with its tensors on another device (Lightning calls this)."""
        return PairBatch(self.left.to(target), self.right.to(target), self.rows.to(target))

    def pin_memory(self) -> "PairBatch":
        """The batch itself, since it is used once."""
        return self


class PairCollator:
    """Draws two pictures of each entity, changes them, and makes their pixels.

    Args:
        entities: the entities of the training.
        preparation: how pictures are prepared.
        seed: everything is drawn by this seed and the number of the entity.
    """

    def __init__(self, entities: Sequence[PicturedEntity], preparation: Preparation, *, seed: int) -> None:
        self.entities, self.preparation, self.seed = entities, preparation, seed

    def __call__(self, numbers: Sequence[int]) -> PairBatch:
        """Make a batch of the entities with these numbers."""
        made: tuple[list[Tensor], list[Tensor]] = [], []
        for number in numbers:
            draws = random.Random(f"{self.seed} {number}")
            for place, view in enumerate(self.entities[number].pair(draws)):
                picture = open_view(view)
                plain = place == 0 and draws.random() < PLAIN
                made[place].append(pixels_of([picture if plain else augmented(picture, draws)], self.preparation))
        rows = torch.tensor([self.entities[number].row for number in numbers], dtype=torch.int64)
        return PairBatch(torch.cat(made[0]), torch.cat(made[1]), rows)
