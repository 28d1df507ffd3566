"""Catalogue files: reads JSONL, CSV and Parquet files, and checks each record."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow as pa

from elq.errors import ElqError
from elq.files import SURROGATES, read_jsonl
from elq.types import NIL, Entity

SUFFIXES = (".jsonl", ".csv", ".parquet")
FIELDS = tuple(field.name for field in fields(Entity))
ROWS = 10_000  # rows of a Parquet file that are converted to Python objects at a time
LONGEST_FIELD = 1 << 24  # characters of one value in a CSV file


def entity_from_record(record: Mapping[str, Any], columns: Mapping[str, str] | None = None) -> Entity:
    """Check one raw record and convert it to an entity.

    If ``title`` is missing, ``label`` is used for it, and the other way round. A list may also be a string with "|" between the
    items.

    Args:
        record: column name → value, as read from the source.
        columns: the name of our field → the name of the column in the source, for the fields whose names differ.

    Raises:
        ElqError: the id or both names are missing, or a value has the wrong type.

    >>> entity_from_record({"qid": 5, "title": "Titanic", "aliases": "RMS Titanic|Titan"}, {"id": "qid"}).aliases
    ('RMS Titanic', 'Titan')
    """
    names = columns or {}
    values = {field: record.get(names.get(field, field)) for field in FIELDS}
    identity, title, label, description = (_text(field, values[field]) for field in ("id", "title", "label", "description"))
    if not identity:
        raise ElqError(
            f"the record has no id (its columns: {', '.join(record)}): add an id, or name the column that contains it"
            " (--columns id=COLUMN)"
        )
    if identity == NIL:
        raise ElqError(f'an entity has the id {NIL}, which means "not in the catalogue" in links: give it another id')
    if not (title or label):
        raise ElqError(
            f"entity {identity} has neither title nor label: add one, or name the column that contains it"
            " (--columns title=COLUMN)"
        )
    aliases, types = (_strings(field, values[field]) for field in ("aliases", "types"))
    count = _count("popularity", values["popularity"])
    return Entity(identity, title or label, label or title, description, aliases, types, count)


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, float) and value != value)  # readers give NaN for an empty cell


def _text(field: str, value: object) -> str:
    if _is_empty(value):
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ElqError(
            f"{field} is {value!r}, but must be a string: correct it, or name another column (--columns {field}=COLUMN)"
        )
    return _encodable(field, str(value).strip())


def _encodable(field: str, text: str) -> str:
    if SURROGATES.search(text):
        raise ElqError(f"{field} is {text!r}, which contains half of a character (a lone surrogate): correct the text")
    return text


def _strings(field: str, value: object) -> tuple[str, ...]:
    items = () if _is_empty(value) else value.split("|") if isinstance(value, str) else value
    if not isinstance(items, Sequence) or not all(isinstance(item, str) for item in items):
        raise ElqError(
            f'{field} is {value!r}, but must be a list of strings, or one string with "|" between the items: correct it'
        )
    return tuple(_encodable(field, item.strip()) for item in items if item.strip())


def _count(field: str, value: object) -> int:
    if _is_empty(value) or value == "":
        return 0
    number = float(value) if isinstance(value, str) and value.isdecimal() else value
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < 2**63 or number != int(number):
        raise ElqError(f"{field} is {value!r}, but must be a whole number from 0 (unknown) to 2^63 - 1: correct it")
    return int(value)  # type: ignore[call-overload, no-any-return]


def _raw_records(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the place in the file and the raw record, in the order of the file."""
    if path.suffix == ".jsonl":
        for line, record in read_jsonl(path):
            yield f"line {line}", record
        return
    kind, number = path.suffix.removeprefix("."), 0
    try:
        for record in _csv_records(path) if kind == "csv" else _parquet_records(path):
            number += 1
            yield f"record {number}", record
    except (csv.Error, UnicodeDecodeError, pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise ElqError(
            f"{path} could not be read as {kind} after record {number} ({reason}): correct the file after that record"
        ) from error


def _csv_records(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV file, whose first row names the columns. Values are not converted: "NA" and "007" stay text."""
    csv.field_size_limit(LONGEST_FIELD)
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = csv.reader(stream, strict=True)
        header = next(rows, [])
        for row in rows:
            if any(row[len(header) :]):
                raise ElqError(
                    f"{path}, line {rows.line_num}: the row has {len(row)} fields, but the header names {len(header)} columns:"
                    " put every value that contains a comma between double quotes"
                )
            if row:  # the reader gives an empty list for an empty line
                yield dict(zip(header, row, strict=False))


def _parquet_records(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=ROWS):
            yield from batch.to_pylist()


def read_entities(path: str | Path, columns: Mapping[str, str] | None = None) -> Iterator[Entity]:
    """Yield the entities of a JSONL, CSV or Parquet file in the order of the file, in constant memory.

    Raises:
        ElqError: the file is missing, its suffix or a field in ``columns`` is unknown, or a record is bad (the message says
            where it is).
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ElqError(
            f"the name of the catalogue {path} must end in one of {', '.join(SUFFIXES)}: convert the file to such a format"
        )
    if not path.is_file():
        raise ElqError(f"catalogue {path} does not exist: give the path of a file in one of the formats {', '.join(SUFFIXES)}")
    for field in columns or {}:
        if field not in FIELDS:
            raise ElqError(
                f"columns names the field {field!r}, but the fields are {', '.join(FIELDS)}: write FIELD=COLUMN with one of"
                " these"
            )
    for place, record in _raw_records(path):
        try:
            entity = entity_from_record(record, columns)
        except ElqError as error:
            raise ElqError(f"{path}, {place}: {error}") from None
        yield entity
