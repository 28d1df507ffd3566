"""Recall: which part of the true nearest entities an approximate index finds, and the floor under which it is refused."""

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from elq.errors import ElqError
from elq.search.exact import ExactIndex
from elq.search.index import EntityIndex
from elq.search.mentions import Mentions, mention_like
from elq.search.shortlist import ShortlistIndex

log = logging.getLogger(__name__)

EQUAL = 1e-5  # relative difference of two scores that are the same but for rounding


class Recall(NamedTuple):
    """The recall of an index: which part of the true nearest entities it finds."""

    first: float  # of the nearest entity
    ten: float  # of the 10 nearest


def recall(index: EntityIndex, vectors: Tensor) -> Recall:
    """The recall of an index for some vectors (M, D). An entity with the score of a true one counts as that one."""
    true, found = ExactIndex(index.table).search(vectors, 10)[0], index.search(vectors, 10)[0]  # (M, 10) twice
    least = true - EQUAL * true.abs()  # (M, 10)
    first = found[:, 0] >= least[:, 0]  # (M,)
    return Recall(float(first.float().mean()), float((found >= least[:, -1:]).float().mean()))


def report_recall(index: EntityIndex, options: Any, mentions: Mentions, *, refuse: bool = True) -> None:
    """Log the recall of a new index for mention vectors, and refuse an index that finds too few of the nearest entities.

    Args:
        index: the index.
        options: an instance of the options class of its kind.
        mentions: the vectors.
        refuse: whether such an index is refused; otherwise there is only a warning.

    Raises:
        ElqError: the recall is below the option ``least_recall``.
    """
    found, count = recall(index, mentions.vectors), len(mentions.vectors)
    said = "the %s index finds %.1f%% of the true 10 nearest entities, and %.1f%% of the nearest (%s mention vectors, %s)"
    log.info(said, index.kind, 100 * found.ten, 100 * found.first, f"{count:,}", mentions.source)
    least = getattr(options, "least_recall", 0.0)
    if isinstance(index, ShortlistIndex) and found.first < least:
        raising, lowering = (
            [f"{name} (it is {value})" for name in names if (value := getattr(options, name))]  # 0: it has no number
            for names in (index.raising, index.lowering)
        )
        fault = (
            f"the {index.kind} index finds {100 * found.first:.1f}% of the nearest entities of {count:,} mention vectors, but"
            f" must find {100 * least:g}%: raise its option {' or '.join(raising)}, lower"
            f" {' or '.join([*lowering, 'least_recall'])}, or use index exact"
        )
        if refuse:
            raise ElqError(fault)
        log.warning(fault)


def measure(
    index: EntityIndex,
    options: Any,
    weights: Sequence[float],
    mentions: Callable[[], Mentions] | None = None,
    *,
    refuse: bool = True,
) -> None:
    """:func:`report_recall` of an index that does not see all entities; nothing for another.

    Args:
        index: the index.
        options: as there.
        weights: (P,) the weights of the prior for mention vectors of length 1.
        mentions: makes the vectors; None: they are made of rows of the table.
        refuse: as there.

    Raises:
        ElqError: as there.
    """
    if not index.sees_all:
        made = mention_like(index.table, torch.tensor(weights)) if mentions is None else mentions()
        report_recall(index, options, made, refuse=refuse)
