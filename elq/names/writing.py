"""Writing names: makes the file of names of a part of a catalogue (elq/names/stored.py).

The records are read once. Names are kept as Arrow arrays and in the tries, and sorted by Arrow and NumPy, so that there is no
Python object for each name.
"""

from collections.abc import Iterable, Sequence
from hashlib import file_digest
from pathlib import Path
from typing import Any, Protocol

import marisa_trie
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from elq.files import replacing
from elq.names.columns import CHUNK, Column, arrow, ids_of, lists, multimap
from elq.names.ordered import backwards
from elq.names.records import codes_of, divided, fame_of, keys_of
from elq.names.spelling import initials, reordered, spelling
from elq.names.stored import FORMAT, FORMAT_KEY, StoredNames
from elq.names.surface import FUNCTION_WORDS
from elq.tensors import Array
from elq.types import Entity


class Earlier(Protocol):
    """The parts of a catalogue before the part whose names are written."""

    def rows(self, key: str) -> Sequence[int]:
        """The rows of a name."""

    def titled(self, whole: str) -> Sequence[int]:
        """The rows of the titles whose part after the comma is ``whole``."""

    def record(self, row: int) -> Entity:
        """The record of a row."""


class NameCollector:
    """Collects the names of rows, one row after the other, and makes the blocks of the file.

    Args:
        first: the number of the first row in the whole catalogue.
        earlier: the parts before this one; None for the first part.
        silent: function words, which may be left out of initials.
    """

    def __init__(self, *, first: int = 0, earlier: Earlier | None = None, silent: frozenset[str] = FUNCTION_WORDS) -> None:
        self.first, self.earlier, self.silent = first, earlier, silent
        self._fame: list[Array] = [np.empty(0)]
        self._keys, self._codes, self._wholes, self._short = Column(), Column(), Column(), Column()
        self._short_names = Column()
        self._parts = Column()
        self._waiting: list[float] = []
        self._count = 0

    def add(self, keys: Sequence[str], fame: float, title: tuple[str, str] | None = None) -> None:
        """Add the next row.

        Args:
            keys: its folded names, each once.
            fame: a number that is lower for more famous entities.
            title: the two parts of its title, if it has a comma.
        """
        row, self._count = self._count, self._count + 1
        self._waiting.append(fame)
        if len(self._waiting) == CHUNK:
            self._flush_fame()
        for key in keys:
            self._keys.add(key, row)
        codes = codes_of(keys)
        for code in codes:
            self._codes.add(code, row)
        if title is not None:
            self._parts.add(title[0], row)
            self._wholes.add(title[1], row)
        if self.earlier is not None:
            self._add_short_of_earlier(self.earlier, keys, codes, title)

    def _add_short_of_earlier(
        self, earlier: Earlier, keys: Sequence[str], codes: Sequence[str], title: tuple[str, str] | None
    ) -> None:
        """Short forms that this row makes together with rows of the parts before it."""
        own = self.first + self._count - 1
        if title is not None:
            for whole in earlier.rows(title[1]):
                self._add_short(title, codes_of(keys_of(earlier.record(whole))), own, whole)
        for key in keys if codes else ():
            for row in earlier.titled(key):
                if (other := divided(earlier.record(row))) is not None:
                    self._add_short(other, codes, row, own)

    def _add_short(self, title: tuple[str, str], codes: Iterable[str], row: int, whole: int) -> None:
        for code in codes:
            self._short.add(spelling(f"{title[0]} {code}"), (row, whole))
            self._short_names.add(f"{title[0]} {title[1]}", 0)

    def _flush_fame(self) -> None:
        self._fame.append(np.array(self._waiting, np.float64))
        self._waiting = []

    def blocks(self) -> dict[str, Any]:
        """The blocks of the file by name: bytes and arrays."""
        self._flush_fame()
        fame = np.concatenate(self._fame)
        keys = marisa_trie.Trie(self._keys.texts())
        owners = self._keys.numbers()
        made: dict[str, Any] = {"fame": fame, "keys": keys.tobytes()}
        ids = ids_of(keys, self._keys.texts(), len(owners))
        made["rows_offsets"], made["rows"] = lists(ids, owners, len(keys), np.lexsort((owners, fame[owners], ids)))
        del ids, owners
        made["words"] = np.fromiter((keys.restore_key(name).count(" ") + 1 for name in range(len(keys))), np.int32, len(keys))
        made |= _orders(keys)
        made |= self._form_blocks(keys)
        self._add_own_short(keys, made["rows_offsets"], made["rows"])
        return made | self._short_blocks()

    def _form_blocks(self, keys: Any) -> dict[str, Any]:
        """The other spellings of each name."""
        forms = Column()
        for name in range(len(keys)):
            key = keys.restore_key(name)
            others = {spelling(key)} if " " not in key else {spelling(key), reordered(key), *initials(key, self.silent)}
            for other in sorted(others - {key, ""}):
                forms.add(other, name)
        return multimap("forms", forms.texts, forms.numbers(), "names")

    def _add_own_short(self, keys: Any, offsets: Array, rows: Array) -> None:
        """Short forms of two rows of this part: "hampton va" for "Hampton, Virginia", since Virginia has the code VA."""
        coded, codes = self._codes.numbers(), self._codes.array()
        found: dict[str, list[tuple[int, str]]] = {}  # the last words of titles, such as "virginia" → rows and their codes
        titles = zip(self._parts.texts(), self._wholes.texts(), self._wholes.numbers().tolist(), strict=True)
        for part, whole, row in titles:
            if whole not in found:
                name, found[whole] = keys.get(whole), []
                for other in [] if name is None else rows[offsets[name] : offsets[name + 1]].tolist():
                    low, high = np.searchsorted(coded, (other, other + 1))
                    found[whole] += [(other, code) for code in codes[low:high].to_pylist()]
            for other, code in found[whole]:
                self._add_short((part, whole), [code], self.first + row, self.first + other)

    def _short_blocks(self) -> dict[str, Any]:
        names = marisa_trie.Trie(self._short_names.texts())
        pairs = self._short.numbers(2)
        ids = ids_of(names, self._short_names.texts(), len(pairs))
        made = multimap("short", self._short.texts, np.column_stack([ids, pairs]), "")
        made |= {"short_forms": made.pop("short_trie"), "short_names": names.tobytes()}
        return made | multimap("wholes", self._wholes.texts, self._wholes.numbers(), "rows")


def _orders(keys: Any) -> dict[str, Any]:
    """The names in alphabetical order: those of several words, also by their last words, and those of one word."""
    several, single = Column(), Column()
    for name in range(len(keys)):
        key = keys.restore_key(name)
        (several if " " in key else single).add(key, name)
    made: dict[str, Any] = {}
    nothing, end = arrow(["", "\n"])  # pyarrow.scalar would import pandas
    for order, column, spell in (("forward", several, str), ("backward", several, backwards), ("single", single, str)):
        texts = column.array(spell)
        places = pc.sort_indices(texts)
        lines = pc.binary_join_element_wise(texts.take(places), nothing, end)
        offsets, text = lines.buffers()[1:]
        made[f"{order}_offsets"] = np.frombuffer(offsets, np.int64, len(lines) + 1).astype(np.uint32)
        made[f"{order}_text"] = text.slice(0, int(made[f"{order}_offsets"][-1]))  # the buffer may be larger
        made[f"{order}_names"] = column.numbers()[np.frombuffer(places.buffers()[1], np.uint64, len(places))]
    return made


def collect(entities: Iterable[Entity], *, first: int = 0, earlier: Earlier | None = None) -> NameCollector:
    """The names of records, in the order of their rows."""
    names = NameCollector(first=first, earlier=earlier)
    for entity in entities:
        names.add(keys_of(entity), fame_of(entity), divided(entity))
    return names


def in_memory(names: NameCollector, removed: frozenset[int] = frozenset()) -> StoredNames:
    """Names that are not stored in a file, for a catalogue whose folder has none."""
    return StoredNames(names.blocks(), first=names.first, removed=removed)


def write_names(names: NameCollector, path: Path) -> str:
    """Write a file of names, and return its sha256 sum."""
    blocks = {name: pa.py_buffer(block) for name, block in names.blocks().items()}
    columns = {
        name: pa.Array.from_buffers(pa.large_binary(), 1, [None, pa.py_buffer(np.array([0, block.size], np.int64)), block])
        for name, block in blocks.items()
    }
    batch = pa.record_batch(list(columns.values()), names=list(columns))
    schema = batch.schema.with_metadata({FORMAT_KEY: FORMAT})
    with replacing(path, "wb") as stream, pa.ipc.new_file(stream, schema) as writer:
        writer.write_batch(batch)
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()
