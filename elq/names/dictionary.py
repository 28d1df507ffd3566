"""The dictionary: finds the names of a catalogue in the text of a question.

Names and questions are cut into words in the same way: case, accents, punctuation and spaces are ignored. A name matches whole
words only, so that "france's" contains the name "france", but "romania" does not contain the name "oman".
"""

from array import array
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from elq.encoding.tokens import token_finder
from elq.entities.catalogue import Catalogue
from elq.entities.prior import QID
from elq.names.lists import gaps
from elq.names.lookup import NameIndex
from elq.names.surface import FUNCTION_WORDS, is_name, names_of, without_brackets
from elq.names.words import as_name, folded, key_of, words
from elq.tensors import NameMatches, Spans, TokenBatch
from elq.types import Entity

MOST_LETTERS = 3  # the longest code of an entity, such as VA for Virginia


def _fame(entity: Entity) -> float:
    """A number by which entities with the same name are ordered, lowest first: the number in the Wikidata id, else infinity."""
    match = QID.fullmatch(entity.id)
    return int(match[1]) if match else float("inf")


def span_texts(texts: Sequence[str], tokens: TokenBatch, spans: Spans) -> list[str]:
    """The text of each of Q spans, as it is written in the question; a word such as "it" as its place says (``as_name``)."""
    places = zip(spans.question.tolist(), spans.start.tolist(), spans.end.tolist(), strict=True)
    return [as_name(texts[b], tokens.offsets[b][start][0], tokens.offsets[b][end - 1][1]) for b, start, end in places]


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
        found = [[*self._index.lookup(key).items()] if is_name(key := folded(name)) else [] for name in names]
        most = max(map(len, found), default=0)  # E
        padded = [[*pairs, *[(-1, -1)] * (most - len(pairs))] for pairs in found]
        rows, kinds = torch.tensor(padded, dtype=torch.int64).view(len(names), most, 2).unbind(-1)  # each (Q, E)
        return NameMatches(rows, kinds)

    def spans_of(self, text: str, row: int) -> list[tuple[int, int]]:
        """The places of the names of one entity in a text, as characters [start, end), the longest first."""
        found = [(start, end) for start, end, rows in self._names(text) if row in rows]
        return sorted(found, key=lambda span: span[0] - span[1])

    def gaps(self, text: str) -> list[int]:
        """The places of the spaces between the names of a text that consists of names only (elq/names/lists.py)."""
        return gaps(text, {(start, end) for start, end, _ in self._names(text)})

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
