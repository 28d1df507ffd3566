"""JSON lines: reads files with one JSON object a line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from elq.errors import ElqError
from elq.reading.lines import decoded, opened, raw_lines, require_file

ARRAY = " (a file that is one JSON array must have a name that ends in .json)"


def parse_json_line(raw: bytes, source: str, line: int) -> dict[str, Any]:
    """Parse one line of a JSON-lines file.

    Raises:
        ElqError: the line is not UTF-8, not JSON, or not a JSON object; the message says the source and the line.

    >>> parse_json_line(b'{"text": "who?"}', "questions.jsonl", 1)
    {'text': 'who?'}
    """
    try:
        record = json.loads(decoded(raw, source, line))
    except (ValueError, RecursionError) as error:
        hint = ARRAY if line == 1 and raw.strip() == b"[" else ""
        raise ElqError(f"{source}, line {line}: not valid JSON ({error}): correct the line or remove it{hint}") from None
    if not isinstance(record, dict):
        hint = ARRAY if isinstance(record, list) and line == 1 else ""
        raise ElqError(
            f"{source}, line {line}: the line is a {type(record).__name__}, but must be a JSON object such as"
            f' {{"text": "…"}}: correct it or remove it{hint}'
        )
    return record


def read_jsonl(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the line number and the object of each line of a JSON-lines file, compressed or not. Empty lines are skipped.

    Raises:
        ElqError: the file is missing, or a line is bad.
    """
    require_file(path, str(path), "give the path of a file with one JSON object a line")
    with opened(path) as stream:
        for line, raw in raw_lines(stream, str(path)):
            if raw.strip():
                yield line, parse_json_line(raw, str(path), line)
