"""Parts: batches over random parts of the catalogue, so that a model does not learn which entities there are.

A linker for any catalogue must not know its catalogue by heart. So a batch may see only a part of it, from a few entities to
many thousands: its names and its entities are all that exist for that batch. A gold entity that is not in the part becomes NIL,
or no mention at all if it has no Wikidata id (a private thing that the catalogue lacks is no mention).
"""

import math
import random
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from elq.entities.catalogue import Catalogue
from elq.errors import ElqError
from elq.names.dictionary import Dictionary
from elq.names.interface import Names
from elq.names.writing import collect, in_memory
from elq.tensors import Array, Batch, NameMatches, Part, TokenBatch
from elq.training.batches import Collator
from elq.types import QID, Entity, Question

GOLD_SHARE = 0.8  # the largest share of a part that consists of gold entities and their namesakes
MOST_NAMESAKES = 4  # of one mention
BESIDE = 4  # rows before and behind a gold entity that are its neighbours


@dataclass(frozen=True, kw_only=True)  # no slots: the training parser reads its __dict__
class PartSettings:
    """How parts of the catalogue are drawn. The size of a part is drawn so that its logarithm is uniform.

    Args:
        share: the share of the batches that see only a part; the others see the whole catalogue. 0: all see the whole.
        smallest, largest: limits of the number of entities in a part.
        kept: the probability that the gold entity of a mention is in the part.
        namesakes: the probability that entities that the name of a mention may mean are put into the part.
        neighbours: the probability that the entities beside the gold entity of a mention in the file are put into the part: the
            records of one source stand together.
        anonymous: the probability that the entities of a part have no meaningful ids: then their prior is unknown, and none is
            more famous than the others.
        no_aliases: the probability that the dictionary of a part has only titles and labels.
    """

    share: float = 0.0
    smallest: int = 10
    largest: int = 4_000
    kept: float = 0.75
    namesakes: float = 0.5
    neighbours: float = 0.0
    anonymous: float = 0.5
    no_aliases: float = 0.25

    def __post_init__(self) -> None:
        for name in ("share", "kept", "namesakes", "neighbours", "anonymous", "no_aliases"):
            if not 0 <= (value := getattr(self, name)) <= 1:
                raise ElqError(f"data.parts.{name} is {value}, but must be a number from 0 to 1: correct it")
        if not 1 <= self.smallest <= self.largest:
            raise ElqError(
                f"data.parts.smallest is {self.smallest} and data.parts.largest is {self.largest}, but the first must be at"
                " least 1 and at most the second: correct them"
            )


class PartDictionary:
    """The names of a part of a catalogue, with the interface of :class:`elq.names.dictionary.Dictionary` in training.

    Args:
        entities: the records of the part, the most famous first.
        rows: their rows in the whole catalogue.
    """

    def __init__(self, entities: Sequence[Entity], rows: Sequence[int], *, fine: bool = False) -> None:
        self._dictionary = Dictionary(_PartRecords(entities), fine=fine)
        self._rows = torch.tensor([*rows, -1])  # place −1 (no match) is row −1

    def named(self, texts: Sequence[str], tokens: TokenBatch, max_tokens: int) -> Tensor:
        """Which spans are names of the part, (B, T, L) int64, as in the dictionary of the whole catalogue."""
        return self._dictionary.named(texts, tokens, max_tokens)

    def name_matches(self, names: Sequence[str]) -> NameMatches:
        """The entities of the part that each name may mean, with their rows in the whole catalogue."""
        found = self._dictionary.name_matches(names)
        return NameMatches(self._rows[found.rows], found.kinds)

    def cuts(self, text: str) -> frozenset[int]:
        """The places at which a name begins or ends in a text without spaces."""
        return self._dictionary.cuts(text)

    def whole_names(self, named: Tensor) -> Tensor:
        """Which spans are names as they are in the catalogue, as bool."""
        return self._dictionary.whole_names(named)


class _PartRecords:
    """The records of a part, with what a dictionary needs of a catalogue."""

    def __init__(self, entities: Sequence[Entity]) -> None:
        self._entities = entities
        self.folder, self.removed = Path(), frozenset[int]()
        self.names: Names | None = in_memory(collect(entities))

    def __len__(self) -> int:
        return len(self._entities)

    def __getitem__(self, row: int) -> Entity:
        return self._entities[row]

    def all_rows(self) -> Iterator[Entity]:
        return iter(self._entities)

    def rows(self, ids: Sequence[str]) -> Array:
        places = {entity.id: row for row, entity in enumerate(self._entities)}
        return np.array([places.get(each, -1) for each in ids], np.int64)


class PartCollator:
    """Makes training batches, some of them over a random part of the catalogue.

    Args:
        collator: makes the batches over the whole catalogue; it must have a dictionary.
        catalogue: the whole catalogue.
        settings: how parts are drawn.
        seed, epoch: the parts depend only on these two numbers and on the questions of the batch.
    """

    def __init__(self, collator: Collator, catalogue: Catalogue, settings: PartSettings, *, seed: int, epoch: int) -> None:
        assert collator.dictionary is not None
        self.collator, self.catalogue, self.settings = collator, catalogue, settings
        self.dictionary = collator.dictionary
        self.seed, self.epoch = seed, epoch

    def __call__(self, questions: Sequence[Question]) -> Batch:
        """Make a batch."""
        draws = random.Random(f"{self.seed} {self.epoch} {[question.id for question in questions]}")
        if not questions or draws.random() >= self.settings.share:
            return self.collator(questions)
        rows = self.draw(questions, draws)
        entities = [*self.catalogue.records(rows).values()]  # in ascending order of the rows
        part = Part(torch.tensor(rows), draws.random() < self.settings.anonymous)
        dictionary = self.names(entities, rows, part.anonymous, draws)
        inside = frozenset(entity.id for entity in entities)
        collator = copy(self.collator)
        collator.dictionary = dictionary  # type: ignore[assignment]
        made = collator([over_part(question, inside) for question in questions])
        made.part = part
        return made

    def names(self, entities: list[Entity], rows: list[int], anonymous: bool, draws: random.Random) -> PartDictionary:
        """The dictionary of a part."""
        if draws.random() < self.settings.no_aliases:
            entities = [replace(entity, aliases=()) for entity in entities]
        if anonymous:
            order = draws.sample(range(len(rows)), len(rows))
            entities = [replace(entities[place], id=f"x{place}") for place in order]
            rows = [rows[place] for place in order]
        return PartDictionary(entities, rows, fine=self.dictionary.fine)

    def draw(self, questions: Sequence[Question], draws: random.Random) -> list[int]:
        """The rows of a part, in ascending order."""
        whole, wanted = len(self.catalogue), self.settings
        most, least = min(wanted.largest, whole), min(wanted.smallest, whole)
        size = round(math.exp(draws.uniform(math.log(least), math.log(most))))
        chosen: set[int] = set()
        gold = [(question, mention) for question in questions for mention in question.mentions if mention.entity is not None]
        for question, mention in draws.sample(gold, len(gold)):
            if len(chosen) >= GOLD_SHARE * size:
                break
            row = self.collator.rows[str(mention.entity)]
            if draws.random() < wanted.kept:
                chosen.add(row)
            if wanted.neighbours and draws.random() < wanted.neighbours:
                beside = {*range(max(0, row - BESIDE), min(whole, row + BESIDE + 1))} - {row}
                chosen.update(draws.sample(sorted(beside), min(len(beside), BESIDE)))
            if draws.random() < wanted.namesakes:
                found = self.dictionary.name_matches([question.text[mention.start : mention.end]]).rows.flatten().tolist()
                chosen.update(draws.sample(found, min(len(found), MOST_NAMESAKES)))
        asked = [entity for question in questions for entity in question.other_entities if entity in self.collator.rows]
        chosen.update(
            self.collator.rows[entity] for entity in asked[: max(0, size - len(chosen))] if draws.random() < wanted.kept
        )
        for row in fillers(whole, size - len(chosen), draws):
            chosen.add(row)
        return sorted(chosen)


def fillers(whole: int, count: int, draws: random.Random) -> Iterator[int]:
    """Yield ``count`` random rows from a few ranges of rows, since records of one source are neighbours in the file."""
    ranges = draws.randint(1, 3)
    for number in range(ranges):
        share = max(count, 0) // ranges + (number < max(count, 0) % ranges)
        width = min(whole, round(math.exp(draws.uniform(math.log(max(share, 1)), math.log(whole)))))
        start = draws.randrange(whole - width + 1)
        yield from draws.sample(range(start, start + width), min(share, width))


def over_part(question: Question, inside: frozenset[str]) -> Question:
    """A question as it is annotated over a part of the catalogue, given the ids of the part."""
    mentions = [
        mention if mention.entity is None or mention.entity in inside else replace(mention, entity=None)
        for mention in question.mentions
        if mention.entity is None or mention.entity in inside or QID.fullmatch(mention.entity)
    ]
    return replace(question, mentions=tuple(mentions))
