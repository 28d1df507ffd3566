"""Calibration: what a link's score is worth, as a probability that can be read.

A logistic regression on the log-odds of the two factors of the joint score: a temperature for each, and an offset. Softmax
scores are over-confident, p(mention) and p(entity | mention) by different amounts, so one temperature would not do.
elq/evaluation/reliability.py fits it to annotated questions, and measures it.
"""

import math
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from elq.errors import ElqError

LIMIT = 12.0  # of log-odds: float32 tells nothing apart beyond (1 − p = 6e-6)
PENALTY = 1e-2  # L2 on the sum of the losses: all it does is to keep a fit finite where a line parts right from wrong
LARGEST = 1e6  # of a value in a saved calibration: beyond it lies no fit, and next comes infinity


class Calibration(NamedTuple):
    """Probability of a link = σ(offset + mention · l(p(mention)) + entity · l(p(entity | mention))), where l is the log-odds.

    A link is right if its entity is in the question's gold set. Both slopes are at least 0: a better score never has a lower
    probability.
    """

    offset: float
    mention: float
    entity: float

    def probability(self, mention_score: float, entity_score: float) -> float:
        """The probability of a link from log p(mention) and log p(entity | mention).

        >>> round(Calibration(0.0, 1.0, 0.0).probability(math.log(0.8), math.log(0.1)), 6)
        0.8
        """
        logit = self.offset + self.mention * log_odds(mention_score) + self.entity * log_odds(entity_score)
        return (1 + math.tanh(logit / 2)) / 2

    def probabilities(self, features: Tensor) -> Tensor:
        """The same for (n, 2) log-odds at once, float64: (n,)."""
        return torch.sigmoid(self.offset + features @ torch.tensor(self[1:], dtype=torch.float64))


def check_calibration(values: Sequence[float]) -> None:
    """Refuse with an ElqError what is no offset and two slopes of at least 0."""
    fits = isinstance(values, list | tuple) and [type(value) in (int, float) and abs(value) <= LARGEST for value in values]
    if fits != [True] * 3 or min(values[1:]) < 0:
        raise ElqError(
            f"decision.json has the calibration {values!r}, but it must be an offset and two slopes of at least 0:"
            " choose it again with `elq tune`"
        )


def log_odds(log_p: float) -> float:
    """log(p / (1 − p)) of a log p, within ±``LIMIT``.

    >>> log_odds(math.log(0.5)), log_odds(0.0), log_odds(-math.inf)
    (0.0, 12.0, -12.0)
    """
    if not -LIMIT < log_p < 0:
        return LIMIT if log_p >= 0 else -LIMIT
    return min(LIMIT, log_p - math.log(-math.expm1(log_p)))


def fit(features: Tensor, labels: Tensor) -> Calibration:
    """Maximum likelihood (with a weak L2) on (n, 2) log-odds and (n,) labels of 0 and 1, both float64. ElqError where n = 0.

    The problem is convex and the bounds are two: the best of the fits with any of the slopes held at 0 is the one sought.
    """
    if not len(labels):
        raise ElqError("a calibration needs links, but there are none: give questions in which the model finds something")
    fits = [_fit_free(features, labels, free) for free in product((1.0, 0.0), repeat=2)]
    return min((found for found in fits if min(found[1][1:]) >= 0), key=lambda found: found[0])[1]


def _fit_free(features: Tensor, labels: Tensor, free: tuple[float, ...]) -> tuple[float, Calibration]:
    """(loss, weights) of the fit that leaves some slopes free (1) and holds the others at 0."""
    inputs = torch.cat([torch.ones_like(features[:, :1]), features * features.new_tensor(free)], dim=1)  # (n, 3)
    with torch.enable_grad():
        weights = torch.zeros(3, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS(
            [weights], max_iter=500, tolerance_grad=1e-9, tolerance_change=1e-14, line_search_fn="strong_wolfe"
        )

        def loss() -> Tensor:
            optimizer.zero_grad()
            nll = binary_cross_entropy_with_logits(inputs @ weights, labels, reduction="sum")
            value = (nll + PENALTY / 2 * weights.square().sum()) / len(labels)
            value.backward()  # type: ignore[no-untyped-call]
            return value

        optimizer.step(loss)  # type: ignore[no-untyped-call]
        return float(loss().detach()), Calibration(*weights.tolist())
