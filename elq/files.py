"""Files: JSON lines read with line numbers, and writes that appear whole or not at all."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from elq.errors import ElqError


def parse_json_line(raw: bytes, source: str, line: int) -> dict[str, Any]:
    """One line of a JSON-lines file as an object.

    Raises:
        ElqError: invalid UTF-8, invalid JSON or not an object, with the source and the line.

    >>> parse_json_line(b'{"text": "who?"}', "questions.jsonl", 1)
    {'text': 'who?'}
    """
    try:
        record = json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ElqError(
            f"{source}, line {line}: byte {error.start} ({raw[error.start]:#04x}) is not UTF-8: save the file as UTF-8"
        ) from None
    except (json.JSONDecodeError, RecursionError) as error:
        raise ElqError(f"{source}, line {line}: not valid JSON ({error}): correct the line or remove it") from None
    if not isinstance(record, dict):
        kind = type(record).__name__
        raise ElqError(f'{source}, line {line}: holds a {kind}, but must hold an object like {{"text": "…"}}')
    return record


def read_jsonl(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Stream (line number, object) of a JSON-lines file; empty lines are passed over.

    Raises:
        ElqError: a missing file or a bad line.
    """
    path = Path(path)
    if not path.is_file():
        raise ElqError(f"{path} does not exist: give the path of a JSON-lines file")
    with path.open("rb") as stream:
        for line, raw in enumerate(stream, 1):
            if raw.strip():
                yield line, parse_json_line(raw, str(path), line)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in one sentence that a path could not be written."""
    try:
        yield
    except OSError as error:
        raise ElqError(f"{path} could not be written ({error.strerror}): free space or choose another folder") from error


@contextmanager
def replacing(path: str | Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a temporary neighbour of ``path`` for writing; rename it onto ``path`` when the block ends well.

    Raises:
        ElqError: the folder cannot be written to, or the disk is full. The old file then stays as it was.
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # /dev/null, a pipe: nothing to replace
        with path.open(mode, encoding=None if "b" in mode else "utf-8") as stream:
            yield stream
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open(mode, encoding=None if "b" in mode else "utf-8") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def continuing(path: str | Path, plan: dict[str, Any], chunk: int) -> Iterator[tuple[IO[str], int]]:
    """Write lines in whole chunks to a hidden neighbour of ``path`` that outlives a kill; rename it when the block ends well.

    Args:
        path: the file that appears in the end.
        plan: what the lines are made from; lines of another plan are thrown away.
        chunk: lines written at a time. What follows the last whole chunk is dropped, so that a run which goes on works on
            the same chunks as an unbroken one.

    Returns:
        The stream, and how many lines stand there already.
    """
    path = Path(path)
    partial, about = (path.with_name(f".{path.name}.{ending}") for ending in ("partial", "plan"))
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not holds_json(about, plan):
            partial.unlink(missing_ok=True)
            write_json(about, plan)
        done, size = _whole_chunks(partial, chunk)
        with partial.open("a", encoding="utf-8") as stream:
            stream.truncate(size)
            yield stream, done
        partial.replace(path)
        about.unlink()


def holds_json(path: Path, value: object) -> bool:
    """Whether a file holds this JSON value; not if it is missing or no JSON."""
    try:
        return bool(json.loads(path.read_text(encoding="utf-8")) == value)
    except (OSError, ValueError):
        return False


def _whole_chunks(path: Path, chunk: int) -> tuple[int, int]:
    """(lines, bytes) of the whole chunks in a file; (0, 0) where it is missing."""
    done = size = position = 0
    if path.is_file():
        with path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                position += len(line)
                if number % chunk == 0 and line.endswith(b"\n"):
                    done, size = number, position
    return done, size


def write_json(path: str | Path, value: object) -> None:
    """Write one JSON value, whole or not at all."""
    with replacing(path) as stream:
        json.dump(value, stream, ensure_ascii=False, indent=2)
        stream.write("\n")


def promote(folder: Path, path: Path) -> None:
    """Rename a finished folder onto ``path``; an older one there is removed once the new one has its name."""
    retired = path.with_name(f".{path.name}.{os.getpid()}.old")
    try:
        if path.exists():
            path.replace(retired)
        folder.replace(path)
    except OSError as error:
        if retired.exists():
            retired.replace(path)
        raise ElqError(f"{path} could not be written ({error.strerror}): choose another folder") from error
    shutil.rmtree(retired, ignore_errors=True)


@contextmanager
def replacing_folder(path: str | Path) -> Iterator[Path]:
    """Fill a temporary neighbour folder; it takes the name ``path`` when the block ends well.

    Raises:
        ElqError: it cannot be written, or the disk is full. The old folder then stays as it was.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with writing(path):
            temporary.mkdir(parents=True)
            yield temporary
            promote(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """Give a file a second name (a hard link costs no disk), or copy it where the file system cannot."""
    try:
        os.link(Path(source).resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


SURROGATES = re.compile("[\ud800-\udfff]")


def digest_of(paths: Sequence[Path], also: str = "") -> str:
    """sha256 over the contents of files, and over a text."""
    digest = hashlib.sha256(also.encode())
    for path in paths:
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
