"""Capitals: says which words of a text have capital letters, where that tells names from other words.

In "Did Tom Hanks receive an Oscar for Forrest Gump?", capital letters show the names, and "receive" shows that the writer uses
small letters for other words. Many people type questions in small letters only; then nothing is known about any word. Most
encoders here do not see the difference, since their tokenizers make all letters small.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from elq.tensors import TokenBatch

UNKNOWN, SMALL, CAPITAL = range(3)  # kinds of words: nothing is known; no capital letter; with a capital letter
KINDS = 3
_WORD = re.compile(r"\S+")
_ENDS = (".", "?", "!", ":")  # of a sentence; the first letter after it is a capital in any case


def capitals_of_words(text: str) -> list[tuple[int, int]]:
    """The words of a text, as the place of their first character and their kind; none if the text says nothing about its words.

    A text says something if a word that does not begin a sentence has a capital letter, and there are at least half as many
    words without capital letters; otherwise it may be a heading, or be written in capitals altogether. Nothing is known about
    a word without letters that have both forms, nor about one that begins a sentence and has no other capital than its first.

    >>> capitals_of_words("who directed titanic?"), capitals_of_words("Who directed titanic?")
    ([], [])
    >>> capitals_of_words("Who directed Titanic in 1997?")
    [(0, 0), (4, 1), (13, 2), (21, 1), (24, 0)]
    >>> capitals_of_words("WHO DIRECTED TITANIC?"), capitals_of_words("The Best Films Of All Time")
    ([], [])
    """
    if text.islower():
        return []
    found, begins = [], True
    for word in _WORD.finditer(text):
        kind, written = UNKNOWN, word.group()
        if written.lower() != written:
            kind = CAPITAL if not begins or _inner(written) else UNKNOWN
        elif written.upper() != written:
            kind = SMALL
        begins = written.endswith(_ENDS) or (begins and not any(map(str.isalnum, written)))
        found.append((word.start(), kind))
    counts = [sum(kind == wanted for _, kind in found) for wanted in (SMALL, CAPITAL)]
    return found if 0 < counts[1] <= 2 * counts[0] else []


def _inner(word: str) -> bool:
    """Whether a letter of a word after the first one is a capital."""
    first = next((place for place, letter in enumerate(word) if letter.isalpha()), len(word))
    return word[first + 1 :].lower() != word[first + 1 :]


def capitals_of(
    texts: Sequence[str],
    offsets: Sequence[Sequence[tuple[int, int]]],
    width: int,
    starts: Sequence[int] | None = None,
) -> Tensor | None:
    """The kinds of the words in which the tokens of B texts are: (B, T) int64; None if no text says anything about its words.

    Args:
        texts: the texts.
        offsets: for each text, the characters [start, end) of its tokens.
        width: T; after the last token of a text, and for tokens without characters, nothing is known.
        starts: for each text, the character before which nothing is read or known; 0 for all by default.

    >>> capitals_of(["in Rome"], [[(0, 0), (0, 2), (3, 5), (5, 7), (7, 7)]], 6)
    tensor([[0, 1, 2, 2, 0, 0]])
    """
    skipped = starts or [0] * len(texts)
    words = [capitals_of_words(text[skip:]) for text, skip in zip(texts, skipped, strict=True)]
    if not any(words):
        return None
    made = torch.zeros(len(texts), width, dtype=torch.int64)
    for b, (known, skip, places) in enumerate(zip(words, skipped, offsets, strict=True)):
        if known:
            firsts, of_words = [skip + first for first, _ in known], [UNKNOWN, *(kind for _, kind in known)]
            kinds = [of_words[bisect_right(firsts, end - 1)] if start < end else UNKNOWN for start, end in places]
            made[b, : len(kinds)] = torch.tensor(kinds)
    return made


def with_capitals(texts: Sequence[str], tokens: TokenBatch, starts: Sequence[int] | None = None) -> TokenBatch:
    """The tokens of B texts with the kinds of their words; ``starts`` as in :func:`capitals_of`."""
    return replace(tokens, capitals=capitals_of(texts, tokens.offsets, tokens.ids.shape[1], starts))


def small_spans(capitals: Tensor, max_tokens: int) -> Tensor:
    """The spans of at most L tokens that have words without capital letters and none with: (B, T) kinds → (B, T, L) bool.

    >>> small_spans(torch.tensor([[0, 1, 2]]), 2).int()
    tensor([[[0, 1],
             [1, 0],
             [0, 0]]], dtype=torch.int32)
    """
    inside = torch.nn.functional.pad(capitals, (0, max_tokens - 1)).unfold(1, max_tokens, 1)  # (B, T, L)
    return inside.cummax(-1).values == SMALL  # the kinds are in this order: unknown, small, capital
