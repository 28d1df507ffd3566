"""Transfer: one file from a web server into a hidden neighbour, continued where a connection or a process broke off.

Bytes go to a hidden neighbour ``.NAME.partial``; ``.NAME.about`` says which version of the file on the server they are of.
"""

import json
import logging
import os
import re
import shutil
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
from elq.files import write_json
from elq.progress import track

log = logging.getLogger(__name__)

SCHEMES = ("http", "https")
MB = 1_000_000  # bytes
ABSENT = (403, 404, 410)  # storage without a public listing answers 403 for what is not there
PASSING = (408, 429)  # and 500 or more: worth another try
CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
AGAIN = "give the command again, or another --mirror"

Result = TypeVar("Result")


@dataclass(frozen=True)
class Patience:
    """How long a silent server is waited for, in seconds, and the pauses before new tries while none brings a new byte."""

    timeout: float = 60.0
    pauses: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 15.0)


@dataclass(frozen=True)
class About:
    """Which version of a file on a server: its size in bytes and the two names that HTTP gives to a version."""

    url: str
    size: int = 0
    etag: str = ""
    last_modified: str = ""

    @property
    def validator(self) -> str:
        """What If-Range may hold: a weak ETag does not promise the same bytes."""
        return self.last_modified if self.etag.startswith("W/") else self.etag or self.last_modified


class _BrokenError(Exception):
    """A connection that failed in a way that may pass."""


class _Redirects(HTTPRedirectHandler):
    """Follows no redirect to ftp, which the parent's list of schemes has."""

    def redirect_request(self, *arguments, **named):  # type: ignore[no-untyped-def]
        request = super().redirect_request(*arguments, **named)
        if request is not None and urlsplit(request.full_url).scheme not in SCHEMES:
            raise ElqError(f"the server sends us to {request.full_url}, but only http and https are followed: {AGAIN}")
        return request


OPENER = build_opener(_Redirects)


def need_room(target: Path, size: int) -> None:
    """Raise ElqError where the disk of a file has no room for ``size`` more bytes."""
    if size > (free := shutil.disk_usage(target.parent).free):
        raise ElqError(f"{target} needs {size:,} more bytes, but the disk has {free:,}: free space or choose another --output")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def neighbours(target: Path) -> tuple[Path, Path]:
    """Where a file's bytes wait for the last one, and the note on what they are of."""
    return target.with_name(f".{target.name}.partial"), target.with_name(f".{target.name}.about")


@contextmanager
def _connection(url: str, passed: Sequence[int] = ()) -> Iterator[None]:
    """Part what may pass (_BrokenError) from what will not (ElqError); HTTP codes in ``passed`` are for the caller."""
    try:
        yield
    except HTTPError as error:
        if error.code in passed:
            raise
        error.close()
        told = f"{url} answered {error.code} ({' '.join(str(error.reason).split())})"
        if error.code >= 500 or error.code in PASSING:
            raise _BrokenError(told) from None
        raise ElqError(f"{told}: give another --mirror, or try again on another day") from None
    except (OSError, HTTPException) as error:
        raise _BrokenError(f"{url} cannot be read ({getattr(error, 'reason', error)!s})") from None
    except ValueError as error:  # an address that no connection can be made to
        raise ElqError(f"{url} cannot be asked for ({error}): give another --mirror") from None


def _open(url: str, timeout: float, headers: dict[str, str], passed: Sequence[int]) -> HTTPResponse:
    with _connection(url, passed):
        request = Request(url, headers={"User-Agent": f"elq/{__version__}", **headers})
        answer: HTTPResponse = OPENER.open(request, timeout=timeout)
        return answer


def _persist(attempt: Callable[[], Result], partial: Path, patience: Patience) -> Result:
    """Try until it works, or until as many more tries as there are pauses brought no byte beyond the furthest one."""
    furthest, failures = _size(partial), 0
    while True:
        try:
            return attempt()
        except _BrokenError as error:
            if _size(partial) > furthest:
                furthest, failures = _size(partial), 0
            if failures == len(patience.pauses):
                told = f"{error}, and {failures} more tries brought nothing"
                raise ElqError(f"{told}: check the connection and give the command again, which goes on from there") from None
            log.warning("%s: trying again in %g s", error, patience.pauses[failures])
            time.sleep(patience.pauses[failures])
            failures += 1


def _begun(target: Path, url: str) -> tuple[About, int]:
    """What the partial file is a part of, and how many bytes of it are there: none where it cannot be gone on with."""
    partial, note = neighbours(target)
    try:
        about = About(**json.loads(note.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # no note, or a damaged one
        about = About(url)
    return (about, _size(partial)) if about.url == url and about.validator else (About(url), 0)


def _answered(answer: HTTPResponse, begun: About) -> tuple[About, int]:
    """Which version of the file the answer is of, and its first byte. A 206 need not repeat what If-Range named."""
    part, length = CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", "")), answer.headers.get("Content-Length", "")
    names = [answer.headers.get("ETag", ""), answer.headers.get("Last-Modified", "")]
    if answer.status == 206 and part:
        return About(begun.url, int(part[2]), names[0] or begun.etag, names[1] or begun.last_modified), int(part[1])
    if answer.status != 200 or not length.isdecimal():
        raise ElqError(f"{begun.url} answered {answer.status} without a size in bytes: give another --mirror")
    return About(begun.url, int(length), *names), 0


def _receive(target: Path, url: str, timeout: float) -> About:
    """One connection: append what is missing of a file to its hidden neighbour."""
    partial, note = neighbours(target)
    begun, position = _begun(target, url)
    headers = {"Range": f"bytes={position}-", "If-Range": begun.validator} if position else {}
    try:
        answer = _open(url, timeout, headers, (416,) if position else ())
    except HTTPError as error:  # nothing follows our last byte
        error.close()
        if position == begun.size and error.headers.get("Content-Range") in (None, f"bytes */{position}"):
            return begun
        partial.unlink()
        raise _BrokenError(f"{url} is no longer the file that was begun") from None
    with answer:
        about, start = _answered(answer, begun)
        if answer.status == 206 and (start, about) != (position, begun):  # a server that does not know If-Range
            partial.unlink(missing_ok=True)
            raise _BrokenError(f"{url} is no longer the file that was begun")
        if position and not start:
            log.info("%s starts from zero: the file has changed, or the server sends only whole files", target.name)
        log.info("fetching %s: %s of %s bytes", url, f"{about.size - start:,}", f"{about.size:,}")
        with partial.open("ab" if start else "wb") as stream:
            if not start:  # empty on the disk before the note says whose bytes follow
                os.fsync(stream.fileno())
                write_json(note, asdict(about))
            need_room(target, about.size - start)
            steps = _copy(answer, stream, about, start)
            for _ in track(steps, f"fetching {target.name}, MB", about.size // MB - start // MB):
                pass
    return about


def _copy(answer: HTTPResponse, stream: IO[bytes], about: About, position: int) -> Iterator[None]:
    """Write a body as it comes, so that a kill loses next to nothing; yields once a megabyte."""
    while True:
        with _connection(about.url):
            block = answer.read1(MB)
        if not block:
            break
        if position + len(block) > about.size:
            stream.truncate(0)
            raise ElqError(f"{about.url} sends more than the {about.size:,} bytes it promised: {AGAIN}")
        stream.write(block)
        yield from [None] * ((position + len(block)) // MB - position // MB)
        position += len(block)
    if position < about.size:
        raise _BrokenError(f"{about.url} broke off after {position:,} of {about.size:,} bytes")


def read_small(url: str, target: Path, patience: Patience) -> str:
    """The first megabyte of a text beside a file; empty where the server says that it has none.

    Raises:
        ElqError: as ``receive``.
    """

    def attempt() -> str:
        try:
            with _open(url, patience.timeout, {}, ABSENT) as answer, _connection(url):
                text = answer.read(MB)
                if answer.length and len(text) < MB:  # read() is silent about an end that comes early
                    raise _BrokenError(f"{url} broke off after {len(text):,} bytes")
                return text.decode("utf-8", "replace")
        except HTTPError as error:
            error.close()
            return ""

    return _persist(attempt, neighbours(target)[0], patience)


def receive(url: str, target: Path, patience: Patience) -> About:
    """Fetch what is missing of a file's partial neighbour, which is whole when this returns; nothing has been checked but
    its size.

    Raises:
        ElqError: an answer that will not get better (404, no size, too many bytes), no room on the disk, or a connection that
            brings no more bytes.
    """
    return _persist(lambda: _receive(target, url, patience.timeout), neighbours(target)[0], patience)
