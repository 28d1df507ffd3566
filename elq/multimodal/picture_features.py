"""Picture features: the vectors of the pictures of mentions and of entities, from a frozen image tower."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from elq.entities.images import open_images
from elq.entities.manifest import Entities
from elq.errors import ElqError
from elq.multimodal.examples import PicturedMention
from elq.tensors import Array
from elq.vision.encoding import View, encode_pictures
from elq.vision.problems import Problems
from elq.vision.store import FeatureStore
from elq.vision.tower import ImageTower, PictureVectors

PROMPTS = ("crop", "drawn")
MOST = 2  # pictures of one entity that are compared
BLOCK = 16_384  # pictures that are searched together


class MemoryStore(FeatureStore):
    """A store of the vectors of pictures that is not on the disk, for pictures that are linked once."""

    def __init__(self, tower: ImageTower) -> None:
        self.tower = tower
        self._rows: dict[bytes, int] = {}
        self._keys: list[bytes] = []
        self._values = np.empty((0, 1 + tower.patches, tower.width), np.float16)

    def refresh(self) -> None:
        """Nothing: no other process adds to it."""

    def add(self, keys: Sequence[bytes], found: PictureVectors) -> None:
        """Add the vectors of pictures. A key that is there keeps its vectors."""
        places = {key: place for place, key in enumerate(keys) if key not in self._rows}
        values = torch.cat([found.whole[:, None], found.patches], 1)[[*places.values()]]  # (N, 1 + P, V)
        self._rows |= {key: len(self._keys) + number for number, key in enumerate(places)}
        self._keys += places
        self._values = np.concatenate([self._values, values.numpy().astype(np.float16)])


@dataclass(frozen=True, slots=True)
class MentionPictures:
    """The pictures of M mentions, as rows of the store that has their vectors."""

    rows: Array  # (M, I) int64, −1 where there is no picture
    store: FeatureStore

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def there(self) -> Tensor:
        """Whether each mention has a picture, (M,) bool."""
        return torch.from_numpy((self.rows >= 0).any(-1))

    def of(self, places: Sequence[int]) -> "MentionPictures":
        """The pictures of some of the mentions."""
        return MentionPictures(self.rows[[*places]], self.store)

    def at(self, places: Sequence[int], *, patches: bool = True) -> tuple[Tensor, Tensor, Tensor]:
        """The vectors (R, I, V), those of patches (R, I, P, V), and which are there, (R, I), of R mentions.

        Args:
            places: the numbers of the mentions.
            patches: whether the patches are wanted; else their P is 0.
        """
        rows, tower = self.rows[[*places]], self.store.tower  # (R, I)
        mask = torch.from_numpy(rows >= 0)  # (R, I)
        whole = torch.zeros(*mask.shape, tower.width)
        parts = torch.zeros(*mask.shape, tower.patches if patches else 0, tower.width)
        if patches:
            whole[mask], parts[mask] = self.store.vectors(rows[rows >= 0])
        else:
            whole[mask] = torch.from_numpy(np.array(self.store.values[rows[rows >= 0], 0], np.float32))
        return whole, parts, mask


def pictures_of(
    mentions: Sequence[PicturedMention], store: FeatureStore, *, prompt: str = "crop", problems: Problems | None = None
) -> MentionPictures:
    """The pictures of M mentions, encoded unless the store has them. Those that cannot be used are reported, and count as none.

    Args:
        mentions: the mentions.
        store: the store, which knows the image tower.
        prompt: what shows a box: ``crop`` (the picture is cut to the box, I = 1), or ``drawn`` (the whole picture with the box
            drawn, and the cut one beside it, I = 2). Without a box, the whole picture is the first one.
        problems: collects the pictures that cannot be used.

    Raises:
        ElqError: the prompt is unknown.
    """
    if prompt not in PROMPTS:
        raise ElqError(f"prompt is {prompt!r}, but must be one of {', '.join(PROMPTS)}: choose one")
    views = [view for mention in mentions for view in views_of(mention, prompt)]
    rows = encode_pictures(views, store, problems=problems)
    return MentionPictures(rows.reshape(len(mentions), -1 if mentions else 1), store)


def views_of(mention: PicturedMention, prompt: str) -> list[View | None]:
    """What a mention shows to the image tower: I views, of which some may be None."""
    if mention.image is None:
        return [None] if prompt == "crop" else [None, None]
    if prompt == "crop":
        return [View(mention.image, mention.box)]
    if mention.box is None:
        return [View(mention.image), None]
    return [View(mention.image, mention.box, drawn=True), View(mention.image, mention.box)]


class EntityPictures:
    """The pictures of entities, several an entity.

    Args:
        whole: (R, V) vectors of pictures, memory-mapped.
        patches: (R, P, V) vectors of their patches, memory-mapped.
        rows: (R,) the catalogue rows of the entities that they show, in ascending order; −1, for a picture of a removed entity,
            may stand anywhere.
        most: the number of pictures of an entity that are compared; the first ones count.
    """

    def __init__(self, whole: Array, patches: Array, rows: Array, most: int = MOST) -> None:
        self.whole, self.patches, self.most = whole, patches, most
        self.numbers = np.flatnonzero(rows >= 0)  # (R',) of the pictures that count
        self.rows = torch.from_numpy(np.array(rows[self.numbers], np.int64))  # (R',)
        self._owners = torch.cat([self.rows, torch.tensor([-2])])  # (R' + 1,) the last one is nobody's

    @property
    def width(self) -> int:
        """V, the width of a vector."""
        return int(self.whole.shape[-1])

    def at(self, rows: Tensor, *, patches: bool = True) -> tuple[Tensor, Tensor, Tensor]:
        """The vectors (U, I, V), those of patches (U, I, P, V), and which are there, (U, I), of the entities in catalogue rows.

        Args:
            rows: (U,) catalogue rows.
            patches: whether the patches are wanted; else their P is 0.
        """
        first = torch.searchsorted(self.rows, rows)  # (U,)
        places = first.unsqueeze(-1) + torch.arange(self.most)  # (U, I)
        mask = self._owners[places.clamp_max(len(self.rows))] == rows.unsqueeze(-1)  # (U, I)
        there = self.numbers[places[mask].numpy()]
        whole = torch.zeros(*mask.shape, self.width)
        whole[mask] = torch.from_numpy(np.array(self.whole[there], np.float32))
        parts = torch.zeros(*mask.shape, self.patches.shape[1] if patches else 0, self.width)
        if patches:
            parts[mask] = torch.from_numpy(np.array(self.patches[there], np.float32))
        return whole, parts, mask

    def nearest(self, pictures: Tensor, mask: Tensor, k: int) -> Tensor:
        """The catalogue rows (M, k) of the entities with the pictures of the largest cosine, best first; −1 if there are fewer.

        Args:
            pictures: (M, I, V) vectors of the pictures of mentions; the last one that is there counts, that of the box.
            mask: (M, I) which are there; a mention without one finds nothing.
        """
        last = (mask.shape[-1] - 1 - mask.flip(-1).int().argmax(-1)).clamp_min(0)  # (M,)
        shown = pictures[torch.arange(len(pictures)), last]  # (M, V)
        unit = torch.nn.functional.normalize(shown, dim=-1)  # (M, V)
        most = min(len(self.rows), k * self.most_shared)
        blocks = (self.whole[self.numbers[at : at + BLOCK]] for at in range(0, len(self.rows), BLOCK))
        tables = (torch.nn.functional.normalize(torch.from_numpy(np.array(block, np.float32)), dim=-1) for block in blocks)
        cosines = torch.cat([unit[:, :0], *(unit @ table.T for table in tables)], -1)  # (M, R)
        found = self.rows[cosines.topk(most, -1).indices]  # (M, most)
        return first_of_each(found.masked_fill(~mask.any(-1, keepdim=True), -1), k)

    @property
    def most_shared(self) -> int:
        """The largest number of pictures of one entity."""
        return int(torch.unique_consecutive(self.rows, return_counts=True)[1].max()) if len(self.rows) else 1


def first_of_each(rows: Tensor, k: int) -> Tensor:
    """The first k different rows of each line, in their order; −1 where there are fewer.

    >>> first_of_each(torch.tensor([[7, 7, 4, 7, 9]]), 4)
    tensor([[ 7,  4,  9, -1]])
    """
    lines = []
    for line in rows.tolist():
        different = [*dict.fromkeys(row for row in line if row >= 0)][:k]
        lines.append([*different, *[-1] * (k - len(different))])
    return torch.tensor(lines, dtype=torch.int64).view(len(rows), k)


def open_pictures(entities: Entities, tower: ImageTower) -> EntityPictures:
    """The pictures of opened entities.

    Raises:
        ElqError: there are none, or another image tower has encoded them.
    """
    table = open_images(entities)
    if table is None:
        raise ElqError(f"{entities.folder} has no pictures of its entities: make them with `elq build --images`")
    if table.facts.identity != tower.identity:
        raise ElqError(
            f"the pictures in {entities.folder} are of the tower {table.facts.tower}, or of another version of it, but the"
            f" tower is {tower.name}: make them again with `elq build --images`"
        )
    return EntityPictures(table.vectors, table.patches, table.rows)
