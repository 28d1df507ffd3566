"""Intervals: the bootstrap over questions, for ratios of sums over questions.

Precision, recall and F1 (micro), means over questions (macro), recall at k and every slice of them are such ratios. So they all
use the same resamples. R resamples of Q questions are an (R, Q) matrix that says how often each question was drawn. Its product
with the (Q, F) columns of F figures gives all resampled sums at once.
"""

from collections.abc import Hashable, Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple, TypeVar

import numpy as np

from elq.errors import ElqError

Array = np.ndarray[Any, np.dtype[np.float64]]

Key = TypeVar("Key", bound=Hashable)

RESAMPLES = 2000
LEVEL = 0.95
CELLS = 4_000_000  # cells of the matrix of draws that are in memory at a time


class Ratio(NamedTuple):
    """A figure: Σ top / Σ bottom over Q questions. It is undefined if Σ bottom is 0."""

    top: Array  # (Q,)
    bottom: Array  # (Q,)


class Interval(NamedTuple):
    """A figure and the bounds of its interval; NaN if it is undefined."""

    value: float
    low: float
    high: float


def draw_counts(questions: int, resamples: int, seed: int) -> Iterator[Array]:
    """How often each of Q questions is drawn, in blocks of resamples: (≤ R, Q). The sum of every row is Q."""
    generator = np.random.default_rng(seed)
    block = max(1, CELLS // questions)
    for first in range(0, resamples, block):
        rows = range(min(block, resamples - first))
        drawn = [np.bincount(generator.integers(questions, size=questions), minlength=questions) for _ in rows]
        yield np.stack(drawn).astype(np.float64)


def resampled(ratios: Mapping[Key, Ratio], *, resamples: int = RESAMPLES, seed: int = 0) -> dict[Key, Array]:
    """Each figure on all questions, followed by its values on the R resamples: name → (1 + R,), NaN if it is undefined.

    The same seed and number of questions give the same resamples, so the arrays of two linkers may be subtracted.

    Args:
        ratios: name → figure, each over the same Q questions.
        resamples: R, the number of resamples.
        seed: seed of the draws.

    Raises:
        ElqError: there is no question or no resample.
    """
    if not ratios:
        return {}
    tops, bottoms = zip(*ratios.values(), strict=True)
    columns = np.stack([*tops, *bottoms], axis=1)  # (Q, 2F)
    if not len(columns) or resamples < 1:
        raise ElqError(f"{resamples} resamples of {len(columns)} questions are asked for: give at least one of each")
    blocks = chain(
        [np.ones((1, len(columns)))], draw_counts(len(columns), resamples, seed)
    )  # one block at a time, because all draws have R × Q cells
    sums, bases = np.split(np.concatenate([block @ columns for block in blocks]), 2, axis=1)  # each (1 + R, F)
    values = np.divide(sums, bases, out=np.full_like(sums, np.nan), where=bases > 0)
    return dict(zip(ratios, values.T, strict=True))


def interval(values: Array) -> Interval:
    """The interval of a figure from its (1 + R,) values: percentiles over the resamples in which the figure is defined.

    >>> round(interval(np.array([0.5, *np.linspace(0.0, 1.0, 101)])).low, 3)
    0.025
    """
    drawn = values[1:][~np.isnan(values[1:])]
    if np.isnan(values[0]) or not len(drawn):
        return Interval(float(values[0]), np.nan, np.nan)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(values[0]), float(low), float(high))


def intervals(ratios: Mapping[Key, Ratio], *, resamples: int = RESAMPLES, seed: int = 0) -> dict[Key, Interval]:
    """The 95% interval of every figure, see :func:`resampled`."""
    return {name: interval(values) for name, values in resampled(ratios, resamples=resamples, seed=seed).items()}
