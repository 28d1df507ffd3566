"""Decoding: chooses the links of a question from its scored spans, and removes overlaps."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from elq.entities.catalogue import Catalogue
from elq.linking.calibration import AnyCalibration
from elq.linking.concepts import DROP, is_cased, is_concept, ordinary
from elq.linking.rule import Rule
from elq.model.type_head import PredictedTypes
from elq.tensors import Spans
from elq.types import NIL, Candidate, Entity, Link


@dataclass(frozen=True, slots=True)
class ScoredSpans:
    """Q spans of a batch of questions and the K candidates of each, best first. All tensors are on the CPU."""

    spans: Spans
    mention_scores: Tensor  # (Q,) log p(mention)
    log_probs: Tensor  # (Q, K) log p(entity | mention)
    rows: Tensor  # (Q, K) int64 catalogue rows, −1 where there is no candidate
    log_nil: Tensor | None = None  # (Q,) log p(NIL | mention); None if the model was trained without NIL
    nil: bool = True  # whether NIL is a candidate, if it has a score
    types: PredictedTypes | None = None  # the types of the Q spans; None if the model was trained without types

    @property
    def joint(self) -> Tensor:
        """The joint scores (Q,) of the spans with their best candidates."""
        best = self.log_probs[:, 0]  # (Q,)
        return self.mention_scores + (best if self.log_nil is None or not self.nil else torch.maximum(best, self.log_nil))

    def without_nil(self) -> "ScoredSpans":
        """The same spans, where NIL is not a candidate."""
        return replace(self, nil=False)


def decode(
    texts: Sequence[str],
    offsets: Sequence[Sequence[tuple[int, int]]],
    scored: ScoredSpans,
    catalogue: Catalogue,
    rule: Rule,
    *,
    overlaps: bool = False,
) -> list[list[Link]]:
    """Choose the links of B questions.

    Args:
        texts: B questions.
        offsets: the characters of their tokens, as in :class:`elq.tensors.TokenBatch`.
        scored: the scored spans of all B questions.
        catalogue: the catalogue whose rows the candidates are.
        rule: what a link needs to be shown. ``scored.nil`` says whether NIL is a candidate.
        overlaps: whether links may overlap. If not, a span that overlaps a span with a higher score is not a link. Overlaps are
            removed before the probability is asked for, so a higher lowest probability only removes links; and links of
            generic nouns are dropped last, so that dropping them only removes links.

    Returns:
        For each question, its links in reading order.
    """
    joint = scored.joint  # (Q,)
    # log p(entity | mention) ≤ 0, so the second comparison implies the first, except for rounding: the first prevents that
    # rounding adds a link
    kept = (scored.mention_scores >= rule.threshold) & (joint >= rule.threshold)  # (Q,)
    if rule.mention_threshold is not None:
        kept &= scored.mention_scores >= rule.mention_threshold
    numbers, scores, mentions = kept.nonzero().flatten().tolist(), joint.tolist(), scored.mention_scores.tolist()
    questions, starts, ends = (side.tolist() for side in (scored.spans.question, scored.spans.start, scored.spans.end))
    of_question: list[list[int]] = [[] for _ in texts]
    for q in numbers:
        of_question[questions[q]].append(q)
    chosen: list[list[int]] = []
    for mine in of_question:
        if not overlaps:
            mine = [mine[i] for i in without_overlaps([(starts[q], ends[q]) for q in mine], [scores[q] for q in mine])]
        likely = [q for q in mine if rule.likely(mentions[q], scores[q])]
        chosen.append(sorted(likely, key=lambda q: (starts[q], ends[q])))
    known = Known(catalogue, scored, [q for mine in chosen for q in mine])
    links = []
    for b, (text, mine) in enumerate(zip(texts, chosen, strict=True)):
        places = {q: (offsets[b][starts[q]][0], offsets[b][ends[q] - 1][1]) for q in mine}
        if rule.concepts == DROP:
            places = {q: place for q, place in places.items() if not known.generic(text, place, q)}
        links.append([known.link(text, place, q, scores[q], rule.calibration) for q, place in places.items()])
    return links


def characters(offsets: Sequence[tuple[int, int]], spans: Spans, q: int) -> tuple[int, int]:
    """The characters [start, end) of span q, from the characters of the tokens of its question."""
    return offsets[int(spans.start[q])][0], offsets[int(spans.end[q]) - 1][1]


class Known:
    """The records of the best candidates of some spans, and the ids and titles of their other candidates, read together.

    Args:
        catalogue: the catalogue whose rows the candidates are.
        scored: the scored spans. NIL is one of the candidates if ``scored.nil`` says so and ``scored.log_nil`` is given.
        numbers: the numbers of the spans.
    """

    def __init__(self, catalogue: Catalogue, scored: ScoredSpans, numbers: Sequence[int]) -> None:
        self._log_nil = None if scored.log_nil is None else scored.log_nil.tolist()
        self._nil, self._types = scored.nil, scored.types
        self._mentions = scored.mention_scores.tolist()
        rows, log_probs = scored.rows[numbers].tolist(), scored.log_probs[numbers].tolist()
        self._candidates = dict(zip(numbers, zip(rows, log_probs, strict=True), strict=True))
        self._records = catalogue.records(of_span[0] for of_span in rows)
        self._titles = catalogue.titles(row for of_span in rows for row in of_span)
        self._catalogue = catalogue

    def generic(self, text: str, place: tuple[int, int], q: int) -> bool:
        """Whether the link of span q, with the characters [start, end) of ``place``, is one of a generic noun."""
        if self._is_nil(q) or not ordinary(text, *place):
            return False
        return is_concept(self._records[self._candidates[q][0][0]], cased=is_cased(self._catalogue))

    def _is_nil(self, q: int) -> bool:
        """Whether the best candidate of span q is NIL."""
        return self._nil and self._log_nil is not None and bool(self._log_nil[q] > self._candidates[q][1][0])

    def link(self, text: str, place: tuple[int, int], q: int, score: float, calibration: AnyCalibration | None) -> Link:
        """Make span q, with the characters [start, end) of ``place`` and its joint score, a link to its best candidate."""
        (start, end), mention = place, self._mentions[q]
        rows, log_probs = self._candidates[q]
        candidates = tuple(Candidate(*self._titles[row], p) for row, p in zip(rows, log_probs, strict=False) if row >= 0)
        best, nil = self._records[rows[0]], None if self._log_nil is None else self._log_nil[q]
        if self._is_nil(q):
            best, calibration = Entity(NIL, "", ""), None  # the calibration was fitted to links to entities, not to NIL
        probability = None if calibration is None else calibration.probability(mention, score - mention)
        return Link(
            start,
            end,
            text[start:end],
            best.id,
            best.title,
            best.description,
            score,
            candidates,
            mention,
            probability,
            best.types,
            dict(best.data),
            nil,
            {} if self._types is None else self._types.of(q),
        )


def without_overlaps(spans: Sequence[tuple[int, int]], scores: Sequence[float]) -> list[int]:
    """Greedy overlap removal: the places of the spans [start, end) that are kept, best score first.

    A span is kept if it overlaps no kept span with a higher score; of equal scores the earlier, then the longer span comes
    first. A span never depends on spans with lower scores, so a higher threshold only removes links.

    >>> without_overlaps([(0, 2), (1, 4), (3, 5)], [-1.0, -0.5, -2.0])
    [1]
    >>> without_overlaps([(0, 2), (1, 4), (3, 5)], [-0.1, -0.5, -2.0])
    [0, 2]
    """
    order = sorted(range(len(spans)), key=lambda i: (-scores[i], spans[i][0], -spans[i][1]))
    kept: list[int] = []
    for i in order:
        if all(spans[i][1] <= spans[j][0] or spans[j][1] <= spans[i][0] for j in kept):
            kept.append(i)
    return kept
