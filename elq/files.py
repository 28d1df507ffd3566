"""Files: writes files that are never half-written."""

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


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError in the block into an ElqError that says that ``path`` could not be written."""
    try:
        yield
    except OSError as error:
        raise ElqError(
            f"{path} could not be written ({error.strerror}): free space on the disk, or choose another folder"
        ) from error


@contextmanager
def replacing(path: str | Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a temporary file beside ``path`` for writing; rename it to ``path`` when the block ends without an error.

    Raises:
        ElqError: the folder cannot be written to, or the disk is full. The old file then stays as it was.
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # /dev/null or a pipe, which cannot be replaced
        with path.open(mode, encoding=None if "b" in mode else "utf-8") as stream:
            yield stream
        return
    number = f"{os.getpid()}.{os.urandom(4).hex()}"  # processes of two machines may have the same number
    temporary = path.with_name(f".{path.name}.{number}.tmp")
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
    """Write lines to a hidden file beside ``path``, so that a run that is killed can resume; rename it to ``path`` at the end.

    Args:
        path: the file to make. It appears when the block ends without an error.
        plan: the input from which the lines are made. Lines that were made from another plan are deleted.
        chunk: lines that are written together. Lines after the last whole chunk are deleted, so that a run that resumes has
            the same chunks as a run that was not killed.

    Returns:
        The stream, and the number of lines that an earlier run has written.
    """
    path = Path(path)
    unfinished, about = (path.with_name(f".{path.name}.{ending}") for ending in ("partial", "plan"))
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not holds_json(about, plan):
            unfinished.unlink(missing_ok=True)
            write_json(about, plan)
        done, size = _whole_chunks(unfinished, chunk)
        with unfinished.open("a", encoding="utf-8") as stream:
            stream.truncate(size)
            yield stream, done
        unfinished.replace(path)
        about.unlink()


def read_json_file(path: Path, remedy: str) -> Any:
    """The JSON value in a file.

    Args:
        path: the file.
        remedy: what the user should do if it cannot be read.

    Raises:
        ElqError: the file is missing, or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ElqError(f"{path} cannot be read ({error}): {remedy}") from None


def holds_json(path: Path, value: object) -> bool:
    """Whether a file contains this JSON value; False if the file is missing or is not JSON."""
    try:
        return bool(json.loads(path.read_text(encoding="utf-8")) == json.loads(json.dumps(value)))  # a tuple is a list there
    except (OSError, ValueError):
        return False


def _whole_chunks(path: Path, chunk: int) -> tuple[int, int]:
    """The number of lines and of bytes of the whole chunks in a file; (0, 0) if the file is missing."""
    done = size = position = 0
    if path.is_file():
        with path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                position += len(line)
                if number % chunk == 0 and line.endswith(b"\n"):
                    done, size = number, position
    return done, size


def write_json(path: str | Path, value: object) -> None:
    """Write one JSON value to a file. If writing fails, the old file stays as it was."""
    with replacing(path) as stream:
        json.dump(value, stream, ensure_ascii=False, indent=2)
        stream.write("\n")


def promote(folder: Path, path: Path) -> None:
    """Rename a finished folder to ``path``. An older folder of that name is removed after the new one has the name."""
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
    """Make a temporary folder beside ``path``; rename it to ``path`` when the block ends without an error.

    Raises:
        ElqError: the folder cannot be written, or the disk is full. The old folder then stays as it was.
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


def need_room(target: Path, size: int) -> None:
    """Raise ElqError if the disk of a file has no space for ``size`` more bytes."""
    if size > (free := shutil.disk_usage(target.parent).free):
        raise ElqError(f"{target} needs {size:,} more bytes, but the disk has {free:,}: free space or give another --output")


def is_file(path: str | Path) -> bool:
    """Whether a path leads to a file. A path that no file can have, such as one that is too long, leads to none."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """Make a hard link to a file, which needs no disk space; copy the file if the file system has no hard links."""
    try:
        os.link(Path(source).resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


SURROGATES = re.compile("[\ud800-\udfff]")


def whole(text: str) -> str:
    """A text in which U+FFFD stands for each half character (a lone surrogate), which no file in UTF-8 can have.

    >>> whole("a" + chr(0xD800))
    'a\ufffd'
    """
    return SURROGATES.sub("\ufffd", text)


def digest_of(paths: Sequence[Path], also: str = "") -> str:
    """The sha256 sum over a text and the contents of files."""
    digest = hashlib.sha256(also.encode())
    for path in paths:
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
