"""Delimited text: reads CSV files, and finds the delimiter of their values."""

import csv
import logging
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

from elq.errors import ElqError
from elq.reading.lines import format_of, opened, text_lines

log = logging.getLogger(__name__)

DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}
LOOKED_AT = 100  # lines from which the delimiter is found
LONGEST_FIELD = 1 << 24  # characters of one value


def read_delimited(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the number of the line, and the values by column, of each row of a CSV file, whose first row names the columns.

    Values are not converted: "NA" and "007" stay text. The delimiter is a comma, a semicolon, a tab or a vertical bar.

    Raises:
        ElqError: the header names a column twice, or a row is not valid CSV or has more values than the header has columns.
    """
    csv.field_size_limit(LONGEST_FIELD)
    with opened(path) as stream:
        lines = text_lines(stream, str(path))
        head = list(islice(lines, LOOKED_AT))
        named, skipped = (head[0].strip()[4:] or "\t", 1) if head and _names_delimiter(head[0]) else ("", 0)
        delimiter = named or delimiter_of(head, "\t" if format_of(path) == "tsv" else ",")
        if delimiter != ",":
            log.info("%s: the values are divided by %s", path, DELIMITERS.get(delimiter, repr(delimiter)))
        spaced = f"{delimiter} " in "".join(head[skipped : skipped + 1])  # then 'id, "title"' has quotes behind the blank
        whole = chain(head[skipped:], lines)
        rows, number = csv.reader(whole, delimiter=delimiter, strict=True, skipinitialspace=spaced), 0
        try:
            header = _header(next(rows, []), path)
            for number, record in enumerate(_records(rows, header, path), 1):  # noqa: B007
                yield rows.line_num + skipped, record
        except csv.Error as error:
            raise ElqError(
                f"{path} could not be read as csv after record {number} (line {rows.line_num + skipped}: {error}): correct the"
                ' file after that record; within a value in double quotes, write "" for a quote'
            ) from None


def _names_delimiter(line: str) -> bool:
    """Whether a line is the one by which spreadsheets name the delimiter, such as ``sep=;``."""
    line = line.strip("\r\n")
    return line.lower().startswith("sep=") and len(line) == 5


def delimiter_of(lines: Iterable[str], preferred: str = ",") -> str:
    """The delimiter of CSV lines: the one that gives the header several columns, and most rows as many values.

    Args:
        lines: the first lines, with the header.
        preferred: the delimiter that is chosen if several are equally good.

    >>> delimiter_of(["id;title;area, km²", "E1;Lake;7,5"]), delimiter_of(["id|title", "E1|Lake, Upper"])
    (';', '|')
    """
    lines = list(lines)
    return max((preferred, *DELIMITERS), key=lambda delimiter: _evidence(lines, delimiter))


def _evidence(lines: list[str], delimiter: str) -> tuple[bool, float, int]:
    """How well a delimiter fits: whether there are several columns, the share of rows with as many values, and the columns."""
    sizes = []
    try:
        for row in csv.reader(lines, delimiter=delimiter):
            if row:
                sizes.append(len(row))
    except csv.Error:
        pass  # the rows before the error say enough
    header, rows = (sizes[0], sizes[1:]) if sizes else (0, [])
    return header > 1, sum(size == header for size in rows) / len(rows) if rows else 1.0, header


def _header(row: list[str], path: Path) -> list[str]:
    names = [name.strip() for name in row]
    if twice := sorted(name for name in {*names} if name and names.count(name) > 1):
        raise ElqError(f"{path}, line 1: the header names the column {twice[0]!r} twice: rename or remove one of the two")
    return names


def _records(rows: "csv._reader", header: list[str], path: Path) -> Iterator[dict[str, str]]:  # type: ignore[name-defined]
    """The rows as records, without empty lines and columns without a name. A row may lack its last values."""
    short, first = 0, 0
    for row in rows:
        if any(value.strip() for value in row[len(header) :]):
            raise ElqError(
                f"{path}, line {rows.line_num}: the row has {len(row)} fields, but the header names {len(header)} columns:"
                " put every value that contains the delimiter between double quotes"
            )
        if len(header) > 1 and not any(row):
            continue  # the reader gives an empty list for an empty line; spreadsheets write such lines as ";;;"
        if row and len(row) < len(header):
            short, first = short + 1, first or rows.line_num
        if row:
            yield {name: value for name, value in zip(header, row, strict=False) if name}
    if short:
        log.warning(
            "%s: rows with fewer fields than the header: %s, the first one in line %s; their last values are read as empty",
            *(path, f"{short:,}", first),
        )
