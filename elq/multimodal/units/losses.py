"""Losses of units beside cross-entropy: hinge losses over candidates, and contrasts over the mentions of a batch."""

import torch
from torch import Tensor

from elq.multimodal.features import UnitScores


def hinge(said: UnitScores, gold: Tensor, margin: float, *, hardest: bool = False) -> Tensor:
    """The mean of max(0, margin + score of a wrong candidate − score of the right one), a scalar.

    Args:
        said: the scores (M, K).
        gold: (M,) int64 the number of the right candidate, −1 if it is not there. Such a mention does not count, and neither
            does one whose gold candidate is not valid. If no mention counts, the loss is 0.
        margin: by how much the right candidate must be better.
        hardest: whether only the best of the wrong candidates counts. If not, it is the mean over the valid wrong candidates.

    >>> said = UnitScores(torch.tensor([[1.0, 1.5, 0.0]]), torch.tensor([[True, True, True]]))
    >>> hinge(said, torch.tensor([0]), 0.5), hinge(said, torch.tensor([0]), 0.5, hardest=True)
    (tensor(0.5000), tensor(1.))
    """
    right = gold.clamp(min=0).unsqueeze(-1)  # (M, 1)
    wrong = said.valid.scatter(-1, right, False)  # (M, K)
    counts = (gold >= 0) & said.valid.gather(-1, right).squeeze(-1) & wrong.any(-1)  # (M,)
    wrong, scores = wrong[counts], said.scores[counts]  # (counting mentions, K)
    finite = scores.masked_fill(~said.valid[counts], 0.0)
    losses = (margin + finite - finite.gather(-1, right[counts])).clamp(min=0).masked_fill(~wrong, 0.0)
    each = losses.amax(-1) if hardest else losses.sum(-1) / wrong.sum(-1)  # (counting mentions,)
    return each.sum() / counts.sum().clamp(min=1)


def contrast(left: Tensor, right: Tensor, there: Tensor, temperature: float, same: Tensor | None = None) -> Tensor:
    """The mean of −log softmax of each row's own partner among the partners of all rows (InfoNCE), a scalar.

    Args:
        left: (M, H) vectors with norm 1.
        right: (M, H) vectors with norm 1, the partners.
        there: (M,) bool, the rows that have both. The others do not count, and are nobody's negatives.
        temperature: what the cosines are divided by.
        same: (M, M) bool, pairs that are no negatives, because both rows mean the same.
    """
    left, right = left[there], right[there]  # (n, H)
    logits = left @ right.T / temperature  # (n, n)
    if same is not None:
        own = torch.eye(len(left), dtype=torch.bool, device=left.device)  # (n, n)
        logits = logits.masked_fill(same[there][:, there] & ~own, -torch.inf)
    return -logits.log_softmax(-1).diagonal().sum() / max(len(left), 1)


def of_gold(part: Tensor, gold: Tensor) -> Tensor:
    """The rows (M, …) of the gold candidates of parts (M, K, …); the first candidate's where there is none."""
    return part[torch.arange(len(part), device=part.device), gold.clamp(min=0)]


def same_entity(text: Tensor, gold: Tensor) -> Tensor:
    """Which mentions have the same gold entity (M, M) bool: those whose gold candidates have equal texts (M, K, …)."""
    rows = of_gold(text, gold)  # (M, …)
    return (rows.unsqueeze(1) == rows.unsqueeze(0)).flatten(2).all(-1)  # (M, M)
