"""The second stage: chooses the spans of questions whose candidates a cross-encoder re-ranks, and gives them the new order."""

from collections.abc import Sequence

import torch
from torch import Tensor

from elq.entities.catalogue import Catalogue
from elq.linking.decoding import characters
from elq.linking.rerank import Reranker
from elq.linking.retriever import Retrieved
from elq.tensors import Spans, TokenBatch

SHORT_TEXT = 25  # tokens up to which this limit holds; longer texts have as many spans for each token, 2
MOST = 8  # spans of a question of at most 25 tokens that are re-ranked; n times as many in a text of n times 25 tokens


def reachable(mention_scores: Tensor, log_probs: Tensor, floor: float, spans: Spans, limits: Sequence[int]) -> Tensor:
    """The numbers of the spans whose joint score could reach a threshold if all probability went to one candidate.

    Args:
        mention_scores: (Q,) log p(mention).
        log_probs: (Q, K) log p(entity | mention).
        floor: the threshold.
        spans: Q spans.
        limits: for each text, the largest number of its spans; those with the best such joint score are taken.

    Returns:
        The numbers of the spans in ascending order, int64.
    """
    most = (mention_scores + log_probs.logsumexp(-1)).tolist()  # (Q,)
    taken, left = [], [*limits]
    questions = spans.question.tolist()
    for q in sorted(range(len(most)), key=lambda q: (-most[q], q)):
        if most[q] >= floor and left[questions[q]] > 0:
            left[questions[q]] -= 1
            taken.append(q)
    return torch.tensor(sorted(taken), dtype=torch.int64)


def reranked_limits(tokens: TokenBatch) -> list[int]:
    """The largest number of spans of each of B questions that are re-ranked. It grows with the text."""
    limits: list[int] = ((tokens.text_mask.sum(-1) / SHORT_TEXT).clamp_min(1) * MOST).ceil().long().tolist()
    return limits


def reranked_spans(
    reranker: Reranker,
    texts: Sequence[str],
    tokens: TokenBatch,
    spans: Spans,
    found: Retrieved,
    catalogue: Catalogue,
    chosen: Tensor | None = None,
) -> Retrieved:
    """The candidates of Q spans after those of the chosen spans were re-ranked.

    Args:
        reranker: the re-ranker.
        texts: B questions.
        tokens: their tokens.
        spans: Q spans, on the CPU.
        found: their candidates.
        catalogue: the catalogue.
        chosen: the numbers of the spans to re-rank; None: all of them. Special tokens alone are never re-ranked.
    """
    places = {q: (b, *characters(tokens.offsets[b], spans, q)) for q, b in enumerate(spans.question.tolist())}
    wanted = range(len(spans)) if chosen is None else chosen.tolist()
    numbers = [q for q in wanted if places[q][1] < places[q][2]]
    some = Retrieved(found.rows[numbers], found.log_probs[numbers], None)
    some = reranker.reranked(texts, [places[q] for q in numbers], some, catalogue)
    rows, log_probs = found.rows.clone(), found.log_probs.clone()
    rows[numbers], log_probs[numbers] = some.rows, some.log_probs
    return found._replace(rows=rows, log_probs=log_probs)
