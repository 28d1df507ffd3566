"""SPARQL results: reads the JSON, CSV and TSV that the Wikidata query service, Virtuoso, GraphDB and others write."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from elq.errors import ElqError
from elq.reading.delimited import read_delimited
from elq.reading.lines import format_of, opened, raw_lines, text_lines
from elq.sources.joined import Cell, Row, joined
from elq.sources.source import Record, Source

LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"(?:@([A-Za-z0-9-]+)|\^\^\S+)?', re.DOTALL)
ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", re.DOTALL)
HEAD = 100  # rows whose columns are those of a CSV file; a row may lack its last values
ESCAPED = {"t": "\t", "n": "\n", "r": "\r", "b": "\b", "f": "\f"}


class SparqlSource(Source):
    """The result of a SELECT query. Rows with the same id are joined, in memory."""

    uses: ClassVar[frozenset[str]] = frozenset({"languages", "columns", "id_prefix"})

    def records(self) -> Iterator[Record]:
        """Yield the records, in the order in which the ids come first."""
        columns, rows = _table(self.path)
        yield from joined(self, columns, rows)


def _table(path: Path) -> tuple[Sequence[str], Iterable[tuple[str, Row]]]:
    """The variables and the rows of a result, whose first character says its format."""
    with opened(path) as stream:
        first = next((line for line in text_lines(stream, str(path)) if line.strip()), "").lstrip()
    if first.startswith(("{", "[")):
        return _from_json(path)
    if first.startswith("<"):
        raise ElqError(f"{path} is a SPARQL result in XML, which elq does not read: ask for JSON, CSV or TSV")
    if first.startswith("?") or (format_of(path) == "tsv" and "\t" in first):
        return _from_tsv(path)
    columns = list(dict.fromkeys(name for _, row in islice(read_delimited(path), HEAD) for name in row))
    rows = ((f"line {line}", {name: Cell(value) for name, value in row.items()}) for line, row in read_delimited(path))
    return columns, rows


def _from_json(path: Path) -> tuple[list[str], Iterator[tuple[str, Row]]]:
    """The variables and the rows of JSON: the standard form, or a list of objects as the query service saves it."""
    with opened(path) as stream:
        text = b"".join(raw for _, raw in raw_lines(stream, str(path)))
    try:
        content = json.loads(text)
        rows = content if isinstance(content, list) else content["results"]["bindings"]
        named = [] if isinstance(content, list) else list(content.get("head", {}).get("vars", []))
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise KeyError("bindings")
    except (ValueError, RecursionError) as error:
        raise ElqError(
            f"{path} is not valid JSON ({error}): the result is incomplete or damaged, so get it again (a query that took too"
            " long ends in the middle of its result)"
        ) from None
    except (KeyError, TypeError, AttributeError):
        raise ElqError(
            f'{path} has no list "bindings" in "results", as the result of a SELECT query has: give such a result'
        ) from None
    columns = named or list(dict.fromkeys(name for row in rows for name in row))
    return columns, ((f"row {number}", _json_row(row)) for number, row in enumerate(rows, 1))


def _json_row(row: Mapping[str, Any]) -> Row:
    cells = {}
    for name, value in row.items():
        if isinstance(value, dict):
            cells[name] = Cell(str(value.get("value", "")), str(value.get("xml:lang", "")))
        elif value is not None:
            cells[name] = Cell(str(value))
    return cells


def _from_tsv(path: Path) -> tuple[list[str], Iterator[tuple[str, Row]]]:
    with opened(path) as stream:
        columns = [name.strip().lstrip("?") for name in next(iter(text_lines(stream, str(path)))).rstrip("\r\n").split("\t")]
    return columns, _tsv_rows(path, columns)


def _tsv_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, Row]]:
    with opened(path) as stream:
        for number, line in enumerate(text_lines(stream, str(path)), 1):
            values = line.rstrip("\r\n").split("\t")
            if number == 1 or not line.strip():
                continue
            if len(values) != len(columns):
                raise ElqError(
                    f"{path}, line {number}: the row has {len(values)} values, but the header has {len(columns)} variables: the"
                    " file is incomplete or damaged, so get it again"
                )
            yield f"line {number}", {name: term(value) for name, value in zip(columns, values, strict=True)}


def term(text: str) -> Cell:
    r"""A value as SPARQL's TSV writes it: an address in angle brackets, or a text in quotes with its language.

    >>> term("<http://example.org/1>").text, term('"Caf\\u00e9 \\"A\\""@fr'), term("12").text
    ('http://example.org/1', Cell(text='Café "A"', language='fr'), '12')
    """
    text = text.strip()
    if text.startswith("<") and text.endswith(">"):
        return Cell(text[1:-1])
    if match := LITERAL.fullmatch(text):
        return Cell(ESCAPE.sub(_unescaped, match[1]), match[2] or "")
    return Cell(text)


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    return chr(int(code[1:], 16)) if len(code) > 1 else ESCAPED.get(code, code)
