"""Stored names: the names of one part of a catalogue, mapped from a file in which they can be looked up at once.

File format: one Arrow IPC file with one row, in which every column is a block of bytes: a trie (marisa), a NumPy array, or the
text of names in alphabetical order. elq/names/writing.py makes it. All rows of entities that leave this module are rows of the
whole catalogue.
"""

from collections.abc import Mapping
from hashlib import file_digest
from pathlib import Path
from typing import Any

import marisa_trie
import numpy as np
import pyarrow as pa

from elq.errors import AGAIN, ElqError
from elq.names.ordered import Ordered
from elq.tensors import Array

FORMAT = "1"
FORMAT_KEY = b"elq.names"  # in the metadata of the file's schema
TRIES = ("keys", "forms", "short_forms", "short_names", "wholes")
ORDERS = ("forward", "backward", "single")
# `A_offsets` says which values of an array belong to each id of a trie: those from A_offsets[id] to A_offsets[id + 1].
ARRAYS: dict[str, type] = {
    **{"fame": np.float64, "words": np.int32, "rows_offsets": np.uint32, "rows": np.int32},
    **{"forms_offsets": np.uint32, "forms_names": np.int32},
    **{"short_offsets": np.uint32, "short": np.int32, "wholes_offsets": np.uint32, "wholes_rows": np.int32},
    **{f"{order}_{what}": kind for order in ORDERS for what, kind in (("offsets", np.uint32), ("names", np.int32))},
}
TEXTS = tuple(f"{order}_text" for order in ORDERS)


class StoredNames:
    """The names of the rows [first, first + rows) of a catalogue.

    Args:
        blocks: the blocks of the file by name.
        first: the number of this part's first row.
        removed: all removed rows of the catalogue.
    """

    def __init__(self, blocks: Mapping[str, Any], *, first: int = 0, removed: frozenset[int] = frozenset()) -> None:
        self.first, self._removed = first, removed
        self._blocks = blocks  # the tries read them in place
        self._tries = {name: marisa_trie.Trie().map(memoryview(blocks[name])) for name in TRIES}
        arrays: dict[str, Array] = {name: _array(blocks[name], kind) for name, kind in ARRAYS.items()}
        _check(arrays, self._tries, {name: memoryview(blocks[name]) for name in TEXTS})
        self._keys, self._forms = self._tries["keys"], self._tries["forms"]
        self._views = {name: array.data for name, array in arrays.items()}
        self._rows, self._rows_offsets, self._fame = (self._views[name] for name in ("rows", "rows_offsets", "fame"))
        gone = self._gone(arrays)
        self.longest = int(arrays["words"][~gone].max(initial=0))  # words of the longest name that is still there
        self._dead = frozenset(np.flatnonzero(gone).tolist())
        self._orders = {
            name: Ordered(
                memoryview(blocks[f"{name}_text"]),
                arrays[f"{name}_offsets"],
                np.flatnonzero(gone[arrays[f"{name}_names"]]) if self._dead else np.empty(0, np.int64),
            )
            for name in ORDERS
        }

    def _gone(self, arrays: Mapping[str, Array]) -> Array:
        """Which names (by id) only removed entities have."""
        offsets, rows = arrays["rows_offsets"], arrays["rows"]
        removed = [row - self.first for row in self._removed if self.first <= row < self.first + len(arrays["fame"])]
        if not removed:
            return np.zeros(len(offsets) - 1, bool)
        left = np.concatenate([[0], np.cumsum(~np.isin(rows, removed))])  # rows that are still there, before each place
        return np.asarray(left[offsets[1:]] == left[offsets[:-1]])

    def __len__(self) -> int:
        return len(self._fame)

    def __contains__(self, key: str) -> bool:
        name = self._keys.get(key)
        return name is not None and name not in self._dead

    def fame(self, row: int) -> float:
        """A number that is lower for more famous entities."""
        return float(self._fame[row - self.first])

    def rows(self, key: str) -> list[int]:
        """The rows of the entities of a name, the most famous first; an empty list for words that are not a name."""
        name = self._keys.get(key)
        if name is None:
            return []
        found = self._rows[self._rows_offsets[name] : self._rows_offsets[name + 1]].tolist()
        if self.first:
            found = [row + self.first for row in found]
        return [row for row in found if row not in self._removed] if self._removed else found

    def spelled(self, form: str, most: int) -> list[str] | None:
        """The names of which a form is another spelling; None if there are more than ``most``."""
        found: list[str] = []
        if (place := self._forms.get(form)) is not None:  # from form to names
            first, after = self._views["forms_offsets"][place], self._views["forms_offsets"][place + 1]
            if after - first > most + len(self._dead):
                return None
            names = self._views["forms_names"][first:after]
            found = [self._keys.restore_key(name) for name in names if name not in self._dead]
        if (place := self._tries["short_forms"].get(form)) is not None:
            found = list(dict.fromkeys([*found, *self._short(place)]))
        return found if len(found) <= most else None

    def _short(self, place: int) -> list[str]:
        """The names of which a short form stands for the title of one entity with the code of another."""
        values = self._views["short"]
        found = []
        for entry in range(self._views["short_offsets"][place], self._views["short_offsets"][place + 1]):
            name, title, whole = values[3 * entry : 3 * entry + 3]
            if not self._removed & {title, whole}:
                found.append(self._tries["short_names"].restore_key(name))
        return found

    def names_before(self, text: str) -> set[int]:
        """The lengths of the names with which a text begins; some of them may be removed."""
        return {*map(len, self._keys.prefixes(text))}

    def forms_before(self, text: str) -> set[int]:
        """The lengths of the other spellings of names with which a text begins."""
        return {*map(len, self._forms.prefixes(text)), *map(len, self._tries["short_forms"].prefixes(text))}

    def is_form(self, form: str) -> bool:
        """Whether a text may be a name or another spelling of one."""
        return form in self._keys or form in self._forms or form in self._tries["short_forms"]

    def begins_form(self, start: str) -> bool:
        """Whether a name or another spelling of one may begin with a text."""
        return any(next(trie.iterkeys(start), None) is not None for trie in (self._forms, self._keys))

    def begins_name(self, start: str) -> bool:
        """Whether a name may begin with a text."""
        return next(self._keys.iterkeys(start), None) is not None

    def titled(self, whole: str) -> list[int]:
        """The rows of the titles whose part after the comma is ``whole``."""
        place = self._tries["wholes"].get(whole)
        if place is None:
            return []
        offsets = self._views["wholes_offsets"]
        found = [row + self.first for row in self._views["wholes_rows"][offsets[place] : offsets[place + 1]]]
        return [row for row in found if row not in self._removed]

    def count(self, order: str, start: str, after: str, most: int) -> int:
        """The number of names from ``start`` to ``after`` in an order; if there are more than ``most``, some larger number."""
        ordered = self._orders[order]
        return ordered.count(ordered.range(start, after))

    def between(self, order: str, start: str, after: str, most: int) -> list[str] | None:
        """The names that begin with ``start``, as they are written in an order; None if there are more than ``most``."""
        ordered = self._orders[order]
        places = ordered.range(start, after)
        return ordered.names(places) if ordered.count(places) <= most else None

    def beginning(self, order: str, start: str, after: str, most: int) -> list[str]:
        """The first ``most`` names from ``start`` to ``after``, as they are written in an order."""
        ordered = self._orders[order]
        return ordered.first(ordered.range(start, after), most)


def _block(column: pa.Array) -> pa.Buffer:
    """The bytes of a column of one row, in their place in the file: pyarrow would copy them."""
    if column.type != pa.large_binary() or len(column) != 1:
        raise ValueError("a column of it is not one block of bytes")
    start, end = np.frombuffer(column.buffers()[1], np.int64)[column.offset : column.offset + 2].tolist()
    return column.buffers()[2].slice(start, end - start)


def _array(block: Any, kind: type) -> Array:
    return np.frombuffer(block, kind) if len(block) else np.empty(0, kind)  # NumPy refuses an empty block


def _check(arrays: Mapping[str, Array], tries: Mapping[str, Any], texts: Mapping[str, memoryview]) -> None:
    """Raise a ValueError if a number in the arrays leads out of a block."""

    def inside(values: Array, limit: int) -> bool:
        return not len(values) or (int(values.min()) >= 0 and int(values.max()) < limit)

    names, rows = len(tries["keys"]), len(arrays["fame"])
    lists = (("keys", "rows", "rows", 1), ("forms", "forms", "forms_names", 1), ("wholes", "wholes", "wholes_rows", 1))
    sound = (
        len(arrays["short"]) % 3 == 0
        and len(arrays["words"]) == names
        and inside(arrays["short"][::3], len(tries["short_names"]))
    )
    for trie, offsets, values, width in (*lists, ("short_forms", "short", "short", 3)):
        sound &= _steps(arrays[f"{offsets}_offsets"], len(tries[trie]), len(arrays[values]) // width)
    for order in ORDERS:
        text, places = texts[f"{order}_text"], arrays[f"{order}_names"]
        sound &= _steps(arrays[f"{order}_offsets"], len(places), len(text)) and inside(places, names)
    if not (sound and inside(arrays["rows"], rows) and inside(arrays["wholes_rows"], rows)):
        raise ValueError("a number in it leads out of the file")
    if not inside(arrays["forms_names"], names) or np.isnan(arrays["fame"]).any():
        raise ValueError("a number in it leads out of the file")


def _steps(offsets: Array, count: int, end: int) -> bool:
    """Whether offsets divide ``end`` values into ``count`` lists."""
    return len(offsets) == count + 1 and offsets[0] == 0 and offsets[-1] == end and bool((offsets[1:] >= offsets[:-1]).all())


def open_names(path: str | Path, digest: str, *, first: int = 0, removed: frozenset[int] = frozenset()) -> StoredNames:
    """Open a file of names, memory-mapped.

    Args:
        path: a file that elq/names/writing.py wrote.
        digest: the sha256 sum that the file must have: a damaged trie could lead out of its block.
        first: the number of this part's first row.
        removed: all removed rows of the catalogue.

    Raises:
        ElqError: the file is missing or damaged, or is not a file of names.
    """
    try:
        with Path(path).open("rb") as stream:
            found = file_digest(stream, "sha256").hexdigest()
        if found != digest:
            raise ElqError(f"{path} has the sha256 sum {found}, but the manifest says {digest}: {AGAIN}")
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        table.validate(full=True)
        about = table.schema.metadata or {}
        if about.get(FORMAT_KEY, b"").decode() != FORMAT:
            raise ValueError(f"it is not a file of names of format {FORMAT}")
        blocks = {name: _block(table.column(name).chunk(0)) for name in (*TRIES, *ARRAYS, *TEXTS)}
        return StoredNames(blocks, first=first, removed=removed)
    except (OSError, ValueError, KeyError, IndexError, RuntimeError, pa.ArrowException) as error:
        raise ElqError(f"{path} is not a readable file of names ({error}): {AGAIN}") from None
