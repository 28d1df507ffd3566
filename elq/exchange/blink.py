"""BLINK: reads and writes the JSON lines of the linker BLINK, with one given mention on each line.

A line is ``{"context_left", "mention", "context_right"}`` with the entity as ``label_id`` and ``label_title``, or as
``Wikipedia_title``; ``label`` is its description, or its title if there is no other. ``world`` is the part of the data.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from elq.errors import ElqError
from elq.exchange.gold import Annotated, Gold
from elq.files import whole
from elq.names.scripts import unspaced
from elq.reading.ids import id_text
from elq.reading.json_lines import read_jsonl
from elq.reading.lines import format_of
from elq.reading.records import JSON, listing, read_json
from elq.types import Question

KEYS = ("context_left", "mention", "context_right")
IDS = ("label_id", "wikidata_id", "Wikidata_ID")
TITLES = ("label_title", "Wikipedia_title", "entity_title")
NAMES = ("query_id", "mention_id", "id")
NO_ENTITY = ("", "-1", "nil", "unknown", "none", "null")
LONGEST_TITLE = 200  # characters; a longer label is a description
OPENING, CLOSING = "([{<“‘«¿¡/-–$#@", ".,;:?!)]}>”’»'\"%/-–"  # characters after and before which there is no blank


def read_blink(path: str | Path) -> Iterator[Annotated]:
    """Read the lines of a file, which may be compressed, or one JSON array of such objects (.json).

    Raises:
        ElqError: the file is missing, or a line is bad.
    """
    records = (
        read_json(Path(path)) if format_of(path) in JSON else ((f"line {line}", record) for line, record in read_jsonl(path))
    )
    for place, record in records:
        try:
            yield annotated_of(record, int(place.rpartition(" ")[2]))
        except ElqError as error:
            raise ElqError(f"{path}, {place}: {error}") from None


def annotated_of(record: object, number: int) -> Annotated:
    """One raw record as a text with one mention.

    Raises:
        ElqError: a key is missing, a value is no text, or the mention is empty.
    """
    if not isinstance(record, dict):
        raise ElqError(f"the record is {record!r}, but must be an object with {', '.join(KEYS)}: correct it")
    for key in KEYS:
        if not isinstance(record.get(key), str):
            keys = "" if key in record else f" (the keys are {listing(record)})"
            raise ElqError(f"{key} is {record.get(key)!r}{keys}, but must be a string: give every record {', '.join(KEYS)}")
    left, mention, right = (record[key] for key in KEYS)
    if not mention.strip():
        raise ElqError(f"the mention is {mention!r}, but must have a character that is no blank: correct it or remove the line")
    text, start = joined(left, mention, right)
    identity = next((id_text(record[key]) for key in NAMES if record.get(key) not in (None, "")), str(number))
    world = record.get("world")
    gold = gold_of(record)
    return Annotated(identity, text, ((start, start + len(mention), gold),), world if isinstance(world, str) else "")


def joined(left: str, mention: str, right: str) -> tuple[str, int]:
    """The text of a mention between its contexts, and the place at which the mention begins.

    Some files keep the blanks around the mention in the contexts, others leave them out. Only if neither context has one, a
    blank is added, where words would otherwise be one.

    >>> joined("who directed", "titanic", "?"), joined("", "Shakespeare", "'s plays")
    (('who directed titanic?', 13), ("Shakespeare's plays", 0))
    """
    if left[-1:].isspace() or right[:1].isspace():
        return left + mention + right, len(left)
    before = "" if not left or left[-1] in OPENING or _together(left[-1], mention[0]) else " "
    after = "" if not right or right[0] in CLOSING or _together(mention[-1], right[0]) else " "
    return f"{left}{before}{mention}{after}{right}", len(left) + len(before)


def _together(one: str, other: str) -> bool:
    return unspaced(one) and unspaced(other)


def gold_of(record: Mapping[str, Any]) -> Gold:
    """What a record says about the entity of its mention."""
    ids = _values(record, IDS)
    titles = _values(record, TITLES) or tuple(one for one in _values(record, ("label",)) if len(one) <= LONGEST_TITLE)
    if "label_id" in record and not ids:  # −1 says that there is none, whatever the label is
        return Gold(titles=_values(record, TITLES))
    return Gold(ids, titles)


def _values(record: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[str, ...]:
    texts = (str(record[key]).strip() for key in keys if type(record.get(key)) in (str, int))
    return tuple(dict.fromkeys(text for text in texts if text.casefold() not in NO_ENTITY))


def blink_lines(question: Question) -> Iterator[str]:
    """The lines of a question, one for each of its mentions; an entity is ``label_id``, and −1 if it is null.

    >>> from elq.types import Mention
    >>> print(*blink_lines(Question("7", "who is ada?", (Mention(7, 10, "Q7259"),))))
    {"id": "7", "context_left": "who is ", "mention": "ada", "context_right": "?", "label_id": "Q7259"}
    """
    text = whole(question.text)
    for one in question.mentions:
        parts = (text[: one.start], text[one.start : one.end], text[one.end :])
        record = {
            "id": question.id,
            **dict(zip(KEYS, parts, strict=True)),
            "label_id": -1 if one.entity is None else one.entity,
        }
        yield json.dumps(record, ensure_ascii=False)
