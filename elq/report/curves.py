"""Curves: computes the numbers that the plots of a report show."""

import math
from typing import NamedTuple

import numpy as np

from elq.evaluation.evaluate import Observed
from elq.evaluation.intervals import RESAMPLES, Interval, Ratio, intervals
from elq.evaluation.metrics import hit_ratio
from elq.evaluation.reliability import BINS, Reliability, equal_mass_bins, examples, reliability
from elq.evaluation.sweep import Threshold, ThresholdSweep
from elq.types import Link

MOST_RANKS = 128  # the largest k of recall at k


class Bin(NamedTuple):
    """Links of similar confidence: their number, their mean confidence, and the share of right links."""

    links: int
    confidence: float
    right: Interval


class Diagram(NamedTuple):
    """The bins that are not empty, lowest confidence first, and the figures for all links."""

    bins: list[Bin]
    whole: Reliability


def quality_curve(observed: Observed) -> list[Threshold]:
    """The quality of entity sets at every threshold that changes the links, highest first, see elq/evaluation/sweep.py.

    Args:
        observed: the output of a linker with a very low threshold.
    """
    sweep = ThresholdSweep()
    sweep.update(observed.questions, observed.links)
    return sweep.curve()


def confidence(link: Link) -> float:
    """The probability that a link is right: calibrated, or exp(score) if the model folder has no calibration."""
    return math.exp(link.score) if link.probability is None else link.probability


def reliability_diagram(observed: Observed, *, bins: int = BINS, resamples: int = RESAMPLES, seed: int = 0) -> Diagram | None:
    """Compares the confidence of links with the share of right links. None if there are no links.

    Bins and figures are computed as in `elq tune`, by elq/evaluation/reliability.py.

    Args:
        observed: the output of a linker with a very low threshold, so that there are links of every confidence.
        bins: largest number of bins; there are fewer if there are fewer links, or many of equal confidence.
        resamples, seed: for the intervals, see elq/evaluation/intervals.py.
    """
    _, rights, numbers = (column.numpy() for column in examples(observed.questions, observed.links))
    if not len(rights):
        return None
    confidences = np.array([confidence(link) for links in observed.links for link in links])  # (n,)
    place, size = equal_mass_bins(confidences, bins), len(observed.questions)
    parts = [np.flatnonzero(place == one) for one in np.unique(place)]
    ratios = {
        number: Ratio(
            np.bincount(numbers[part], rights[part], size).astype(np.float64),
            np.bincount(numbers[part], minlength=size).astype(np.float64),
        )
        for number, part in enumerate(parts)
    }
    shares = intervals(ratios, resamples=resamples, seed=seed).values()
    made = [Bin(len(part), float(confidences[part].mean()), share) for part, share in zip(parts, shares, strict=True)]
    return Diagram(made, reliability(confidences, rights, bins))


def recall_curve(observed: Observed, *, resamples: int = RESAMPLES, seed: int = 0) -> list[Interval]:
    """The share of gold mentions whose entity is among the first k candidates for their span, k = 1 … ``MOST_RANKS``."""
    if not any(observed.ranks or ()):
        return []
    steps = range(1, MOST_RANKS + 1)
    ratios = {k: hit_ratio([[0 <= rank < k for rank in ranks] for ranks in observed.ranks or ()]) for k in steps}
    return list(intervals(ratios, resamples=resamples, seed=seed).values())
