"""Columns of texts with numbers, and the tries and lists that are made of them, without a Python object for each text."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import marisa_trie
import numpy as np
import pyarrow as pa

from elq.tensors import Array

CHUNK = 20_000  # names that are Python objects at the same time


def arrow(texts: Sequence[str]) -> pa.Array:
    """The texts as an Arrow array, made from its buffers, since pyarrow.array would import pandas."""
    raw = [text.encode() for text in texts]
    offsets = np.cumsum([0, *map(len, raw)], dtype=np.int64)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(raw))]
    return pa.Array.from_buffers(pa.large_string(), len(raw), buffers)


class Column:
    """Texts, each with a number or several, kept as Arrow and NumPy arrays."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._numbers: list[Any] = []
        self._chunks: list[tuple[pa.Array, Array]] = []

    def add(self, text: str, numbers: Any) -> None:
        """Add a text with its number, or its numbers."""
        self._texts.append(text)
        self._numbers.append(numbers)
        if len(self._texts) == CHUNK:
            self._flush()

    def _flush(self) -> None:
        if self._texts:
            self._chunks.append((arrow(self._texts), np.array(self._numbers, np.int32)))
            self._texts, self._numbers = [], []

    def texts(self) -> Iterator[str]:
        """Yield the texts in the order in which they were added."""
        self._flush()
        for texts, _ in self._chunks:
            yield from texts.to_pylist()

    def array(self, change: Callable[[str], str] = str) -> pa.Array:
        """All texts, each changed in the same way."""
        self._flush()
        changed = [arrow([change(text) for text in texts.to_pylist()]) for texts, _ in self._chunks]
        return pa.concat_arrays([arrow([]), *changed])

    def numbers(self, width: int = 1) -> Array:
        """The numbers, int32: (texts,), or (texts, width) for texts with several numbers."""
        self._flush()
        empty = np.empty((0, width) if width > 1 else 0, np.int32)
        return np.concatenate([empty, *(numbers for _, numbers in self._chunks)])


def ids_of(trie: Any, texts: Iterable[str], count: int) -> Array:
    """The ids that a trie gives to ``count`` texts."""
    return np.fromiter(map(trie.__getitem__, texts), np.int32, count)


def lists(ids: Array, values: Array, count: int, order: Array) -> tuple[Array, Array]:
    """The values of each id, one list after the other, and where each list begins."""
    offsets = np.concatenate([[0], np.cumsum(np.bincount(ids, minlength=count))]).astype(np.uint32)
    return offsets, np.ascontiguousarray(values[order])


def multimap(name: str, texts: Callable[[], Iterator[str]], values: Array, of: str) -> dict[str, Any]:
    """A trie of texts, and the values of each text in ascending order."""
    trie = marisa_trie.Trie(texts())
    ids = ids_of(trie, texts(), len(values))
    by = (values, ids) if values.ndim == 1 else (*values.T[::-1], ids)
    offsets, ordered = lists(ids, values, len(trie), np.lexsort(by))
    return {name if of else f"{name}_trie": trie.tobytes(), f"{name}_offsets": offsets, f"{name}_{of}" if of else name: ordered}
