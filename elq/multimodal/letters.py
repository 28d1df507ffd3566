"""Letters: the letters of a name as numbers, for units that read names letter by letter."""

from collections.abc import Sequence

import torch
from torch import Tensor

from elq.names.words import folded

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789 '-.&"
ALPHABET = 64  # how many different numbers there are, with 0 for padding
OTHER = len(LETTERS) + 1  # the first of the numbers that other characters share
LONGEST = 32  # letters of a name


def numbers_of(name: str) -> list[int]:
    """The numbers of the first letters of a name, without case and accents.

    >>> numbers_of("Éa 7"), numbers_of("")
    ([5, 1, 37, 34], [])
    """
    plain = folded(name).lower()[:LONGEST]
    return [LETTERS.find(letter) + 1 or OTHER + ord(letter) % (ALPHABET - OTHER) for letter in plain]


def letters_of(names: Sequence[str]) -> Tensor:
    """The letters (B, C) int64 of B names, 0 is padding; C is at least 1."""
    rows = [numbers_of(name) for name in names]
    width = max([1, *map(len, rows)])
    return torch.tensor([[*row, *[0] * (width - len(row))] for row in rows], dtype=torch.int64).view(len(rows), width)
