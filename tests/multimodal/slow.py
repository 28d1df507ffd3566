"""Slow oracles: what units compute, with loops over mentions, candidates, words, pictures and patches, for one pair at a time.

Nothing here is batched or masked: padding and missing pictures are left out of the lists before anything is computed.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from elq.multimodal.features import ModalityFeatures


class One(NamedTuple):
    """What is known of one mention or entity."""

    text: Tensor  # (D,)
    words: list[Tensor]  # each (D,)
    letters: list[int]
    pictures: list[Tensor]  # each (V,)
    patches: list[list[Tensor]]  # of each picture, each (V,)
    places: list[int]  # the row of each picture


def one(features: ModalityFeatures, *place: int) -> One:
    """The lists of one row."""
    part = ModalityFeatures(*(each[place] for each in features))
    there = [i for i in range(len(part.picture_mask)) if part.picture_mask[i]]
    return One(
        part.text,
        [part.words[t] for t in range(len(part.words)) if part.word_mask[t]],
        [int(letter) for letter in part.characters if letter],
        [part.pictures[i] for i in there],
        [[part.patches[i][p] for p in range(part.patches.shape[1])] for i in there],
        there,
    )


def dot(a: Tensor, b: Tensor) -> float:
    return sum(x * y for x, y in zip(a.tolist(), b.tolist(), strict=True))


def linear(layer: nn.Linear, value: Tensor) -> Tensor:
    made = torch.tensor([dot(row, value) for row in layer.weight])
    return made if layer.bias is None else made + layer.bias


def norm(layer: nn.LayerNorm, value: Tensor) -> Tensor:
    mean = sum(value.tolist()) / len(value)
    variance = sum((x - mean) ** 2 for x in value.tolist()) / len(value)
    return (value - mean) / math.sqrt(variance + layer.eps) * layer.weight + layer.bias


def cosine(a: Tensor, b: Tensor) -> float:
    return dot(a, b) / math.sqrt(dot(a, a)) / math.sqrt(dot(b, b))


def softmax(numbers: list[float]) -> list[float]:
    powers = [math.exp(number - max(numbers)) for number in numbers]
    return [power / sum(powers) for power in powers]


def mean(values: list[Tensor]) -> Tensor:
    return torch.stack(values).sum(0) / len(values)


def weighted(weights: list[float], values: list[Tensor]) -> Tensor:
    total = torch.zeros_like(values[0])
    for weight, value in zip(weights, values, strict=True):
        total = total + weight * value
    return total


def adapted(adapter, value: Tensor) -> Tensor:
    return value + linear(adapter.up, linear(adapter.down, value))


def factor(scale) -> float:
    return math.exp(scale.log.item())
