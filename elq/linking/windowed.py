"""Long texts: divides texts into windows of whole sentences, and joins what was scored in the windows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from elq.linking.scored import Given, Scored
from elq.linking.sentences import LONG, windows
from elq.tensors import Spans
from elq.types import Mention

Where = list[tuple[int, int] | None]  # of each mention: its window and its place among the mentions there; None: in no window
GROUP = 64 * LONG  # characters of long texts whose windows are scored together


def windowed_groups(texts: Sequence[str], long: Sequence[int]) -> Iterator[list[int]]:
    """Yield the places of long texts in groups, so that little is held in memory and a batch of windows is full."""
    group: list[int] = []
    for place in long:
        group.append(place)
        if sum(len(texts[one]) for one in group) >= GROUP:
            yield group
            group = []
    if group:
        yield group


def around(text: str, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """For each span of a text, the window that contains it: characters [start, end). A span over several windows joins them.

    >>> text = "Mo met Jo. He left. " * 20
    >>> around(text, [(7, 9), (8, 13)])
    [(0, 10), (0, 19)]
    """
    found, places = [], windows(text)
    for start, end in spans:
        touched = [place for place in places if place[0] < end and start < place[1]]
        found.append((touched[0][0], touched[-1][1]) if touched else (start, end))
    return [(min(left, start), max(right, end)) for (left, right), (start, end) in zip(found, spans, strict=True)]


def in_windows(
    texts: Sequence[str], mentions: Sequence[Sequence[tuple[int, int]]]
) -> tuple[list[str], list[list[tuple[int, int]]], list[list[tuple[int, int, int]]]]:
    """The windows that contain the given mentions of B texts.

    Returns:
        The texts of the windows; the spans of the mentions in each; and for each mention of each text, its window, its place
        among the mentions of the window, and the character of the text at which the window begins.
    """
    parts: list[str] = []
    inside: list[list[tuple[int, int]]] = []
    where: list[list[tuple[int, int, int]]] = []
    for text, spans in zip(texts, mentions, strict=True):
        numbers: dict[tuple[int, int], int] = {}  # window → its place among all windows
        own = []
        for (start, end), (left, right) in zip(spans, around(text, spans), strict=True):
            if (left, right) not in numbers:
                numbers[left, right] = len(parts)
                parts.append(text[left:right])
                inside.append([])
            part = numbers[left, right]
            own.append((part, len(inside[part]), left))
            inside[part].append((start - left, end - left))
        where.append(own)
    return parts, inside, where


@dataclass(frozen=True, slots=True)
class Windowed:
    """B texts in windows, which are W texts of their own."""

    texts: Sequence[str]
    places: tuple[tuple[int, int, int], ...]  # the text of each window, and its characters [start, end) in this text

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Windowed":
        """The windows of B texts."""
        return cls(texts, tuple((b, *window) for b, text in enumerate(texts) for window in windows(text)))

    @property
    def parts(self) -> list[str]:
        """The texts of the W windows."""
        return [self.texts[b][start:end] for b, start, end in self.places]

    def mentions(self, given: Sequence[Sequence[Mention]]) -> tuple[list[list[Mention]], list[Where]]:
        """The mentions of B texts as mentions of the W windows.

        Returns:
            The mentions of each window; and for each mention of each text, its window and its place among the mentions of
            the window, None if no window contains it.
        """
        inside: list[list[Mention]] = [[] for _ in self.places]
        where: list[Where] = []
        for b, of_text in enumerate(given):
            own = [(w, start, end) for w, (text, start, end) in enumerate(self.places) if text == b]
            found: Where = []
            for one in of_text:
                around = [(w, start) for w, start, end in own if start <= one.start and one.end <= end]
                found.append((around[0][0], len(inside[around[0][0]])) if around else None)
                for w, by in around:
                    inside[w].append(replace(one, start=one.start - by, end=one.end - by))
            where.append(found)
        return inside, where

    def joined(self, scored: Scored, where: Sequence[Where] | None = None) -> Scored:
        """The scores of the B texts, from those of the W windows.

        Args:
            scored: the scores of the windows.
            where: where the given mentions are, as :meth:`mentions` returns it; None: none are given.
        """
        offsets: list[list[tuple[int, int]]] = [[] for _ in self.texts]
        firsts = []
        for (b, start, _), of_window in zip(self.places, scored.offsets, strict=True):
            firsts.append(len(offsets[b]))
            offsets[b] += [(start + left, start + right) for left, right in of_window]
        spans, number = scored.spans.spans, torch.tensor([b for b, _, _ in self.places])  # (W,)
        by = torch.tensor(firsts)[spans.question]  # (Q,)
        moved = Spans(number[spans.question], spans.start + by, spans.end + by)
        given: list[list[Given | None]] = [[] for _ in self.texts]
        if where is not None:
            given = [[None if at is None else scored.given[at[0]][at[1]] for at in of_text] for of_text in where]
        return replace(scored, texts=self.texts, offsets=offsets, spans=replace(scored.spans, spans=moved), given=given)
