"""The loss of types: pure functions for the auxiliary loss of the type head (NeSLET, Findings of NAACL 2022).

The gold types of a mention are those of its gold entity and all types above them. A type below the finest gold types takes no
part, since the catalogue does not say that the entity has it, and does not say that it has it not.
"""

import math

import torch
from torch import Tensor

EPSILON = 1e-6  # a probability is kept this far from 0 and 1, where the logarithm has no end


def ramp(progress: float) -> float:
    """λt, the weight of the loss of types: it rises from 0 to nearly 1 with the training progress, which is from 0 to 1.

    >>> [round(ramp(p), 3) for p in (0.0, 0.1, 0.5, 1.0)]
    [0.0, 0.462, 0.987, 1.0]
    """
    return 2 / (1 + math.exp(-10 * progress)) - 1


def type_targets(direct: Tensor, above: Tensor) -> tuple[Tensor, Tensor]:
    """The types that M mentions have, and those that they do not have.

    Args:
        direct: (M, Y) bool, the types in the record of the gold entity.
        above: (Y, Y) bool, from :meth:`elq.entities.hierarchy.Hierarchy.above`.

    Returns:
        Positive and negative types, (M, Y) bool each. A mention without a known type has neither.

    >>> above = torch.tensor([[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 0, 1]]).bool()  # place, city, big city, film
    >>> [found.int().tolist() for found in type_targets(torch.tensor([[False, True, False, False]]), above)]
    [[[1, 1, 0, 0]], [[0, 0, 0, 1]]]
    """
    over = above.float() - torch.eye(len(above), device=above.device)  # (Y, Y) without the type itself
    positive = direct.float() @ above.float() > 0  # (M, Y)
    finest = positive & ~(positive.float() @ over > 0)  # (M, Y) gold types that are above no other gold type
    below = finest.float() @ over.T > 0  # (M, Y)
    return positive, ~positive & ~below & positive.any(-1, keepdim=True)


def type_loss(
    probabilities: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    positive_weight: float = 1.0,
    negative_weight: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """w₊ · mean cross-entropy of the positive types + w₋ · mean cross-entropy of the negative types of each mention.

    Args:
        probabilities: (M, Y) from the type head.
        positive, negative: (M, Y) bool, from :func:`type_targets`.
        positive_weight, negative_weight: w₊ and w₋.

    Returns:
        Sum over the mentions that have a positive type, and their number, both scalars.

    >>> positive, negative = torch.tensor([[True, False, False]]), torch.tensor([[False, True, False]])
    >>> found = type_loss(torch.tensor([[0.5, 0.5, 0.9]]), positive, negative)
    >>> found[0] == 2 * torch.tensor(2.0).log(), found[1]
    (tensor(True), tensor(1))
    """
    kept = probabilities.clamp(EPSILON, 1 - EPSILON)  # (M, Y)
    present = _mean(-kept.log(), positive)  # (M,)
    absent = _mean(-(-kept).log1p(), negative)  # (M,)
    return (positive_weight * present + negative_weight * absent).sum(), positive.any(-1).sum()


def _mean(losses: Tensor, part: Tensor) -> Tensor:
    """The mean (M,) of the losses (M, Y) of a part of the types; 0 where there is none."""
    return losses.where(part, 0.0).sum(-1) / part.sum(-1).clamp_min(1)
