"""Curves: what the plots of a report show, as numbers. Pure functions."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from elq.evaluate import Observed, hit_ratio
from elq.intervals import Interval, Ratio, intervals
from elq.metrics import gold_entities
from elq.sweep import Threshold, ThresholdSweep
from elq.types import Link

BINS = 10
MOST_RANKS = 128  # k of the last point of recall at k


class Bin(NamedTuple):
    """Links of similar confidence: their number, mean confidence, and the share that is right."""

    links: int
    confidence: float
    right: Interval


def quality_curve(observed: Observed) -> list[Threshold]:
    """The quality of entity sets at every threshold that makes a difference, highest first, see elq/sweep.py.

    Args:
        observed: with the links of a very low threshold.
    """
    sweep = ThresholdSweep()
    sweep.update(observed.questions, observed.links)
    return sweep.curve()


def confidence(link: Link) -> float:
    """The probability that a link is right: its calibrated one, or exp(score) where the folder has no calibration."""
    return math.exp(link.score) if link.probability is None else link.probability


def reliability(observed: Observed, *, bins: int = BINS, seed: int = 0) -> list[Bin]:
    """Links in bins of equal number by confidence: does a link of confidence p have a gold entity in p of all cases?

    Args:
        observed: with the links of a very low threshold, since high ones leave little to see.
        bins: at most; fewer where there are fewer links. Links of equal confidence may stand in two bins.
        seed: of the intervals' draws.
    """
    rows = [
        (confidence(link), place, link.entity in gold_entities(question))
        for place, (question, links) in enumerate(zip(observed.questions, observed.links, strict=True))
        for link in links
    ]
    if not rows:
        return []
    confidences, places, right = (np.array(column) for column in zip(*sorted(rows), strict=True))  # each (P,)
    parts = np.array_split(np.arange(len(rows)), min(bins, len(rows)))
    size = len(observed.questions)
    ratios = {
        str(number): Ratio(
            np.bincount(places[part], right[part], size).astype(np.float64),
            np.bincount(places[part], minlength=size).astype(np.float64),
        )
        for number, part in enumerate(parts)
    }
    shares = intervals(ratios, seed=seed).values()
    return [Bin(len(part), float(confidences[part].mean()), share) for part, share in zip(parts, shares, strict=True)]


def calibration_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error: the mean distance of a bin's confidence from its share of right links, by number of links."""
    total = sum(one.links for one in bins)
    return sum(one.links * abs(one.confidence - one.right.value) for one in bins) / total if total else math.nan


def recall_curve(observed: Observed, *, seed: int = 0) -> list[Interval]:
    """The share of gold mentions whose entity is among the first k candidates for their span, k = 1 … ``MOST_RANKS``."""
    if not any(observed.ranks or ()):
        return []
    steps = range(1, MOST_RANKS + 1)
    ratios = {str(k): hit_ratio([[0 <= rank < k for rank in ranks] for ranks in observed.ranks or ()]) for k in steps}
    return list(intervals(ratios, seed=seed).values())
