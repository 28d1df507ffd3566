"""Tensors: the records of tensors that packages give to each other.

Shape letters, used on every line that changes a shape:
B questions, T tokens, L span lengths (1..L), S spans, K candidates, D width, N entities, M gold mentions, Q query rows.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor, cat, device

from elq.types import Question

Array = np.ndarray[Any, np.dtype[Any]]  # of any shape and dtype


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """B tokenised questions, padded to the longest of them."""

    ids: Tensor  # (B, T) int64 vocabulary ids
    attention: Tensor  # (B, T) bool, False on padding
    text_mask: Tensor  # (B, T) bool, True on tokens of the text: neither special ([CLS], [SEP]) nor padding
    offsets: tuple[tuple[tuple[int, int], ...], ...]  # [b][t] = characters [start, end) of the original text
    named: Tensor | None = None  # (B, T, L) int64, the kind of name of each span (elq/names/named.py); None if unknown
    blank: Tensor | None = None  # (B, T) bool, tokens of the text without characters, such as "▁" alone; None if there are none
    capitals: Tensor | None = None  # (B, T) int64, the kind of the word of each token (elq/encoding/capitals.py); None: unknown

    def to(self, target: device | str) -> "TokenBatch":
        """The same batch with its tensors on another device."""
        if self.ids.device == device(target):
            return self
        more = (None if part is None else part.to(target) for part in (self.named, self.blank, self.capitals))
        return TokenBatch(self.ids.to(target), self.attention.to(target), self.text_mask.to(target), self.offsets, *more)


@dataclass(frozen=True, slots=True)
class Spans:
    """Q spans of a batch of questions; ``start`` and ``end`` (exclusive) count tokens."""

    question: Tensor  # (Q,) int64 row of the batch
    start: Tensor  # (Q,) int64
    end: Tensor  # (Q,) int64

    def __len__(self) -> int:
        return self.question.shape[0]

    def to(self, target: device | str) -> "Spans":
        """The same spans with their tensors on another device."""
        if self.question.device == device(target):
            return self
        return Spans(self.question.to(target), self.start.to(target), self.end.to(target))

    def first(self, count: int) -> "Spans":
        """The first spans alone."""
        return Spans(self.question[:count], self.start[:count], self.end[:count])

    def __add__(self, other: "Spans") -> "Spans":
        """The spans of both."""
        return Spans(*(cat([getattr(each, name) for each in (self, other)]) for name in ("question", "start", "end")))


@dataclass(frozen=True, slots=True)
class NameMatches:
    """The entities that the names of Q mentions may mean. If a mention has fewer than E of them, −1 follows them."""

    rows: Tensor  # (Q, E) int64 catalogue row
    kinds: Tensor  # (Q, E) int64 kind of the match, see elq/names/lookup.py

    def to(self, target: device | str) -> "NameMatches":
        """The same matches with their tensors on another device."""
        return NameMatches(self.rows.to(target), self.kinds.to(target))


class Part(NamedTuple):
    """The part of the catalogue that exists for a batch, see elq/training/parts.py."""

    rows: Tensor  # (C,) int64 catalogue rows in ascending order
    anonymous: bool  # whether the prior of the entities is unknown


class Batch:
    """The input of a training or validation step: tokens, gold mentions as token spans, and the questions.

    It is not a dataclass, since the precision plugins of Lightning change the fields of dataclasses, and fail at frozen ones.

    Args:
        tokens: the tokens of B questions.
        mentions: M gold mentions of at most L tokens.
        rows: (M,) int64 catalogue rows of the gold entities, −1 for a mention whose entity is not in the catalogue.
        questions: the B questions.
        unsure: (B, T, L) bool, True for spans that may be mentions although they are not annotated; None if there are none.
        name_matches: the entities that the names of the mentions may mean; None if the model does not use names.
        part: the part of the catalogue that exists for this batch; None: all of it.
        wrong: number of spans at the end of ``mentions`` that are no gold mentions, but names that mean no entity there: only
            the disambiguation loss uses them, as NIL.
        nouns: (B, T, L) bool, True for spans that are generic nouns and touch no gold mention; None if they count as others.
    """

    __slots__ = ("mentions", "name_matches", "nouns", "part", "questions", "rows", "tokens", "unsure", "wrong")

    def __init__(
        self,
        tokens: TokenBatch,
        mentions: Spans,
        rows: Tensor,
        questions: tuple[Question, ...],
        unsure: Tensor | None = None,
        name_matches: NameMatches | None = None,
        part: Part | None = None,
        wrong: int = 0,
        nouns: Tensor | None = None,
    ) -> None:
        self.tokens, self.mentions, self.rows, self.questions, self.nouns = tokens, mentions, rows, questions, nouns
        self.unsure, self.name_matches, self.part, self.wrong = unsure, name_matches, part, wrong

    @property
    def gold(self) -> Spans:
        """The gold mentions alone."""
        return self.mentions.first(len(self.mentions) - self.wrong)

    def to(self, target: device | str) -> "Batch":
        """The same batch with its tensors on another device (Lightning calls this)."""
        unsure, nouns = (None if spans is None else spans.to(target) for spans in (self.unsure, self.nouns))
        name_matches = None if self.name_matches is None else self.name_matches.to(target)
        tokens, mentions, rows = self.tokens.to(target), self.mentions.to(target), self.rows.to(target)
        return Batch(tokens, mentions, rows, self.questions, unsure, name_matches, self.part, self.wrong, nouns)
