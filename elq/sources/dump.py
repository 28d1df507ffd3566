"""Dumps: reads a dump of JSON as chunks of whole lines or as one document, and unpacks it on all cores."""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from elq.errors import ElqError
from elq.reading.lines import DAMAGED, unpacked
from elq.sources.source import Range
from elq.threads import available_threads

log = logging.getLogger(__name__)

CHUNK = 32 << 20  # bytes of a chunk before its last line is cut off; more lines are read if there is no end of line
WHOLE = 2 << 30  # bytes of the largest file that is read as one document
HEAD = 1 << 16  # bytes that say whether a file has one entity a line
DOCUMENT = re.compile(rb'\{\s*"entities"\s*:')
Position = Callable[[], int]


class Chunk(NamedTuple):
    """A part of a dump: ``data`` are whole lines, the first with the number ``line`` of ``file``, or one document (line 0).

    If ``start`` is not 0, lines are counted from this byte of the file.
    """

    file: str
    line: int
    data: bytes
    start: int = 0


@contextmanager
def opened_dump(path: Path, threads: int = 0) -> Iterator[tuple[IO[bytes], Position]]:
    """Open a dump for reading its bytes, unpacked: gzip and bzip2 on so many threads (0: on all cores).

    Returns:
        The stream, and a function that says how many bytes of the file were read.
    """
    with path.open("rb") as raw:
        head = raw.read(3)
        raw.seek(0)
        if head not in (b"BZh", b"\x1f\x8b\x08"):
            yield unpacked(raw), raw.tell
            return
    import rapidgzip

    with rapidgzip.RapidgzipFile(str(path), parallelization=threads or available_threads()) as stream:
        bits: Callable[[], int] = getattr(stream, "tell_compressed", lambda: 0)
        yield cast(IO[bytes], stream), lambda: bits() // 8
        with path.open("rb") as raw:  # of a small file that was cut off, rapidgzip unpacks nothing and says nothing
            raw.seek(bits() // 8)
            if raw.read(HEAD).strip(b"\0"):
                raise EOFError("the packed data end too early")


def read_chunks(path: Path, progress: Callable[[int], Any], threads: int = 0) -> Iterator[Chunk]:
    """Yield the chunks of a dump. They are the same in every run.

    Args:
        path: the file, which may be compressed.
        progress: is told how many bytes of the file were read.
        threads: the number of threads that unpack; 0: one for each core.

    Raises:
        ElqError: the file is damaged or cut off, or it is one document that is too large.
    """
    line = 1
    try:
        with opened_dump(path, threads) as (stream, position):
            data = _filled(stream, HEAD)
            array = data.lstrip(b"\xef\xbb\xbf \r\n").startswith(b"[")
            if not has_lines(data):
                yield _document(path, data, stream)
                progress(position())
                return
            end = data
            while more := _filled(stream, CHUNK):
                data, end = data + more, more
                cut = data.rfind(b"\n") + 1
                if cut:
                    progress(position())
                    yield Chunk(str(path), line, data[:cut])
                    line += data.count(b"\n", 0, cut)
                    data = data[cut:]
            progress(position())
            if array:
                _say_without_end(path, end)
            if data:
                yield Chunk(str(path), line, data)
    except (*DAMAGED, RuntimeError, ValueError) as error:
        reason = " ".join((str(error) or type(error).__name__).split())
        raise ElqError(
            f"{path} could not be read after line {line} ({reason}): the file is damaged or cut off, so get it again"
        ) from None


def ranges_of(path: Path) -> Iterator[Range]:
    """Yield the places of the chunks that :func:`read_chunks` yields for a file that :func:`has_ranges`.

    Only some bytes before the end of each chunk are read, so the chunks can be given to several machines at once.
    """
    size, start = path.stat().st_size, 0
    with path.open("rb") as stream:
        for end in range(HEAD + CHUNK, size + CHUNK, CHUNK) if size > HEAD else ():
            if (cut := _line_end(stream, start, min(end, size))) > start:
                yield Range(str(path), start, cut)
                start = cut
        stream.seek(0)
        if stream.read(HEAD).lstrip(b"\xef\xbb\xbf \r\n").startswith(b"["):
            stream.seek(max(size - HEAD, 0))
            _say_without_end(path, stream.read())
    if start < size:
        yield Range(str(path), start, size)


def has_ranges(path: Path) -> bool:
    """Whether a file is not packed and has one entity a line, so that any part of its bytes can be read by itself."""
    with path.open("rb") as stream:
        head = stream.read(HEAD)
        stream.seek(0)
        return unpacked(stream) is stream and has_lines(head)


def read_range(place: Range) -> Chunk:
    """Read a chunk from its place.

    Raises:
        ElqError: the file cannot be read, or is shorter than it was.
    """
    try:
        with Path(place.file).open("rb") as stream:
            stream.seek(place.start)
            data = _filled(stream, place.end - place.start)
    except OSError as error:
        raise ElqError(f"{place.file} cannot be read ({error.strerror}): give a file that this machine can read") from None
    if len(data) < place.end - place.start:
        raise ElqError(f"{place.file} was shortened while it was read: wait until it is complete, then start again")
    return Chunk(place.file, 1, data, place.start)


def _line_end(stream: IO[bytes], start: int, end: int) -> int:
    """The place behind the last line that ends in the bytes [start, end) of a file; ``start`` if no line ends there."""
    while end > start:
        block = max(start, end - HEAD)
        stream.seek(block)
        if (found := _filled(stream, end - block).rfind(b"\n")) >= 0:
            return block + found + 1
        end = block
    return start


def _say_without_end(path: Path, end: bytes) -> None:
    if not end.rstrip().endswith(b"]"):
        log.warning("%s is an array without an end: it may be cut off, so its last entities may be missing", path)


def has_lines(head: bytes) -> bool:
    r"""Whether a file has one entity on each line, as its first bytes say. A dump is an array with a comma behind each line.

    >>> has_lines(b'[\n{"id": "Q1"},\n{"id": "Q2"}\n]\n'), has_lines(b'{\n  "id": "Q1"\n}'), has_lines(b'{"entities":{"Q1":{')
    (True, False, False)
    """
    text = head.removeprefix(b"\xef\xbb\xbf").strip()
    inner = text.removeprefix(b"[").lstrip()
    line, end, _ = inner.partition(b"\n")
    if DOCUMENT.match(inner):
        return False
    if not end:  # one line, which may be longer than what was read
        return not text.startswith(b"[") or b"\n" in text[: -len(inner)]
    return line.startswith(b"{") and line.rstrip(b"\r ,]").endswith(b"}")


def _filled(stream: IO[bytes], size: int) -> bytes:
    """So many bytes of a stream, or what is left of it."""
    pieces = []
    while size and (piece := stream.read(size)):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _document(path: Path, head: bytes, stream: IO[bytes]) -> Chunk:
    data = head + _filled(stream, WHOLE)
    if len(data) >= WHOLE:
        raise ElqError(
            f"{path} does not have one entity a line, and is larger than {WHOLE >> 30} GB: give a dump with one entity a line"
        )
    return Chunk(str(path), 0, data)
