"""Question records: makes the objects that a file of annotated questions has on its lines."""

from collections.abc import Container, Sequence
from typing import Any

from elq.questions.pictures import picture_record
from elq.types import Question


def record_of(question: Question) -> dict[str, Any]:
    """The object of a question, as elq reads it.

    >>> from elq.types import Mention
    >>> record_of(Question("1", "Who is Ada?", (Mention(7, 10, "Q7259"),)))
    {'id': '1', 'text': 'Who is Ada?', 'mentions': [{'start': 7, 'end': 10, 'entity': 'Q7259'}]}
    """
    mentions = [{"start": one.start, "end": one.end, "entity": one.entity} for one in question.mentions]
    return {"id": question.id, "text": question.text, "mentions": mentions}


def annotated_record(question: Question) -> dict[str, Any]:
    """The object of an annotated question, with all that was annotated."""
    record = {**record_of(question), **picture_record(question)}
    if question.other_entities:
        record["other_entities"] = [*question.other_entities]
    return {**record, "partial": True} if question.partial else record


def question_record(
    identity: str,
    text: str,
    mentions: Sequence[tuple[int, int, str]],
    known: Container[str],
    others: Sequence[str] | None = None,
) -> dict[str, Any]:
    """The object of one question; an entity that the catalogue lacks is null, and ``out_of_catalogue`` names it.

    Args:
        identity: the question's id.
        text: the question.
        mentions: start, end (exclusive, in characters) and entity of each mention.
        known: the ids of the catalogue.
        others: further entities of the question that have no span; None: the question set does not have them.

    >>> question_record("1", "Who is Ada?", [(7, 10, "Q7259")], {"Q42"})["mentions"]
    [{'start': 7, 'end': 10, 'entity': None, 'out_of_catalogue': 'Q7259'}]
    """
    spans = [
        {"start": start, "end": end, "entity": entity}
        if entity in known
        else {"start": start, "end": end, "entity": None, "out_of_catalogue": entity}
        for start, end, entity in mentions
    ]
    record: dict[str, Any] = {"id": identity, "text": text, "mentions": spans}
    return record if others is None else {**record, "other_entities": [*others]}
