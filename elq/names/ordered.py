"""Names in alphabetical order, read from a mapped text: finds those that begin in some way, without reading the others."""

from bisect import bisect_left
from functools import lru_cache

import numpy as np

from elq.tensors import Array

FORWARD, BACKWARD, SINGLE = "forward", "backward", "single"  # the orders of names, see Names.count
LAST = "\U0010ffff"  # the last of all characters
CACHED = 2_048  # searches whose result is kept
FENCES = 4_096  # names of an order that are kept as Python objects, so that a search reads only few places of the file


def backwards(key: str) -> str:
    """The words of a name from the last to the first."""
    return " ".join(reversed(key.split(" ")))


class Ordered:
    """Names in alphabetical order, and the searches for those that begin in some way.

    Args:
        text: the names in UTF-8, each followed by a line feed.
        offsets: where each name begins in the text, and the end of the text.
        gone: places of names that are not there any more, in ascending order.
    """

    def __init__(self, text: memoryview, offsets: Array, gone: Array) -> None:
        self._text, self._offsets, self._gone = text, offsets.data, gone
        self._count = len(offsets) - 1
        self._step = max(1, self._count // FENCES)
        self.range = lru_cache(CACHED)(self._range)
        self._fences = [self._name(place) for place in range(0, self._count, self._step)]

    def _name(self, place: int) -> bytes:
        return bytes(self._text[self._offsets[place] : self._offsets[place + 1] - 1])

    def _place(self, start: bytes) -> int:
        """The number of names that are smaller than some text."""
        block = bisect_left(self._fences, start)
        low, high = max(block - 1, 0) * self._step, min(block * self._step, self._count)
        return bisect_left(range(self._count), start, low, high, key=self._name) if block else 0

    def _range(self, start: str, after: str) -> range:
        """The places of the names that begin with a text, up to the first name that is not smaller than ``after``."""
        first = self._place(begin := start.encode())
        if first == self._count or not self._name(first).startswith(begin):
            return range(first, first)
        return range(first, self._place(after.encode()))

    def count(self, places: range) -> int:
        """The number of names at these places that are still there."""
        if not len(self._gone) or not places:
            return len(places)
        low, high = np.searchsorted(self._gone, (places.start, places.stop))
        return len(places) - int(high - low)

    def names(self, places: range) -> list[str]:
        """The names at these places that are still there."""
        if not places:
            return []
        found = bytes(self._text[self._offsets[places.start] : self._offsets[places.stop] - 1]).decode().split("\n")
        low, high = np.searchsorted(self._gone, (places.start, places.stop)) if len(self._gone) else (0, 0)
        for place in self._gone[low:high][::-1].tolist():
            del found[place - places.start]
        return found

    def first(self, places: range, most: int) -> list[str]:
        """The first ``most`` names at these places that are still there."""
        found: list[str] = []
        while places and len(found) < most:
            wanted = most - len(found)
            found, places = [*found, *self.names(places[:wanted])], places[wanted:]
        return found
