"""The hierarchy of types: which type is below which, as an array of parents.

The types are those of the catalogue's entities. The hierarchy is a forest: every type has at most one parent, and a parent
stands before its children. So row n of the array, of the type head (elq/model/type_head.py) and of its loss is the same type.
"""

import logging
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from elq.errors import ElqError
from elq.reading.records import read_records
from elq.tensors import Array

log = logging.getLogger(__name__)

BY_NAME, FLAT = "names", "flat"  # the hierarchies that need no file
CHILD, PARENT = "child", "parent"  # columns of a file
# English words behind which a type's name has no more words that say what kind of thing it is: "village in Estonia"
AFTER_THE_HEAD = frozenset("at bordering by for from in near of on to with within".split())
SHOWN = 6  # types that a message names


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Y types in topological order.

    Args:
        names: the types.
        parents: for each type, the place of its parent in ``names``, which is before it; −1 for a type without a parent.

    Raises:
        ElqError: a name occurs twice, or a parent does not stand before its child.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))  # JSON gives lists
        object.__setattr__(self, "parents", tuple(self.parents))
        wrong = [n for n, parent in enumerate(self.parents) if type(parent) is not int or not -1 <= parent < n]
        if wrong or len(self.names) != len(self.parents) or len({*self.names}) != len(self.names):
            what = (
                f"type {wrong[0]} has the parent {self.parents[wrong[0]]!r}" if wrong else "a type is there twice or not at all"
            )
            raise ElqError(
                f"the hierarchy of {len(self.names)} types is no topological order ({what}): give every type once, with −1 or"
                " the place of a type before it as its parent"
            )

    def __len__(self) -> int:
        return len(self.names)

    def above(self) -> Array:
        """Which types are above which, (Y, Y) bool: row t is true for type t itself and for every type above it.

        >>> Hierarchy(("place", "city", "big city"), (-1, 0, 1)).above().astype(int).tolist()
        [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
        """
        found = np.eye(len(self), dtype=np.bool_)
        for place, parent in enumerate(self.parents):  # a parent's row is complete, since it stands before
            if parent >= 0:
                found[place] |= found[parent]
        return found


def read_parents(path: str | Path) -> dict[str, str]:
    """Read a file of types and their parents: child → parent.

    Args:
        path: CSV, TSV, JSON, JSON lines or Parquet file with the columns ``child`` and ``parent``. They have the same words as
            the types in the catalogue. If a child has several parents, the first one in the file counts.

    Raises:
        ElqError: the file cannot be read, or a record lacks one of the two columns.
    """
    parents: dict[str, str] = {}
    more = 0
    for place, record in read_records(Path(path)):
        pair = [record.get(column) for column in (CHILD, PARENT)] if isinstance(record, Mapping) else []
        if len(pair) != 2 or not all(isinstance(name, str) and name.strip() for name in pair):
            raise ElqError(
                f"{path}, {place}: a record of a hierarchy needs the columns {CHILD} and {PARENT} with the name of a type each:"
                " give both, or remove the record"
            )
        child, parent = (str(name).strip() for name in pair)
        if child != parent:
            more += parents.setdefault(child, parent) != parent
    if more:
        log.warning("%s: %d types have more than one parent; the first one in the file counts", path, more)
    return parents


def head_of(name: str, known: Iterable[str]) -> str | None:
    """The longest of the known types that says, in fewer words, what kind of thing an English name of a type means.

    >>> [head_of(name, {"city", "big city", "town"}) for name in ("very big city", "town in Hungary", "town", "river")]
    ['big city', 'town', None, None]
    """
    words = name.split()
    end = next((n for n, word in enumerate(words) if n and word in AFTER_THE_HEAD), len(words))
    for first in range(end):
        if (head := " ".join(words[first:end])) in known and head != name:
            return head
    return None


def parents_by_name(names: Iterable[str]) -> dict[str, str]:
    """Child → parent, for the types whose name contains the name of a more general type, see :func:`head_of`."""
    known = frozenset(names)
    found = {name: head_of(name, known) for name in sorted(known)}
    return {name: head for name, head in found.items() if head is not None}


def lineage(name: str, parents: Mapping[str, str]) -> Iterator[str]:
    """A type, its parent, its parent's parent, and so on.

    Raises:
        ElqError: the parents form a cycle.
    """
    seen = [name]
    yield name
    while (name := parents.get(name, "")) != "":
        if name in seen:
            cycle = " → ".join([*seen[seen.index(name) :][:SHOWN], name])
            raise ElqError(f"the hierarchy of types has the cycle {cycle}: remove one of these records")
        seen.append(name)
        yield name


def make_hierarchy(
    types: Iterable[Sequence[str]], parents: Mapping[str, str] | None = None, *, least: int = 1, most: int = 500
) -> Hierarchy:
    """The hierarchy of the most frequent types. It depends only on the arguments, and not on the order of ``types``.

    Args:
        types: the types of each entity.
        parents: child → parent; None: no type has a parent. Its types need not be types of an entity.
        least: the number of entities that a type must have; those of the types below it count too.
        most: the number of types that are kept, those with the most entities.

    Raises:
        ElqError: the parents form a cycle, or no type has so many entities.

    >>> make_hierarchy([["city"], ["city", "capital"], ["film"]], {"city": "place", "capital": "city"}, least=1)
    Hierarchy(names=('place', 'city', 'film', 'capital'), parents=(-1, 0, -1, 1))
    """
    known = parents or {}
    lines = {name: [*lineage(name, known)] for name in known}
    counts: Counter[str] = Counter()
    for of_entity, number in Counter(map(tuple, types)).items():
        for name in {above for one in of_entity for above in lines.get(one, [one])}:
            counts[name] += number
    depth = {name: len(lines.get(name, [name])) for name in counts}
    # a type has at least as many entities as any type below it, so it is chosen before them
    chosen = sorted((name for name in counts if counts[name] >= least), key=lambda name: (-counts[name], depth[name], name))[
        :most
    ]
    if not chosen:
        raise ElqError(
            f"no type of the catalogue has {least} entities: give entities a column `types`, lower data.types.least, or set"
            " model.types=none"
        )
    places = {name: place for place, name in enumerate(chosen)}
    return Hierarchy(tuple(chosen), tuple(places.get(known.get(name, ""), -1) for name in chosen))


class RowTypes:
    """The types of each row of a catalogue that a hierarchy has.

    Args:
        types: the types of each row.
        hierarchy: the hierarchy.
    """

    def __init__(self, types: Iterable[Sequence[str]], hierarchy: Hierarchy) -> None:
        places = {name: place for place, name in enumerate(hierarchy.names)}
        ends, found = array("q", [0]), array("q")  # millions of small lists would take much memory
        for of_row in types:
            found.extend(places[name] for name in dict.fromkeys(of_row) if name in places)
            ends.append(len(found))
        self._starts, self._places = np.array(ends, np.int64), np.array(found, np.int64)
        self.types = len(hierarchy)

    def __len__(self) -> int:
        return len(self._starts) - 1

    def of(self, rows: Sequence[int]) -> Array:
        """The types of some rows, (M, Y) bool: only those in their records, and none for a negative row.

        >>> RowTypes([["a"], [], ["b", "x", "a"]], Hierarchy(("a", "b"), (-1, 0))).of([2, -1, 0]).astype(int).tolist()
        [[1, 1], [0, 0], [1, 0]]
        """
        found = np.zeros((len(rows), self.types), np.bool_)
        found[self.pairs(np.array(rows, np.int64))] = True
        return found

    def pairs(self, rows: Array) -> tuple[Array, Array]:
        """Each type of each of M rows: the number of the row among the M, and the place of the type, both (P,) int64.

        >>> types = RowTypes([["a"], [], ["b", "x", "a"]], Hierarchy(("a", "b"), (-1, 0)))
        >>> [part.tolist() for part in types.pairs(np.array([2, -1, 0]))]
        [[0, 0, 2], [1, 0, 0]]
        """
        there = np.maximum(rows, 0)  # (M,)
        first = self._starts[there]  # (M,)
        counts = np.where(rows >= 0, self._starts[there + 1] - first, 0)  # (M,)
        numbers = np.repeat(np.arange(len(rows)), counts)  # (P,)
        inside = np.arange(len(numbers)) - np.repeat(np.cumsum(counts) - counts, counts)  # (P,)
        return numbers, self._places[np.repeat(first, counts) + inside]
