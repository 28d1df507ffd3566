"""Decoding: from scored spans to the links of each question."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from elq.entities.catalogue import Catalogue
from elq.linking.calibration import Calibration
from elq.linking.scoring import without_overlaps
from elq.tensors import Spans
from elq.types import NIL, Candidate, Entity, Link


@dataclass(frozen=True, slots=True)
class ScoredSpans:
    """Q spans of a batch and their K candidates, best first; all on the CPU."""

    spans: Spans
    mention_scores: Tensor  # (Q,) log p(mention)
    log_probs: Tensor  # (Q, K) log p(entity | mention)
    rows: Tensor  # (Q, K) int64 catalogue rows, −1 where there is no candidate
    log_nil: Tensor | None = None  # (Q,) log p(NIL | mention); None: NIL is no candidate


def decode(
    texts: Sequence[str],
    offsets: Sequence[Sequence[tuple[int, int]]],
    scored: ScoredSpans,
    catalogue: Catalogue,
    threshold: float,
    *,
    mention_threshold: float | None = None,
    calibration: Calibration | None = None,
    overlaps: bool = False,
) -> list[list[Link]]:
    """The links of B questions, in reading order.

    Args:
        texts: B questions.
        offsets: of their tokens, as in :class:`elq.tensors.TokenBatch`.
        scored: spans of all of them.
        catalogue: whose rows they are.
        threshold: γ, the least joint score of a link.
        mention_threshold: the least log p(mention) of a link; None: γ alone decides.
        calibration: gives links their probability.
        overlaps: every span of at least γ is a link; otherwise one that overlaps a better one is none.
    """
    spans, best = scored.spans, scored.log_probs[:, 0]  # (Q,)
    joint = scored.mention_scores + (best if scored.log_nil is None else torch.maximum(best, scored.log_nil))  # (Q,)
    # log p(entity | mention) ≤ 0, so the first comparison drops nothing: it keeps rounding from adding a link
    kept = (scored.mention_scores >= threshold) & (joint >= threshold)  # (Q,)
    if mention_threshold is not None:
        kept &= scored.mention_scores >= mention_threshold
    of_question: list[list[int]] = [[] for _ in texts]
    for q in kept.nonzero().flatten().tolist():
        of_question[int(spans.question[q])].append(q)
    chosen: list[list[int]] = []
    for mine in of_question:
        bounds = {q: (int(spans.start[q]), int(spans.end[q])) for q in mine}
        if not overlaps:
            mine = [mine[i] for i in without_overlaps([bounds[q] for q in mine], [float(joint[q]) for q in mine])]
        chosen.append(sorted(mine, key=bounds.__getitem__))
    records = catalogue.records(scored.rows[[q for mine in chosen for q in mine]].flatten().tolist())
    return [
        [_link(text, offsets[b], scored, q, float(joint[q]), records, calibration) for q in mine]
        for b, (text, mine) in enumerate(zip(texts, chosen, strict=True))
    ]


def _link(
    text: str,
    offsets: Sequence[tuple[int, int]],
    scored: ScoredSpans,
    q: int,
    score: float,
    records: Mapping[int, Entity],
    calibration: Calibration | None,
) -> Link:
    """Span q as a link to its best candidate, NIL among them where it is asked for."""
    start, end = offsets[int(scored.spans.start[q])][0], offsets[int(scored.spans.end[q]) - 1][1]
    entities = [records[row] for row in scored.rows[q].tolist() if row >= 0]
    log_probs = scored.log_probs[q].tolist()
    candidates = tuple(Candidate(e.id, e.title, p) for e, p in zip(entities, log_probs, strict=False))
    best, mention = entities[0], float(scored.mention_scores[q])
    if scored.log_nil is not None and scored.log_nil[q] > scored.log_probs[q, 0]:
        best, calibration = Entity(NIL, "", ""), None  # which was fitted to entities
    probability = None if calibration is None else calibration.probability(mention, score - mention)
    return Link(start, end, text[start:end], best.id, best.title, best.description, score, candidates, mention, probability)
