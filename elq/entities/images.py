"""The image table: the vectors of the pictures of entities, mapped from files beside the entity table.

An entity may have no picture, one, or several. A folder ``images-N`` in the entities folder has four files:

- ``images.json``: the image tower (name and identity), V, P, the number of pictures, and a sha256 sum of the content.
- ``vectors.npy``: (pictures, V) float16, the vectors of whole pictures.
- ``patches.npy``: (pictures, P, V) float16, the vectors of their parts.
- ``rows.npy``: (pictures,) int32, the row of the entity of each picture, in ascending order; −1 for a picture whose entity was
  removed from the catalogue.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from elq.entities.manifest import Entities
from elq.entities.segments import IMAGE_FILES
from elq.errors import ElqError
from elq.files import holds_json, link_or_copy, replacing, write_json
from elq.tensors import Array

if TYPE_CHECKING:
    from elq.vision.tower import PictureVectors

ABOUT, VECTORS, PATCHES, ROWS = IMAGE_FILES
MAKE_AGAIN = "make the pictures again with `elq build --images`"


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What an image table contains."""

    tower: str
    identity: str
    width: int  # V
    patches: int  # P
    pictures: int
    entities: int  # that have at least one
    content: str  # sha256 sum over the tower, the pictures and their rows


class ImageTable:
    """The pictures of the entities of a catalogue, memory-mapped.

    Args:
        facts: what the table contains.
        vectors: (pictures, V) float16.
        patches: (pictures, P, V) float16.
        rows: (pictures,) int32 in ascending order, where the −1 of removed entities may stand anywhere.
        removed: rows of entities that were removed since; they have no pictures.

    Raises:
        ElqError: the shapes contradict each other.
    """

    def __init__(self, facts: ImageFacts, vectors: Array, patches: Array, rows: Array, removed: Collection[int] = ()) -> None:
        count, width, parts = facts.pictures, facts.width, facts.patches
        if (vectors.shape, patches.shape, rows.shape) != ((count, width), (count, parts, width), (count,)):
            raise ElqError(f"an image table has shapes {vectors.shape}, {patches.shape} and {rows.shape}: {MAKE_AGAIN}")
        self.facts, self.vectors, self.patches = facts, vectors, patches
        self.rows = np.where(np.isin(rows, [*removed]), -1, rows).astype(np.int32) if removed else rows
        kept = np.flatnonzero(self.rows >= 0)
        self._numbers, self._sorted = kept, self.rows[kept]  # numbers of pictures, and their entities in ascending order

    @classmethod
    def open(cls, folder: str | Path, removed: Collection[int] = ()) -> "ImageTable":
        """Map the files of an image table.

        Raises:
            ElqError: a file is missing, damaged, or contradicts the others.
        """
        folder = Path(folder)
        try:
            facts = ImageFacts(**json.loads((folder / ABOUT).read_text(encoding="utf-8")))
            found = [np.lib.format.open_memmap(folder / name, mode="r") for name in (VECTORS, PATCHES, ROWS)]
            if [str(part.dtype) for part in found] != ["float16", "float16", "int32"]:
                raise ValueError("a file has another number format")
        except Exception as error:  # numpy parses a header as Python source, so a bad one raises many kinds of errors
            raise ElqError(f"{folder} is not a readable image table ({error}): {MAKE_AGAIN}") from None
        return cls(facts, found[0], found[1], found[2], removed)

    def __len__(self) -> int:
        return len(self._numbers)

    def pictures_of(self, rows: Array) -> Array:
        """The pictures of entities: rows (…) → numbers of pictures (…, I) int64, padded with −1; I is the most of any entity.

        I is at least 1, so that the result has a place for a picture that is missing.
        """
        flat = np.asarray(rows).reshape(-1)
        first, end = (np.searchsorted(self._sorted, flat, side) for side in ("left", "right"))
        most = max(1, int((end - first).max(initial=0)))
        places = first[:, None] + np.arange(most)
        inside = places < end[:, None]
        numbers = np.full(places.shape, -1, np.int64)
        numbers[inside] = self._numbers[places[inside]]
        return numbers.reshape(*np.shape(rows), most)

    def gather(self, numbers: Array) -> tuple["PictureVectors", Tensor]:
        """The vectors of pictures (…, I) as fp32, and a mask (…, I). For the number −1 it is False, and the vectors are 0."""
        from elq.vision.tower import PictureVectors

        flat = np.asarray(numbers).reshape(-1)
        there = flat >= 0
        whole = torch.zeros(len(flat), self.facts.width)
        patches = torch.zeros(len(flat), self.facts.patches, self.facts.width)
        mask = torch.from_numpy(there)
        whole[mask] = torch.from_numpy(self.vectors[flat[there]]).float()
        patches[mask] = torch.from_numpy(self.patches[flat[there]]).float()
        shape = np.shape(numbers)
        found = PictureVectors(whole.view(*shape, -1), patches.view(*shape, *patches.shape[1:]))
        return found, mask.view(*shape)


def open_images(entities: Entities) -> ImageTable | None:
    """The image table of an opened entities folder; None if it has none.

    Raises:
        ElqError: a file is damaged, or a picture leads to a row that the catalogue does not have.
    """
    manifest = entities.manifest
    if not manifest.images:
        return None
    table = ImageTable.open(entities.folder / manifest.images, entities.catalogue.removed)
    if len(table.rows) and not -1 <= table.rows.min() <= table.rows.max() < manifest.rows:
        raise ElqError(f"{entities.folder / manifest.images} has pictures of rows that are not in the catalogue: {MAKE_AGAIN}")
    return table


def write_images(folder: Path, facts: ImageFacts, blocks: Iterable[tuple[Array, Array]], rows: Array) -> None:
    """Write the files of an image table into a new folder.

    Args:
        folder: the folder to make.
        facts: what the table contains.
        blocks: the vectors of the pictures, some at a time: (pictures, V) and (pictures, P, V). They are read twice.
        rows: (pictures,) the rows of their entities.
    """
    folder.mkdir()
    sizes = {VECTORS: (facts.pictures, facts.width), PATCHES: (facts.pictures, facts.patches, facts.width)}
    for place, (name, shape) in enumerate(sizes.items()):
        with replacing(folder / name, "wb") as stream:
            np.lib.format.write_array_header_1_0(stream, {"shape": shape, "fortran_order": False, "descr": "<f2"})
            for block in blocks:
                stream.write(np.ascontiguousarray(block[place], "<f2").tobytes())
    with replacing(folder / ROWS, "wb") as stream:
        np.save(stream, rows.astype(np.int32))
    write_json(folder / ABOUT, asdict(facts))


def carry_images(source: Path, target: Path, new_row: Array) -> None:
    """Copy an image table for a catalogue whose rows have other numbers: old row → new row, −1 if it was removed."""
    target.mkdir()
    for name in (ABOUT, VECTORS, PATCHES):
        link_or_copy(source / name, target / name)
    rows = np.load(source / ROWS)
    with replacing(target / ROWS, "wb") as stream:
        np.save(stream, np.where(rows >= 0, new_row[rows], -1).astype(np.int32))


def same_images(folder: Path, facts: ImageFacts) -> bool:
    """Whether a folder already has this image table."""
    return holds_json(folder / ABOUT, asdict(facts))
