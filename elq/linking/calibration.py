"""Calibration: turns a link's score into the probability that the link is right.

The calibration is a logistic regression. Its input is the log-odds of the joint score p = p(mention) · p(entity | mention). So
the probability grows with the score: the links above a threshold γ are also those above some probability, and no hidden link is
likelier than a shown one. elq/evaluation/reliability.py fits the calibration to annotated questions, and measures its quality.

Earlier versions of elq gave each of the two factors a slope of its own. Then a link may have a lower score and a higher
probability than another. Model folders of these versions are still read (:class:`FactorCalibration`), and `elq tune` replaces
their calibration.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from elq.errors import ElqError

LIMIT = 12.0  # the largest log-odds: float32 cannot distinguish probabilities beyond it (1 − p = 6e-6)
PENALTY = 1e-2  # weight of an L2 penalty: it keeps the fit finite where a line separates all right links from all wrong ones
LARGEST = 1e6  # the largest absolute value in a saved calibration; no fit reaches it, so a larger value is damage
LEAST_SCORE = -8.0  # calibrations are fitted to links of at least this joint score, and say nothing about the others
ROUNDING = 1e-4  # a joint score of a linker, in float32, differs less than this from the exact one


class Calibration(NamedTuple):
    """Probability of a link = σ(offset + slope · l(p)), where l is the log-odds, and p = p(mention) · p(entity | mention).

    A link is right if its entity is in the question's gold set. The slope is at least 0: a better score never has a lower
    probability.
    """

    offset: float
    slope: float

    def probability(self, mention_score: float, entity_score: float) -> float:
        """The probability of a link from log p(mention) and log p(entity | mention).

        >>> round(Calibration(0.0, 1.0).probability(math.log(0.8), math.log(0.5)), 6)
        0.4
        """
        return _sigmoid(self.offset + self.slope * log_odds(mention_score + entity_score))

    def probabilities(self, features: Tensor) -> Tensor:
        """The probabilities (n,) of n links, float64, from the log-odds (n,) of their joint scores."""
        return torch.sigmoid(self.offset + self.slope * features)

    def floor(self, probability: float) -> float:
        """A joint score below which no link has this probability.

        >>> round(Calibration(0.0, 1.0).floor(0.5), 3), Calibration(0.0, 1.0).floor(0.0), Calibration(9.0, 0.0).floor(0.9)
        (-0.693, -inf, -inf)
        """
        if not 0 < probability < 1 or not self.slope:
            return -math.inf if probability < 1 else -ROUNDING
        least = (math.log(probability / (1 - probability)) - self.offset) / self.slope  # log-odds
        return -math.inf if least <= -LIMIT else -math.log1p(math.exp(-min(least, LIMIT))) - ROUNDING


class FactorCalibration(NamedTuple):
    """Probability of a link = σ(offset + mention · l(p(mention)) + entity · l(p(entity | mention))), of an earlier version."""

    offset: float
    mention: float
    entity: float

    def probability(self, mention_score: float, entity_score: float) -> float:
        """The probability of a link from log p(mention) and log p(entity | mention).

        >>> round(FactorCalibration(0.0, 1.0, 0.0).probability(math.log(0.8), math.log(0.1)), 6)
        0.8
        """
        return _sigmoid(self.offset + self.mention * log_odds(mention_score) + self.entity * log_odds(entity_score))

    def floor(self, probability: float) -> float:
        """A joint score below which no link has this probability; there is none, since this probability has another order."""
        return -math.inf


AnyCalibration = Calibration | FactorCalibration


def calibration_of(values: Sequence[float]) -> AnyCalibration:
    """The calibration that ``decision.json`` holds: an offset and a slope, or an offset and two slopes (earlier versions).

    Raises:
        ElqError: the values are not two or three numbers, or a slope is negative.
    """
    fits = isinstance(values, list | tuple) and [type(value) in (int, float) and abs(value) <= LARGEST for value in values]
    if fits not in ([True] * 2, [True] * 3) or min(values[1:]) < 0:
        raise ElqError(
            f"decision.json has the calibration {values!r}, but it must be a list of two numbers, an offset and a slope of at"
            " least 0, or of an offset and two slopes of at least 0: set it to null, then fit it again with `elq tune`"
        )
    return Calibration(*values) if len(values) == 2 else FactorCalibration(*values)


def _sigmoid(logit: float) -> float:
    return (1 + math.tanh(logit / 2)) / 2


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

    The problem is convex, and only the slope has a bound (0). So two fits are made, one of them with the slope held at 0, and
    the better of those that respect the bound is the answer.

    Args:
        features: log-odds (n,) of the joint scores, float64.
        labels: (n,) float64, 1 for a right link and 0 for a wrong one.

    Raises:
        ElqError: n = 0.
    """
    if not len(labels):
        raise ElqError(
            "a calibration needs links, but there are none: the model found no link in these questions, so give more questions"
        )
    fits = [_fit_free(features * free, labels) for free in (1.0, 0.0)]
    return min((found for found in fits if found[1].slope >= 0), key=lambda found: found[0])[1]


def _fit_free(features: Tensor, labels: Tensor) -> tuple[float, Calibration]:
    """Fit without a bound; returns the loss and the calibration. Features of 0 hold the slope at 0."""
    with torch.enable_grad():
        weights = torch.zeros(2, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS(
            [weights], max_iter=500, tolerance_grad=1e-9, tolerance_change=1e-14, line_search_fn="strong_wolfe"
        )

        def loss() -> Tensor:
            optimizer.zero_grad()
            nll = binary_cross_entropy_with_logits(weights[0] + weights[1] * features, labels, reduction="sum")
            value = (nll + PENALTY / 2 * weights.square().sum()) / len(labels)
            value.backward()  # type: ignore[no-untyped-call]
            return value

        optimizer.step(loss)  # type: ignore[no-untyped-call]
        return float(loss().detach()), Calibration(*weights.tolist())
