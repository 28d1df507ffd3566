"""Lookup: finds the entities that a name may mean when people write it freely.

Few questions contain the full name of an entity. They contain "jrr tolkien", "mlb" or "grand theft auto 4" (another spelling),
"brian cranston" (a misspelling), "gretzky" or "nobel prize" (a part of a name), "hampton va" or "president andrew jackson" (a
name with more words), or "japanese" (an adjective). Every such kind of match has two numbers: one for the most famous entity of
that kind, and one for the other entities. The model learns a score for each number.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from heapq import nsmallest
from itertools import chain

from rapidfuzz import process
from rapidfuzz.distance import OSA

from elq.names.spelling import COUNTED, initials, reordered, roots, singular, spelling

MOST_MATCHES = 16  # entities of one kind that are used
MOST_NAMES = 200  # a phrase that is a part of more names, such as "john", is not used
MOST_WORDS = 10  # words of the longest phrase that may be another spelling
MOST_SCANNED = 2_000  # names with the same beginning or end that are compared with a phrase; if there are more, none is
LONG_WORD = 6  # letters of the shortest single word that may be a misspelling
NEAR = ((4, 1), (8, 2))  # (least letters of a word, letters that may be wrong in it)
LAST = "\U0010ffff"  # the last of all characters


class NameIndex:
    """Finds the entities that a name may mean.

    Args:
        rows_of: folded name → rows of its entities.
        fame: for every row a number that is lower for more famous entities.
        silent: function words.
        short: pairs of a further spelling and the name that it stands for.
    """

    def __init__(
        self,
        rows_of: Mapping[str, Sequence[int]],
        fame: Sequence[float],
        silent: frozenset[str],
        short: Iterable[tuple[str, str]] = (),
    ) -> None:
        self._rows_of, self._fame, self._silent = rows_of, fame, silent
        long = [key for key in rows_of if " " in key]
        self._forward, self._backward = sorted(long), sorted(map(_backwards, long))
        self._single = sorted(key for key in rows_of if " " not in key)
        self._spellings: dict[str, list[str]] = {}
        for key in rows_of:
            others = {spelling(key)} if " " not in key else {spelling(key), reordered(key), *initials(key, silent)}
            for other in others - {key, ""}:
                self._spellings.setdefault(other, []).append(key)
        for other, key in short:
            self._spellings.setdefault(spelling(other), []).append(key)

    def kind(self, key: str) -> int:
        """0 for a name, 1 for another spelling of one, 2 for a part of one, −1 for anything else."""
        if key in self._rows_of:
            return 0
        if len(key) < 3 or not self._says_something(key):
            return -1
        if self._spelled(key):
            return 1
        longer = (_longer(self._backward, _backwards(key)), _longer(self._forward, key))
        return 2 if any(0 < len(places) <= MOST_NAMES for places in longer) else -1

    def lookup(self, key: str) -> dict[int, int]:
        """Rows of the entities that a folded name may mean → the number of their kind, from 0 to 2 · len(NAME_KINDS) − 1.

        An entity that matches in several ways gets the lowest number of these. Only the ``MOST_MATCHES`` most famous entities
        of a kind are returned; the others are not returned for a later kind either.
        """
        names: list[Collection[str]] = [[key]]
        if self._says_something(key):
            spelled, people = self._spelled(key), [name for name in roots(key) if name in self._rows_of]
            misspellings = [] if spelled or people or key in self._rows_of else self._misspelt(key)
            names += [spelled, misspellings, people, *self._parts(key), *self._inside(key)]
        found: dict[int, int] = {}
        seen: set[int] = set()
        for kind, keys in enumerate(names):
            rows = set(chain.from_iterable(self._rows_of.get(name, ()) for name in keys)) - seen
            seen |= rows
            for place, row in enumerate(nsmallest(MOST_MATCHES, rows, key=lambda row: (self._fame[row], row))):
                found[row] = 2 * kind + (place > 0)
        return found

    def _says_something(self, key: str) -> bool:
        return len(key) > 1 and not self._silent.issuperset(key.split())

    def _spelled(self, key: str) -> list[str]:
        """The names of which these words are another spelling, another order, or the initials; an empty list if too many."""
        if key.count(" ") >= MOST_WORDS:
            return []
        forms = (spelling(key), reordered(key), key)
        alike = [self._spellings.get(form, ()) for form in forms]
        names = [*forms, *chain.from_iterable(names for names in alike if len(names) <= MOST_NAMES)]
        return [name for name in dict.fromkeys(names) if name != key and name in self._rows_of]

    def _misspelt(self, key: str) -> list[str]:
        """The names that differ from these words in a few letters of the first or the last word.

        A single word must agree with the name in its first two letters.
        """
        if " " not in key:
            if len(key) < LONG_WORD:
                return []
            first, last = bisect_left(self._single, key[:2]), bisect_left(self._single, f"{key[:2]}{LAST}")
            return _near(self._single[first:last], key) if last - first <= MOST_SCANNED else []
        found: list[str] = []
        head, _, word = key.rpartition(" ")
        if self._says_something(head) and word not in self._silent:
            ends = [name[len(head) + 1 :] for name in _longer_names(self._forward, head, MOST_SCANNED)]
            found += [f"{head} {other}" for other in _near(ends, word)]
        word, _, tail = key.partition(" ")
        if self._says_something(tail) and word not in self._silent:
            starts = [name[: -len(tail) - 1] for name in self._ending(tail, MOST_SCANNED)]
            found += [f"{other} {tail}" for other in _near(starts, word)]
        return found

    def _parts(self, key: str) -> tuple[Collection[str], Collection[str], Collection[str]]:
        """Three lists: the names that end with these words, that begin with them, and that have the same first and last word.

        A list that would be too long is empty. If no name ends (or begins) with the words, the words are tried without a plural
        or possessive s. In the third list, the first word may also be the first letter of the name's first word.
        """
        one = key[:-2] if key.endswith(" s") else singular(key)
        ending = self._ending(key if _longer(self._backward, _backwards(key)) else one)
        beginning = _longer_names(self._forward, key if _longer(self._forward, key) else one, MOST_NAMES)
        first, _, rest = key.partition(" ")
        if not rest or first in self._silent:
            return ending, beginning, ()
        last = f" {rest.rpartition(' ')[2]}"
        around = [name for name in _longer_names(self._forward, first, MOST_SCANNED) if name.endswith(last) and name != key]
        if len(first) == 1:
            around += [name for name in self._ending(rest, MOST_SCANNED) if name.startswith(first) and name != key]
        return ending, beginning, around if len(around) <= MOST_NAMES else ()

    def _ending(self, key: str, most: int = MOST_NAMES) -> list[str]:
        """The longer names that end with these words; an empty list if there are more than ``most``."""
        return [_backwards(name) for name in _longer_names(self._backward, _backwards(key), most)]

    def _inside(self, key: str) -> tuple[list[str], list[str]]:
        """The longest names, or other spellings of names, inside these words, if the words are not a name themselves.

        Two lists: the names at the end of the words, and the names elsewhere.
        """
        words = key.split()
        for length in range(len(words) - 1, 0, -1) if key not in self._rows_of else ():
            parts = [" ".join(words[start : start + length]) for start in range(len(words) - length + 1)]
            names = [self._names_of(part) if self._says_something(part) else [] for part in parts]
            if any(names):
                return names[-1], list(chain.from_iterable(names[:-1]))
        return [], []

    def _names_of(self, key: str) -> list[str]:
        return [key] if key in self._rows_of else self._spelled(key)


def _near(words: Sequence[str], word: str) -> list[str]:
    """The words of which ``word`` may be a misspelling; they must have the same first letter."""
    most = max((wrong for letters, wrong in NEAR if len(word) >= letters), default=0)
    if not most or not word.isalpha() or word in COUNTED:  # another number is another entity, not a misspelling
        return []
    alike = [other for other in words if other[0] == word[0] and other.isalpha() and other not in COUNTED]
    return [other for other, _, _ in process.extract(word, alike, scorer=OSA.distance, score_cutoff=most, limit=None)]


def _backwards(key: str) -> str:
    return " ".join(reversed(key.split(" ")))


def _longer(ordered: Sequence[str], key: str) -> range:
    """The places in a sorted list of the longer names that begin with these words."""
    return range(bisect_left(ordered, f"{key} "), bisect_left(ordered, f"{key}!"))  # "!" is the character after the space


def _longer_names(ordered: Sequence[str], key: str, most: int) -> Sequence[str]:
    """The longer names that begin with these words; an empty list if there are more than ``most``."""
    places = _longer(ordered, key)
    return ordered[places.start : places.stop] if len(places) <= most else ()
