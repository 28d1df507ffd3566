"""Losses: mention detection and disambiguation (Li et al. 2020, section 3.4). Pure functions."""

import torch
from torch import Tensor
from torch.nn import functional

from elq.types import Spans


def mention_loss(logits: Tensor, gold: Spans) -> Tensor:
    """Binary cross-entropy, averaged over all spans of text in the batch.

    Args:
        logits: (B, T, L) mention logits, −inf where there is no span of text.
        gold: M gold mentions of at most L tokens, NIL ones included.

    Returns:
        Scalar; 0 where the batch has no span at all.

    >>> logits = torch.tensor([[[0.0, -torch.inf]]])
    >>> mention_loss(logits, Spans(torch.tensor([0]), torch.tensor([0]), torch.tensor([1])))
    tensor(0.6931)
    """
    targets = torch.zeros_like(logits)
    targets[gold.question, gold.start, gold.end - gold.start - 1] = 1.0  # (B, T, L)
    valid = logits > -torch.inf  # (B, T, L)
    total = functional.binary_cross_entropy_with_logits(logits[valid], targets[valid], reduction="sum")
    return total / valid.sum().clamp_min(1)


def table_loss(vectors: Tensor, gold: Tensor, table: Tensor) -> Tensor:
    """Cross-entropy over all N entities, exact.

    Args:
        vectors: (M, D) mention vectors.
        gold: (M,) table rows; −1 (NIL) takes no part.
        table: (N, D) frozen entity vectors.

    Returns:
        Scalar, averaged over the mentions that have an entity; 0 where none has.
    """
    linked = gold >= 0  # (M,)
    if not linked.any():
        return vectors.sum() * 0.0
    return functional.cross_entropy(vectors[linked] @ table.T, gold[linked])  # (M', N) → scalar


def candidate_rows(gold: Tensor, nearest: Tensor) -> Tensor:
    """The candidates of a batch: every mention's gold (in-batch negatives of the others) and every mention's nearest.

    Args:
        gold: (M,) table rows, −1 for NIL.
        nearest: (M, K) table rows from the index, −1 where it found nothing; K may be 0.

    Returns:
        (C,) table rows, each once, ascending.

    >>> candidate_rows(torch.tensor([7, 3, -1]), torch.tensor([[3, 9], [3, 4], [9, -1]]))
    tensor([3, 4, 7, 9])
    """
    rows = torch.cat([gold, nearest.reshape(-1)])
    unique: Tensor = torch.unique(rows[rows >= 0])
    return unique


def sampled_loss(vectors: Tensor, gold: Tensor, rows: Tensor, table_rows: Tensor) -> Tensor:
    """Cross-entropy over the candidates of the batch instead of all entities.

    Each candidate stands in the list once, so a mention's own gold is never its negative, while it stays a negative of
    every other mention that means something else.

    Args:
        vectors: (M, D) mention vectors.
        gold: (M,) table rows; −1 (NIL) takes no part. Every other one must be among ``rows``.
        rows: (C,) candidate rows, ascending, from :func:`candidate_rows`.
        table_rows: (C, D) their vectors.

    Returns:
        Scalar, averaged over the mentions that have an entity; 0 where none has.
    """
    places = torch.where(gold >= 0, torch.searchsorted(rows, gold), -1)  # (M,)
    return table_loss(vectors, places, table_rows)
