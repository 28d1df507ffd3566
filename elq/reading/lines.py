"""Lines: opens files that may be compressed, and reads their lines as UTF-8, without a byte-order mark."""

import bz2
import codecs
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from elq.errors import ElqError

COMPRESSED = (".gz", ".bz2", ".xz", ".zst")
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
DAMAGED = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, OSError)


def format_of(path: str | Path) -> str:
    """The suffix of a file in lower case, without the dot and without the suffix of a compression; "" if it has none.

    >>> format_of("data/Airports.CSV"), format_of("c.jsonl.gz"), format_of("questions")
    ('csv', 'jsonl', '')
    """
    path = Path(path)
    path = path.with_suffix("") if path.suffix.lower() in COMPRESSED else path
    return path.suffix.lower().removeprefix(".")


def require_file(path: str | Path, name: str, remedy: str) -> None:
    """Check that there is something to read at a path: a file, a pipe or a device.

    Args:
        path: the path.
        name: what the message calls it, such as "catalogue c.csv".
        remedy: what the user can do.

    Raises:
        ElqError: there is nothing, or a folder.
    """
    if Path(path).is_dir():
        raise ElqError(f"{name} is a folder, but must be a file: {remedy}")
    if not Path(path).exists():
        raise ElqError(f"{name} does not exist: {remedy}")


def unpacked(stream: IO[bytes]) -> IO[bytes]:
    """The content of a stream, unpacked if it begins as gzip, bzip2, xz or zstd. The name of a file plays no part."""
    buffered = cast(io.BufferedReader, stream) if hasattr(stream, "peek") else io.BufferedReader(cast(io.RawIOBase, stream))
    head = buffered.peek(10)[:10]
    if head.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.GzipFile(fileobj=buffered))
    if head.startswith(b"BZh") and head[4:10] == b"1AY&SY":
        return bz2.BZ2File(buffered)
    if head.startswith(b"\xfd7zXZ\x00"):
        return lzma.LZMAFile(buffered)
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        import pyarrow as pa

        return cast(IO[bytes], io.BufferedReader(pa.CompressedInputStream(pa.PythonFile(buffered, "r"), "zstd"), 1 << 20))
    return buffered


@contextmanager
def opened(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a file for reading its bytes, unpacked."""
    with Path(path).open("rb") as stream:
        yield unpacked(stream)


def raw_lines(stream: IO[bytes], source: str) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the bytes of each line, with its end. A byte-order mark is removed, and UTF-16 becomes UTF-8.

    Args:
        stream: the bytes, unpacked.
        source: the name of the file, for messages.

    Raises:
        ElqError: the file is damaged, is UTF-16 with an error, or is a zip file.
    """
    number = 0
    try:
        lines = iter(stream)
        first = next(lines, b"")
        if first.startswith(UTF16):
            for number, line in enumerate(_utf16_lines(first, stream), 1):
                yield number, line
            return
        if 4 * first.count(b"\0") > len(first):
            raise ElqError(
                f"{source}, line 1: every second byte is zero, as in UTF-16 without its mark: save the file as UTF-8"
            )
        if first.startswith(b"PK\x03\x04"):
            raise ElqError(f"{source} is a zip file or a spreadsheet: unpack it, or save the sheet as CSV in UTF-8")
        if first:
            number = 1
            yield number, first.removeprefix(codecs.BOM_UTF8)
        for number, line in enumerate(lines, 2):
            yield number, line
    except UnicodeDecodeError as error:
        raise ElqError(f"{source}, after line {number}: not valid UTF-16 ({error.reason}): save the file as UTF-8") from None
    except DAMAGED as error:
        raise ElqError(
            f"{source} could not be read after line {number} ({error or type(error).__name__}): the file is damaged or"
            " incomplete, so get it again"
        ) from None


def _utf16_lines(first: bytes, stream: IO[bytes]) -> Iterator[bytes]:
    """The lines of UTF-16 text, in UTF-8. The whole text is held in memory, since a line ends at two bytes here."""
    for line in io.StringIO((first + stream.read()).decode("utf-16"), newline="\n"):
        yield line.encode("utf-8", "surrogatepass")


def decoded(raw: bytes, source: str, line: int) -> str:
    """The text of one line.

    Raises:
        ElqError: the line is not UTF-8; the message says the line, the byte, and its character in Latin-1.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        byte = raw[error.start]
        old = bytes([byte]).decode("cp1252", "replace")
        hint = f" (if it is {old!r}, the file is Latin-1)" if byte > 0x9F else ""
        raise ElqError(
            f"{source}, line {line}: byte {error.start} ({byte:#04x}) is not UTF-8: save the file as UTF-8{hint}"
        ) from None


def text_lines(stream: IO[bytes], source: str) -> Iterator[str]:
    """Yield the lines of a text with their ends. A line may also end at a carriage return alone, as on old Macs."""
    for number, raw in raw_lines(stream, source):
        line = decoded(raw, source, number)
        if "\r" in line.rstrip("\r\n"):
            yield from io.StringIO(line, newline="")
        else:
            yield line
