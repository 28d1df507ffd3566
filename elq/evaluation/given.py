"""Given mentions: measures which entity a linker chooses for mentions that are given.

Any object with ``link(texts, mentions=…, candidates=K)`` can be measured: a linker, a baseline or a bi-encoder. Only mentions
whose entity is in the catalogue are counted; the others are linked too, since they may help those. A linker with the attribute
``reads_pictures`` also gets the pictures of questions, and the boxes that no words name, which count as mentions.
"""

import math
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from elq.evaluation.intervals import Ratio, interval, resampled
from elq.exchange.gold import GivenQuestion
from elq.linking.document import LinksGiven
from elq.progress import track
from elq.tensors import Array
from elq.types import Link, Question

CHUNK = 256  # texts of one call
KS = (1, 3, 4, 5, 10, 16, 64, 128)  # numbers k for which recall at k is measured; other work calls it Hits@k
K = max(KS)
WORLDS = "given_accuracy_macro"  # the mean over worlds

Spans = list[list[tuple[int, int]]]


@dataclass(frozen=True, slots=True)
class Choices:
    """What a linker chose for the gold mentions of B texts that have an entity in the catalogue."""

    ranks: Sequence[Sequence[int]]  # of the entity of each mention among its candidates: 0 = the chosen one, −1 = not there
    worlds: Sequence[str]  # the world of each text; "" if it has none
    milliseconds: float  # for one mention
    candidates: int = K  # the number of candidates of a mention; an entity that is not among them has a rank behind them

    def ratios(self, ks: Sequence[int] = KS) -> dict[str, Ratio]:
        """The figures that are ratios of sums over texts: name → ratio, with B terms above and below."""
        number, known = self._column(len), self._column(lambda ranks: sum(rank >= 0 for rank in ranks))  # (B,)
        hits = self._column(lambda ranks: ranks.count(0))  # (B,)
        share = np.divide(hits, number, out=np.zeros_like(hits), where=number > 0)  # (B,)
        found = {"given_accuracy": Ratio(hits, number), "given_normalised_accuracy": Ratio(hits, known)}
        found["given_accuracy_macro_texts"] = Ratio(share, (number > 0).astype(np.float64))
        for k in ks:
            found[f"given_recall@{k}"] = Ratio(self._column(lambda ranks, k=k: sum(0 <= rank < k for rank in ranks)), number)
        found["given_mrr"] = Ratio(self._column(lambda ranks: sum(1 / (rank + 1) for rank in ranks if rank >= 0)), number)
        behind = self.candidates  # the least rank, counted from 0, of an entity that is not among the candidates
        found["given_mean_rank"] = Ratio(
            self._column(lambda ranks: sum((rank if rank >= 0 else behind) + 1 for rank in ranks)), number
        )
        return found

    def world_ratios(self) -> dict[str, Ratio]:
        """World → accuracy, for worlds with a mention, in alphabetical order; none if no text has a world."""
        hits, number = self._column(lambda ranks: ranks.count(0)), self._column(len)  # (B,)
        of = {world: np.array([one == world for one in self.worlds], np.float64) for world in sorted({*self.worlds} - {""})}
        return {world: Ratio(hits * mine, number * mine) for world, mine in of.items() if (number * mine).sum()}

    def values(self) -> dict[str, float]:
        """Name → value of every figure; one without a mention to measure is left out."""
        values = {name: float(one.top.sum() / one.bottom.sum()) for name, one in self.ratios().items() if one.bottom.sum()}
        worlds = self.by_world()
        if worlds:
            values[WORLDS] = sum(worlds.values()) / len(worlds)
        counts = {"given_mentions": float(sum(map(len, self.ranks))), "given_texts": float(sum(map(bool, self.ranks)))}
        time_of = {} if math.isnan(self.milliseconds) else {"given_ms_per_mention": self.milliseconds}
        return {**values, **counts, **time_of}

    def by_world(self) -> dict[str, float]:
        """World → accuracy."""
        return {world: float(one.top.sum() / one.bottom.sum()) for world, one in self.world_ratios().items()}

    def bounds(self) -> dict[str, list[float]]:
        """Name → the bounds of its 95% interval, by a bootstrap over texts, for each figure that is defined."""
        if not any(self.ranks):
            return {}
        found = {name: interval(values) for name, values in resampled(self.ratios()).items()}
        if worlds := self.world_ratios():
            drawn = np.stack([*resampled(worlds).values()])  # (worlds, 1 + R)
            found[WORLDS] = interval(np.nanmean(drawn, axis=0, where=~np.isnan(drawn)))
        return {name: [low, high] for name, (_, low, high) in found.items() if not math.isnan(low + high)}

    def _column(self, part: Any) -> Array:
        return np.array([part(ranks) for ranks in self.ranks], np.float64)  # (B,)


def observe_given(
    linker: LinksGiven, questions: Sequence[Question], *, candidates: int = K, types: Collection[str] = ()
) -> Choices:
    """Link the mentions of annotated questions, and find the rank of each gold entity.

    Args:
        linker: the linker to measure.
        questions: annotated questions; mentions whose entity is null are not counted.
        candidates: the number of candidates of each mention.
        types: types of the catalogue. The candidates in a text of a world that is one of them are the entities of this type.
    """
    ranks: list[list[int]] = [[] for _ in questions]
    seconds, linked = 0.0, 0
    pictured = bool(getattr(linker, "reads_pictures", False))
    for places in track([*_calls(questions, types, pictured)], "linking"):
        texts = [questions[place].text for place in places]
        mentions = [_readable(questions[place]) for place in places]
        world = world_of(questions[places[0]])
        began = time.perf_counter()
        more: dict[str, Any] = {"types": world} if world in types else {}
        if pictured:
            asked = [questions[place] for place in places]
            more |= {"image": [one.image for one in asked], "box": [one.box if one.image else None for one in asked]}
        found = linker.link(texts, mentions=mentions, candidates=candidates, **more)
        seconds += time.perf_counter() - began
        linked += sum(map(len, found))
        for place, spans, links in zip(places, mentions, found, strict=True):
            ranks[place] = _ranks(questions[place], spans, links)
    milliseconds = 1000 * seconds / linked if linked else math.nan
    return Choices(ranks, [world_of(one) for one in questions], milliseconds, candidates)


def _ranks(question: Question, spans: Sequence[tuple[int, int]], links: Sequence[Link]) -> list[int]:
    """The rank of the entity of each mention that has one. A question without a span has one link, for its box.

    A box whose picture does not exist has no link, so its entity is not found.
    """
    if question.box_entity is not None and not spans and (links or not question.mentions):
        return [rank_of(links[0] if links else None, question.box_entity)]
    of_span = dict(zip(spans, links, strict=True))
    golds = [mention for mention in question.mentions if mention.entity is not None]
    return [rank_of(of_span.get((one.start, one.end)), one.entity) for one in golds]


def rank_of(link: Link | None, entity: str | None) -> int:
    """The rank of an entity among the candidates of a link, counted from 0; −1 if it is not there.

    The entity of the link has the rank 0, also if the link has no candidates.
    """
    if link is None:
        return -1
    ids = [one.entity for one in link.candidates]
    if link.entity == entity:
        return 0
    return max(1, ids.index(entity)) if entity is not None and entity in ids else -1


def world_of(question: Question) -> str:
    """The part of the data from which a question is; "" if it is not known."""
    return question.world if isinstance(question, GivenQuestion) else ""


def _calls(questions: Sequence[Question], types: Collection[str], pictured: bool) -> Iterator[list[int]]:
    """The places of the questions with a gold mention or box, in chunks; the questions of a chunk have the same types."""
    groups: dict[str, list[int]] = {}
    for place, question in enumerate(questions):
        boxed = pictured and question.box_entity is not None and not question.mentions
        if boxed or any(mention.entity is not None for mention in question.mentions):
            world = world_of(question)
            groups.setdefault(world if world in types else "", []).append(place)
    for places in groups.values():
        yield from (places[start : start + CHUNK] for start in range(0, len(places), CHUNK))


def _readable(question: Question) -> list[tuple[int, int]]:
    """The spans of the mentions of a question that have a letter or a digit, without repetitions."""
    spans = dict.fromkeys((mention.start, mention.end) for mention in question.mentions)
    return [span for span in spans if any(character.isalnum() for character in question.text[slice(*span)])]
