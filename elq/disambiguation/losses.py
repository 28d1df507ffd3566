"""Losses: pure functions for networks of given mentions."""

import torch
from torch import Tensor


def in_batch_loss(vectors: Tensor, entities: Tensor, gold: Tensor, rows: Tensor) -> Tensor:
    """Cross-entropy of every mention's gold entity among the entities of the batch (BLINK, Wu et al. 2020, equation 4).

    A column with the gold entity of a mention is never its negative, although it may be there for another mention. The first
    such column is the right one, and the others are masked.

    Args:
        vectors: (M, D) vectors of mentions.
        entities: (C, D) vectors of entities: gold ones and hard negatives.
        gold: (M,) catalogue rows of the gold entities; each must be in ``rows``.
        rows: (C,) catalogue rows of the entities, of which some may be equal.

    Returns:
        The mean over the mentions, a scalar.

    >>> same = torch.zeros(2, 4)
    >>> in_batch_loss(same, same, torch.tensor([7, 7]), torch.tensor([7, 7]))
    tensor(0.)
    """
    scores = (vectors @ entities.T).float()  # (M, C)
    right = gold.unsqueeze(-1) == rows  # (M, C)
    first = right.int().argmax(-1)  # (M,)
    others = right.scatter(-1, first.unsqueeze(-1), False)  # (M, C)
    return torch.nn.functional.cross_entropy(scores.masked_fill(others, -torch.inf), first)
