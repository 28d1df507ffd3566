"""Predictions: writes and reads the link files of ``elq predict --format jsonl``.

File format: JSON lines, ``{"id", "text", "links": [{"start", "end", "mention", "entity", "title", "description", "score",
"mention_score", "probability", "candidates": [{"entity", "title", "score"}]}]}`` with character offsets, end exclusive. A link
needs ``start``, ``end``, ``entity`` and ``score``; unknown keys are ignored. If the model learned types, a link has
``type_scores`` too: type → probability. `elq tune --balance` keeps ``nil_score`` too, log p(NIL | mention).
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from elq.errors import ElqError
from elq.questions.annotated import question_from_record
from elq.reading.json_lines import read_jsonl
from elq.types import Candidate, Link, Question

FIELDS = ("start", "end", "mention", "entity", "title", "description", "score", "mention_score", "probability")


def as_record(question: Question, links: Sequence[Link], *, nil: bool = False) -> dict[str, Any]:
    """The id, the text and the links of a question as plain values; ``nil`` adds the score of NIL, where there is one."""
    records = [
        {
            **{field: getattr(link, field) for field in FIELDS},
            "candidates": [asdict(c) for c in link.candidates],
            **({"type_scores": dict(link.type_scores)} if link.type_scores else {}),
            **({"nil_score": link.nil_score} if nil and link.nil_score is not None else {}),
        }
        for link in links
    ]
    return {"id": question.id, "text": question.text, "links": records}


def as_json(question: Question, links: Sequence[Link], *, nil: bool = False) -> str:
    """One JSON line with the id, the text and the links of a question, as :func:`as_record` gives them."""
    value = as_record(question, links, nil=nil)
    line = json.dumps(value, ensure_ascii=False)
    return line if line.isprintable() else json.dumps(value)  # characters that cannot be printed are written as \uXXXX


def read_predictions(path: str | Path) -> tuple[list[Question], list[list[Link]]]:
    """Read a file of predictions.

    Returns:
        The questions (id and text; a missing id becomes the number of the line), and the links of each question.

    Raises:
        ElqError: the file is missing, or a record is bad (the message says the file and the line).
    """
    questions, links = [], []
    for line, record in read_jsonl(path):
        try:
            questions.append(question_from_record({"id": record.get("id", line), "text": record.get("text")}, line))
            found = record.get("links")
            if not isinstance(found, list):
                raise ElqError(f"links is {found!r}, but must be a list: give a file that `elq predict --format jsonl` wrote")
            links.append([_link(value, questions[-1].text) for value in found])
        except ElqError as error:
            raise ElqError(f"{path}, line {line}: {error}") from None
    return questions, links


def _link(record: object, text: str) -> Link:
    if not isinstance(record, dict):
        raise ElqError(f'a link is {record!r}, but must be an object with "start", "end", "entity" and "score": correct it')
    start, end, entity = record.get("start"), record.get("end"), record.get("entity")
    if type(start) is not int or type(end) is not int or not 0 <= start <= end <= len(text):
        raise ElqError(
            f"a link has start {start!r} and end {end!r}, but both must lie in the text of {len(text)} characters:"
            " correct them (characters are counted from 0, and end is the place after the last one)"
        )
    if (mention := record.get("mention", text[start:end])) != text[start:end]:
        raise ElqError(
            f"a link has the mention {mention!r}, but the text has {text[start:end]!r} there: count start and end in"
            " characters, not in bytes or tokens"
        )
    if not isinstance(entity, str):
        raise ElqError(f"a link has the entity {entity!r}, but must have an entity id as a string: correct it")
    candidates = record.get("candidates") or []
    if not isinstance(candidates, list) or not all(isinstance(candidate, dict) for candidate in candidates):
        raise ElqError(
            f'candidates is {candidates!r}, but must be a list of objects with "entity", "title" and "score": correct it'
        )
    types = record.get("type_scores") or {}
    if not isinstance(types, dict):
        raise ElqError(f"type_scores is {types!r}, but must be an object of types and their probabilities: correct it")
    return Link(
        start,
        end,
        mention,
        entity,
        _text(record, "title"),
        _text(record, "description"),
        _number(record, "score"),
        tuple(Candidate(_text(c, "entity"), _text(c, "title"), _number(c, "score")) for c in candidates),
        _number(record, "mention_score") if "mention_score" in record else 0.0,
        None if record.get("probability") is None else _number(record, "probability"),
        nil_score=None if record.get("nil_score") is None else _number(record, "nil_score"),
        type_scores={name: _number(types, name) for name in types},
    )


def _text(record: Mapping[str, Any], key: str) -> str:
    if not isinstance(value := record.get(key, ""), str):
        raise ElqError(f"{key} is {value!r}, but must be a string: correct it")
    return value


def _number(record: Mapping[str, Any], key: str) -> float:
    value = record.get(key)
    try:
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    except OverflowError:  # an integer of hundreds of digits
        number = math.nan
    if math.isnan(number):
        raise ElqError(f"{key} is {value!r}, but must be a number: correct it")
    return number
