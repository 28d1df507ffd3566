"""The segments of a changed entities folder, and its removed rows: how they are named and checked."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from elq.errors import AGAIN, ElqError
from elq.files import replacing

PLACE = re.compile(r"|base-[0-9]+|segment-[0-9]+")  # the folders in an entities folder that may hold a part
REMOVED = re.compile(r"|removed-[0-9]+\.npy")
IMAGES = "images"  # the begin of the name of the folder that has the image table, see elq/entities/images.py
IMAGE_PLACE = re.compile(rf"|{IMAGES}-[0-9]+")
IMAGE_FILES = ("images.json", "vectors.npy", "patches.npy", "rows.npy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A part that was added to the base: a folder with a catalogue, a table and names."""

    folder: str
    rows: int
    catalogue_sha256: str
    names_sha256: str

    def __post_init__(self) -> None:
        texts = (self.folder, self.catalogue_sha256, self.names_sha256)
        if not all(isinstance(text, str) for text in texts) or type(self.rows) is not int or self.rows < 1:
            raise ElqError(f"a segment in the manifest is {self}, whose values have wrong types: {AGAIN}")


def check_parts(version: object, places: Sequence[object], removed: object, removed_rows: object, images: object) -> None:
    """Check the values of a manifest that say what the parts of a folder are.

    Raises:
        ElqError: a value has a wrong type, or a name is not one that elq gives.
    """
    numbers = all(type(number) is int and number >= 0 for number in (version, removed_rows))
    names = all(isinstance(name, str) and PLACE.fullmatch(name) for name in places) and len({*places}) == len(places)
    others = ((removed, REMOVED), (images, IMAGE_PLACE))
    if not (numbers and names and all(isinstance(name, str) and form.fullmatch(name) for name, form in others)):
        raise ElqError(f"the manifest names parts that this version of elq does not know: {AGAIN}")


def write_removed(path: Path, rows: Sequence[int]) -> None:
    """Write the numbers of the removed rows."""
    with replacing(path, "wb") as stream:
        np.save(stream, np.array(sorted(rows), np.int64))


def read_removed(path: Path, rows: int, count: int) -> frozenset[int]:
    """Read the numbers of the removed rows.

    Args:
        path: a file that :func:`write_removed` wrote.
        rows: the number of all rows.
        count: the number of removed rows that the file must have.

    Raises:
        ElqError: the file is not readable, or its numbers are not rows.
    """
    try:
        found = np.load(path, allow_pickle=False)
        sound = found.ndim == 1 and found.dtype == np.int64 and len(found) == count
    except Exception as error:  # as for a table (elq/search/table.py)
        raise ElqError(f"{path} is not a readable list of removed rows ({error}): {AGAIN}") from None
    removed = frozenset(found.tolist()) if sound else frozenset()
    if not sound or len(removed) != count or any(not 0 <= row < rows for row in removed):
        raise ElqError(f"{path} does not list {count} of the {rows} rows: {AGAIN}")
    return removed
