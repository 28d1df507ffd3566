"""Finds the entities of which a name begins with some letters, for a person who types them."""

from elq.names.interface import Names
from elq.names.ordered import FORWARD, LAST
from elq.names.words import folded

SCANNED = 500  # names of one word, and of several words, that are looked at
SINGLE = "single"


def rows_beginning(names: Names, typed: str, most: int) -> list[int]:
    """The rows of at most ``most`` entities that have a name which begins with what a person has typed.

    Entities with this very name come first, then the others; within both the most famous come first. If more than ``SCANNED``
    names begin so, the first ones in alphabetical order are looked at: more letters then find the others.

    Args:
        names: the names of the catalogue.
        typed: the beginning of a name; case, accents and punctuation are ignored.
        most: the number of rows, at least 1.
    """
    key = folded(typed)
    if not key:
        return []
    starts = dict.fromkeys((key, key.lower()))  # a single function word or letter keeps its capitals in its key
    whole = dict.fromkeys(row for start in starts for row in names.rows(start))
    found = {
        row
        for start in starts
        for order in (SINGLE, FORWARD)
        for name in names.beginning(order, start, f"{start}{LAST}", SCANNED)
        for row in names.rows(name)
    }
    others = sorted(found - whole.keys(), key=lambda row: (names.fame(row), row))
    return [*whole, *others][:most]
