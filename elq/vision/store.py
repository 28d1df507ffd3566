"""The feature store: the vectors of pictures by the hash of their content, in files that are mapped into memory.

A folder has the store of one tower. File formats, little-endian:

- ``about.json``: the tower (name and identity), V and P.
- ``keys.bin``: 32 bytes for each row: the sha256 sum that is its key (:func:`elq.vision.pictures.content_key`).
- ``vectors.bin``: for each row (1 + P) × V float16 numbers: the vector of the whole picture, and those of its patches.

Rows are only ever added, and by one process at a time, which holds the lock: it writes the vectors to the disk before it writes
their keys. So a process that is killed leaves at most vectors without a key and one key that is cut short. They are not
read, and the next process that adds rows cuts them off.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock

from elq.errors import ElqError
from elq.files import need_room, write_json, writing
from elq.tensors import Array
from elq.vision.tower import ImageTower, PictureVectors

ABOUT, KEYS, VECTORS, LOCK = "about.json", "keys.bin", "vectors.bin", ".lock"
FORMAT = 1
KEY = 32  # bytes


class FeatureStore:
    """The stored vectors of pictures of one tower. Several processes may open it, and all of them may add to it.

    Args:
        folder: the folder. It is made if it does not exist.
        tower: the tower whose vectors are stored.

    Raises:
        ElqError: the folder has the store of another tower, is damaged, or cannot be written to.
    """

    def __init__(self, folder: str | Path, tower: ImageTower) -> None:
        self.folder, self.tower = Path(folder), tower
        self._row_bytes = 2 * (1 + tower.patches) * tower.width
        self._rows: dict[bytes, int] = {}  # key → row
        self._keys: list[bytes] = []  # of all rows that are mapped
        self._values: Array = np.empty((0, 1 + tower.patches, tower.width), np.float16)
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self.folder / LOCK)
            with self._lock:
                self._check()
        self.refresh()

    def _check(self) -> None:
        """Note in a new folder which tower it belongs to; refuse the folder of another one."""
        tower = self.tower
        about = {"tower": tower.name, "identity": tower.identity, "width": tower.width, "patches": tower.patches}
        path = self.folder / ABOUT
        if not path.is_file():
            if any((self.folder / name).exists() for name in (KEYS, VECTORS)):
                raise ElqError(
                    f"{self.folder} has features of pictures, but no {ABOUT}: delete the folder, or give another one"
                )
            write_json(path, {**about, "format": FORMAT})
            return
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            same = all(found[name] == about[name] for name in ("identity", "width", "patches")) and found["format"] == FORMAT
            named = found["tower"]
        except (ValueError, KeyError, TypeError):
            raise ElqError(f"{path} is damaged: delete the folder {self.folder}, or give another one") from None
        if not same:
            raise ElqError(
                f"{self.folder} has the features of the image tower {named!r}, or of another version of it, but the tower is"
                f" {tower.name!r}: give another folder for each tower"
            )

    def __len__(self) -> int:
        return len(self._rows)

    def refresh(self) -> None:
        """Read the keys that other processes have added since."""
        keys, vectors = self.folder / KEYS, self.folder / VECTORS
        if not keys.is_file() or not vectors.is_file():
            return
        with keys.open("rb") as stream:
            stream.seek(len(self._keys) * KEY)
            data = stream.read()
        known = len(self._keys)
        count = min(known + len(data) // KEY, vectors.stat().st_size // self._row_bytes)
        if count <= known:
            return
        self._values = np.memmap(vectors, "<f2", "r", shape=(count, 1 + self.tower.patches, self.tower.width))
        for place in range(count - known):
            key = data[place * KEY : place * KEY + KEY]
            self._rows.setdefault(key, len(self._keys))
            self._keys.append(key)

    def rows(self, keys: Sequence[bytes]) -> Array:
        """The rows of keys (N,) int64; −1 for a key whose vectors are not stored."""
        return np.array([self._rows.get(key, -1) for key in keys], np.int64)

    def keys(self, rows: Array) -> list[bytes]:
        """The keys of rows."""
        return [self._keys[row] for row in rows.tolist()]

    def vectors(self, rows: Array) -> PictureVectors:
        """The vectors of N rows, as fp32.

        Raises:
            IndexError: there is no such row.
        """
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(self._keys):
            raise IndexError(f"rows {rows.min()} to {rows.max()} of a store of {len(self._keys)} rows")
        taken = torch.from_numpy(self._values[rows]).float()  # (N, 1 + P, V)
        return PictureVectors(taken[:, 0], taken[:, 1:])

    @property
    def values(self) -> Array:
        """All vectors as they are stored, mapped: (rows, 1 + P, V) float16, the whole picture first."""
        return self._values

    def add(self, keys: Sequence[bytes], found: PictureVectors) -> None:
        """Add the vectors of pictures. A key that is stored keeps its vectors.

        Raises:
            ElqError: a vector is not finite in float16, or the disk is full.
        """
        values = torch.cat([found.whole[:, None], found.patches], 1).to(torch.float16)  # (N, 1 + P, V)
        if not values.isfinite().all():
            raise ElqError(f"the image tower {self.tower.name} gave NaN, or numbers too large for float16: use another tower")
        with writing(self.folder), self._lock:
            self.refresh()
            places = {key: place for place, key in enumerate(keys) if key not in self._rows}
            self._append(list(places), values[list(places.values())].numpy())
        self.refresh()

    def _append(self, keys: Sequence[bytes], values: Array) -> None:
        if not keys:
            return
        need_room(self.folder / VECTORS, values.nbytes)
        for name, size, content in (
            (VECTORS, self._row_bytes, values.astype("<f2").tobytes()),
            (KEYS, KEY, b"".join(keys)),
        ):
            with (self.folder / name).open("ab") as stream:
                stream.truncate(len(self._keys) * size)  # what a killed process left
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
