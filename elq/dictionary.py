"""The names of a catalogue found in a question: the baseline without a model, and what a model may be told about its spans.

The baseline links the longest name or alias to the lowest Wikidata id.

Names and questions are cut into words alike (case, accents, punctuation and spacing do not matter), and a match is a
whole-word sequence, so that "france's" still holds "france" and "romania" does not hold "oman".
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import overload

import torch
from torch import Tensor

from elq.catalogue import Catalogue
from elq.table import EntityTable
from elq.tokens import token_span
from elq.types import Entity, Link, Mention, Question, Spans, TokenBatch

WORD = re.compile(r"\w+")
IN_BRACKETS = re.compile(r"\s+\([^()]*\)$")
MOST_BEARERS = 32  # of one name that are looked at
QID = re.compile(r"Q([0-9]+)")
FUNCTION_WORDS = frozenset(
    WORD.findall(
        "a an the and or not no if as of in on at to for from by with about there many much"
        " is are was were be been do does did has have had can could will would what which who whom whose where when why how"
        " that this these those i you he she it we they me him her us them my your his its our their"
    )
)


@dataclass(frozen=True, slots=True)
class Word:
    """A folded word and the characters ``[start, end)`` of the original text it came from."""

    text: str
    start: int
    end: int


def words(text: str) -> list[Word]:
    """Cut a text into words: case-folded, accents stripped, with offsets into the text as it was given.

    Folding may lengthen a text ("ß" → "ss") or shorten it (a combining accent is dropped), so every folded character
    remembers its origin; a dropped accent belongs to the character before it.

    >>> words("Zoë's")
    [Word(text='zoe', start=0, end=3), Word(text='s', start=4, end=5)]
    """
    if text.isascii():  # nearly all of a catalogue, and six times faster
        return [Word(match[0].lower(), *match.span()) for match in WORD.finditer(text)]
    folded: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for position, character in enumerate(text):
        pieces = _fold(character)
        if not pieces and ends:
            ends[-1] = position + 1
        folded.append(pieces)
        starts += [position] * len(pieces)
        ends += [position + 1] * len(pieces)
    found = WORD.finditer("".join(folded))
    return [Word(match[0], starts[match.start()], ends[match.end() - 1]) for match in found]


def _fold(character: str) -> str:
    parts = unicodedata.normalize("NFKD", character)
    return "".join(part for part in parts if not unicodedata.category(part).startswith("M")).casefold()


def _fame(entity: Entity) -> float:
    """Order among entities that share a name, lowest first: the number of a Wikidata id; other ids come last."""
    match = QID.fullmatch(entity.id)
    return int(match[1]) if match else float("inf")


def name_key(name: str) -> str | None:
    """The folded words of a name with a space between them, or None where the name is too common to mean its entity.

    A single letter or a single English function word is no name. Wikidata's aliases are full of codes ("IN" is India, "IT"
    Italy), case is not looked at, and the possessive leaves an "s" behind: without this rule nearly every question without
    an entity gets a link. On webqsp_dev it raises precision a little (.748 to .753) and recall does not fall.

    >>> name_key("The Who"), name_key("WHO")
    ('the who', None)
    """
    key = " ".join(word.text for word in words(name))
    return None if len(key) < 2 or key in FUNCTION_WORDS else key


def span_texts(texts: Sequence[str], tokens: TokenBatch, spans: Spans) -> list[str]:
    """The characters of each of Q spans, as they stand in its question."""
    places = zip(spans.question.tolist(), spans.start.tolist(), spans.end.tolist(), strict=True)
    return [texts[b][tokens.offsets[b][start][0] : tokens.offsets[b][end - 1][1]] for b, start, end in places]


class Dictionary:
    """Titles, labels and aliases of a catalogue, each with the row of its one entity, and with those of all that bear it."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._rows: dict[str, int] = {}
        self._bearers: dict[str, list[int]] = {}
        best: dict[str, float] = {}
        for row, entity in enumerate(catalogue):
            fame = _fame(entity)
            names = (entity.title, IN_BRACKETS.sub("", entity.title), entity.label, *entity.aliases)
            for key in {key for name in names if (key := name_key(name)) is not None}:
                self._bearers.setdefault(key, []).append(row)
                if key not in best or fame < best[key]:
                    best[key], self._rows[key] = fame, row
        self._longest = max((key.count(" ") + 1 for key in self._rows), default=0)

    def matches(self, text: str) -> Iterator[tuple[int, int, int]]:
        """Every name in a text, longer and shorter ones: characters [start, end) and the row of its entity."""
        found = words(text)
        for first in range(len(found)):
            for after in range(first + 1, min(first + self._longest, len(found)) + 1):
                row = self._rows.get(" ".join(word.text for word in found[first:after]))
                if row is not None:
                    yield found[first].start, found[after - 1].end, row

    def rows_of(self, ids: Sequence[str]) -> list[int]:
        """Catalogue row of each id; −1 where there is none."""
        return [int(row) for row in self._catalogue.rows(ids)]

    def bearers(self, names: Sequence[str]) -> Tensor:
        """Rows of the entities that bear each of Q names: (Q, E) int64, −1 behind those of a name that has fewer."""
        found = [self._bearers.get(name_key(name) or "", [])[:MOST_BEARERS] for name in names]
        most = max(map(len, found), default=0)  # E
        return torch.tensor([[*rows, *[-1] * (most - len(rows))] for rows in found], dtype=torch.int64).view(len(names), most)

    def spans_of(self, text: str, row: int) -> list[tuple[int, int]]:
        """Where the names of one entity stand in a text, longest first: characters [start, end)."""
        found = [
            (start, end)
            for start, end, _ in self.matches(text)
            if row in self._bearers.get(name_key(text[start:end]) or "", ())
        ]
        return sorted(found, key=lambda span: span[0] - span[1])

    def with_bearers(
        self, names: Sequence[str], vectors: Tensor, found: tuple[Tensor, Tensor], table: EntityTable, bonus: float
    ) -> tuple[Tensor, Tensor]:
        """The candidates of Q spans with the entities that bear a span's very name among them, ``bonus`` added to their scores.

        Args:
            names: the text of each span.
            vectors: (Q, D) mention vectors.
            found: inner products and rows (Q, K) of the candidates so far.
            table: the entity vectors.
            bonus: natural logarithm.

        Returns:
            Scores and rows (Q, K), best first.
        """
        scores, rows = found
        extra = self.bearers(names)  # (Q, E)
        if not extra.numel():
            return found
        products = torch.einsum("qd,qed->qe", vectors.float().cpu(), table.gather(extra.clamp_min(0))) + bonus  # (Q, E)
        again = (rows.unsqueeze(-1) == extra.unsqueeze(-2)).any(-1)  # (Q, K) found already, without the bonus
        scores = torch.cat([scores.masked_fill(again, -torch.inf), products.masked_fill(extra < 0, -torch.inf)], -1)
        best, order = scores.topk(rows.shape[-1], dim=-1)  # (Q, K)
        return best, torch.cat([rows, extra], -1).gather(-1, order).masked_fill(best == -torch.inf, -1)

    def named(self, texts: Sequence[str], tokens: TokenBatch, max_tokens: int) -> Tensor:
        """Which spans of at most L tokens are names: B texts and their tokens → (B, T, L) bool."""
        grid = torch.zeros(*tokens.text_mask.shape, max_tokens, dtype=torch.bool)  # (B, T, L)
        for b, text in enumerate(texts):
            inside = tokens.text_mask[b].tolist()
            for start, end, _ in self.matches(text):
                span = token_span(Mention(start, end, None), tokens.offsets[b], inside)
                if span is not None and span[1] - span[0] <= max_tokens:
                    grid[b, span[0], span[1] - span[0] - 1] = True
        return grid

    @overload
    def link(self, texts: str) -> list[Link]: ...
    @overload
    def link(self, texts: list[str] | tuple[str, ...]) -> list[list[Link]]: ...
    def link(self, texts: str | list[str] | tuple[str, ...]) -> list[Link] | list[list[Link]]:
        """Link the longest name in each text, the earliest of equally long ones.

        Args:
            texts: one question, or several.

        Returns:
            No link or one link (score 0, no candidates); for several questions, such a list for each.
        """
        if not isinstance(texts, str):
            return [self.link(text) for text in texts]
        match = max(self.matches(texts), key=lambda match: match[1] - match[0], default=None)
        if match is None:
            return []
        start, end, row = match
        entity = self._catalogue[row]
        return [Link(start, end, texts[start:end], entity.id, entity.title, entity.description, 0.0)]


def with_silver(question: Question, dictionary: Dictionary) -> Question:
    """The question with a mention for each of its further entities whose name stands in the text, off its other mentions."""
    mentions = [*question.mentions]
    rows = dictionary.rows_of(question.other_entities)
    for entity, row in zip(question.other_entities, rows, strict=True):
        for start, end in dictionary.spans_of(question.text, row) if row >= 0 else ():
            if all(end <= mention.start or mention.end <= start for mention in mentions):
                mentions.append(Mention(start, end, entity))
                break
    return replace(question, mentions=tuple(mentions))
