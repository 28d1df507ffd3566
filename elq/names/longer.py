"""Longer names: finds the names that begin or end with some words."""

from collections.abc import Sequence
from functools import lru_cache

from elq.names.interface import Names
from elq.names.ordered import BACKWARD, FORWARD, backwards

MOST_SCANNED = 2_000  # names with the same beginning or end that are compared with a phrase; if there are more, none is
CACHED_LISTS = 128  # words for which the names that begin with them are kept


class LongerNames:
    """Finds the names of which words are a part.

    Args:
        names: the names of the catalogue.
        silent: function words.
    """

    def __init__(self, names: Names, silent: frozenset[str]) -> None:
        self._names, self._silent = names, silent
        self.by_last_word = lru_cache(CACHED_LISTS)(self._find_by_last_word)

    def says_something(self, key: str) -> bool:
        """Whether words are more than a letter and function words."""
        return len(key) > 1 and not self._silent.issuperset(key.split())

    def count(self, order: str, key: str, most: int) -> int:
        """The number of longer names that begin with these words in an order; above ``most``, some larger number."""
        return self._names.count(order, *after(key), most)

    def beginning(self, key: str, most: int) -> Sequence[str]:
        """The longer names that begin with these words; an empty list if there are more than ``most``."""
        return (self._names.between(FORWARD, *after(key), most) or ()) if self._names.begins_name(f"{key} ") else ()

    def ending(self, key: str, most: int) -> list[str]:
        """The longer names that end with these words; an empty list if there are more than ``most``."""
        return [backwards(name) for name in self._names.between(BACKWARD, *after(backwards(key)), most) or ()]

    def _find_by_last_word(self, word: str) -> dict[str, list[str]]:
        """Last word → the names of several words that begin with a word; nothing if more than ``MOST_SCANNED`` do so."""
        found: dict[str, list[str]] = {}
        for name in self.beginning(word, MOST_SCANNED):
            found.setdefault(name.rpartition(" ")[2], []).append(name)
        return found


def after(key: str) -> tuple[str, str]:
    """The longer names that begin with these words are those from the first text to the second, in alphabetical order."""
    return f"{key} ", f"{key}!"  # "!" is the character after the space
