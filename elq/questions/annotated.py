"""Questions: the file format of annotated and plain questions.

File format: JSON lines, ``{"id", "text", "mentions": [{"start", "end", "entity"}], "other_entities": [id, …]}`` with
character offsets (code points), end exclusive; ``entity`` null where the gold entity is not in the catalogue. Only ``text``
is required, and keys we do not know are passed over.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elq.errors import ElqError
from elq.files import read_jsonl
from elq.types import Mention, Question

if TYPE_CHECKING:
    from elq.entities.catalogue import Catalogue


def question_from_record(record: Mapping[str, Any], number: int) -> Question:
    """Check one raw record; a missing id becomes the number.

    Raises:
        ElqError: a missing or mistyped key, or a span that is empty or outside the text.

    >>> question_from_record({"text": "who is obama?", "mentions": [{"start": 7, "end": 12, "entity": "Q76"}]}, 1)
    Question(id='1', text='who is obama?', mentions=(Mention(start=7, end=12, entity='Q76'),), other_entities=(), partial=False)
    """
    text = record.get("text")
    if not isinstance(text, str):
        raise ElqError(f"text is {text!r}, but must be a string: every question needs one")
    mentions, others = record.get("mentions") or [], record.get("other_entities") or []
    if not isinstance(mentions, list):
        raise ElqError(f"mentions is {mentions!r}, but must be a list of objects")
    if not isinstance(others, list) or not all(isinstance(other, str) for other in others):
        raise ElqError(f"other_entities is {others!r}, but must be a list of entity ids")
    return Question(str(record.get("id", number)), text, tuple(_mention(m, text) for m in mentions), tuple(others))


def _mention(record: object, text: str) -> Mention:
    if not isinstance(record, dict):
        raise ElqError(f'a mention is {record!r}, but must be an object with "start", "end" and "entity"')
    start, end, entity = record.get("start"), record.get("end"), record.get("entity")
    if type(start) is not int or type(end) is not int:
        raise ElqError(f"a mention has start {start!r} and end {end!r}, but both must be whole numbers")
    if not 0 <= start < end <= len(text):
        raise ElqError(f"the span [{start}, {end}) is empty or outside the text of {len(text)} characters")
    if entity is not None and not isinstance(entity, str):
        raise ElqError(f"entity is {entity!r}, but must be an entity id, or null for one outside the catalogue")
    return Mention(start, end, entity)


def question_from_el4qa(record: Mapping[str, Any], number: int, catalogue: "Catalogue") -> Question:
    """Check one raw record of the released questions (EL4QA).

    Format: ``id``, ``text``, ``mentions`` ([start, end] in characters), ``label_id`` (the entity's row in entity.jsonl, −1 for
    none; a row of the imported catalogue too), and fields that follow from these.

    Raises:
        ElqError: a missing or mistyped key, a span outside the text, or a row that the catalogue does not have.
    """
    spans, rows = record.get("mentions") or [], record.get("label_id")
    if not isinstance(spans, list) or not isinstance(rows, list) or len(spans) != len(rows):
        raise ElqError(f"mentions is {spans!r} and label_id {rows!r}, but both must be lists of the same length")
    mentions = []
    for span, row in zip(spans, rows, strict=True):
        if not isinstance(span, list) or len(span) != 2:
            raise ElqError(f"a mention is {span!r}, but must be [start, end] in characters")
        if type(row) is not int or not -1 <= row < len(catalogue):
            raise ElqError(
                f"label_id {row!r} is no row of the catalogue with its {len(catalogue)} entities: use the released entities"
                " (`elq import`)"
            )
        mentions.append({"start": span[0], "end": span[1], "entity": catalogue[row].id if row >= 0 else None})
    return question_from_record({"id": record.get("id", number), "text": record.get("text"), "mentions": mentions}, number)


def read_questions(path: str | Path, catalogue: "Catalogue | None" = None) -> list[Question]:
    """Read a question file, in our format or that of the released questions (EL4QA).

    Args:
        path: the file.
        catalogue: to whose rows the released questions refer.

    Raises:
        ElqError: a missing or empty file, or a bad record (with its file and line).
    """
    questions = []
    for line, record in read_jsonl(path):
        try:
            if "label_id" not in record:
                questions.append(question_from_record(record, line))
            elif catalogue is not None:
                questions.append(question_from_el4qa(record, line, catalogue))
            else:
                raise ElqError("label_id needs the catalogue whose row it is: give a model or entities folder")
        except ElqError as error:
            raise ElqError(f"{path}, line {line}: {error}") from None
    if not questions:
        raise ElqError(f"{path} holds no questions: it needs at least one")
    return questions
