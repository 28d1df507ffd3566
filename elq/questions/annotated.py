"""Annotated questions: reads and checks files of questions and gold mentions.

File format: JSON lines, ``{"id", "text", "mentions": [{"start", "end", "entity"}], "other_entities": [id, …]}`` with
character offsets (code points), end exclusive; ``entity`` is null if the gold entity is not in the catalogue. Only ``text``
is required, and unknown keys are ignored. The file may be compressed, or one JSON array of such objects (.json). The questions
of the released ELQ (EL4QA) can be read too. A question may have a picture (elq/questions/pictures.py).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elq.errors import ElqError
from elq.questions.pictures import with_picture, without_missing
from elq.reading.ids import id_text
from elq.reading.json_lines import read_jsonl
from elq.reading.lines import format_of, require_file
from elq.reading.records import DELIMITED, JSON, PARQUET, listing, read_json
from elq.types import Mention, Question

if TYPE_CHECKING:
    from elq.entities.catalogue import Catalogue


def question_from_record(record: Mapping[str, Any], number: int, folder: Path | None = None) -> Question:
    """Check one raw record and convert it to a question. If it has no id, the id is ``number``; a whole number becomes text.

    Args:
        record: the record.
        number: its number in its file.
        folder: the folder of its file, to which the path of a picture is relative; None: the working folder.

    Raises:
        ElqError: a key is missing, a value has the wrong type, or a span is empty or outside the text.

    >>> question_from_record({"text": "who is obama?", "mentions": [{"start": 7, "end": 12, "entity": "Q76"}]}, 1)
    Question(id='1', text='who is obama?', mentions=(Mention(start=7, end=12, entity='Q76'),), other_entities=(), partial=False)
    """
    text = record.get("text")
    if not isinstance(text, str):
        keys = "" if "text" in record else f" (the keys are {listing(record)})"
        raise ElqError(f'text is {text!r}{keys}, but must be a string: give every question a "text"')
    mentions, others = record.get("mentions") or [], record.get("other_entities") or []
    if not isinstance(mentions, list):
        raise ElqError(
            f'mentions is {mentions!r}, but must be a list of objects with "start", "end" and "entity": correct it or remove it'
        )
    if not isinstance(others, list) or not all(type(other) in (str, int) and str(other).strip() for other in others):
        raise ElqError(
            f'other_entities is {others!r}, but must be a list of entity ids, such as ["Q90"]: correct it or remove it'
        )
    identity = id_text(record.get("id")) or str(number)
    question = Question(identity, text, tuple(_mention(m, text) for m in mentions), tuple(map(id_text, others)))
    return with_picture(question, record, folder)


def _mention(record: object, text: str) -> Mention:
    if not isinstance(record, dict):
        raise ElqError(f'a mention is {record!r}, but must be an object with "start", "end" and "entity": correct it')
    if "entity" not in record:
        raise ElqError(
            f"a mention has no entity (its keys are {listing(record)}): give the id of its entity, or null if the entity is"
            " not in the catalogue"
        )
    start, end, entity = record.get("start"), record.get("end"), record["entity"]
    if type(start) is not int or type(end) is not int:
        raise ElqError(
            f"a mention has start {start!r} and end {end!r}, but both must be whole numbers: give the places of its characters"
        )
    if not 0 <= start < end <= len(text):
        raise ElqError(
            f"the span [{start}, {end}) is empty or outside the text of {len(text)} characters: give the place of its first"
            " character, counted from 0, and the place after its last one"
        )
    if entity is not None and (type(entity) not in (str, int) or not str(entity).strip()):
        raise ElqError(
            f"entity is {entity!r}, but must be an entity id, or null if the entity is not in the catalogue: correct it"
        )
    return Mention(start, end, None if entity is None else id_text(entity))


def question_from_el4qa(record: Mapping[str, Any], number: int, catalogue: "Catalogue") -> Question:
    """Check one raw record of the released questions (EL4QA) and convert it to a question.

    Format: ``id``, ``text``, ``mentions`` ([start, end] in characters) and ``label_id`` (for each mention, the row of its
    entity in entity.jsonl, which is also its row in the imported catalogue, or −1 for no entity). Other keys are ignored.

    Raises:
        ElqError: a key is missing, a value has the wrong type, a span is outside the text, or the catalogue has no such row.
    """
    spans, rows = record.get("mentions") or [], record.get("label_id")
    if not isinstance(spans, list) or not isinstance(rows, list) or len(spans) != len(rows):
        raise ElqError(
            f"mentions is {spans!r} and label_id is {rows!r}, but both must be lists of the same length: give each mention one"
            " label_id"
        )
    mentions = []
    for span, row in zip(spans, rows, strict=True):
        if not isinstance(span, list) or len(span) != 2:
            raise ElqError(f"a mention is {span!r}, but must be [start, end] in characters: correct it")
        if type(row) is not int or not -1 <= row < len(catalogue):
            raise ElqError(
                f"label_id {row!r} is not a row of the catalogue, which has {len(catalogue)} entities: use a model with the"
                " released entities, which `elq import` makes"
            )
        mentions.append({"start": span[0], "end": span[1], "entity": catalogue[row].id if row >= 0 else None})
    return question_from_record({"id": record.get("id", number), "text": record.get("text"), "mentions": mentions}, number)


def _records(path: Path) -> Iterator[tuple[str, object]]:
    """The place and the value of each record of a question file."""
    require_file(path, f"question file {path}" if path.is_dir() else str(path), "give a file with one JSON object a line")
    if format_of(path) in (*DELIMITED, *PARQUET):
        raise ElqError(f"{path} is a table, but annotated questions need lists of mentions: convert it to JSON lines (.jsonl)")
    return read_json(path) if format_of(path) in JSON else ((f"line {line}", record) for line, record in read_jsonl(path))


def question_of(record: object, number: int, catalogue: "Catalogue | None", folder: Path | None = None) -> Question:
    """Check one raw record, in our format or in that of the released questions (EL4QA), and convert it to a question.

    Args:
        record, number, folder: as in :func:`question_from_record`.
        catalogue: the catalogue to whose rows a released question refers.

    Raises:
        ElqError: the record is bad, or is a released question and there is no catalogue.
    """
    if not isinstance(record, dict):
        raise ElqError(f'the question is {record!r}, but must be an object with "text" and "mentions": correct it')
    if "label_id" not in record:
        return question_from_record(record, number, folder)
    if catalogue is None:
        raise ElqError(
            "label_id is a row of a catalogue, but no catalogue was given: give a model or entities folder (--model)"
        )
    return question_from_el4qa(record, number, catalogue)


def read_questions(path: str | Path, catalogue: "Catalogue | None" = None) -> list[Question]:
    """Read a question file, in our format or in that of the released questions (EL4QA).

    Args:
        path: the file.
        catalogue: the catalogue to whose rows the released questions refer; our format does not need it.

    Raises:
        ElqError: the file is missing or empty, or a record is bad (the message says the file and the line).
    """
    questions = []
    for place, record in _records(Path(path)):
        try:
            questions.append(question_of(record, int(place.rpartition(" ")[2]), catalogue, Path(path).parent))
        except ElqError as error:
            raise ElqError(f"{path}, {place}: {error}") from None
    if not questions:
        raise ElqError(f"{path} contains no questions, but at least one is needed: give a file with one JSON object a line")
    return without_missing(questions, str(path))
