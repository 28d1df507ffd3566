"""Decoding: from scored spans to the links of each question."""

from collections.abc import Sequence
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
    log_nil: Tensor | None = None  # (Q,) log p(NIL | mention); None: no link is asked to be one to NIL


def decode(
    texts: Sequence[str],
    offsets: Sequence[Sequence[tuple[int, int]]],
    scored: ScoredSpans,
    catalogue: Catalogue,
    threshold: float,
    *,
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
        calibration: gives links their probability.
        overlaps: every span of at least γ is a link; otherwise one that overlaps a better one is none.
    """
    spans, best = scored.spans, scored.log_probs[:, 0]  # (Q,)
    joint = scored.mention_scores + (best if scored.log_nil is None else torch.maximum(best, scored.log_nil))  # (Q,)
    links: list[list[Link]] = []
    for b, text in enumerate(texts):
        mine = ((spans.question == b) & (joint >= threshold)).nonzero().flatten().tolist()
        bounds = [(int(spans.start[q]), int(spans.end[q])) for q in mine]
        kept = range(len(mine)) if overlaps else without_overlaps(bounds, [float(joint[q]) for q in mine])
        order = sorted(kept, key=bounds.__getitem__)
        links.append([_link(text, offsets[b], scored, mine[i], float(joint[mine[i]]), catalogue, calibration) for i in order])
    return links


def _link(
    text: str,
    offsets: Sequence[tuple[int, int]],
    scored: ScoredSpans,
    q: int,
    score: float,
    catalogue: Catalogue,
    calibration: Calibration | None,
) -> Link:
    """Span q as a link to its best candidate, NIL among them where it is asked for."""
    start, end = offsets[int(scored.spans.start[q])][0], offsets[int(scored.spans.end[q]) - 1][1]
    entities = [catalogue[row] for row in scored.rows[q].tolist() if row >= 0]
    log_probs = scored.log_probs[q].tolist()
    candidates = tuple(Candidate(e.id, e.title, p) for e, p in zip(entities, log_probs, strict=False))
    best, mention = entities[0], float(scored.mention_scores[q])
    if scored.log_nil is not None and scored.log_nil[q] > scored.log_probs[q, 0]:
        best, calibration = Entity(NIL, "", ""), None  # which was fitted to entities
    probability = None if calibration is None else calibration.probability(mention, score - mention)
    return Link(start, end, text[start:end], best.id, best.title, best.description, score, candidates, mention, probability)
