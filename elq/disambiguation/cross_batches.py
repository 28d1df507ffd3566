"""Batches of a cross-encoder: the pairs of some mentions and their candidates."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from elq.disambiguation.cross_examples import Example
from elq.entities.catalogue import Catalogue
from elq.model.crossencoder import Pairs, PairTexts, pairs_of


class CrossBatch:
    """The input of a step: the pairs of M mentions with at most K candidates each.

    It is not a dataclass, since the precision plugins of Lightning change the fields of dataclasses, and fail at frozen ones.

    Args:
        pairs: the pairs of all candidates, mention by mention.
        there: (M, K) bool, whether there is a candidate.
        targets: (M,) int64 places of the gold entities; −1 where it is not among the candidates.
        examples: the M mentions.
    """

    __slots__ = ("examples", "pairs", "targets", "there")

    def __init__(self, pairs: Pairs, there: Tensor, targets: Tensor, examples: tuple[Example, ...]) -> None:
        self.pairs, self.there, self.targets, self.examples = pairs, there, targets, examples

    def to(self, target: torch.device | str) -> "CrossBatch":
        """The same batch with its tensors on another device (Lightning calls this)."""
        return CrossBatch(self.pairs.to(target), self.there.to(target), self.targets.to(target), self.examples)


def drawn(example: Example, negatives: int, seed: str) -> list[str]:
    """The gold entity of an example and some of its wrong candidates, in their order.

    Args:
        example: an example whose gold entity is among its candidates.
        negatives: number of wrong candidates; all of them if there are fewer.
        seed: what they are drawn by. A candidate at the place n (from 1) is drawn with a weight of 1 / n.
    """
    wrong = [place for place, entity in enumerate(example.candidates) if entity != example.gold]
    if len(wrong) > negatives:
        numbers = random.Random(seed)
        keys = {place: numbers.random() ** (place + 1) for place in wrong}  # the largest are a weighted sample
        wrong = sorted(wrong, key=keys.__getitem__, reverse=True)[:negatives]
    return [example.candidates[place] for place in sorted([example.target, *wrong])]


@dataclass(frozen=True, slots=True)
class CrossCollator:
    """Makes a batch from examples.

    Args:
        texts: makes the pairs.
        catalogue: the catalogue of the candidates.
        padding: the vocabulary id of the padding token.
        negatives: number of wrong candidates in training; None: all candidates, in their order.
        seed: seed of the draw of the wrong candidates.
    """

    texts: PairTexts
    catalogue: Catalogue
    padding: int
    negatives: int | None = None
    seed: str = ""

    def __call__(self, examples: Sequence[Example]) -> CrossBatch:
        """Make a batch of M examples; those of training have their gold entity among the candidates."""
        ids = [self._candidates(example) for example in examples]
        entities = self._entities(sorted({one for of_mention in ids for one in of_mention}))
        contexts = self.texts.contexts(
            [example.text for example in examples], [[(example.start, example.end)] for example in examples]
        )
        sides = [(context, entities[one]) for context, of_mention in zip(contexts, ids, strict=True) for one in of_mention]
        pairs = pairs_of([context for context, _ in sides], [entity for _, entity in sides], self.padding)
        counts = torch.tensor([*map(len, ids)], dtype=torch.int64)
        there = torch.arange(max([*map(len, ids), 1])) < counts.unsqueeze(-1)  # (M, K)
        targets = [
            of_mention.index(example.gold) if example.gold in of_mention else -1
            for example, of_mention in zip(examples, ids, strict=True)
        ]
        return CrossBatch(pairs, there, torch.tensor(targets, dtype=torch.int64), tuple(examples))

    def _candidates(self, example: Example) -> Sequence[str]:
        if self.negatives is None:
            return example.candidates
        return drawn(example, self.negatives, f"{self.seed} {example.start} {example.text}")

    def _entities(self, ids: Sequence[str]) -> Mapping[str, list[int]]:
        rows = self.catalogue.rows(ids).tolist()
        records = self.catalogue.records(rows)
        return dict(zip(ids, self.texts.entities([records[row] for row in rows]), strict=True))
