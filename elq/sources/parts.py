"""The parts of a catalogue that is being made: each is written once, and found again by a run that resumes."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from elq.entities.catalogue_files import entity_from_record
from elq.entities.columns import FIELDS, Layout
from elq.errors import ElqError
from elq.files import replacing
from elq.sources.source import Record, Skips

LAYOUT = Layout()
SKIPS = b"elq.skips"  # key of the metadata of a part: the records that were left out of it
CHUNKS = 1_000_000  # numbers for the chunks of one file; with 32 MB each, these are 32 TB
TEXTS = pa.list_(pa.string())
SCHEMA = pa.schema(
    [(name, {"aliases": TEXTS, "types": TEXTS, "popularity": pa.int64()}.get(name, pa.string())) for name in FIELDS]
)


def number_of(file: int, chunk: int) -> int:
    """The number of a part: parts of later files have larger numbers, however many chunks a file has.

    Args:
        file: the place of the file in ``Source.files``.
        chunk: the place of the chunk in the file.
    """
    return file * CHUNKS + chunk


def part_path(folder: Path, number: int) -> Path:
    """The file of a part; it exists when the part is done."""
    return folder / f"{number:012d}.parquet"


def names_path(folder: Path, number: int) -> Path:
    """The file with the ids and labels of records that were left out of a part, but may be types of others."""
    return folder / f"{number:012d}.names.parquet"


def write_part(folder: Path, number: int, records: Iterable[Record], skips: Skips, others: Mapping[str, str]) -> int:
    """Check the records of a part, and write it. Bad records are counted, and left out.

    Args:
        folder: the folder of the parts.
        number: the number of the part.
        records: its records.
        skips: the records that were left out of this part; they are written into it.
        others: id → label of the records that were left out, but may be types of others.

    Returns:
        The number of entities in the part.
    """
    columns: dict[str, list[Any]] = {name: [] for name in FIELDS}
    count = 0
    for count, (fields, data) in enumerate(_checked(records, skips), 1):
        for name in FIELDS:
            columns[name].append(fields[name])
        for name, value in data.items():
            column = columns.setdefault(name, [])
            column += [None] * (count - 1 - len(column))
            column.append(value)
    for column in columns.values():
        column += [None] * (count - len(column))
    schema = SCHEMA
    for name in list(columns)[len(FIELDS) :]:
        schema = schema.append(pa.field(name, pa.string()))
    table = pa.table(columns, schema).replace_schema_metadata({SKIPS: json.dumps(skips.content())})
    if others:
        _write(names_path(folder, number), pa.table({"id": list(others), "label": list(others.values())}))
    _write(part_path(folder, number), table)  # the last, since it says that the part is done
    return count


def _write(path: Path, table: pa.Table) -> None:
    with replacing(path, "wb") as stream:
        pq.write_table(table, stream, compression="zstd")


def _checked(records: Iterable[Record], skips: Skips) -> Iterator[tuple[dict[str, Any], Mapping[str, str]]]:
    """The fields and the further columns of each good record."""
    for number, record in enumerate(records, 1):
        identity = record.get("id")
        if not record.get("title") and not record.get("label"):
            skips.add("no title or label", str(identity))
            continue
        try:
            entity = entity_from_record(record, layout=LAYOUT)
        except ElqError as error:
            place = str(identity) if identity else f"record {number}"
            skips.add("a wrong value", f"{place}: {error}")
            continue
        fields = {name: getattr(entity, name) or None for name in FIELDS}
        yield fields, {name: value for name, value in entity.data.items() if name not in fields}


def skips_of(path: Path) -> dict[str, tuple[int, str]]:
    """The records that were left out of a part."""
    metadata = pq.read_schema(path).metadata or {}
    content: dict[str, tuple[int, str]] = json.loads(metadata.get(SKIPS, b"{}"))
    return content
