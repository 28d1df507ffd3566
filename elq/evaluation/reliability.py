"""Reliability: fits calibrations, and measures whether probabilities are true."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from elq.errors import ElqError
from elq.evaluation.counting import gold_entities, paired
from elq.linking.calibration import Calibration, fit, log_odds
from elq.tensors import Array
from elq.types import Link, Question

BINS, FOLDS, DRAWS = 15, 5, 1_000
BAND = (0.025, 0.975)  # quantiles: 95% lie between them


class Reliability(NamedTuple):
    """How well n probabilities agree with their labels. A perfectly calibrated model has an ECE in ``band``, usually."""

    links: int
    right: float  # share of right links
    ece: float
    band: tuple[float, float]
    auroc: float  # NaN if all labels are the same


def examples(questions: Sequence[Question], links: Sequence[Sequence[Link]]) -> tuple[Tensor, Tensor, Tensor]:
    """The data for fitting or measuring a calibration: one row for each link, question by question.

    Returns:
        Log-odds of the joint score, (n,) float64; whether the entity is in the question's gold set, (n,)
        float64 of 0 and 1; the number of its question, (n,) int64.

    Raises:
        ElqError: the numbers of questions and of lists of links differ.
    """
    features, labels, numbers = [], [], []
    for number, (question, found) in enumerate(paired(questions, links)):
        gold = gold_entities(question)
        for link in found:
            features.append(log_odds(link.score))
            labels.append(link.entity in gold)
            numbers.append(number)
    odds, rights = (torch.tensor(column, dtype=torch.float64) for column in (features, labels))  # each (n,)
    return odds, rights, torch.tensor(numbers, dtype=torch.int64)


def fit_calibration(questions: Sequence[Question], links: Sequence[Sequence[Link]]) -> Calibration:
    """Fit a calibration by maximum likelihood of which links of annotated questions are right.

    Args:
        questions: annotated questions.
        links: the links of each question, decoded with a low threshold, because scores without links give no information.

    Raises:
        ElqError: there are no links, or the numbers of questions and of lists of links differ.
    """
    features, labels, _ = examples(questions, links)
    return fit(features, labels)


def cross_fitted(
    questions: Sequence[Question], links: Sequence[Sequence[Link]], *, folds: int = FOLDS, seed: int = 0
) -> tuple[Array, Array]:
    """Probabilities of all links; each comes from a calibration that was fitted on the other folds of questions.

    Args:
        questions, links: as for :func:`fit_calibration`.
        folds: number of folds; there are at most as many as questions.
        seed: seed of the shuffle that divides the questions into folds.

    Returns:
        Probabilities and labels, each (n,) float64, question by question.

    Raises:
        ElqError: there are fewer than two folds or questions, or all links are in one fold.
    """
    if (folds := min(folds, len(questions))) < 2:
        raise ElqError(f"cross-fitting {len(questions)} questions makes {folds} folds, but needs at least 2: give more")
    features, labels, numbers = examples(questions, links)
    fold = torch.from_numpy(np.random.default_rng(seed).permutation(len(questions)) % folds)[numbers]  # (n,)
    probabilities = np.zeros(len(labels))
    for number in range(folds):
        mine = fold == number
        if mine.any():
            calibration = fit(features[~mine], labels[~mine])
            probabilities[mine.numpy()] = calibration.probabilities(features[mine]).numpy()
    return probabilities, labels.numpy()


def equal_mass_bins(probabilities: Array, bins: int = BINS) -> Array:
    """The bin of each probability, (n,) → (n,) int64. Bins have equal sizes, but equal probabilities are in one bin.

    >>> equal_mass_bins(np.array([0.9, 0.1, 0.2, 0.9]), 4)
    array([2, 0, 1, 2])
    """
    below = np.searchsorted(np.sort(probabilities), probabilities)  # (n,) number of smaller probabilities
    return below * bins // max(len(probabilities), 1)


def calibration_error(probabilities: Array, labels: Array, bins: int = BINS) -> float:
    """Adaptive ECE of (n,) probabilities and labels: the mean over the links of their bin's |mean probability − share right|.

    >>> calibration_error(np.array([0.25, 0.25, 0.5, 0.5]), np.array([0, 0, 1, 1]), 2)
    0.375
    """
    gaps = np.bincount(equal_mass_bins(probabilities, bins), weights=probabilities - labels)  # (bins,)
    return float(np.abs(gaps).sum() / max(len(probabilities), 1))


def calibrated_band(probabilities: Array, bins: int = BINS, *, draws: int = DRAWS, seed: int = 0) -> tuple[float, float]:
    """The interval that has the ECE of a perfectly calibrated model with these probabilities, 95 times out of 100.

    Even this ECE is above 0, because the share of right links in a bin varies by chance. So an ECE inside the band is no sign
    of wrong probabilities.

    Args:
        probabilities: (n,) probabilities.
        bins: as for :func:`calibration_error`.
        draws: number of sets of labels that are drawn from the probabilities.
        seed: seed of the draws.
    """
    place, random = equal_mass_bins(probabilities, bins), np.random.default_rng(seed)
    errors = np.zeros(draws)
    for draw in range(draws):
        gaps = probabilities - (random.random(len(probabilities)) < probabilities)  # (n,)
        errors[draw] = np.abs(np.bincount(place, weights=gaps)).sum() / max(len(probabilities), 1)
    low, high = np.quantile(errors, BAND).tolist()
    return low, high


def auroc(probabilities: Array, labels: Array) -> float:
    """The probability that a right link has a higher value than a wrong link; equal values count half.

    It is computed from the ranks of the right links (the statistic of Mann and Whitney); equal values have their mean rank. It
    is NaN if there are no right links or no wrong links.

    Args:
        probabilities: (n,) probabilities, or any other scores.
        labels: (n,) labels: 1 for a right link, else 0.

    >>> auroc(np.array([0.1, 0.4, 0.4, 0.8]), np.array([0, 0, 1, 1]))
    0.875
    """
    right = labels > 0  # (n,)
    hits, misses = int(right.sum()), int((~right).sum())
    if not hits or not misses:
        return math.nan
    ordered = np.sort(probabilities)
    below, up_to = (np.searchsorted(ordered, probabilities[right], side) for side in ("left", "right"))  # each (hits,)
    ranks = (below + up_to + 1) / 2  # (hits,) counted from 1
    return float(ranks.sum() - hits * (hits + 1) / 2) / (hits * misses)


def reliability(probabilities: Array, labels: Array, bins: int = BINS) -> Reliability:
    """All figures for (n,) probabilities and labels. Raises ElqError if n = 0."""
    if not len(labels):
        raise ElqError("there are no links to measure probabilities with: give questions in which the model finds links")
    error, band = calibration_error(probabilities, labels, bins), calibrated_band(probabilities, bins)
    return Reliability(len(labels), float(labels.mean()), error, band, auroc(probabilities, labels))
