"""Redirects of Wikidata: finds the ids that an entity had before it was merged with another."""

import re
from array import array
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elq.errors import ElqError
from elq.reading.lines import opened, raw_lines, require_file

QID = re.compile(r"Q[1-9][0-9]{0,14}")
ENTITY = rb"<?(?:\S*/)?Q([1-9][0-9]{0,14})>?"
LINE = re.compile(rb"\s*" + ENTITY + rb"[\s,;]+(?:(?:<\S*/owl#sameAs>|owl:sameAs)\s+)?" + ENTITY + rb"\s*\.?\s*")
STEPS = 50  # each follows redirects twice as far as the one before; only a circle needs so many

Numbers = NDArray[np.int64]


class Redirects:
    """Old and new ids, as sorted numbers: 32 bytes for each redirect.

    Args:
        old: the numbers of the old ids.
        new: the numbers of the new ids, in the same order.

    Raises:
        ElqError: redirects lead in a circle.
    """

    def __init__(self, old: Any = (), new: Any = ()) -> None:
        old, first = np.unique(np.asarray(old, np.int64), return_index=True)
        new = np.asarray(new, np.int64)[first]
        for _ in range(STEPS):
            before, new = new, _mapped(new, old, new)
            if (new == before).all():
                break
        if (circle := (new != before) | (new == old)).any():
            raise ElqError(f"the redirects of Q{old[circle][0]} lead in a circle: remove one of them")
        self._old, self._new = old, new
        order = np.argsort(new, kind="stable")
        self._by_new, self._old_by_new = new[order], old[order]

    def __len__(self) -> int:
        return len(self._old)

    def current(self, identity: str) -> str:
        """The new id of an entity; the same id if it has no redirect."""
        if not len(self) or not QID.fullmatch(identity):
            return identity
        number = int(identity[1:])
        place = int(np.searchsorted(self._old, number))
        return f"Q{self._new[place]}" if place < len(self) and self._old[place] == number else identity

    def former(self, identity: str) -> list[str]:
        """The old ids of an entity."""
        if not len(self) or not QID.fullmatch(identity):
            return []
        number = int(identity[1:])
        start, end = np.searchsorted(self._by_new, [number, number + 1])
        return [f"Q{old}" for old in self._old_by_new[start:end]]


def _mapped(numbers: Numbers, old: Numbers, new: Numbers) -> Numbers:
    """The numbers, where those that are old are replaced by the new ones."""
    if not len(old):
        return numbers
    places = np.minimum(np.searchsorted(old, numbers), len(old) - 1)
    return np.where(old[places] == numbers, new[places], numbers)


def read_redirects(path: str | Path) -> Redirects:
    """Read redirects from lines with an old and a new id: "Q1 Q2" with a tab, comma or blank, or N-Triples with owl:sameAs.

    Other lines, such as a heading or other triples, are passed over.

    Raises:
        ElqError: the file is missing, or no line has two ids.
    """
    require_file(path, f"the file of redirects {path}", "give a file with an old and a new id on each line")
    old, new = array("q"), array("q")
    with opened(path) as stream:
        for _, raw in raw_lines(stream, str(path)):
            if match := LINE.fullmatch(raw):
                old.append(int(match[1]))
                new.append(int(match[2]))
    if not old:
        raise ElqError(f'{path} has no redirects: a line must have an old and a new id, such as "Q12345 Q42"')
    return Redirects(old, new)
