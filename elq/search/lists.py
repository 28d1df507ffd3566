"""Inverted lists: divides the rows of a table into lists of similar rows (k-means of faiss)."""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from elq.search.table import BLOCK, EntityTable
from elq.tensors import Array

POINTS = 39  # rows for each centre, without which faiss warns of too few
TRAINED = 64  # rows for each centre that are used
ROUNDS = 10  # of k-means
REPEATED = 1e-3  # the noise of a repeated row
TINY = 1e-12  # instead of the length of a row of zeros


class Lists(NamedTuple):
    """The division of N rows into lists."""

    centres: Array  # (lists, D) fp32
    of_row: Array  # (N,) int64, the list of each row

    def differences(self, table: EntityTable, count: int) -> Array:
        """The differences (…, D) fp32 of some rows from the centres of their lists.

        Args:
            table: the entity table.
            count: the number of differences. If there are fewer rows, they are repeated with a little noise.
        """
        rows = sample_rows(table, count)
        rows = rows.repeat(-(-count // len(rows)))[:count]
        made: Array = table.gather(rows).numpy() - self.centres[self.of_row[rows]]  # (rows, D)
        if len(table) < count:
            made += np.random.default_rng(0).standard_normal(made.shape, np.float32) * (REPEATED * made.std())
        return made


def lists_of(rows: int, wanted: int) -> int:
    """The number of lists for a number of rows: what was asked for, but no more than the rows can fill.

    >>> lists_of(154_212, 0), lists_of(154_212, 10_000), lists_of(3, 0)
    (1570, 3954, 1)
    """
    return max(1, min(wanted or int(4 * math.sqrt(rows)), rows // POINTS))


def sample_rows(table: EntityTable, count: int) -> Tensor:
    """At most ``count`` row numbers at random, in ascending order."""
    if count >= len(table):
        return torch.arange(len(table))
    return torch.from_numpy(np.sort(np.random.default_rng(0).choice(len(table), count, replace=False)))


def find_lists(table: EntityTable, lists: int, prior: int) -> Lists:
    """Divide the rows into lists by their direction, without the columns of the prior.

    A centre has the direction of its list and the mean length of its rows. So a list of rows that differ much is not searched
    later than others, as it would be if its centre were the mean of its rows.

    Args:
        table: the entity table.
        lists: the number of lists.
        prior: P, the number of columns of the prior. There, a centre has the mean of its rows.
    """
    import faiss

    width = table.width - prior
    sample = torch.nn.functional.normalize(table.gather(sample_rows(table, lists * TRAINED))[:, :width], dim=-1)
    means = faiss.Kmeans(width, lists, niter=ROUNDS, spherical=True, seed=0, min_points_per_centroid=1)
    means.train(sample.numpy())
    centres = torch.from_numpy(np.asarray(means.centroids))  # (lists, D - P)
    directions, sums = flat(centres.numpy()), torch.zeros(lists, 1 + prior)
    of_row = np.empty(len(table), np.int64)
    for start in range(0, len(table), BLOCK):
        block = table.tensor(start, start + BLOCK)  # (block, D)
        lengths = block[:, :width].norm(dim=-1, keepdim=True)  # (block, 1)
        found = directions.search((block[:, :width] / lengths.clamp_min(TINY)).numpy(), 1)[1][:, 0]  # (block,)
        of_row[start : start + BLOCK] = found
        sums.index_add_(0, torch.from_numpy(found), torch.cat([lengths, block[:, width:]], -1))
    sizes = torch.from_numpy(np.bincount(of_row, minlength=lists)).clamp_min(1)  # (lists,)
    sums /= sizes[:, None]  # (lists, 1 + P)
    return Lists(torch.cat([centres * sums[:, :1], sums[:, 1:]], -1).numpy(), of_row)


def flat(vectors: Array) -> Any:
    """A faiss index that compares some vectors one by one."""
    import faiss

    made = faiss.IndexFlatIP(vectors.shape[1])
    made.add(np.ascontiguousarray(vectors))
    return made


def add(index: Any, vectors: Array, lists: Array) -> None:
    """Add vectors to given lists of a faiss index."""
    import faiss

    vectors, lists = np.ascontiguousarray(vectors), np.ascontiguousarray(lists)
    index.add_core(len(vectors), faiss.swig_ptr(vectors), None, faiss.swig_ptr(lists))


def limits(table: EntityTable) -> Array:
    """The least and the greatest number of each column, (2, D) fp32."""
    ends = [table.tensor(start, start + BLOCK).aminmax(dim=0) for start in range(0, len(table), BLOCK)]
    least, most = (torch.stack(side).aminmax(dim=0) for side in zip(*ends, strict=True))
    return torch.stack([least.min, most.max]).numpy()
