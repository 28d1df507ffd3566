"""Scoring: the joint score, and overlap removal. Pure functions.

A link's score is log p(mention) + log p(entity | mention) (Li et al. 2020, section 3.3), a natural logarithm. What
p(entity | mention) is normalised over is the *score mode*:

- ``candidates``: softmax over the K retrieved candidates, as in the paper; the score, and so a threshold, depends on K.
- ``table``: softmax over all N entities of the table; it depends on neither K nor the index, but needs the exact index.
- ``elq``: as ``candidates``, and questions are read as the released ELQ reads them: cut after 32 tokens, and [CLS] and [SEP]
  may be part of a mention. With released weights it gives the released numbers.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from elq.errors import ElqError

SCORE_MODES = ("candidates", "table", "elq")


def check_score_mode(mode: str, name_bonus: float = 0.0) -> None:
    """Refuse with an ElqError an unknown score mode, a bonus that is no number from 0 on, and one where the mode knows none."""
    if not 0 <= name_bonus < math.inf:
        raise ElqError(f"name_bonus is {name_bonus}, but must be a number of at least 0")
    if name_bonus and mode != "candidates":
        raise ElqError(f'name_bonus is {name_bonus}, but score mode "{mode}" knows of no bonus: set it to 0')
    if mode not in SCORE_MODES:
        raise ElqError(f"score mode {mode!r} is unknown: choose one of {', '.join(SCORE_MODES)}")


def entity_log_probs(scores: Tensor, log_normaliser: Tensor | None = None) -> Tensor:
    """log p(entity | mention) of K candidates: (Q, K) inner products → (Q, K) fp32.

    Args:
        scores: inner products, −inf where there is no candidate.
        log_normaliser: (Q,) log Σ exp over the whole table (mode ``table``); None normalises over the K candidates.

    >>> entity_log_probs(torch.tensor([[0.0, 0.0]])).exp()
    tensor([[0.5000, 0.5000]])
    >>> entity_log_probs(torch.tensor([[0.0, 0.0]]), torch.tensor([4.0]).log()).exp()
    tensor([[0.2500, 0.2500]])
    """
    if log_normaliser is None:
        return torch.log_softmax(scores.float(), dim=-1)  # (Q, K)
    return scores.float() - log_normaliser.float().unsqueeze(-1)  # (Q, K)


def without_overlaps(spans: Sequence[tuple[int, int]], scores: Sequence[float]) -> list[int]:
    """Greedy overlap removal: which spans [start, end) stay, best score first (ties: the earlier, then the longer).

    What stays above a threshold does not depend on anything below it: so raising a threshold only removes links.

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
