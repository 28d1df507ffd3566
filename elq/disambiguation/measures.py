"""Measures of given mentions: recall@k."""

from collections.abc import Sequence

from torch import Tensor

RECALL_AT = (1, 4, 16, 64, 128)


def recall_at(found: Tensor, gold: Tensor, ks: Sequence[int] = RECALL_AT) -> dict[int, float]:
    """For each k, the share of mentions whose gold entity is among the k first entities.

    Args:
        found: (M, K) catalogue rows, best first; −1 where there is none.
        gold: (M,) catalogue rows of the gold entities.
        ks: numbers of entities.

    >>> import torch
    >>> recall_at(torch.tensor([[5, 7], [7, 5], [1, 2], [7, 8]]), torch.tensor([7, 7, 7, 7]), (1, 2))
    {1: 0.5, 2: 0.75}
    """
    right = found == gold.unsqueeze(-1)  # (M, K)
    return {k: float(right[:, :k].any(-1).float().mean()) for k in ks}
