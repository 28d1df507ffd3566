"""Released losses: the disambiguation losses of the released ELQ.

They are pure functions over in-batch or hard negatives. As in elq/training/losses.py, each returns a sum and the number of its
terms.
"""

import torch
from torch import Tensor
from torch.nn import functional


def released_in_batch_loss(vectors: Tensor, gold: Tensor, golds: Tensor, first: int = 0) -> tuple[Tensor, Tensor]:
    """Cross-entropy over the gold entities of the batch, as the released ELQ trains without hard negatives.

    An entity that is the gold entity of several mentions is in the list several times, so it is also a negative of itself.

    Args:
        vectors: (M, D) mention vectors.
        gold: (M,) table rows of the gold entities; mentions with −1 (NIL) are left out.
        golds: (C, D) vectors of the gold entities of the batch, without NIL; those of all processes that share a batch.
        first: place in ``golds`` of the first gold entity of this process.

    Returns:
        Sum over the mentions that have an entity, and their number, both scalars.
    """
    linked = gold >= 0  # (M,)
    scores = vectors[linked] @ golds.T  # (M', C)
    places = first + torch.arange(len(scores), device=scores.device)  # (M',)
    return functional.cross_entropy(scores, places, reduction="sum"), linked.sum()


def released_negatives(gold: Tensor, nearest: Tensor, question: Tensor) -> Tensor:
    """Which hard negatives the released ELQ trains with: (M, K) bool.

    If the k-th nearest entity of a mention is its gold entity, the k-th one of every mention in that question is left out.

    >>> released_negatives(torch.tensor([7, 3, 5]), torch.tensor([[7, 1], [3, 2], [0, 9]]), torch.tensor([0, 1, 1]))
    tensor([[False,  True],
            [False,  True],
            [False,  True]])
    """
    hits = ((nearest == gold.unsqueeze(-1)) & (gold >= 0).unsqueeze(-1)).long()  # (M, K)
    size = int(question.max()) + 1 if len(question) else 0
    of_question = torch.zeros(size, nearest.shape[-1], dtype=torch.int64, device=hits.device)  # (B, K)
    return of_question.index_add(0, question, hits)[question] == 0


def released_loss(
    vectors: Tensor, gold: Tensor, question: Tensor, gold_rows: Tensor, nearest: Tensor, nearest_rows: Tensor
) -> tuple[Tensor, Tensor]:
    """Binary cross-entropy of every mention with its gold entity and its hard negatives, as the released ELQ trains.

    Args:
        vectors: (M, D) mention vectors.
        gold: (M,) table rows of the gold entities; mentions with −1 (NIL) are left out.
        question: (M,) number of the question of each mention.
        gold_rows: (M, D) vectors of the gold entities; any values for NIL.
        nearest: (M, K) table rows of the nearest entities, filled up with −1.
        nearest_rows: (M, K, D) vectors of the nearest entities.

    Returns:
        Sum and number of the pairs, both scalars.
    """
    linked = gold >= 0  # (M,)
    negative = released_negatives(gold, nearest, question) & linked.unsqueeze(-1) & (nearest >= 0)  # (M, K)
    right = (vectors * gold_rows).sum(-1)[linked]  # (M',)
    wrong = torch.einsum("md,mkd->mk", vectors, nearest_rows)[negative]
    scores, targets = torch.cat([right, wrong]), torch.cat([torch.ones_like(right), torch.zeros_like(wrong)])
    total = functional.binary_cross_entropy_with_logits(scores, targets, reduction="sum")
    return total, linked.sum() + negative.sum()
