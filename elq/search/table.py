"""The entity table: the frozen vectors of the entities, memory-mapped.

Row n of the table is the vector of row n of the catalogue. The table is never part of a checkpoint.

File format: one ``.npy`` file of shape (N, D), float16 or float32, C order.
"""

import os
import warnings
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
    """N frozen entity vectors of width D."""

    def __init__(self, vectors: Array) -> None:
        if vectors.ndim != 2 or str(vectors.dtype) not in DTYPES or 0 in vectors.shape:
            raise ElqError(
                f"the entity table has shape {vectors.shape} and dtype {vectors.dtype}, but must be (N, D) of"
                f" {' or '.join(DTYPES)}: {AGAIN}"
            )
        self.vectors = vectors

    @classmethod
    def open(cls, path: str | Path) -> "EntityTable":
        """Open a table file, memory-mapped: rows are read only when they are used.

        Raises:
            ElqError: the file is missing, incomplete, or not a table.
        """
        try:
            vectors = np.lib.format.open_memmap(path, mode="r")  # accepts only .npy files, and no pickled objects in them
        except Exception as error:  # numpy parses the header as Python source, so a bad header raises many kinds of errors
            raise ElqError(f"{path} is not a readable entity table ({error}): {AGAIN}") from None
        return cls(vectors)

    def __len__(self) -> int:
        return int(self.vectors.shape[0])

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
        taken = self.vectors[rows.reshape(-1).cpu().numpy()].astype(np.float32)
        return torch.from_numpy(taken).view(*rows.shape, self.width)

    def tensor(self, start: int = 0, end: int | None = None) -> Tensor:
        """The vectors of the rows [start, end), by default of all rows, as (rows, D) fp32.

        A float32 table is not copied: the memory of the tensor is the mapped file, which all processes of a machine share. So
        nothing may be written to the tensor.
        """
        vectors = self.vectors[start:end]
        if vectors.dtype == np.float32:
            with warnings.catch_warnings(action="ignore", category=UserWarning):  # torch warns that it is read-only
                return torch.from_numpy(vectors)
        copied = torch.empty(vectors.shape)
        for first in range(0, len(vectors), BLOCK):  # in blocks, without a second copy of all
            copied[first : first + BLOCK] = torch.from_numpy(vectors[first : first + BLOCK].astype(np.float32))
        return copied
