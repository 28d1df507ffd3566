"""Further names: finds the names that words may mean where they match no name in one of the usual ways.

People say "golden mice" for Golden Mouse, "line twelve" for Line 12, "mrs winter" for Gail Winter, "err 2" for Err 02, "serv
manual" for Service Manual, and "peper" for Pepper. Such forms are tried last, and are not stored. So they take nothing from
words that match a name in a usual way, and a folder of an older version has them too.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from rapidfuzz import process
from rapidfuzz.distance import OSA

from elq.names.interface import Names
from elq.names.longer import LongerNames
from elq.names.misspelling import LONG_PART, Misspellings, may_be_wrong
from elq.names.ordinary import ordinary_words
from elq.names.spelling import singular
from elq.names.variants import FIRST_NAMES, HONORIFICS, RANKS, WORDS, divided, other_numbers, other_words, with_digits

MOST_NAMES = 200  # as in elq/names/lookup.py
LONG_NAME = 7  # letters of the shortest single word in which two may be wrong, if it is no ordinary word
CUT_WORD = 3  # letters of the shortest word that may be the beginning of a longer one: "serv" for "service"


class Further(NamedTuple):
    """The names that words may mean, by the kind of the match (elq/types.py)."""

    spelled: Sequence[str] = ()
    misspelt: Sequence[str] = ()
    ending: Sequence[str] = ()
    beginning: Sequence[str] = ()

    @property
    def match(self) -> int:
        """The first kind with a name, as a place in :data:`elq.names.named.MATCHES`; −1 if there is none."""
        return next((kind for kind, names in zip((1, 2, 4, 5), self, strict=True) if names), -1)


NOTHING = Further()


class FurtherNames:
    """Finds the names of which words are a further form.

    Args:
        names: the names of the catalogue.
        silent: function words.
        longer: finds the names of which words are a part.
        misspellings: finds the names of which words may be a misspelling.
        spelled: the names of which words are another spelling.
    """

    def __init__(
        self,
        names: Names,
        silent: frozenset[str],
        longer: LongerNames,
        misspellings: Misspellings,
        spelled: Callable[[str], list[str]],
    ) -> None:
        self._names, self._silent, self._longer, self._misspellings = names, silent, longer, misspellings
        self._spelled = spelled
        titles = [title for title in sorted(HONORIFICS) if names.begins_name(f"{title} ")]
        both = [f"{one} {two}" for one in titles for two in sorted(HONORIFICS) if names.begins_name(f"{one} {two} ")]
        self._titles = [*titles, *both]  # the honorifics with which names begin

    def find(self, key: str) -> Further:
        """The names that words may mean in a further form, if they match no name in a usual way."""
        words = key.split()
        if len(key) < 3 or not key.isascii() or self._is_silent(words[0]) or self._is_silent(words[-1]):
            return NOTHING
        spelled: dict[str, None] = {}
        ending: dict[str, None] = {}
        beginning: dict[str, None] = {}
        for other, whole, last, first in self._others(key, words):
            if whole:
                spelled |= dict.fromkeys([other] if other in self._names else self._spelled(other))
            if last:
                ending |= dict.fromkeys(self._longer.ending(other, MOST_NAMES))
            if first:
                beginning |= dict.fromkeys(self._longer.beginning(other, MOST_NAMES))
        if spelled or ending or beginning:
            return Further([*spelled], (), [*ending], [*beginning])
        misspelt = self._short(key) if len(words) == 1 else self._cut(words)
        return Further(misspelt=misspelt) if misspelt else NOTHING

    def _is_silent(self, word: str) -> bool:
        """Whether a word is a function word, and no misspelling of a word such as "quiet"."""
        return word in self._silent and word not in WORDS

    def _others(self, key: str, words: Sequence[str]) -> Iterator[tuple[str, bool, bool, bool]]:
        """Yield other words for the words, and whether they may be a whole name, its end, and its beginning."""
        if len(words) == 1:
            rare = key not in ordinary_words()  # "boxes" is not Veg Box Large
            for other in (*other_numbers(key), *with_digits(key), *divided(key)):
                yield other, True, rare, rare
            for title in self._titles:  # "nkechi" is Dr. Nkechi Obi
                for one in dict.fromkeys((key, singular(key))):
                    yield f"{title} {one}", False, False, True
            return
        for other in self._with_another_word(words):
            yield other, True, True, True
        if words[0] in HONORIFICS and words[1] not in self._silent:
            yield " ".join(words[1:]), words[0] != "miss", True, False  # "miss" is a verb too

    def _with_another_word(self, words: Sequence[str]) -> Iterator[str]:
        """Several words with one of them in another form."""
        *before, last = words
        for form in other_numbers(last):
            yield " ".join([*before, form])
        if before[-1] == "the" and len(before) > 1 and last in RANKS:  # "charles the fifth"
            yield " ".join([*before[:-1], RANKS[last]])
        for place, word in enumerate(words):
            forms = other_words(word)
            if place == 0:
                forms += FIRST_NAMES.get(word, ())
            if forms and self._longer.says_something(" ".join([*words[:place], *words[place + 1 :]])):
                yield from (" ".join([*words[:place], form, *words[place + 1 :]]) for form in forms)

    def _short(self, word: str) -> list[str]:
        """The names of one word of which a word, or its singular, is a misspelling. It is no ordinary word."""
        forms = {word, singular(word)}
        if not all(map(may_be_wrong, forms)) or not ordinary_words().isdisjoint(forms):
            return []
        others, found = self._misspellings.single(word[:2]), dict[str, None]()
        for one in sorted(forms):
            most = 1 if len(one) < LONG_NAME else 2
            near = process.extract(one, others, scorer=OSA.distance, score_cutoff=most, limit=None)
            found |= dict.fromkeys(name for name, _, _ in near)
        return [*found]

    def _cut(self, words: Sequence[str]) -> list[str]:
        """The names of several words of which the first or the last is cut: "serv manual". It is no ordinary word."""
        if len(words) > LONG_PART:
            return []
        found: list[str] = []
        first, last = words[0], words[-1]
        if may_be_cut(last) and self._misspellings.fixed(head := " ".join(words[:-1])):
            names = self._longer.beginning(head, MOST_NAMES)
            found += [name for name in names if name.startswith(f"{head} {last}") and " " not in name[len(head) + 1 :]]
        if may_be_cut(first) and self._misspellings.fixed(tail := " ".join(words[1:])):
            names = self._longer.ending(tail, MOST_NAMES)
            found += [name for name in names if name.startswith(first) and " " not in name[: -len(tail) - 1]]
        return found


def may_be_cut(word: str) -> bool:
    """Whether a word may be the beginning of a longer one.

    >>> [may_be_cut(word) for word in ("serv", "service", "se", "r2d2")]
    [True, False, False, False]
    """
    return len(word) >= CUT_WORD and word.isalpha() and word not in ordinary_words()
