"""Transfer: downloads one file from a web server, and resumes after a break.

The bytes are written to a hidden file ``.NAME.partial``. A second hidden file, ``.NAME.about``, says to which version of the
file on the server they belong.
"""

import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO, TypeVar
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from elq import __version__
from elq.errors import ElqError
from elq.files import need_room, write_json
from elq.progress import track

log = logging.getLogger(__name__)

SCHEMES = ("http", "https")
MB = 1_000_000  # bytes
ABSENT = (403, 404, 410)  # storage without a public listing answers 403 for a missing file
PASSING = (408, 429)  # and 500 or more: another attempt may work
CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
AGAIN = "give the same command again, or give another --mirror"

Result = TypeVar("Result")


@dataclass(frozen=True)
class Patience:
    """Seconds to wait for a silent server, and the pauses in seconds before new attempts that bring no new byte."""

    timeout: float = 60.0
    pauses: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 15.0)


@dataclass(frozen=True)
class About:
    """A version of a file on a server: its size in bytes, and its ETag and Last-Modified headers."""

    url: str
    size: int = 0
    etag: str = ""
    last_modified: str = ""

    @property
    def validator(self) -> str:
        """The value for the header If-Range. A weak ETag is not used, because it does not promise the same bytes."""
        return self.last_modified if self.etag.startswith("W/") else self.etag or self.last_modified


class _BrokenError(Exception):
    """A connection failed, but another attempt may work."""


class _Redirects(HTTPRedirectHandler):
    """Follows redirects, but only to http and https; the parent class would also allow ftp."""

    def redirect_request(self, *arguments, **named):  # type: ignore[no-untyped-def]
        request = super().redirect_request(*arguments, **named)
        if request is not None and urlsplit(request.full_url).scheme not in SCHEMES:
            raise ElqError(f"the server redirects to {request.full_url}, but only http and https are followed: {AGAIN}")
        return request


OPENER = build_opener(_Redirects)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def neighbours(target: Path) -> tuple[Path, Path]:
    """The hidden file with the bytes of an incomplete download, and the hidden file that describes their version."""
    return target.with_name(f".{target.name}.partial"), target.with_name(f".{target.name}.about")


@contextmanager
def _connection(url: str, passed: Sequence[int] = ()) -> Iterator[None]:
    """Raise _BrokenError if another attempt may work, else ElqError. The caller handles the HTTP codes in ``passed``."""
    try:
        yield
    except HTTPError as error:
        if error.code in passed:
            raise
        error.close()
        told = f"{url} answered {error.code} ({' '.join(str(error.reason).split())})"
        if error.code >= 500 or error.code in PASSING:
            raise _BrokenError(told) from None
        raise ElqError(f"{told}: give another --mirror, or try again later") from None
    except (OSError, HTTPException) as error:
        raise _BrokenError(f"{url} cannot be read ({getattr(error, 'reason', error)!s})") from None
    except ValueError as error:  # no connection can be made to such an address
        raise ElqError(f"{url} is not an address that can be used ({error}): give another --mirror") from None


def _open(url: str, timeout: float, headers: dict[str, str], passed: Sequence[int]) -> HTTPResponse:
    with _connection(url, passed):
        request = Request(url, headers={"User-Agent": f"elq/{__version__}", **headers})
        answer: HTTPResponse = OPENER.open(request, timeout=timeout)
        return answer


def _persist(attempt: Callable[[], Result], partial: Path, patience: Patience) -> Result:
    """Try until it works. Raises ElqError if as many attempts as there are pauses have brought no new byte."""
    furthest, failures = _size(partial), 0
    while True:
        try:
            return attempt()
        except _BrokenError as error:
            if _size(partial) > furthest:
                furthest, failures = _size(partial), 0
            if failures == len(patience.pauses):
                told = f"{error}, and {failures} more tries brought nothing"
                raise ElqError(f"{told}: check the connection and give the command again, which resumes from there") from None
            log.warning("%s: the next attempt is in %g s", error, patience.pauses[failures])
            time.sleep(patience.pauses[failures])
            failures += 1


def _begun(target: Path, url: str) -> tuple[About, int]:
    """The version of an incomplete download, and the number of its bytes; 0 if it cannot be resumed."""
    partial, note = neighbours(target)
    try:
        about = About(**json.loads(note.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # the file is missing or damaged
        about = About(url)
    return (about, _size(partial)) if about.url == url and about.validator else (About(url), 0)


def _answered(answer: HTTPResponse, begun: About) -> tuple[About, int]:
    """The version of the file in an answer, and the number of its first byte. An answer 206 may lack these headers."""
    part, length = CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", "")), answer.headers.get("Content-Length", "")
    names = [answer.headers.get("ETag", ""), answer.headers.get("Last-Modified", "")]
    if answer.status == 206 and part:
        return About(begun.url, int(part[2]), names[0] or begun.etag, names[1] or begun.last_modified), int(part[1])
    if answer.status != 200 or not length.isdecimal():
        raise ElqError(f"{begun.url} answered {answer.status} without a size in bytes: give another --mirror")
    return About(begun.url, int(length), *names), 0


def _receive(target: Path, url: str, timeout: float, quiet: bool) -> About:
    """Append the missing bytes of a file to its hidden file, over one connection."""
    partial, note = neighbours(target)
    begun, position = _begun(target, url)
    headers = {"Range": f"bytes={position}-", "If-Range": begun.validator} if position else {}
    try:
        answer = _open(url, timeout, headers, (416,) if position else ())
    except HTTPError as error:  # 416: the server has no byte after the last one here
        error.close()
        if position == begun.size and error.headers.get("Content-Range") in (None, f"bytes */{position}"):
            return begun
        partial.unlink()
        raise _BrokenError(f"{url} has changed since the download began") from None
    with answer:
        about, start = _answered(answer, begun)
        if answer.status == 206 and (start, about) != (position, begun):  # the server ignores If-Range
            partial.unlink(missing_ok=True)
            raise _BrokenError(f"{url} has changed since the download began")
        if position and not start:
            log.info(
                "%s starts again from zero, because the file has changed or the server sends only whole files", target.name
            )
        told = logging.DEBUG if quiet else logging.INFO
        log.log(told, "downloading %s: %s of %s bytes", url, f"{about.size - start:,}", f"{about.size:,}")
        with partial.open("ab" if start else "wb") as stream:
            if not start:  # the file on the disk must be empty before the note names a new version
                os.fsync(stream.fileno())
                write_json(note, asdict(about))
            need_room(target, about.size - start)
            steps = _copy(answer, stream, about, start)
            megabytes = about.size // MB - start // MB
            for _ in steps if quiet else track(steps, f"downloading {target.name}, MB", megabytes):
                pass
    return about


def _copy(answer: HTTPResponse, stream: IO[bytes], about: About, position: int) -> Iterator[None]:
    """Write the body of an answer as it comes, so that a break loses few bytes. Yields once for each megabyte."""
    while True:
        with _connection(about.url):
            block = answer.read1(MB)
        if not block:
            break
        if position + len(block) > about.size:
            stream.truncate(0)
            raise ElqError(f"{about.url} sends more than the {about.size:,} bytes that it announced: {AGAIN}")
        stream.write(block)
        yield from [None] * ((position + len(block)) // MB - position // MB)
        position += len(block)
    if position < about.size:
        raise _BrokenError(f"{about.url} broke off after {position:,} of {about.size:,} bytes")


def read_whole(url: str, target: Path, patience: Patience, most: int, headers: dict[str, str] | None = None) -> bytes | None:
    """The body of an answer, of which at most ``most`` bytes are read; None if the server says that there is no such file.

    Args:
        url: the address.
        target: the file for which it is read; a hidden file beside it may have its first bytes.
        patience: seconds to wait for a server, and between attempts.
        most: bytes to read.
        headers: headers of the request.

    Raises:
        ElqError: as in :func:`receive`.
    """

    def attempt() -> bytes | None:
        try:
            with _open(url, patience.timeout, headers or {}, ABSENT) as answer, _connection(url):
                body = answer.read(most)
                if answer.length and len(body) < most:  # read() does not report a body that ends too early
                    raise _BrokenError(f"{url} broke off after {len(body):,} bytes")
                return body
        except HTTPError as error:
            error.close()
            return None

    return _persist(attempt, neighbours(target)[0], patience)


def receive(url: str, target: Path, patience: Patience, *, quiet: bool = False) -> About:
    """Download the missing bytes of a file into its hidden file, which is then complete. Only its size has been checked.

    Args:
        url: the address.
        target: the file, to whose hidden neighbour the bytes are written.
        patience: seconds to wait for a server, and between attempts.
        quiet: neither log nor progress, for one of many small files.

    Raises:
        ElqError: another attempt cannot help (404, no size, too many bytes), the disk has no space, or the connection brings no
            more bytes.
    """
    return _persist(lambda: _receive(target, url, patience.timeout, quiet), neighbours(target)[0], patience)
