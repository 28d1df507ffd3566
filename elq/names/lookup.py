"""Lookup: finds the entities that a name may mean when people write it freely.

Few questions contain the full name of an entity. They contain "jrr tolkien", "mlb" or "grand theft auto 4" (another spelling),
"brian cranston" (a misspelling), "gretzky" or "nobel prize" (a part of a name), "hampton va" or "president andrew jackson" (a
name with more words), or "japanese" (an adjective). Every such kind of match has two numbers: one for the most famous entity of
that kind, and one for the other entities. The model learns a score for each number.
"""

from collections.abc import Collection, Sequence
from functools import lru_cache
from heapq import nsmallest
from itertools import chain

from rapidfuzz import process
from rapidfuzz.distance import OSA

from elq.names.interface import Names
from elq.names.ordered import backwards
from elq.names.scripts import unspaced
from elq.names.spelling import COUNTED, reordered, roots, singular, spelling

MOST_MATCHES = 16  # entities of one kind that are used
MOST_NAMES = 200  # a phrase that is a part of more names, such as "john", is not used
MOST_WORDS = 10  # words of the longest phrase that may be another spelling
MOST_SCANNED = 2_000  # names with the same beginning or end that are compared with a phrase; if there are more, none is
CACHED = 2_048  # phrases whose other spellings are kept, and words whose matches are
CACHED_LISTS = 128  # words for which the names that begin with them are kept
LONG_WORD = 6  # letters of the shortest single word that may be a misspelling
NEAR = ((4, 1), (8, 2))  # (least letters of a word, letters that may be wrong in it)
FORWARD, BACKWARD = "forward", "backward"  # the orders of names of several words, see Names.count
LAST = "\U0010ffff"  # the last of all characters


class NameIndex:
    """Finds the entities that a name may mean.

    Args:
        names: the names of the catalogue.
        silent: function words.
    """

    def __init__(self, names: Names, silent: frozenset[str]) -> None:
        self._names, self._silent = names, silent
        self._spelled = lru_cache(CACHED)(self._find_spelled)
        self.kind_of_word, self.match_of_word = lru_cache(CACHED)(self.kind), lru_cache(CACHED)(self.match)
        self.lookup = lru_cache(CACHED)(self._lookup)
        self._by_last_word = lru_cache(CACHED_LISTS)(self._find_by_last_word)
        self.names_before, self.forms_before, self.is_form = names.names_before, names.forms_before, names.is_form
        self.begins_form = lru_cache(CACHED)(names.begins_form)

    def count_beginning(self, key: str) -> int:
        """The number of longer names that begin with these words; if there are many, some larger number."""
        return self._count(FORWARD, key) if self._names.begins_name(f"{key} ") else 0

    def count_ending(self, key: str) -> int:
        """The number of longer names that end with words, given from the last to the first; as above."""
        return self._count(BACKWARD, key)

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
        if self._misspelt(key):
            return 2
        ending, beginning, around = self._parts(key)
        return 4 if ending else 5 if beginning else 6 if around else -1

    def _whole(self, key: str, respelled: bool = True) -> int | None:
        """0 for a name, 1 for another spelling of one, −1 for words that say nothing; None: they may match in another way."""
        if key in self._names:
            return 0
        if len(key) < 3 or not self._says_something(key):
            return -1
        return 1 if respelled and self._spelled(key) else None

    def _lookup(self, key: str) -> dict[int, int]:
        """Rows of the entities that a folded name may mean → the number of their kind, from 0 to 2 · len(NAME_KINDS) − 1.

        An entity that matches in several ways gets the lowest number of these. Only the ``MOST_MATCHES`` most famous entities
        of a kind are returned; the others are not returned for a later kind either.
        """
        names: list[Collection[str]] = [[key]]
        if self._says_something(key):
            spelled, people = self._spelled(key), [name for name in roots(key) if name in self._names]
            misspellings = [] if spelled or people or key in self._names else self._misspelt(key)
            names += [spelled, misspellings, people, *self._parts(key), *self._inside(key)]
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

    def _says_something(self, key: str) -> bool:
        return len(key) > 1 and not self._silent.issuperset(key.split())

    def _find_spelled(self, key: str) -> list[str]:
        """The names of which these words are another spelling, another order, or the initials; an empty list if too many."""
        if key.count(" ") >= MOST_WORDS:
            return []
        forms = (spelling(key), reordered(key), key)
        names = [*forms]
        for form in {*forms} - {""}:
            names += self._names.spelled(form, MOST_NAMES) or ()
        return [name for name in dict.fromkeys(names) if name != key and name in self._names]

    def _misspelt(self, key: str) -> list[str]:
        """The names that differ from these words in a few letters of one word.

        A single word must agree with the name in its first two letters.
        """
        if " " not in key:
            if len(key) < LONG_WORD:
                return []
            return _near(self._names.between("single", key[:2], f"{key[:2]}{LAST}", MOST_SCANNED) or (), key)
        found: list[str] = []
        head, _, word = key.rpartition(" ")
        if self._says_something(head) and word not in self._silent:
            ends = [name[len(head) + 1 :] for name in self._beginning(head, MOST_SCANNED)]
            found += [f"{head} {other}" for other in _near(ends, word)]
        word, _, tail = key.partition(" ")
        if self._says_something(tail) and word not in self._silent:
            starts = [name[: -len(tail) - 1] for name in self._ending(tail, MOST_SCANNED)]
            found += [f"{other} {tail}" for other in _near(starts, word)]
        return found + self._misspelt_inside(key)

    def _misspelt_inside(self, key: str) -> list[str]:
        """The names that differ from these words in a few letters of one word that is neither the first nor the last."""
        words, found = key.split(), []
        if len(words) < 3 or words[0] in self._silent or not self._says_something(words[-1]):
            return []
        for name in self._by_last_word(words[0]).get(words[-1], ()):
            if name.count(" ") == len(words) - 1:
                wrong = [(other, word) for other, word in zip(name.split(), words, strict=True) if other != word]
                if len(wrong) == 1 and _near([wrong[0][0]], wrong[0][1]):
                    found.append(name)
        return found

    def _parts(self, key: str) -> tuple[Collection[str], Collection[str], Collection[str]]:
        """Three lists: the names that end with these words, that begin with them, and that have the same first and last word.

        A list that would be too long is empty. If no name ends (or begins) with the words, the words are tried without a plural
        or possessive s. In the third list, the first word may also be the first letter of the name's first word.
        """
        one = key[:-2] if key.endswith(" s") else singular(key)
        ending = self._ending(key if self.count_ending(backwards(key)) else one, MOST_NAMES)
        beginning = self._beginning(key if self.count_beginning(key) else one, MOST_NAMES)
        first, _, rest = key.partition(" ")
        if not rest or first in self._silent or unspaced(first):  # the words of Chinese are short: many names share two
            return ending, beginning, ()
        around = [name for name in self._by_last_word(first).get(rest.rpartition(" ")[2], ()) if name != key]
        if len(first) == 1:
            around += [name for name in self._ending(rest, MOST_SCANNED) if name.startswith(first) and name != key]
        return ending, beginning, around if len(around) <= MOST_NAMES else ()

    def _count(self, order: str, key: str) -> int:
        """The number of longer names that begin with these words in an order."""
        return self._names.count(order, *_longer(key), MOST_NAMES)

    def _beginning(self, key: str, most: int) -> Sequence[str]:
        """The longer names that begin with these words; an empty list if there are more than ``most``."""
        return (self._names.between(FORWARD, *_longer(key), most) or ()) if self._names.begins_name(f"{key} ") else ()

    def _find_by_last_word(self, word: str) -> dict[str, list[str]]:
        """Last word → the names of several words that begin with a word; nothing if more than ``MOST_SCANNED`` do so."""
        found: dict[str, list[str]] = {}
        for name in self._beginning(word, MOST_SCANNED):
            found.setdefault(name.rpartition(" ")[2], []).append(name)
        return found

    def _ending(self, key: str, most: int) -> list[str]:
        """The longer names that end with these words; an empty list if there are more than ``most``."""
        return [backwards(name) for name in self._names.between(BACKWARD, *_longer(backwards(key)), most) or ()]

    def _inside(self, key: str) -> tuple[list[str], list[str]]:
        """The longest names, or other spellings of names, inside these words, if the words are not a name themselves.

        Two lists: the names at the end of the words, and the names elsewhere.
        """
        words = key.split()
        for length in range(len(words) - 1, 0, -1) if key not in self._names else ():
            parts = [" ".join(words[start : start + length]) for start in range(len(words) - length + 1)]
            names = [self._names_of(part) if self._says_something(part) else [] for part in parts]
            if any(names):
                return names[-1], list(chain.from_iterable(names[:-1]))
        return [], []

    def _names_of(self, key: str) -> list[str]:
        return [key] if key in self._names else self._spelled(key)


def _near(words: Sequence[str], word: str) -> list[str]:
    """The words of which ``word`` may be a misspelling; they must have the same first letter."""
    most = max((wrong for letters, wrong in NEAR if len(word) >= letters), default=0)
    if not most or not word.isalpha() or word in COUNTED:  # another number is another entity, not a misspelling
        return []
    alike = [other for other in words if other[0] == word[0] and other.isalpha() and other not in COUNTED]
    return [other for other, _, _ in process.extract(word, alike, scorer=OSA.distance, score_cutoff=most, limit=None)]


def _longer(key: str) -> tuple[str, str]:
    """The longer names that begin with these words are those from the first text to the second, in alphabetical order."""
    return f"{key} ", f"{key}!"  # "!" is the character after the space
