"""Silver mentions: spans that nobody annotated, found by the names of a question's further entities."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from elq.names.dictionary import Dictionary
from elq.types import Mention, Question


def with_silver(questions: Sequence[Question], dictionary: Dictionary) -> list[Question]:
    """The questions with a mention for each of their further entities whose name stands in the text, off the other mentions."""
    ids = [*dict.fromkeys(entity for question in questions for entity in question.other_entities)]
    rows = dict(zip(ids, dictionary.rows_of(ids), strict=True))  # looked up once: that is no small thing
    return [_with_silver(question, rows, dictionary) for question in questions]


def _with_silver(question: Question, rows: Mapping[str, int], dictionary: Dictionary) -> Question:
    mentions = [*question.mentions]
    for entity in question.other_entities:
        for start, end in dictionary.spans_of(question.text, rows[entity]) if rows[entity] >= 0 else ():
            if all(end <= mention.start or mention.end <= start for mention in mentions):
                mentions.append(Mention(start, end, entity))
                break
    return replace(question, mentions=tuple(mentions))
