"""Swapped questions: copies of annotated questions with other entities of the same kind.

Annotated questions are few, so a model learns which names are in them, and not only how people ask. A copy has the same words
around another name: "What is the third Rolling Stones album?" becomes "What is the third Pixies album?". It contains no fact.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from elq.questions.frames import ROOT
from elq.questions.templates import Author, usable_names
from elq.types import Entity, Mention, Question

TRIES = 10  # draws after which a mention stays as it is, since its entity may be the only one of its kind


def swapped(questions: Sequence[Question], author: Author) -> list[Question]:
    """A copy of each question in which a mention can be swapped, with other names for all such mentions.

    A mention can be swapped if its words are the label or an alias of its entity, its entity has a kind other than ``generic``,
    and it is no ordinary word: where a text tells names by their capital letters, it has one. Other mentions stay as they are.
    A question with mentions that overlap has no copy.

    Args:
        questions: annotated questions.
        author: draws the other entities and their names, and has the catalogue.
    """
    ids = [*{mention.entity for question in questions for mention in question.mentions if mention.entity is not None}]
    rows = dict(zip(ids, author.catalogue.rows(ids).tolist(), strict=True))  # one call for all ids, since each call takes long
    made = (_swapped(question, rows, author) for question in questions)
    return [question for question in made if question is not None]


def _swapped(question: Question, rows: Mapping[str, int], author: Author) -> Question | None:
    cased = not question.text[1:].islower()
    text, end, mentions = "", 0, list[Mention]()
    for mention in sorted(question.mentions, key=lambda one: one.start):
        if mention.start < end:
            return None
        text += question.text[end : mention.start]
        words, entity, end = question.text[mention.start : mention.end], mention.entity, mention.end
        if entity is not None and rows[entity] >= 0 and not (cased and words.islower()):
            entity, words = _other(author.catalogue[rows[entity]], words, author)
        mentions.append(Mention(len(text), len(text) + len(words), entity))
        text += words
    text += question.text[end:]
    if text == question.text:
        return None
    return replace(question, id=f"{question.id}-swapped", text=text, mentions=tuple(mentions), other_entities=())


def _other(entity: Entity, words: str, author: Author) -> tuple[str, str]:
    """Another entity of the same kind and its name as it is written here; the entity itself if it cannot be swapped."""
    kind = author.frames.kind_of(entity)
    if kind == ROOT or words.casefold() not in map(str.casefold, (entity.title, *usable_names(entity))):
        return entity.id, words
    for _ in range(TRIES):
        other, name = author.draw(kind)
        if other.id != entity.id and name.casefold() != words.casefold():
            return other.id, name.lower() if words.islower() else name
    return entity.id, words
