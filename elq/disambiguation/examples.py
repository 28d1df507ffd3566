"""Examples: one for each gold mention of question files, and the batches of a training."""

import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import torch
from torch import Tensor

from elq.disambiguation.split import is_development
from elq.encoding.marked import MarkedTexts, Rows, padded
from elq.entities.catalogue import Catalogue
from elq.entities.texts import EntityText
from elq.errors import ElqError
from elq.search.table import EntityTable
from elq.types import Question

FITTED = 26  # of 256 values of the second byte: about a tenth of the entities, on whose mentions the ranking is fitted


@dataclass(frozen=True, slots=True)
class MentionExample:
    """One mention, and the catalogue row of its gold entity."""

    text: str
    start: int
    end: int
    row: int

    @property
    def mention(self) -> str:
        """The words of the mention."""
        return self.text[self.start : self.end]


def is_for_ranking(entity: str) -> bool:
    """Whether the mentions of an entity are left out of the training of the towers, to fit the ranking on them.

    Towers know the entities that they have seen, so the weights of their scores would be too large if they were fitted on them.
    """
    return sha256(entity.encode()).digest()[1] < FITTED


def examples_of(
    questions: Iterable[Question],
    catalogue: Catalogue,
    source: str,
    *,
    development: bool | None = None,
    ranking: bool | None = None,
) -> list[MentionExample]:
    """The mentions whose entity is in the catalogue.

    Args:
        questions: annotated questions.
        catalogue: the catalogue.
        source: the name of the questions, for messages.
        development: only the mentions of this part of the entities (elq/disambiguation/split.py); None: of both parts.
        ranking: only the mentions of entities that are, or are not, for the ranking; None: all.

    Raises:
        ElqError: an entity is not in the catalogue.
    """
    found = [
        (question, mention)
        for question in questions
        for mention in question.mentions
        if mention.entity is not None
        and development in (None, is_development(mention.entity))
        and ranking in (None, is_for_ranking(mention.entity))
    ]
    rows = catalogue.rows([str(mention.entity) for _, mention in found]).tolist()
    if -1 in rows:
        question, mention = found[rows.index(-1)]
        raise ElqError(
            f"{source}: question {question.id} has the entity {mention.entity}, which is not in the catalogue"
            f" ({rows.count(-1)} such mentions): correct it, or write null for a mention without an entry"
        )
    return [MentionExample(q.text, m.start, m.end, row) for (q, m), row in zip(found, rows, strict=True)]


class MentionBatch:
    """The input of a step: M contexts and C entities. It is not a dataclass, since Lightning changes the fields of these.

    Args:
        contexts: M contexts.
        gold: (M,) catalogue rows of their gold entities.
        rows: (C,) catalogue rows of the entities, each once.
        entities: C entity texts, or (C, D) vectors of entities that are not encoded again.
    """

    __slots__ = ("contexts", "entities", "gold", "rows")

    def __init__(self, contexts: Rows, gold: Tensor, rows: Tensor, entities: Rows | Tensor) -> None:
        self.contexts, self.gold, self.rows, self.entities = contexts, gold, rows, entities

    def to(self, target: torch.device | str) -> "MentionBatch":
        """The same batch with its tensors on another device (Lightning calls this)."""
        return MentionBatch(*(getattr(self, name).to(target) for name in ("contexts", "gold", "rows", "entities")))

    def pin_memory(self) -> "MentionBatch":
        """The batch itself, since its tensors are small."""
        return self


def context_rows(texts: MarkedTexts, examples: Sequence[MentionExample], padding: int) -> Rows:
    """The contexts of M examples."""
    return padded(texts.contexts([e.text for e in examples], [[(e.start, e.end)] for e in examples]), padding)


def entity_texts(catalogue: Catalogue, rows: Sequence[int], text: EntityText) -> list[str]:
    """The entity texts of C catalogue rows."""
    records = catalogue.records(rows)
    return [text(records[row]) for row in rows]


class MentionCollator:
    """Makes the batches of one epoch.

    Args:
        texts: turns texts into ids.
        catalogue: the catalogue.
        text: makes entity texts.
        padding: the id of the padding token.
        examples: all examples of the epoch.
        negatives: for each example, the catalogue rows from which its hard negatives are drawn: the nearest entities, and those
            that its name may mean. None: there are no hard negatives.
        count: the number of hard negatives of a mention.
        seed: they are drawn by this seed.
        table: has the vectors of entities that are not encoded again; None: they are encoded.
    """

    def __init__(
        self,
        texts: MarkedTexts,
        catalogue: Catalogue,
        text: EntityText,
        padding: int,
        examples: Sequence[MentionExample],
        negatives: Sequence[tuple[Sequence[int], Sequence[int]]] | None = None,
        *,
        count: int = 0,
        seed: int = 0,
        table: EntityTable | None = None,
    ) -> None:
        self.texts, self.catalogue, self.text, self.padding = texts, catalogue, text, padding
        self.examples, self.negatives, self.count, self.seed, self.table = examples, negatives, count, seed, table

    def __call__(self, numbers: Sequence[int]) -> MentionBatch:
        """Make a batch of the examples with these numbers."""
        examples = [self.examples[number] for number in numbers]
        gold = torch.tensor([example.row for example in examples], dtype=torch.int64)  # (M,)
        rows = {example.row for example in examples}
        for number in numbers if self.negatives is not None else ():
            nearest, named = self.negatives[number] if self.negatives is not None else ((), ())
            rows |= drawn(nearest, named, self.count, f"{self.seed} {number}") - {self.examples[number].row}
        ordered = sorted(rows)
        contexts = context_rows(self.texts, examples, self.padding)
        columns = torch.tensor(ordered, dtype=torch.int64)  # (C,)
        entities: Rows | Tensor
        if self.table is None:
            entities = padded(self.texts.entities(entity_texts(self.catalogue, ordered, self.text)), self.padding)
        else:
            entities = self.table.gather(columns)  # (C, D + P)
        return MentionBatch(contexts, gold, columns, entities)


def drawn(nearest: Collection[int], named: Collection[int], count: int, seed: str) -> set[int]:
    """``count`` entities, half of them from ``named`` and half from ``nearest``; if one has too few, more from the other.

    >>> sorted(drawn([1, 2, 3, 4], [7], 3, "0") - {1, 2, 3, 4}), len(drawn([1, 2, 3, 4], [7], 3, "0")), drawn([1], [1], 4, "0")
    ([7], 3, {1})
    """
    generator = random.Random(seed)
    some = generator.sample([*named], min(len(named), max(count // 2, count - len(nearest))))
    others = [row for row in nearest if row not in some]
    return {*some, *generator.sample(others, min(len(others), count - len(some)))}
