"""Lookup: finds the entities that a name may mean when people write it freely.

Few questions contain the full name of an entity. They contain "jrr tolkien", "mlb" or "grand theft auto 4" (another spelling),
"brian cranston" (a misspelling), "gretzky" or "nobel prize" (a part of a name), "hampton va" or "president andrew jackson" (a
name with more words), or "japanese" (an adjective). Every such kind of match has two numbers: one for the most famous entity of
that kind, and one for the other entities. The model learns a score for each number.
"""

from collections.abc import Collection
from functools import lru_cache
from heapq import nsmallest
from itertools import chain

from elq.names.further import NOTHING, FurtherNames
from elq.names.interface import Names
from elq.names.longer import MOST_SCANNED, LongerNames
from elq.names.misspelling import Misspellings
from elq.names.ordered import BACKWARD, FORWARD, backwards
from elq.names.scripts import unspaced
from elq.names.spelling import numbers_in, reordered, roots, singular, spelling

MOST_MATCHES = 16  # entities of one kind that are used
MOST_NAMES = 200  # a phrase that is a part of more names, such as "john", is not used
MOST_WORDS = 10  # words of the longest phrase that may be another spelling
CACHED = 2_048  # phrases whose other spellings are kept, and words whose matches are


class NameIndex:
    """Finds the entities that a name may mean.

    Args:
        names: the names of the catalogue.
        silent: function words.
        further: whether words that match no name are tried in further forms (elq/names/further.py).
    """

    def __init__(self, names: Names, silent: frozenset[str], *, further: bool = False) -> None:
        self._names, self._silent = names, silent
        self._spelled = lru_cache(CACHED)(self._find_spelled)
        self.kind_of_word, self.match_of_word = lru_cache(CACHED)(self.kind), lru_cache(CACHED)(self.match)
        self.lookup = lru_cache(CACHED)(self._lookup)
        self._longer = LongerNames(names, silent)
        self._misspellings = Misspellings(names, silent, self._longer)
        forms = FurtherNames(names, silent, self._longer, self._misspellings, self._spelled)
        self._further = lru_cache(CACHED)(forms.find) if further else lambda _: NOTHING
        self.names_before, self.forms_before, self.is_form = names.names_before, names.forms_before, names.is_form
        self.begins_form = lru_cache(CACHED)(names.begins_form)

    def count_beginning(self, key: str) -> int:
        """The number of longer names that begin with these words; if there are many, some larger number."""
        return self._longer.count(FORWARD, key, MOST_NAMES) if self._names.begins_name(f"{key} ") else 0

    def count_ending(self, key: str) -> int:
        """The number of longer names that end with words, given from the last to the first; as above."""
        return self._longer.count(BACKWARD, key, MOST_NAMES)

    def kind(self, key: str, respelled: bool = True) -> int:
        """0 for a name, 1 for another spelling of one, 2 for a part of one, −1 for anything else.

        Args:
            key: folded words.
            respelled: whether the words may be another spelling of a name; False if that is known not to be so.
        """
        if (whole := self._whole(key, respelled)) is not None:
            return whole
        longer = (self.count_ending(backwards(key)), self.count_beginning(key))
        return 2 if any(0 < count <= MOST_NAMES for count in longer) else -1

    def match(self, key: str, respelled: bool = True) -> int:
        """How words match a name, as a place in :data:`elq.names.named.MATCHES`; −1 if they do not. See :meth:`kind`."""
        if (whole := self._whole(key, respelled)) is not None:
            return whole
        if any(name in self._names for name in roots(key)):
            return 3
        if self._misspellings.names(key):
            return 2
        ending, beginning, around = self._parts(key)
        part = 4 if ending else 5 if beginning else 6 if around else 2 if self._misspellings.longer(key) else -1
        return part if part >= 0 else self._further(key).match

    def _whole(self, key: str, respelled: bool = True) -> int | None:
        """0 for a name, 1 for another spelling of one, −1 for words that say nothing; None: they may match in another way."""
        if key in self._names:
            return 0
        if len(key) < 3 or not self._longer.says_something(key):
            return -1
        return 1 if respelled and self._spelled(key) else None

    def _lookup(self, key: str) -> dict[int, int]:
        """Rows of the entities that a folded name may mean → the number of their kind, from 0 to 2 · len(NAME_KINDS) − 1.

        An entity that matches in several ways gets the lowest number of these. Only the ``MOST_MATCHES`` most famous entities
        of a kind are returned; the others are not returned for a later kind either.
        """
        names: list[Collection[str]] = [[key]]
        if self._longer.says_something(key):
            spelled, people = self._spelled(key), [name for name in roots(key) if name in self._names]
            misspelt = [] if spelled or people or key in self._names else self._misspellings.names(key)
            kinds: list[Collection[str]] = [spelled, misspelt, people, *self._parts(key)]
            if key not in self._names and not any(kinds):
                further = self._further(key)
                kinds[1] = self._misspellings.longer(key)
                if kinds[1]:
                    kinds[1] = [*further.misspelt, *kinds[1]]
                else:
                    kinds[0], kinds[1], kinds[3], kinds[4] = further
            names += [*kinds, *self._inside(key)]
        found: dict[int, int] = {}
        seen: set[int] = set()
        for kind, keys in enumerate(names):
            if not keys:
                continue
            rows = set(chain.from_iterable(map(self._names.rows, keys))) - seen
            seen |= rows
            if len(rows) == 1:
                found[rows.pop()] = 2 * kind
                continue
            for place, row in enumerate(nsmallest(MOST_MATCHES, rows, key=lambda row: (self._names.fame(row), row))):
                found[row] = 2 * kind + (place > 0)
        return found

    def _find_spelled(self, key: str) -> list[str]:
        """The names of which these words are another spelling, another order, or the initials; an empty list if too many."""
        if key.count(" ") >= MOST_WORDS:
            return []
        forms = (spelling(key), reordered(key), key)
        names = [*forms]
        for form in {*forms} - {""}:
            names += self._names.spelled(form, MOST_NAMES) or ()
        return [name for name in dict.fromkeys(names) if name != key and name in self._names]

    def _parts(self, key: str) -> tuple[Collection[str], Collection[str], Collection[str]]:
        """Three lists: the names that end with these words, that begin with them, and that have the same first and last word.

        A list that would be too long is empty. If no name ends (or begins) with the words, the words are tried without a plural
        or possessive s. In the third list, the first word may also be the first letter of the name's first word; names with
        another number are not in it.
        """
        one = key[:-2] if key.endswith(" s") else singular(key)
        ending = self._longer.ending(key if self.count_ending(backwards(key)) else one, MOST_NAMES)
        beginning = self._longer.beginning(key if self.count_beginning(key) else one, MOST_NAMES)
        first, _, rest = key.partition(" ")
        if not rest or first in self._silent or unspaced(first):  # the words of Chinese are short: many names share two
            return ending, beginning, ()
        around = [name for name in self._longer.by_last_word(first).get(rest.rpartition(" ")[2], ()) if name != key]
        if len(first) == 1:
            around += [name for name in self._longer.ending(rest, MOST_SCANNED) if name.startswith(first) and name != key]
        if said := numbers_in(key):
            around = [name for name in around if said <= (own := numbers_in(name)) or own <= said]
        return ending, beginning, around if len(around) <= MOST_NAMES else ()

    def _inside(self, key: str) -> tuple[list[str], list[str]]:
        """The longest names, or other spellings of names, inside these words, if the words are not a name themselves.

        Two lists: the names at the end of the words, and the names elsewhere.
        """
        words = key.split()
        for length in range(len(words) - 1, 0, -1) if key not in self._names else ():
            parts = [" ".join(words[start : start + length]) for start in range(len(words) - length + 1)]
            names = [self._names_of(part) if self._longer.says_something(part) else [] for part in parts]
            if any(names):
                return names[-1], list(chain.from_iterable(names[:-1]))
        return [], []

    def _names_of(self, key: str) -> list[str]:
        return [key] if key in self._names else self._spelled(key)
