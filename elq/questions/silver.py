"""Silver mentions: mentions that are found automatically, without annotation.

Some gold entities of a question have no annotated span. A silver mention is a span whose text is a name of such an entity.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from elq.entities.catalogue import temporary_catalogue
from elq.names.dictionary import Dictionary
from elq.names.writing import collect, in_memory
from elq.types import Entity, Mention, Question


@contextmanager
def dictionary_of(entities: Iterable[Entity]) -> Iterator[Dictionary]:
    """The names of records that are in no entities folder: row n is the n-th record.

    Raises:
        ElqError: there are no records, or an id occurs twice.
    """
    with temporary_catalogue(entities) as catalogue:
        catalogue.names = in_memory(collect(catalogue.all_rows()), catalogue.removed)
        yield Dictionary(catalogue)


def with_silver(questions: Sequence[Question], dictionary: Dictionary) -> list[Question]:
    """Add a mention for each entity in ``other_entities`` that has a name in the text which overlaps no other mention."""
    ids = [*dict.fromkeys(entity for question in questions for entity in question.other_entities)]
    rows = dict(zip(ids, dictionary.rows_of(ids), strict=True))  # one call for all ids, since each call takes long
    return [_with_silver(question, rows, dictionary) for question in questions]


def _with_silver(question: Question, rows: Mapping[str, int], dictionary: Dictionary) -> Question:
    mentions = [*question.mentions]
    for entity in question.other_entities:
        for start, end in dictionary.spans_of(question.text, rows[entity]) if rows[entity] >= 0 else ():
            if all(end <= mention.start or mention.end <= start for mention in mentions):
                mentions.append(Mention(start, end, entity))
                break
    return replace(question, mentions=tuple(mentions))
