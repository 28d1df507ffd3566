"""The slow oracle of stored names: the Python dictionaries that elq built at every start before it stored the names."""

from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from heapq import nsmallest
from itertools import chain

import torch
from rapidfuzz import process
from rapidfuzz.distance import OSA
from torch import Tensor

from elq.encoding.tokens import token_finder
from elq.entities.catalogue import Catalogue
from elq.names.scripts import unspaced
from elq.names.spelling import COUNTED, initials, reordered, roots, singular, spelling
from elq.names.surface import FUNCTION_WORDS, is_name, names_of, without_brackets
from elq.names.words import folded, key_of, words
from elq.tensors import NameMatches, TokenBatch
from elq.types import QID, Entity

MOST_MATCHES = 16  # entities of one kind that are used
MOST_NAMES = 200  # a phrase that is a part of more names, such as "john", is not used
MOST_WORDS = 10  # words of the longest phrase that may be another spelling
MOST_SCANNED = 2_000  # names with the same beginning or end that are compared with a phrase; if there are more, none is
MOST_PARTS = 500  # the same, for longer names of which a phrase may be a misspelt part
LONG_WORD = 5  # letters of the shortest single word that may be a misspelt part of a name
LONG_NAME = 6  # the same, of a whole misspelt name
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
        self._with_word: dict[str, list[str]] = {}  # word → the names of several words with it
        self._sides: dict[str, list[str]] = {}  # word → those that begin or end with it
        for name in self._forward:
            for word in {*name.split()}:
                self._with_word.setdefault(word, []).append(name)
            for word in {name.split()[0], name.split()[-1]} if name.split() else ():
                self._sides.setdefault(word, []).append(name)
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
            parts = self._parts(key)
            if not (key in self._rows_of or spelled or misspellings or people or any(parts)):
                misspellings = self._misspelt_part(key)
            names += [spelled, misspellings, people, *parts, *self._inside(key)]
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

        A single word must agree with the name in its first letter, or its first two if there are many such names.
        """
        if " " not in key:
            return [] if len(key) < LONG_NAME or key in self._silent else _near(self._alike(key), key)
        found: list[str] = []
        head, _, word = key.rpartition(" ")
        if (head.isdigit() or self._says_something(head)) and word not in self._silent:
            ends = [name[len(head) + 1 :] for name in _longer_names(self._forward, head, MOST_SCANNED)]
            found += [f"{head} {other}" for other in _near(ends, word)]
        word, _, tail = key.partition(" ")
        if (tail.isdigit() or self._says_something(tail)) and word not in self._silent:
            starts = [name[: -len(tail) - 1] for name in self._ending(tail, MOST_SCANNED)]
            found += [f"{other} {tail}" for other in _near(starts, word)]
        words = key.split()
        if len(words) > 2 and words[0] not in self._silent and self._says_something(words[-1]):
            for name in _longer_names(self._forward, words[0], MOST_SCANNED):
                others = name.split()
                places = [place for place in range(min(len(words), len(others))) if words[place] != others[place]]
                if len(others) == len(words) and len(places) == 1 and 0 < places[0] < len(words) - 1:
                    found += [name] if _near([others[places[0]]], words[places[0]]) else []
        joined = "".join(words)
        if len(words) <= 4 and len(joined) >= LONG_WORD + 2 and joined.isalpha() and not self._silent & {*words}:
            found += [name for name in self._alike(joined) if name.isalpha() and OSA.distance(name, joined) <= 1]
        return found

    def _alike(self, word: str) -> Sequence[str]:
        """The names of one word with the same first letter; with the same first two, if there are many."""
        for letters in (1, 2):
            found = [name for name in self._single if name[:letters] == word[:letters]]
            if len(found) <= MOST_SCANNED:
                return found
        return ()

    def _misspelt_part(self, key: str) -> list[str]:
        """The longer names that begin or end with the words, of which the first or the last is misspelt."""
        said = key.split()
        if len(said) > 4 or self._silent & {said[0], said[-1]} or (len(said) == 1 and len(said[0]) < LONG_WORD):
            return []
        found = []
        sides = self._sides if len(said) == 1 else {word: self._with_word.get(word, ()) for word in (said[0], said[-1])}
        near = _near([*sides], key.strip()) if len(said) == 1 else sides  # one of the two words of a longer phrase is right
        for name in {name: None for word in near for name in sides[word]}:
            words = name.split()
            for part, last in ((words[: len(said)], True), (words[-len(said) :], False)) if len(words) > len(said) else ():
                for wrong in {0, len(said) - 1}:
                    letters = 1 if len(said) > 1 and last == (wrong > 0) else 2
                    right = " ".join(said[:wrong] + said[wrong + 1 :])
                    same = right == " ".join(part[:wrong] + part[wrong + 1 :]) and self._is_fixed(right)
                    form = len(said) == 1 and (part[0].startswith(said[0]) or said[0].startswith(part[0]))
                    alike = part[wrong][:letters] == said[wrong][:letters] and bool(_near([part[wrong]], said[wrong]))
                    found += [name] if same and not form and alike else []
        return [*dict.fromkeys(found)] if len({*found}) <= MOST_PARTS else []

    def _is_fixed(self, key: str) -> bool:
        return not key or key.isdigit() or self._says_something(key)

    def _parts(self, key: str) -> tuple[Collection[str], Collection[str], Collection[str]]:
        """Three lists: the names that end with these words, that begin with them, and that have the same first and last word.

        A list that would be too long is empty. If no name ends (or begins) with the words, the words are tried without a plural
        or possessive s. In the third list, the first word may also be the first letter of the name's first word.
        """
        one = key[:-2] if key.endswith(" s") else singular(key)
        ending = self._ending(key if _longer(self._backward, _backwards(key)) else one)
        beginning = _longer_names(self._forward, key if _longer(self._forward, key) else one, MOST_NAMES)
        first, _, rest = key.partition(" ")
        if not rest or first in self._silent or unspaced(first):
            return ending, beginning, ()
        last = f" {rest.rpartition(' ')[2]}"
        around = [name for name in _longer_names(self._forward, first, MOST_SCANNED) if name.endswith(last) and name != key]
        if len(first) == 1:
            around += [name for name in self._ending(rest, MOST_SCANNED) if name.startswith(first) and name != key]
        digits = [{word for word in text.split() if set(word) & set("0123456789")} for text in (key, *around)]
        around = [name for name, own in zip(around, digits[1:], strict=True) if not (own - digits[0] and digits[0] - own)]
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


MOST_LETTERS = 3  # the longest code of an entity, such as VA for Virginia


def _fame(entity: Entity) -> float:
    """A number by which entities with the same name are ordered, lowest first: the number in the Wikidata id, else infinity."""
    match = QID.fullmatch(entity.id)
    return int(match[1]) if match else float("inf")


class Dictionary:
    """The titles, labels and aliases of a catalogue, each with the rows of the entities of that name, the most famous first.

    A dictionary does not change after it is made, so several threads may use it.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self._rows_of: dict[str, list[int]] = {}
        codes: dict[int, list[str]] = {}  # row → its names of at most MOST_LETTERS letters, such as the code of a state
        parts: list[tuple[str, str]] = []  # the two parts of a title with a comma, such as "Hampton" and "Virginia"
        fame = array("d")
        for row, entity in enumerate(catalogue):
            fame.append(_fame(entity))
            title = without_brackets(entity.title)
            if ", " in title:
                part, whole = map(folded, title.rsplit(", ", 1))
                parts += [(part, whole)] if part else []
            for key in dict.fromkeys(map(folded, names_of(entity))):
                if key in self._rows_of:
                    self._rows_of[key].append(row)
                elif key:
                    self._rows_of[key] = [row]  # a list with space for one row, since nearly every name has one entity
                if 0 < len(key) <= MOST_LETTERS:
                    codes.setdefault(row, []).append(key)
        for rows in self._rows_of.values():
            rows.sort(key=fame.__getitem__)  # equally famous entities keep the order of the catalogue
        self._longest = max((key.count(" ") + 1 for key in self._rows_of), default=0)
        short = (
            (f"{name} {code}", f"{name} {whole}")
            for name, whole in dict.fromkeys(parts)
            for row in self._rows_of.get(whole, ())
            for code in codes.get(row, ())
        )
        self._index = NameIndex(self._rows_of, fame, FUNCTION_WORDS, short)

    def _phrases(self, text: str, most: int | None = None) -> Iterator[tuple[int, int, str]]:
        """Yield every sequence of at most ``most`` words that may be a name: its characters [start, end) and folded words."""
        found, most = words(text), self._longest if most is None else min(most, self._longest)
        for first in range(len(found)):
            for after in range(first + 1, min(first + most, len(found)) + 1):
                yield found[first].start, found[after - 1].end, key_of(found[first:after])

    def matches(self, text: str) -> Iterator[tuple[int, int, int]]:
        """Yield every name in a text, also names inside other names: characters [start, end), row of its most famous entity."""
        for start, end, rows in self._names(text):
            yield start, end, rows[0]

    def _names(self, text: str) -> Iterator[tuple[int, int, list[int]]]:
        """Yield every name in a text: its characters [start, end) and the rows of the entities with that name."""
        for start, end, key in self._phrases(text):
            if key in self._rows_of and is_name(key):
                yield start, end, self._rows_of[key]

    def rows_of(self, ids: Sequence[str]) -> list[int]:
        """The catalogue row of each id; −1 for an id that the catalogue does not contain."""
        return [int(row) for row in self.catalogue.rows(ids)]

    def name_matches(self, names: Sequence[str]) -> NameMatches:
        """The entities that each of Q names may mean, and the kind of each match (elq/names/lookup.py)."""
        found = [[*self._index.lookup(folded(name)).items()] for name in names]
        most = max(map(len, found), default=0)  # E
        padded = [[*pairs, *[(-1, -1)] * (most - len(pairs))] for pairs in found]
        rows, kinds = torch.tensor(padded, dtype=torch.int64).view(len(names), most, 2).unbind(-1)  # each (Q, E)
        return NameMatches(rows, kinds)

    def spans_of(self, text: str, row: int) -> list[tuple[int, int]]:
        """The places of the names of one entity in a text, as characters [start, end), the longest first."""
        found = [(start, end) for start, end, rows in self._names(text) if row in rows]
        return sorted(found, key=lambda span: span[0] - span[1])

    def named(self, texts: Sequence[str], tokens: TokenBatch, max_tokens: int) -> Tensor:
        """Which spans of at most L tokens are names: B texts and their tokens → (B, T, L) int64.

        The values are 0: no name, 1: a name, 2: another spelling of a name, 3: a part of a name (elq/names/lookup.py).
        """
        grid = torch.zeros(*tokens.text_mask.shape, max_tokens, dtype=torch.int64)  # (B, T, L)
        for b, text in enumerate(texts):
            find = token_finder(tokens.offsets[b], tokens.text_mask[b].tolist())
            for start, end, key in self._phrases(text, max_tokens):  # every word has at least one token, so L words suffice
                if (kind := self._index.kind(key) if is_name(key) else -1) >= 0:
                    span = find(start, end)
                    if span is not None and span[1] - span[0] <= max_tokens:
                        grid[b, span[0], span[1] - span[0] - 1] = kind + 1
        return grid
