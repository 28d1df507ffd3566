"""Records: reads the records of a file whose suffix says the format: JSON lines, a JSON array, CSV or Parquet."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from elq.errors import ElqError
from elq.reading.delimited import read_delimited
from elq.reading.json_lines import parse_json_line, read_jsonl
from elq.reading.lines import decoded, format_of, opened, raw_lines

JSON_LINES, JSON, DELIMITED, PARQUET = ("jsonl", "ndjson"), ("json",), ("csv", "tsv"), ("parquet",)
RECORD_KEYS = {"id", "text", "title"}  # an object with one of them is a record, and not a frame around a list of records
SHOWN = 12  # columns that a message lists
ROWS = 10_000  # rows of a Parquet file that are converted to Python objects at a time


def listing(columns: Iterable[object]) -> str:
    """The names of columns or keys for a message."""
    names = [str(column) for column in columns]
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def read_records(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the place and the value of each record, in the order of the file.

    The values of a JSON array may be anything, such as texts; those of the other formats are mappings. Only a JSON array is
    held in memory as a whole.

    Args:
        path: a file with a suffix of one of the formats; see :func:`elq.reading.lines.format_of`.

    Raises:
        ElqError: the file cannot be read; the message says the place.
    """
    kind = format_of(path)
    if kind in JSON_LINES:
        yield from ((f"line {line}", record) for line, record in read_jsonl(path))
    elif kind in JSON:
        yield from read_json(path)
    elif kind in DELIMITED:
        yield from ((f"line {line}", row) for line, row in read_delimited(path))
    else:
        yield from _parquet_records(path)


def read_json(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the place and the value of each record of a JSON file.

    The file is an array, an object of records by id, an object with one list of records, or has one object a line.

    Raises:
        ElqError: the file is none of these.
    """
    with opened(path) as stream:
        yield from parse_json(raw_lines(stream, str(path)), str(path))


def parse_json(numbered: Iterable[tuple[int, bytes]], source: str) -> Iterator[tuple[str, Any]]:
    """Yield the place and the value of each record of JSON text, given its lines with their numbers."""
    lines = list(numbered)
    text = "".join(decoded(raw, source, line) for line, raw in lines)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        if getattr(error, "msg", "") != "Extra data" or not text.lstrip().startswith("{"):
            raise ElqError(f"{source}: not valid JSON ({error}): correct the file at that place") from None
        yield from ((f"line {line}", parse_json_line(raw, source, line)) for line, raw in lines if raw.strip())
        return
    for number, value in enumerate(_listed(content, source), 1):
        yield f"record {number}", value


def _listed(content: object, source: str) -> list[Any]:
    """The records of a JSON value as a list."""
    if isinstance(content, list):
        return content
    if isinstance(content, dict):
        lists = [
            value for value in content.values() if isinstance(value, list) and all(isinstance(v, dict | str) for v in value)
        ]
        if content and all(isinstance(value, dict) for value in content.values()):
            return [{"id": key, **value} for key, value in content.items()]
        return lists[0] if len(lists) == 1 and lists[0] and not RECORD_KEYS & content.keys() else [content]
    raise ElqError(f"{source} holds a {type(content).__name__}, but must be a JSON array of records: give another file")


def _parquet_records(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet

    number = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=ROWS):
                for record in batch.to_pylist():
                    number += 1
                    yield f"record {number}", record
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise ElqError(
            f"{path} could not be read as parquet after record {number} ({reason}): correct the file after that record"
        ) from error
