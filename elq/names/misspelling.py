"""Misspellings: finds the names that differ from words in a few letters.

One word of a name may be wrong, and the other words must be right. So only the names that begin, or end, with a right word, or
with the first letters of a wrong one, are compared with the words.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

from rapidfuzz import process
from rapidfuzz.distance import OSA

from elq.names.interface import Names
from elq.names.longer import MOST_SCANNED, LongerNames
from elq.names.ordered import BACKWARD, FORWARD, LAST, SINGLE, backwards
from elq.names.spelling import COUNTED

MOST_PARTS = 500  # as MOST_SCANNED, for longer names of which a phrase may be a misspelt part
CACHED = 256  # beginnings of words for which the names are kept
LONG_WORD = 5  # letters of the shortest single word that may be a misspelt part of a name
LONG_NAME = 6  # letters of the shortest that may be a whole misspelt name: "novel" is not Nobel
LONG_PART = 4  # words of the longest phrase that may be a misspelt part, or one name with spaces in it
NEAR = ((4, 1), (8, 2))  # (least letters of a word, letters that may be wrong in it)


class Misspellings:
    """Finds the names of which words may be a misspelling.

    Args:
        names: the names of the catalogue.
        silent: function words.
        longer: finds the names of which words are a part.
    """

    def __init__(self, names: Names, silent: frozenset[str], longer: LongerNames) -> None:
        self._names, self._silent, self._longer = names, silent, longer
        self._scan, self.single = lru_cache(CACHED)(self._find_all), lru_cache(CACHED)(self._find_single)

    def names(self, key: str) -> list[str]:
        """The names that differ from these words in a few letters of one word.

        A single word must agree with the name in its first letter; in the first two letters, if many names share the first.
        """
        if " " not in key:
            return near(self.single(key[:2]), key) if len(key) >= LONG_NAME and key not in self._silent else []
        found: list[str] = []
        head, _, word = key.rpartition(" ")
        if self.fixed(head) and word not in self._silent:
            ends = [name[len(head) + 1 :] for name in self._longer.beginning(head, MOST_SCANNED)]
            found += [f"{head} {other}" for other in near(ends, word)]
        word, _, tail = key.partition(" ")
        if self.fixed(tail) and word not in self._silent:
            starts = [name[: -len(tail) - 1] for name in self._longer.ending(tail, MOST_SCANNED)]
            found += [f"{other} {tail}" for other in near(starts, word)]
        return [*dict.fromkeys([*found, *self._inside(key), *self._divided(key)])]

    def longer(self, key: str) -> list[str]:
        """The longer names that begin or end with these words, but for a few letters of the first or the last of them.

        These letters are not the first of a word; nor the second, where the name neither begins nor ends with right words. If
        there are many such names, none is found.
        """
        words = key.split()
        if len(words) > LONG_PART or not self._silent.isdisjoint((words[0], words[-1])):
            return []
        found = self._longer_than_one(words[0]) if len(words) == 1 else self._longer_than_some(words)
        return found if len(found) <= MOST_PARTS else []

    def _longer_than_one(self, word: str) -> list[str]:
        if len(word) < LONG_WORD or not may_be_wrong(word):
            return []
        first, last = self._scan(FORWARD, word[:2]), self._scan(BACKWARD, word[:2])
        firsts, lasts = ({*misspelt([*{other for other, _ in found}], word)} for found in (first, last))
        found = [f"{other} {rest}" for other, rest in first if other in firsts]
        return [*dict.fromkeys(found + [f"{rest} {other}" for other, rest in last if other in lasts])]

    def _longer_than_some(self, words: Sequence[str]) -> list[str]:
        head, tail, first, last = " ".join(words[:-1]), " ".join(words[1:]), words[0], words[-1]
        found: list[str] = []
        if may_be_wrong(last) and self.fixed(head):  # "powder qeen" for "powder queen 172"
            longer = [name for name in self._longer.beginning(head, MOST_PARTS) if " " in name[len(head) + 1 :]]
            found += [name for name in longer if near([name[len(head) + 1 :].partition(" ")[0]], last)]
            ends = self._scan(BACKWARD, last[:2])
            found += [f"{rest} {other}" for other, rest in ends if rest.endswith(f" {head}") and alike(other, last)]
        if may_be_wrong(first) and self.fixed(tail):  # "clinc map" for "old clinic map", "puls 5" for "pulse 5 strap"
            longer = [name for name in self._longer.ending(tail, MOST_PARTS) if " " in name[: -len(tail) - 1]]
            found += [name for name in longer if near([name[: -len(tail) - 1].rpartition(" ")[2]], first)]
            starts = self._scan(FORWARD, first[:2])
            found += [f"{other} {rest}" for other, rest in starts if rest.startswith(f"{tail} ") and alike(other, first)]
        return [*dict.fromkeys(found)]

    def _find_single(self, start: str) -> Sequence[str]:
        """The names of one word, only of letters, that begin with the first of two letters; with both, if there are many."""
        for letters in (start[:1], start):
            if (found := self._names.between(SINGLE, letters, f"{letters}{LAST}", MOST_SCANNED)) is not None:
                return [name for name in found if name.isalpha()]
        return ()

    def _inside(self, key: str) -> Iterator[str]:
        """The names that differ from these words in a few letters of one word that is neither the first nor the last."""
        words = key.split()
        if len(words) < 3 or words[0] in self._silent or not self._longer.says_something(words[-1]):
            return
        for name in self._longer.by_last_word(words[0]).get(words[-1], ()):
            if name.count(" ") == len(words) - 1:
                wrong = [(other, word) for other, word in zip(name.split(), words, strict=True) if other != word]
                if len(wrong) == 1 and near([wrong[0][0]], wrong[0][1]):
                    yield name

    def _divided(self, key: str) -> list[str]:
        """The names of one word that differ in one letter from these words without their spaces: "orign check"."""
        words, word = key.split(), key.replace(" ", "")
        if len(words) > LONG_PART or len(word) < LONG_WORD + 2 or not self._silent.isdisjoint(words):
            return []
        others = self.single(word[:2]) if word.isalpha() else ()
        return [name for name, _, _ in process.extract(word, others, scorer=OSA.distance, score_cutoff=1, limit=None)]

    def _find_all(self, order: str, start: str) -> Sequence[tuple[str, str]]:
        """The names of several words of which the first word (or the last, in the order backward) begins with some letters.

        Each is that word and the rest of the name. If there are many names, none is found.
        """
        found = self._names.between(order, start, f"{start}{LAST}", MOST_PARTS) or ()
        parts = [name.partition(" ") for name in found]
        return [(word, backwards(rest) if order == BACKWARD else rest) for word, _, rest in parts]

    def fixed(self, key: str) -> bool:
        """Whether words may be the right part of a misspelt name: they say something, or are a number."""
        return key.isdigit() or self._longer.says_something(key)


def may_be_wrong(word: str) -> bool:
    """Whether a word is long enough to be a misspelling, and no number: another number is another entity."""
    return len(word) >= NEAR[0][0] and word.isalpha() and word not in COUNTED


def near(words: Sequence[str], word: str) -> list[str]:
    """The words of which ``word`` may be a misspelling; they must have the same first letter."""
    if not may_be_wrong(word):
        return []
    most = max(wrong for letters, wrong in NEAR if len(word) >= letters)
    others = [other for other in words if other[0] == word[0] and other.isalpha() and other not in COUNTED]
    return [other for other, _, _ in process.extract(word, others, scorer=OSA.distance, score_cutoff=most, limit=None)]


def alike(other: str, word: str) -> bool:
    """Whether ``word`` may be a misspelling of another word, and has the same first two letters."""
    return other[:2] == word[:2] and bool(near([other], word))


def misspelt(words: Sequence[str], word: str) -> list[str]:
    """The words of which ``word`` may be a misspelling, and not another form of the word, as "lecturer" is of "lecture"."""
    return [other for other in near(words, word) if not other.startswith(word) and not word.startswith(other)]
