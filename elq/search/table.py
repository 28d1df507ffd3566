"""The entity embedding table: frozen, memory-mapped, row n = row n of the catalogue; never part of a checkpoint.

File format: one ``.npy`` of shape (N, D), float16 or float32, C order.
"""

import os
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from elq.errors import ElqError
from elq.files import replacing
from elq.tensors import Array

DTYPES = ("float16", "float32")
BLOCK = 65_536  # rows turned into fp32 at a time


def allocate_table(path: Path, rows: int, width: int, dtype: str) -> None:
    """Make a table file of zeros in its full size on the disk.

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
    """N frozen entity vectors of width D."""

    def __init__(self, vectors: Array) -> None:
        if vectors.ndim != 2 or str(vectors.dtype) not in DTYPES or 0 in vectors.shape:
            raise ElqError(
                f"entity table has shape {vectors.shape} and dtype {vectors.dtype}, but must be (N, D) of {' or '.join(DTYPES)}"
            )
        self.vectors = vectors

    @classmethod
    def open(cls, path: str | Path) -> "EntityTable":
        """Map a table file; nothing is read until it is used.

        Raises:
            ElqError: the file is missing, cut short, or no such array.
        """
        try:
            vectors = np.lib.format.open_memmap(path, mode="r")  # reads nothing but .npy, and no objects
        except Exception as error:  # numpy reads the header as Python source, which may be wrong in many ways
            raise ElqError(f"{path} is not a readable entity table ({error}): build the folder again") from None
        return cls(vectors)

    def __len__(self) -> int:
        return int(self.vectors.shape[0])

    @property
    def width(self) -> int:
        """D."""
        return int(self.vectors.shape[1])

    @property
    def dtype(self) -> str:
        """``float16`` or ``float32``."""
        return str(self.vectors.dtype)

    def gather(self, rows: Tensor) -> Tensor:
        """fp32 vectors of int64 rows: (…) → (…, D)."""
        taken = self.vectors[rows.reshape(-1).cpu().numpy()].astype(np.float32)
        return torch.from_numpy(taken).view(*rows.shape, self.width)

    def tensor(self, start: int = 0, end: int | None = None) -> Tensor:
        """Rows [start, end), by default all, as (rows, D) fp32.

        A float32 table is not copied: the tensor lies over the mapped file, whose pages all processes of a host share. It
        must not be written to.
        """
        vectors = self.vectors[start:end]
        if vectors.dtype == np.float32:
            with warnings.catch_warnings(action="ignore", category=UserWarning):  # that the mapping is read-only
                return torch.from_numpy(vectors)
        copied = torch.empty(vectors.shape)
        for first in range(0, len(vectors), BLOCK):  # in blocks: no second copy of the whole
            copied[first : first + BLOCK] = torch.from_numpy(vectors[first : first + BLOCK].astype(np.float32))
        return copied
