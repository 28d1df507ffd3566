"""Reads small files of each kind in the tests of sources."""

from pathlib import Path
from typing import Any

from elq.sources.kinds import kind_of, source_of
from elq.sources.source import Options, Record, Skips


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(path: Path, kind: str = "", **options: Any) -> tuple[dict[str, Record], Skips]:
    """The records of a file by id, and what was left out."""
    skips = Skips()
    records = list(source_of(kind or kind_of(path), path, Options(**options), skips).records())
    found = {record["id"]: record for record in records}
    assert len(found) == len(records)
    return found, skips
