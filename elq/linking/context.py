"""Context: reads the earlier turns of a conversation together with a question, and links only the question.

The encoder reads one text: the turns, oldest first, each ended by a full stop if it has no other end, and then the question. So
the vectors of the question's tokens depend on the turns. The mentions of the turns are hidden before overlaps are removed.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from elq.errors import ElqError
from elq.linking.inputs import shown
from elq.tensors import TokenBatch
from elq.types import Link

if TYPE_CHECKING:
    from elq.linking.scorer import Scorer

ENDS = (".", "?", "!", "…", ":", ";", ",", "。", "？", "！")  # of a turn that needs no full stop
SPECIAL, END = 2, 1  # tokens: those before and after a text, and the full stop


def checked_context(texts: Sequence[str], context: object) -> list[list[str]]:
    """The turns before each of B texts, oldest first, without empty ones.

    Raises:
        ElqError: there is not one list of strings for each text.
    """
    wanted = 'give for each text a list of the turns before it, such as ["i watch films"]'
    if isinstance(context, str | bytes) or not isinstance(context, Sequence) or len(context) != len(texts):
        number = f"{len(context)} lists" if isinstance(context, list | tuple) else shown(context)
        raise ElqError(f"there are {len(texts)} texts, but the context is {number}: {wanted}")
    for turns in context:
        if isinstance(turns, str | bytes) or not isinstance(turns, Sequence):
            raise ElqError(f"the context of a text is {shown(turns)}, but must be a list of strings: {wanted}")
        if wrong := [turn for turn in turns if not isinstance(turn, str)]:
            raise ElqError(f"a turn of the context is {shown(wrong[0])}, but must be a string: {wanted}")
    return [[turn for turn in turns if turn.strip()] for turns in context]


def with_context(scorer: "Scorer", texts: Sequence[str], context: object) -> tuple[list[str], list[int]]:
    """B texts with the turns before them, and the places in the new texts at which the old ones begin.

    The oldest turns are left out where the whole is longer than one window of the encoder.

    Raises:
        ElqError: there is not one list of strings for each text.
    """
    turns_of = checked_context(texts, context)
    pairs = [_with_turns(text, _newest(scorer, text, turns)) for text, turns in zip(texts, turns_of, strict=True)]
    return [text for text, _ in pairs], [start for _, start in pairs]


def _with_turns(text: str, turns: Sequence[str]) -> tuple[str, int]:
    """A text after its turns, and where it begins.

    >>> _with_turns("who directed titanic?", ["i watch films"])
    ('i watch films. who directed titanic?', 15)
    """
    before = "".join(f"{turn.strip()} " if turn.strip().endswith(ENDS) else f"{turn.strip()}. " for turn in turns)
    return before + text, len(before)


def _newest(scorer: "Scorer", text: str, turns: Sequence[str]) -> Sequence[str]:
    """The newest turns that fit into one window together with a text."""
    if not turns:
        return turns
    limit = min(scorer.model.encoder.max_tokens, scorer.tokenizer.max_tokens or scorer.model.encoder.max_tokens)
    left, *lengths = scorer.tokenizer([text, *turns]).attention.sum(-1).tolist()
    left, first = limit - left, len(turns)
    while first and (left := left - (lengths[first - 1] - SPECIAL + END)) >= 0:
        first -= 1
    return turns[first:]


def hide_context(tokens: TokenBatch, starts: Sequence[int]) -> TokenBatch:
    """The tokens of B texts, in which only those from the given characters on count as text, so no span begins before them."""
    width = tokens.ids.shape[1]
    rows = [
        [place >= start for place, _ in offsets] + [False] * (width - len(offsets))
        for offsets, start in zip(tokens.offsets, starts, strict=True)
    ]
    return replace(tokens, text_mask=tokens.text_mask & torch.tensor(rows, dtype=torch.bool).view(len(rows), width))  # (B, T)


def moved_spans(spans: Sequence[Sequence[tuple[int, int]]], starts: Sequence[int]) -> list[list[tuple[int, int]]]:
    """Spans of the characters of B texts as spans of the texts with their context."""
    return [[(start + by, end + by) for start, end in of_text] for of_text, by in zip(spans, starts, strict=True)]


def moved_links(links: Sequence[Sequence[Link]], starts: Sequence[int]) -> list[list[Link]]:
    """The links of B texts with their context as links of the texts alone."""
    return [
        [replace(link, start=link.start - by, end=link.end - by) for link in of_text]
        for of_text, by in zip(links, starts, strict=True)
    ]
