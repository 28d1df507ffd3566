"""Catalogue files: reads JSON lines, JSON, CSV and Parquet files, and checks each record."""

import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from elq.entities.cells import split_cell
from elq.entities.columns import Layout, layout_of, require_fields, wikidata_found
from elq.entities.tally import Tally
from elq.errors import ElqError
from elq.files import SURROGATES
from elq.reading.ids import id_text, is_empty
from elq.reading.lines import COMPRESSED, DAMAGED, format_of, opened, require_file
from elq.reading.records import listing, read_records
from elq.types import NIL, Entity

log = logging.getLogger(__name__)

FORMATS = ("jsonl", "csv", "parquet", "json", "ndjson", "tsv")
SUFFIXES = tuple(f".{name}" for name in FORMATS)
NOTHING: tuple[object, ...] = (None, "", [])  # values that are no value
SAMPLE = 10_000  # records from which the layout of a file is found
HEAD = 1 << 16  # bytes of a file that say whether it is a dump
DUMP = re.compile(
    rb'\A\s*\[?\s*\{\s*"entities"\s*:\s*\{|"(?:labels|descriptions|aliases)"\s*:\s*\{\s*"[a-z-]+"\s*:\s*\[?\s*\{\s*"language"'
)
WIKI_TITLE = re.compile(r"\S+_\(\S+\)")  # "Titanic_(1997_film)", as Wikipedia writes a title in an address


def entity_from_record(
    record: Mapping[str, Any], columns: Mapping[str, str] | None = None, *, layout: Layout | None = None, number: str = ""
) -> Entity:
    """Check one raw record and convert it to an entity.

    If ``title`` is missing, ``label`` is used for it, and the other way round. A list may also be a string: a list in brackets
    as JSON or Python writes it, or items with "|" between them.

    Args:
        record: column name → value, as read from the source.
        columns: the name of our field → the name of the column in the source, for the fields whose names differ.
        layout: how the records of the file are read; it replaces ``columns``.
        number: the id of the entity if the ids of the file are numbers of records.

    Raises:
        ElqError: the id or both names are missing, or a value has the wrong type.

    >>> entity_from_record({"qid": 5, "title": "Titanic", "aliases": "RMS Titanic|Titan"}, {"id": "qid"}).aliases
    ('RMS Titanic', 'Titan')
    """
    layout = layout or Layout(columns or {})
    values = layout.values(record)
    identity = _encodable("id", id_text(values["id"])) or (number if layout.numbered else "")
    title, label = (_name(field, values[field], layout) for field in ("title", "label"))
    if not identity:
        raise ElqError(
            f"the record has no id (its columns: {listing(record)}): add an id, or name the column that contains it"
            " (--columns id=COLUMN)"
        )
    if identity == NIL:
        raise ElqError(f'an entity has the id {NIL}, which means "not in the catalogue" in links: give it another id')
    if not (title or label):
        raise ElqError(
            f"entity {identity} has neither title nor label: add one, or name the column that contains it"
            " (--columns title=COLUMN)"
        )
    description = _text("description", values["description"])
    aliases, types = (_strings(field, values[field], layout.separators.get(field, "")) for field in ("aliases", "types"))
    count = _count("popularity", values["popularity"])
    return Entity(identity, title or label, label or title, description, aliases, types, count, _others(record, layout))


def _text(field: str, value: object) -> str:
    if is_empty(value):
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ElqError(
            f"{field} is {value!r}, but must be a string: correct it, or name another column (--columns {field}=COLUMN)"
        )
    return _encodable(field, str(value).strip())


def _name(field: str, value: object, layout: Layout) -> str:
    text = _text(field, value)
    return text.replace("_", " ").strip() if "_" in text and (layout.blanks or WIKI_TITLE.fullmatch(text)) else text


def _encodable(field: str, text: str) -> str:
    if SURROGATES.search(text):
        raise ElqError(f"{field} is {text!r}, which contains half of a character (a lone surrogate): correct the text")
    return text


def _strings(field: str, value: object, separator: str) -> tuple[str, ...]:
    items = () if is_empty(value) else split_cell(value, separator) if isinstance(value, str) else value
    items = [item for item in items if item is not None] if isinstance(items, list) else items
    if not isinstance(items, Sequence) or not all(isinstance(item, str) for item in items):
        raise ElqError(
            f'{field} is {value!r}, but must be a list of strings, or one string with "|" between the items: correct it'
        )
    return tuple(_encodable(field, item.strip()) for item in items if item.strip())


def _count(field: str, value: object) -> int:
    if is_empty(value) or value == "":
        return 0
    number = float(value) if isinstance(value, str) and value.isdecimal() else value
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < 2**63 or number != int(number):
        raise ElqError(f"{field} is {value!r}, but must be a whole number from 0 (unknown) to 2^63 - 1: correct it")
    return int(value)  # type: ignore[call-overload, no-any-return]


def _others(record: Mapping[str, Any], layout: Layout) -> dict[str, str]:
    """The values of further columns as text. An object in the column "data" is taken for such values itself."""
    if not (found := layout.others(record)):
        return {}
    if isinstance(found.get("data"), Mapping):
        found |= found.pop("data")
    texts = {str(name): _as_text(value) for name, value in found.items() if not is_empty(value)}
    return {_encodable("a column", name): _encodable(name, text) for name, text in texts.items() if text}


def _as_text(value: object) -> str:
    return value.strip() if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str).strip('"')


def require_catalogue(path: str | Path, columns: Mapping[str, str] | None = None) -> None:
    """Check the path of a catalogue, and the fields of a mapping of columns, before anything is read.

    Raises:
        ElqError: the file is missing, is a folder, has a suffix of no format, or is a dump, or a field in ``columns`` is
            unknown.
    """
    if format_of(path) not in FORMATS and not Path(path).is_dir():
        raise ElqError(
            f"the name of the catalogue {path} must end in one of {', '.join(SUFFIXES)} (a compressed file also in"
            f" {', '.join(COMPRESSED)}): convert the file to such a format"
        )
    require_file(path, f"catalogue {path}", f"give the path of a file in one of the formats {', '.join(SUFFIXES)}")
    require_fields(columns or {})
    _refuse_dump(Path(path))


def _refuse_dump(path: Path) -> None:
    """Refuse a Wikidata dump before it is read, since a whole one has more than a terabyte of JSON."""
    if not path.is_file() or format_of(path) not in ("json", "jsonl", "ndjson"):
        return
    try:
        with opened(path) as stream:
            head = stream.read(HEAD)
    except DAMAGED:
        return  # reading the file says more
    if DUMP.search(head):
        raise ElqError(wikidata_found(str(path), "names are objects with a language"))


def read_entities(path: str | Path, columns: Mapping[str, str] | None = None) -> Iterator[Entity]:
    """Yield the entities of a JSONL, JSON, CSV or Parquet file in the order of the file.

    The memory is constant, but for a JSON array. How the columns are read is found from the first records, and said in the
    log; at the end, the log says how many records have each field.

    Raises:
        ElqError: the file is missing, its suffix or a field in ``columns`` is unknown, a record is bad (the message says
            where it is), an id occurs twice, or there are no records.
    """
    path = Path(path)
    require_catalogue(path, columns)
    records = _mappings(path)
    head = list(islice(records, SAMPLE))
    layout = layout_of([record for _, record in head], columns or {}, str(path)) if head else Layout()
    if layout.numbered:
        log.warning("%s: no record has an id, so the ids are the numbers of the lines or records", path)
    tally = Tally(str(path))
    for place, record in chain(head, records):
        try:
            entity = entity_from_record(record, layout=layout, number=place.rpartition(" ")[2])
        except ElqError as error:
            raise ElqError(f"{path}, {place}: {error}") from None
        tally.add(entity, [field for field, column in layout.column_of.items() if record.get(column) not in NOTHING])
        yield entity
    tally.report()
    tally.require_distinct(lambda: ((place, id_text(layout.value(record, "id"))) for place, record in _mappings(path)))


def _mappings(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for place, record in read_records(path):
        if not isinstance(record, Mapping):
            raise ElqError(f"{path}, {place} is {record!r}, but must be an object with id and title: correct it or remove it")
        yield place, record
