"""The dictionary: finds the names of a catalogue in the text of a question.

Names and questions are cut into words in the same way: case, accents, punctuation and spaces are ignored. A name matches whole
words only, so that "france's" contains the name "france", but "romania" does not contain the name "oman".
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from elq.encoding.tokens import token_finder
from elq.names.interface import Names
from elq.names.lists import gaps
from elq.names.lookup import NameIndex
from elq.names.named import coarse_kind, fine_kind, is_whole_name
from elq.names.phrases import names_of_runs
from elq.names.scripts import unspaced
from elq.names.spelling import JOINING, words_of
from elq.names.surface import FUNCTION_WORDS, is_name
from elq.names.words import Word, as_name, borders, folded, key_of, words
from elq.names.writing import collect, in_memory
from elq.tensors import Array, NameMatches, Spans, TokenBatch
from elq.types import Entity

log = logging.getLogger(__name__)

LONGEST = 64  # tokens of the longest name that may be a mention


class Records(Protocol):
    """What a dictionary needs of a catalogue (elq/entities/catalogue.py)."""

    folder: Path
    names: Names | None  # the stored names; None if there are none
    removed: frozenset[int]

    def __len__(self) -> int:
        """The number of rows."""

    def all_rows(self) -> Iterator[Entity]:
        """The records of all rows in their order, also the removed ones."""

    def __getitem__(self, row: int) -> Entity:
        """The record of a row."""

    def rows(self, ids: Sequence[str]) -> Array:
        """The row of each id; −1 for an id that the catalogue does not contain."""


def span_texts(texts: Sequence[str], tokens: TokenBatch, spans: Spans) -> list[str]:
    """The text of each of Q spans, as it is written in the question; a word such as "it" as its place says (``as_name``)."""
    places = zip(spans.question.tolist(), spans.start.tolist(), spans.end.tolist(), strict=True)
    return [as_name(texts[b], tokens.offsets[b][start][0], tokens.offsets[b][end - 1][1]) for b, start, end in places]


def _is_plain(text: str, found: Sequence[Word]) -> bool:
    """Whether every run of words of a text may be a name, as in most English texts."""
    return text.isascii() and all(word.alone for word in found)


class Dictionary:
    """The titles, labels and aliases of a catalogue, each with the rows of the entities of that name, the most famous first.

    A dictionary does not change after it is made, so several threads may use it.

    Args:
        catalogue: the records and the stored names.
        fine: whether :meth:`named` gives the fine kinds (elq/names/named.py).
    """

    def __init__(self, catalogue: Records, *, fine: bool = False) -> None:
        self.catalogue, self.fine = catalogue, fine
        self._entities = len(catalogue) - len(catalogue.removed)
        if catalogue.names is None:
            log.info("the names in %s are not stored, so they are built in memory: `elq compact` stores them", catalogue.folder)
            self.names: Names = in_memory(collect(catalogue.all_rows()), catalogue.removed)
        else:
            self.names = catalogue.names
        self._index = NameIndex(self.names, FUNCTION_WORDS, further=fine)

    def _phrases(self, text: str, most: int | None = None) -> Iterator[tuple[int, int, str]]:
        """Yield every sequence of at most ``most`` words that may be a name: its characters [start, end) and folded words."""
        found, most = words(text), self.names.longest if most is None else min(most, self.names.longest)
        if _is_plain(text, found):  # without the checks below
            for first in range(len(found)):
                for after in range(first + 1, min(first + most, len(found)) + 1):
                    yield found[first].start, found[after - 1].end, key_of(found[first:after])
            return
        no_start, no_end = borders(text, found)
        silent = {place for place, word in enumerate(found) if not word.alone}
        for first in range(len(found)):
            if first in no_start:
                continue
            for after in range(first + 1, min(first + most, len(found)) + 1):
                if after in no_end:
                    continue
                key = key_of(found[first:after])
                if not (first in silent and silent.issuperset(range(first, after)) and key not in self.names):
                    yield found[first].start, found[after - 1].end, key

    def matches(self, text: str) -> Iterator[tuple[int, int, int]]:
        """Yield every name in a text, also names inside other names: characters [start, end), row of its most famous entity."""
        for start, end, rows in self._names(text):
            yield start, end, rows[0]

    def _names(self, text: str) -> Iterator[tuple[int, int, Sequence[int]]]:
        """Yield every name in a text: its characters [start, end) and the rows of the entities with that name."""
        for start, end, key in self._phrases(text):
            if is_name(key) and (rows := self.names.rows(key)):
                yield start, end, rows

    def rows_of(self, ids: Sequence[str]) -> list[int]:
        """The catalogue row of each id; −1 for an id that the catalogue does not contain."""
        return [int(row) for row in self.catalogue.rows(ids)]

    def name_matches(self, names: Sequence[str]) -> NameMatches:
        """The entities that each of Q names may mean, and the kind of each match (elq/names/lookup.py)."""
        found = [[*self._index.lookup(key).items()] if is_name(key := folded(name)) else [] for name in names]
        most = max(map(len, found), default=0)  # E
        padded = [[*pairs, *[(-1, -1)] * (most - len(pairs))] for pairs in found]
        rows, kinds = torch.tensor(padded, dtype=torch.int64).view(len(names), most, 2).unbind(-1)  # each (Q, E)
        return NameMatches(rows, kinds)

    def spans_of(self, text: str, row: int) -> list[tuple[int, int]]:
        """The places of the names of one entity in a text, as characters [start, end), the longest first."""
        found = [(start, end) for start, end, rows in self._names(text) if row in rows]
        return sorted(found, key=lambda span: span[0] - span[1])

    def cuts(self, text: str) -> frozenset[int]:
        """The places at which a name begins or ends in a text that may have names inside words; none for another text."""
        if not unspaced(text):
            return frozenset()
        return frozenset(place for start, end, _ in self._names(text) for place in (start, end))

    def gaps(self, text: str) -> list[int]:
        """The places of the spaces between the names of a text that consists of names only (elq/names/lists.py)."""
        found = words(text)
        if _is_plain(text, found):
            return gaps(text, lambda number: self._longest(found[number : number + self.names.longest]))
        longest: dict[int, int] = {}  # start → end of the longest name
        for start, end, _ in self._names(text):
            longest[start] = max(end, longest.get(start, 0))
        return gaps(text, lambda number: longest.get(found[number].start, 0))

    def _longest(self, found: Sequence[Word]) -> int:
        """The end of the longest name with which words begin, as a character; 0 if there is none."""
        if most := max((number for number, _ in self._beginning(found)), default=0):
            return found[most - 1].end
        return found[0].end if found and is_name(found[0].alone) and self.names.rows(found[0].alone) else 0

    def _beginning(self, found: Sequence[Word]) -> Iterator[tuple[int, str]]:
        """Yield the names of several words with which words begin: the number of their words, and the key."""
        line = " ".join(word.text for word in found)
        for length in self.names.names_before(line):
            key = line[:length]
            if " " in key and line[length : length + 1] in ("", " ") and key in self.names:
                yield 1 + key.count(" "), key

    def named(self, texts: Sequence[str], tokens: TokenBatch, max_tokens: int, *, longer: bool = False) -> Tensor:
        """Which spans are names: B texts and their tokens → (B, T, L) int64.

        The values are the coarse or the fine kinds of elq/names/named.py.

        Args:
            texts: the texts.
            tokens: their tokens.
            max_tokens: L, if ``longer`` is False: the largest number of tokens of a span.
            longer: whether longer spans, of at most ``LONGEST`` tokens, count too if they are a whole name, or another spelling
                of one (of at most ``max_tokens`` words) that does not begin or end with a word such as "the" or "of". Then L is
                ``max_tokens``, or the number of tokens of the longest such span of these texts. A name that is not whole, since
                its text was cut, is none.
        """
        width = max_tokens
        best: dict[tuple[int, int, int], int] = {}  # place in the grid → kind
        for b, (text, mask) in enumerate(zip(texts, tokens.text_mask.tolist(), strict=True)):
            find = token_finder(tokens.offsets[b], mask)
            for start, end, kind in self._kinds(text, max_tokens, longer=longer):
                if (span := find(start, end)) is None or (longer and tokens.offsets[b][span[1] - 1][1] < end):
                    continue
                size = span[1] - span[0]
                if size > max_tokens:
                    if not longer or size > LONGEST or not self._may_be_longer(kind, text[start:end]):
                        continue
                    width = max(width, size)
                place = (b, span[0], size - 1)
                best[place] = min(kind, best.get(place, kind))  # several may lie in one token: the best match counts
        grid = torch.zeros(*tokens.text_mask.shape, width, dtype=torch.int64)  # (B, T, L)
        if best:
            grid[tuple(torch.tensor([*best]).T)] = torch.tensor([*best.values()])
        return grid

    def _may_be_longer(self, kind: int, phrase: str) -> bool:
        """Whether a phrase of more than ``max_tokens`` tokens counts. In "in the …" and "… of", the name alone is meant."""
        coarse, key = coarse_kind(kind, fine=self.fine), folded(phrase).split()
        return coarse == 1 or (coarse == 2 and JOINING.isdisjoint((key[0], key[-1])))

    def _kinds(self, text: str, max_tokens: int, *, longer: bool) -> Iterator[tuple[int, int, int]]:
        """Yield the phrases of a text that are names or may mean one: characters [start, end), and the kind from 1.

        They have at most ``max_tokens`` words, but for those in a script without spaces. With ``longer``, other phrases count
        too if they are names.
        """
        found = words(text)
        if not _is_plain(text, found):
            every = unspaced(text)
            for start, end, key in self._phrases(text, None if every else LONGEST if longer else max_tokens):
                if not is_name(key) or (not every and key.count(" ") >= max_tokens and key not in self.names):
                    continue
                if kind := self._kind(self._index.match(key) if self.fine else self._index.kind(key), key):
                    yield start, end, kind
            return
        of_word, of_run = (
            (self._index.match_of_word, self._index.match) if self.fine else (self._index.kind_of_word, self._index.kind)
        )
        for word in found:
            if is_name(word.alone) and (kind := self._kind(of_word(word.alone), word.alone)):
                yield word.start, word.end, kind
        most = min(max_tokens, self.names.longest)  # every word has at least one token, so L words suffice
        runs = names_of_runs([word.text for word in found], most, self._index, every=self.fine)
        for first, after, key, respelled in runs:
            if kind := self._kind(of_run(key, respelled), key):
                yield found[first].start, found[after - 1].end, kind
        for first, after, key in self._longer_names(found, most) if longer else ():
            yield found[first].start, found[after - 1].end, self._kind(0, key)

    def _longer_names(self, found: Sequence[Word], most: int) -> Iterator[tuple[int, int, str]]:
        """Yield the names of more than ``most`` words in a text: the first word, the word after the last, and the key."""
        longest = min(self.names.longest, LONGEST)  # every word has at least one token
        for first in range(len(found) - most) if most < longest else ():
            for number, key in self._beginning(found[first : first + longest]):
                if number > most:
                    yield first, first + number, key

    def _kind(self, match: int, key: str) -> int:
        """The coarse or fine kind of a match; 0 for none."""
        if not self.fine:
            return match + 1
        return 0 if match < 0 else fine_kind(match, words_of(key), self._entities)

    def whole_names(self, named: Tensor) -> Tensor:
        """Which spans are names as they are in the catalogue, as bool, from the kinds of :meth:`named`."""
        return is_whole_name(named, fine=self.fine)
