"""Inputs: reads the questions that `elq predict --input` links, from text, JSON, CSV or Parquet files."""

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from itertools import chain, islice
from pathlib import Path
from typing import Any

from elq.errors import ElqError
from elq.questions.annotated import question_from_record
from elq.reading.ids import is_empty
from elq.reading.json_lines import parse_json_line
from elq.reading.lines import decoded, format_of, opened, raw_lines, require_file, unpacked
from elq.reading.records import DELIMITED, JSON, JSON_LINES, PARQUET, listing, parse_json, read_records
from elq.types import Question

log = logging.getLogger(__name__)

CHUNK = 256  # questions that are linked, and held in memory, at a time

TEXT_KEYS = ("text", "question")  # of a record, or of a table's columns
TEXT = ("txt", "")  # suffixes of files with one question a line
TABLES = (*DELIMITED, *PARQUET)
FORMATS = "a .jsonl, .json, .csv, .tsv, .parquet or .txt file, or - for standard input"
ARRAY_STARTS = (b"[{", b'["', b"[]")  # how an array begins on standard input; "[" alone is one too


def check_input(source: str, text_column: str | None = None) -> None:
    """Check what is given to ``--input`` before a model is loaded.

    Args:
        source: path of the file, or "-".
        text_column: the column of the questions, for a table or for records.

    Raises:
        ElqError: the file is missing, is a folder, has an unknown suffix, or is a table without such a column.
    """
    if source == "-":
        return
    require_file(source, f"--input {source}", f"give {FORMATS}")
    kind = format_of(source)
    if kind not in (*TEXT, *JSON_LINES, *JSON, *TABLES):
        raise ElqError(f"--input {source} ends in .{kind}, but must be {FORMATS}: convert the file")
    if text_column is not None and kind in TEXT:
        raise ElqError(f"--text-column is given, but {source} has one question a line and no columns: leave out --text-column")
    if kind in TABLES:
        for place, record in islice(read_records(Path(source)), 1):
            _text_key(record, text_column, f"{source}, {place}")


def read_input(
    source: str,
    *,
    skip_bad_lines: bool = False,
    text_column: str | None = None,
    skipped: Callable[[ElqError], object] | None = None,
) -> Iterator[Question]:
    """Read the questions of a file or of standard input ("-") one by one, in their order.

    Every line of a .jsonl file is a JSON object with a "text" or a "question". A .json file is an array of such objects, or of
    texts. A table (.csv, .tsv, .parquet) has a column of that name. In other input, a line that starts with "{" is such an
    object, and any other line is a question. Each file may be compressed.

    Args:
        source: path of the file, or "-".
        skip_bad_lines: skip a bad line and continue with the next one, instead of raising.
        text_column: the name of the column or key that has the questions, if it is another.
        skipped: called with the error of each bad line that is skipped; by default, it is reported in the log.

    Raises:
        ElqError: a line cannot be read; the message has its number.
    """
    kind = "" if source == "-" else format_of(source)
    lines = kind not in (*JSON, *TABLES)
    pieces = _lines(source, objects=kind in JSON_LINES) if lines else read_records(Path(source))
    yield from questions_of(
        pieces,
        source,
        skip_bad_lines=skip_bad_lines,
        text_column=text_column,
        objects=kind in JSON_LINES,
        table=kind in TABLES,
        skipped=skipped,
    )


def questions_of(
    pieces: Iterable[tuple[str, Any]],
    source: str,
    *,
    skip_bad_lines: bool = False,
    text_column: str | None = None,
    objects: bool = False,
    table: bool = False,
    skipped: Callable[[ElqError], object] | None = None,
) -> Iterator[Question]:
    """The questions of lines or records.

    Args:
        pieces: the place of each, which ends in its number, and its value: a mapping, a text, or the bytes of a line.
        source: the name of their file, for messages.
        skip_bad_lines: see :func:`read_input`.
        text_column: see :func:`read_input`.
        objects: whether every line is a JSON object.
        table: whether a text may be missing, as in an empty cell.
        skipped: see :func:`read_input`.

    Raises:
        ElqError: a line or record cannot be read; the message has its place.
    """
    for place, piece in pieces:
        try:
            question = _question(piece, source, place, text_column, objects=objects, table=table)
        except ElqError as error:
            if not skip_bad_lines:
                raise
            if skipped is None:
                log.warning("a line is skipped: %s", error)
            else:
                skipped(error)
            continue
        yield question


def _lines(source: str, *, objects: bool) -> Iterator[tuple[str, Any]]:
    """The lines of a file as bytes. Empty lines between JSON objects are left out; any other empty line is a question."""
    with nullcontext(unpacked(sys.stdin.buffer)) if source == "-" else opened(source) as stream:
        lines = raw_lines(stream, source)
        first = next(lines, None) if source == "-" else None
        if first and (first[1].strip() == b"[" or first[1].lstrip().startswith(ARRAY_STARTS)):
            yield from parse_json(chain([first], lines), source)
            return
        for line, raw in chain([first] if first else [], lines):
            if raw.strip() or not objects:
                yield f"line {line}", raw


def _question(piece: object, source: str, place: str, text_column: str | None, *, objects: bool, table: bool) -> Question:
    """The question of one line or record."""
    number = int(place.rpartition(" ")[2])
    if isinstance(piece, bytes):
        if not (objects or piece.startswith(b"{")):
            return Question(str(number), decoded(piece, source, number).rstrip("\r\n"))
        piece = parse_json_line(piece, source, number)
    if isinstance(piece, str):
        return Question(str(number), piece)
    if not isinstance(piece, Mapping):
        raise ElqError(f"{source}, {place} is {piece!r}, but must be a text, or an object with a text: correct it")
    key = _text_key(piece, text_column, f"{source}, {place}")
    text = "" if table and is_empty(piece[key]) else piece[key]
    try:
        return question_from_record({"id": piece.get("id"), "text": text}, number)
    except ElqError as error:
        raise ElqError(f"{source}, {place}: {error}") from None


def _text_key(record: Mapping[str, Any], text_column: str | None, where: str) -> str:
    """The column or key of a record that has the question.

    Raises:
        ElqError: there is none.
    """
    wanted = TEXT_KEYS if text_column is None else (text_column,)
    folded = {key if text_column is not None else str(key).strip().lower(): key for key in record}
    if (found := next((folded[name] for name in wanted if name in folded), None)) is None:
        raise ElqError(
            f"{where}: there is no {' or '.join(wanted)} among {listing(record)}: name the column or key that has the"
            " questions, as --text-column COLUMN"
        )
    return found
