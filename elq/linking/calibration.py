"""Calibration: turns a link's score into the probability that the link is right.

The calibration is a logistic regression. Its inputs are the log-odds of the two factors of the joint score; each has a slope
of its own, and there is one offset. Softmax scores are over-confident, and p(mention) and p(entity | mention) are so by
different amounts; therefore a single temperature for both is not enough. elq/evaluation/reliability.py fits the calibration to
annotated questions and measures how good it is.
"""

import math
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from elq.errors import ElqError

LIMIT = 12.0  # the largest log-odds: float32 cannot distinguish probabilities beyond it (1 − p = 6e-6)
PENALTY = 1e-2  # weight of an L2 penalty: it keeps the fit finite where a line separates all right links from all wrong ones
LARGEST = 1e6  # the largest absolute value in a saved calibration; no fit reaches it, so a larger value is damage


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
        """The probabilities (n,) of n links, float64, from their log-odds (n, 2)."""
        return torch.sigmoid(self.offset + features @ torch.tensor(self[1:], dtype=torch.float64))


def check_calibration(values: Sequence[float]) -> None:
    """Raise an ElqError unless the values are an offset and two slopes of at least 0."""
    fits = isinstance(values, list | tuple) and [type(value) in (int, float) and abs(value) <= LARGEST for value in values]
    if fits != [True] * 3 or min(values[1:]) < 0:
        raise ElqError(
            f"decision.json has the calibration {values!r}, but it must be a list of three numbers, an offset and two slopes of"
            " at least 0: set it to null, then fit it again with `elq tune`"
        )


def log_odds(log_p: float) -> float:
    """The log-odds log(p / (1 − p)) of a probability p given as log p, limited to ±``LIMIT``.

    >>> log_odds(math.log(0.5)), log_odds(0.0), log_odds(-math.inf)
    (0.0, 12.0, -12.0)
    """
    if not -LIMIT < log_p < 0:
        return LIMIT if log_p >= 0 else -LIMIT
    return min(LIMIT, log_p - math.log(-math.expm1(log_p)))


def fit(features: Tensor, labels: Tensor) -> Calibration:
    """Fit a calibration by maximum likelihood with a weak L2 penalty.

    The problem is convex, and only the two slopes have a bound (0). So four fits are made, each with none, one or both slopes
    held at 0, and the best of those that respect the bounds is the answer.

    Args:
        features: log-odds (n, 2), float64.
        labels: (n,) float64, 1 for a right link and 0 for a wrong one.

    Raises:
        ElqError: n = 0.
    """
    if not len(labels):
        raise ElqError(
            "a calibration needs links, but there are none: the model found no link in these questions, so give more questions"
        )
    fits = [_fit_free(features, labels, free) for free in product((1.0, 0.0), repeat=2)]
    return min((found for found in fits if min(found[1][1:]) >= 0), key=lambda found: found[0])[1]


def _fit_free(features: Tensor, labels: Tensor, free: tuple[float, ...]) -> tuple[float, Calibration]:
    """Fit with some slopes free (1 in ``free``) and the others held at 0; returns the loss and the calibration."""
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
