"""Decoding: chooses the links of a question from its scored spans, and removes overlaps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from elq.entities.catalogue import Catalogue
from elq.linking.calibration import AnyCalibration
from elq.linking.rule import Rule
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
            removed before the probability is asked for, so a higher lowest probability only removes links.

    Returns:
        For each question, its links in reading order.
    """
    spans, joint = scored.spans, scored.joint  # Q spans, (Q,)
    # log p(entity | mention) ≤ 0, so the second comparison implies the first, except for rounding: the first prevents that
    # rounding adds a link
    kept = (scored.mention_scores >= rule.threshold) & (joint >= rule.threshold)  # (Q,)
    if rule.mention_threshold is not None:
        kept &= scored.mention_scores >= rule.mention_threshold
    of_question: list[list[int]] = [[] for _ in texts]
    for q in kept.nonzero().flatten().tolist():
        of_question[int(spans.question[q])].append(q)
    chosen: list[list[int]] = []
    for mine in of_question:
        bounds = {q: (int(spans.start[q]), int(spans.end[q])) for q in mine}
        if not overlaps:
            mine = [mine[i] for i in without_overlaps([bounds[q] for q in mine], [float(joint[q]) for q in mine])]
        likely = [q for q in mine if rule.likely(float(scored.mention_scores[q]), float(joint[q]))]
        chosen.append(sorted(likely, key=bounds.__getitem__))
    records = catalogue.records(scored.rows[[q for mine in chosen for q in mine]].flatten().tolist())
    return [
        [link_of(text, characters(offsets[b], spans, q), scored, q, records, rule.calibration) for q in mine]
        for b, (text, mine) in enumerate(zip(texts, chosen, strict=True))
    ]


def characters(offsets: Sequence[tuple[int, int]], spans: Spans, q: int) -> tuple[int, int]:
    """The characters [start, end) of span q, from the characters of the tokens of its question."""
    return offsets[int(spans.start[q])][0], offsets[int(spans.end[q]) - 1][1]


def link_of(
    text: str,
    place: tuple[int, int],
    scored: ScoredSpans,
    q: int,
    records: Mapping[int, Entity],
    calibration: AnyCalibration | None,
) -> Link:
    """Make span q, with the characters [start, end) of ``place``, a link to its best candidate.

    NIL is one of the candidates if ``scored.nil`` says so and ``scored.log_nil`` is given.
    """
    (start, end), score = place, float(scored.joint[q])
    entities = [records[row] for row in scored.rows[q].tolist() if row >= 0]
    log_probs = scored.log_probs[q].tolist()
    candidates = tuple(Candidate(e.id, e.title, p) for e, p in zip(entities, log_probs, strict=False))
    best, mention = entities[0], float(scored.mention_scores[q])
    nil = None if scored.log_nil is None else float(scored.log_nil[q])
    if scored.nil and nil is not None and nil > log_probs[0]:
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
        dict(getattr(best, "data", {})),
        nil,
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
