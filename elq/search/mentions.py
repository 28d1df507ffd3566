"""Mention-like vectors: vectors like those of mentions, with which an approximate index is measured."""

from typing import NamedTuple

import torch
from torch import Tensor

from elq.search.table import EntityTable

QUERIES = 1_024  # mention-like vectors that measure an index
NOISE, OTHER = 1.75, 0.75  # what is added to a row of length 1: so the margins are those of a trained model


class Mentions(NamedTuple):
    """Vectors like those of mentions.

    The last P columns are the weights of the prior, which are the same in all vectors of a model.
    """

    vectors: Tensor  # (M, D) fp32
    prior: int = 0  # P
    source: str = "made of the table's rows"  # where they come from, as a part of a sentence


def mention_like(table: EntityTable, weights: Tensor, count: int = QUERIES, seed: int = 0) -> Mentions:
    """Vectors of which each is a row with noise and with a part of another row, as vectors of mentions are.

    Args:
        table: the entity table.
        weights: (P,) the weights of the prior for vectors of length 1.
        count: M.
        seed: of the random numbers.
    """
    random = torch.Generator().manual_seed(seed)
    width = table.width - len(weights)
    rows = torch.randint(len(table), (2, count), generator=random)
    own, other = (torch.nn.functional.normalize(table.gather(some)[:, :width], dim=-1) for some in rows)  # (M, D - P) twice
    noise = torch.randn(count, width, generator=random) / max(width, 1) ** 0.5  # (M, D - P)
    made = torch.nn.functional.normalize(own + NOISE * noise + OTHER * other, dim=-1)  # (M, D - P)
    return Mentions(torch.cat([made, weights.float().expand(count, -1)], -1), len(weights))
