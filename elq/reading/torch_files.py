"""Torch files: maps the tensors of a ``torch.save`` file, and runs no code.

There are two file formats. ``torch.load`` can map the zip archive (torch ≥ 1.6), but it can only read the older legacy format
as a whole. That format has pickles of a magic number, a version, the byte order, the saved object and the list of the keys of
its storages; then for every storage the number of its elements (int64) and the elements. Here the legacy pickles are read with
only the few names that tensors need. Each name is replaced by a harmless record, and the elements stay in the file.
"""

import math
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from elq.errors import ElqError

Array = npt.NDArray[Any]
MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
DTYPES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}


class _Kind(NamedTuple):  # all records are tuples, which a pickle cannot change
    """Replaces a storage class, and cannot be called."""

    dtype: str


class _Storage(NamedTuple):
    key: str
    dtype: str
    size: int  # number of elements


class _View(NamedTuple):
    """A saved tensor, which is a view of a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class _Rebuild:
    """Replaces the functions of torch that rebuild a tensor or a parameter."""

    __slots__ = ()

    def __call__(self, saved: object, *rest: Any) -> _View:
        if isinstance(saved, _View):  # a parameter
            return saved
        offset, shape, stride = rest[:3]
        if not isinstance(saved, _Storage):
            raise ValueError(f"it has a tensor over {saved!r}")
        return _View(saved, offset, tuple(shape), tuple(stride))


class _Reader(pickle.Unpickler):
    """Reads a pickle that has no names except those that tensors need."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in DTYPES:
            return _Kind(DTYPES[name])
        if module == "torch._utils" and name in ("_rebuild_tensor_v2", "_rebuild_parameter"):
            return _Rebuild()
        raise ElqError(f"it asks for {module}.{name}, but only tensors are read")

    def persistent_load(self, saved: Any) -> _Storage:
        what, kind, key, _, count = saved[:5]
        if what != "storage" or not isinstance(kind, _Kind) or type(count) is not int or count < 0:
            raise ValueError(f"it has an unknown record {what!r}")
        return _Storage(str(key), kind.dtype, count)


def read_tensors(path: str | Path) -> dict[str, Array]:
    """The tensors of a saved state dict: name → array over the memory-mapped file.

    A bf16 tensor, which only the zip format can have, becomes an fp32 copy.

    Raises:
        ElqError: the file is missing, is cut short, is not a torch file, has other things than tensors, or tries to run code.
    """
    path = Path(path)
    found = _read(path)
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found) or not found:
        raise ElqError(f"{path} holds a {type(found).__name__}, but must hold tensors with names: give the released file")
    for name, value in found.items():
        if not isinstance(value, np.ndarray):
            raise ElqError(
                f"{path} holds {name!r}, a {type(value).__name__}, but must hold a tensor there: give the released file"
            )
    return found


def read_tensor(path: str | Path) -> Array:
    """The only tensor of a file, as an array over the memory-mapped file.

    Raises:
        ElqError: see :func:`read_tensors`.
    """
    found = _read(Path(path))
    if not isinstance(found, np.ndarray):
        raise ElqError(f"{path} holds a {type(found).__name__}, but must hold a tensor: give the released file")
    return found


def _arrays(saved: Any) -> Any:
    """Convert a tensor, or the tensors in a dictionary, to arrays. Other values stay as they are."""
    if isinstance(saved, dict):
        return {name: _arrays(value) for name, value in saved.items()}
    if isinstance(saved, torch.Tensor):
        return (saved.detach().float() if saved.dtype == torch.bfloat16 else saved.detach()).numpy()
    return saved


def _read(path: Path) -> Any:
    if not path.is_file():
        raise ElqError(f"{path} does not exist: give the path of a file that torch.save wrote")
    try:
        if zipfile.is_zipfile(path):
            return _arrays(_load_zip(path))
        with path.open("rb") as stream:
            return _read_legacy(path, stream)
    except ElqError as error:
        raise ElqError(f"{path} is refused ({error}): give the released file") from None
    except Exception as error:  # a damaged pickle can raise any error
        reason = " ".join(str(error).split())[:200]
        raise ElqError(
            f"{path} is not a readable torch file ({type(error).__name__}: {reason}): download or save it again"
        ) from None


def _load_zip(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except pickle.UnpicklingError:
        raise ElqError("it asks for something else than tensors") from None  # torch's message would say how to run the code


def _read_legacy(path: Path, stream: IO[bytes]) -> Any:
    if _Reader(stream).load() != MAGIC or _Reader(stream).load() != VERSION:
        raise ValueError("it does not begin like a torch file")
    if _Reader(stream).load().get("little_endian") is not True:
        raise ValueError("it was saved on a machine with the other byte order")
    saved, keys = _Reader(stream).load(), _Reader(stream).load()
    views = saved if isinstance(saved, dict) else {"": saved}
    storages = {view.storage.key: view.storage for view in views.values() if isinstance(view, _View)}
    places: dict[str, int] = {}
    for key in map(str, keys):
        if key not in storages:
            raise ValueError(f"storage {key} belongs to no tensor")
        if len(raw := stream.read(8)) < 8:
            raise ValueError("it is cut short")
        [count] = struct.unpack("<q", raw)
        if count != storages[key].size:
            raise ValueError(f"storage {key} has {count} elements instead of {storages[key].size}")
        places[key] = stream.tell()
        stream.seek(count * np.dtype(storages[key].dtype).itemsize, 1)
    if (size := path.stat().st_size) < (needed := stream.tell()):
        raise ValueError(f"it has {size} bytes instead of {needed}: it is cut short")
    arrays = {name: _mapped(path, view, places) if isinstance(view, _View) else view for name, view in views.items()}
    return arrays if isinstance(saved, dict) else arrays[""]


def _mapped(path: Path, view: _View, places: dict[str, int]) -> Array:
    storage, numbers = view.storage, (view.offset, *view.shape, *view.stride)
    if any(type(number) is not int or number < 0 for number in numbers):
        raise ValueError(f"it has a tensor with the offset, shape and strides {numbers}")
    last = view.offset + sum((size - 1) * step for size, step in zip(view.shape, view.stride, strict=True))
    if math.prod(view.shape) and last >= storage.size:
        raise ValueError(f"it has a tensor that needs element {last} of a storage of {storage.size} elements")
    if not math.prod(view.shape):
        return np.empty(view.shape, storage.dtype)
    flat = np.memmap(path, storage.dtype, "r", offset=places[storage.key], shape=(storage.size,))
    steps = [step * flat.itemsize for step in view.stride]
    return np.lib.stride_tricks.as_strided(flat[view.offset :], view.shape, steps, writeable=False)
