"""The split of given mentions by their entity, so that no entity is in both parts."""

from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256

from elq.types import Question

LIMIT = 51  # of 256 values of the first byte: about a fifth of all entities


def is_development(entity: str) -> bool:
    """Whether the mentions of an entity belong to the development part. About 20% of all entities do.

    >>> [is_development(entity) for entity in ("Q1", "Q76", "Q90")]
    [True, False, False]
    """
    return sha256(entity.encode()).digest()[0] < LIMIT


def part_of(questions: Iterable[Question], *, development: bool) -> list[Question]:
    """The questions of one part, each with the mentions of that part only. Questions without such a mention are left out."""
    made = []
    for question in questions:
        own = tuple(m for m in question.mentions if m.entity is not None and is_development(m.entity) is development)
        if own:
            made.append(replace(question, mentions=own))
    return made
