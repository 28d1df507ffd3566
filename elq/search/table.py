"""The entity table: the frozen vectors of the entities, memory-mapped.

Row n of the table is the vector of row n of the catalogue. The table is never part of a checkpoint.

File format: one ``.npy`` file of shape (N, D), float16 or float32, C order.
"""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from elq.errors import AGAIN, ElqError
from elq.files import replacing
from elq.tensors import Array

DTYPES = ("float16", "float32")
BLOCK = 65_536  # rows that are converted to fp32 together


def allocate_table(path: Path, rows: int, width: int, dtype: str) -> None:
    """Make a table file of zeros that has its full size on the disk.

    Raises:
        ElqError: the disk is full, or the folder cannot be written to.
    """
    header = {"shape": (rows, width), "fortran_order": False, "descr": np.lib.format.dtype_to_descr(np.dtype(dtype))}
    size = rows * width * np.dtype(dtype).itemsize
    with replacing(path, "wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(stream.fileno(), stream.tell(), size)
        else:
            stream.truncate(stream.tell() + size)


class EntityTable:
    """N frozen entity vectors of width D.

    Args:
        vectors: the vectors of the base (N, D), or of all rows.
        segments: the vectors of the segments that were added to the base; their rows follow.
    """

    def __init__(self, vectors: Array, *segments: Array) -> None:
        for part in (vectors, *segments):
            if part.ndim != 2 or str(part.dtype) not in DTYPES or 0 in part.shape:
                raise ElqError(
                    f"the entity table has shape {part.shape} and dtype {part.dtype}, but must be (N, D) of"
                    f" {' or '.join(DTYPES)}: {AGAIN}"
                )
            if part.shape[1] != vectors.shape[1] or part.dtype != vectors.dtype:
                raise ElqError(
                    f"a segment of the entity table has width {part.shape[1]} and dtype {part.dtype}, but the base has"
                    f" {vectors.shape[1]} and {vectors.dtype}: {AGAIN}"
                )
        self.vectors = vectors
        self._parts = (vectors, *segments)
        self._tensors = [*map(_shared, self._parts)]  # the same memory
        self._firsts = np.cumsum([0, *(len(part) for part in self._parts)])  # the first row of each part, and N

    @classmethod
    def open(cls, path: str | Path, *segments: str | Path) -> "EntityTable":
        """Open a table file, and those of segments, memory-mapped: rows are read only when they are used.

        Raises:
            ElqError: a file is missing, incomplete, or not a table.
        """
        return cls(*map(_mapped, (path, *segments)))

    def __len__(self) -> int:
        return int(self._firsts[-1])

    @property
    def base(self) -> "EntityTable":
        """The table without the segments."""
        return EntityTable(self.vectors)

    @property
    def firsts(self) -> list[int]:
        """The first row of the base and of each segment."""
        return [int(first) for first in self._firsts[:-1]]

    @property
    def segments(self) -> tuple[Array, ...]:
        """The vectors of the segments."""
        return self._parts[1:]

    @property
    def width(self) -> int:
        """D, the width of the vectors."""
        return int(self.vectors.shape[1])

    @property
    def dtype(self) -> str:
        """The data type, ``float16`` or ``float32``."""
        return str(self.vectors.dtype)

    def gather(self, rows: Tensor) -> Tensor:
        """The fp32 vectors of int64 rows: (…) → (…, D)."""
        wanted = rows.reshape(-1).cpu()
        if len(self._parts) == 1:
            return self._tensors[0].index_select(0, wanted).float().view(*rows.shape, self.width)
        taken = torch.empty(len(wanted), self.width)
        part_of = torch.searchsorted(torch.from_numpy(self._firsts), wanted, right=True) - 1
        for number, part in enumerate(self._tensors):
            own = part_of == number
            taken[own] = part.index_select(0, wanted[own] - int(self._firsts[number])).float()
        return taken.view(*rows.shape, self.width)

    def tensor(self, start: int = 0, end: int | None = None) -> Tensor:
        """The vectors of the rows [start, end), by default of all rows, as (rows, D) fp32.

        A float32 table without segments is not copied: the memory of the tensor is the mapped file, which all processes of a
        machine share. So nothing may be written to the tensor.
        """
        start, end, _ = slice(start, end).indices(len(self))
        found = []
        for first, part in zip(self._firsts, self._tensors, strict=False):
            low, high = max(start - first, 0), min(end - first, len(part))
            if low < high:
                found.append(part[low:high].float())  # torch converts faster than NumPy
        if not found:
            return torch.empty(0, self.width)
        return found[0] if len(found) == 1 else torch.cat(found)

    def blocks(self, rows: int) -> Iterator[tuple[int, Tensor]]:
        """All vectors in blocks of at most ``rows`` rows, none of which is copied or converted.

        A block lies within the base or one segment. Nothing may be written to it, since its memory is the mapped file.

        Yields:
            The first row of the block, and its vectors (≤rows, D) in the data type of the table.
        """
        for first, part in zip(self.firsts, self._tensors, strict=True):
            for start in range(0, len(part), rows):
                yield first + start, part[start : start + rows]


def _mapped(path: str | Path) -> Array:
    try:
        return np.lib.format.open_memmap(path, mode="r")  # accepts only .npy files, and no pickled objects in them
    except Exception as error:  # numpy parses the header as Python source, so a bad header raises many kinds of errors
        raise ElqError(f"{path} is not a readable entity table ({error}): {AGAIN}") from None


def _shared(vectors: Array) -> Tensor:
    """The vectors as a tensor of the same memory and data type."""
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # torch warns that it is read-only
        return torch.from_numpy(vectors)
