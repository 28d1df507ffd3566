"""Fetching: downloads public files, several at once, and checks each by its git blob id.

A file gets its name only after its content has the blob id of the list, so a file that is there is right. It is asked for by
its path; where the path has no such file, by the blob id, which GitHub answers only 60 times an hour.
"""

import hashlib
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from elq.errors import ElqError
from elq.files import replacing, writing
from elq.progress import track
from elq.public.sources import Source
from elq.transfer import AGAIN, MB, Patience, neighbours, read_whole, receive

log = logging.getLogger(__name__)

CONNECTIONS = 8  # files that are downloaded at the same time
LARGEST = 100 * MB  # bytes that are asked for by blob id, if the list does not say the size
RAW = {"Accept": "application/vnd.github.raw+json"}  # the blob itself, not JSON with it


@dataclass(frozen=True)
class Addresses:
    """Where the files are: ``paths`` + repository/commit/path, and ``blobs`` + repos/repository/git/blobs/blob id."""

    paths: str = "https://raw.githubusercontent.com/"
    blobs: str = "https://api.github.com/"

    def path_of(self, source: Source) -> str:
        """The address of a file by its path."""
        return f"{self.paths}{source.repo}/{source.commit}/{quote(source.path)}"

    def blob_of(self, source: Source) -> str:
        """The address of a file by its blob id."""
        return f"{self.blobs}repos/{source.repo}/git/blobs/{source.blob}"


def blob_id(content: bytes) -> str:
    """The git blob id of a file's content.

    >>> blob_id(b"hello\\n")
    'ce013625030ba8dba906f756967f9e9ca394464a'
    """
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _whole(content: bytes, source: Source, url: str) -> bytes:
    if (found := blob_id(content)) != source.blob:
        raise ElqError(f"the file from {url} has the git blob id {found}, but must have {source.blob}: {AGAIN}")
    return content


def _by_path(source: Source, target: Path, addresses: Addresses, patience: Patience) -> None:
    url, (partial, note) = addresses.path_of(source), neighbours(target)
    receive(url, target, patience, quiet=True)
    content = partial.read_bytes()
    if blob_id(content) != source.blob:
        partial.unlink()
    else:
        partial.replace(target)
    note.unlink(missing_ok=True)
    _whole(content, source, url)


def _by_blob(source: Source, target: Path, addresses: Addresses, patience: Patience) -> bool:
    """Whether the file could be had by its blob id."""
    url = addresses.blob_of(source)
    content = read_whole(url, target, patience, (source.size or LARGEST) + 1, RAW)
    if content is None:
        return False
    with replacing(target, "wb") as stream:
        stream.write(_whole(content, source, url))
    for path in neighbours(target):
        path.unlink(missing_ok=True)
    return True


def _provide(source: Source, folder: Path, addresses: Addresses, patience: Patience) -> Path:
    target = folder / source.place
    if target.is_file() and blob_id(target.read_bytes()) == source.blob:
        return target
    with writing(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
    try:
        _by_path(source, target, addresses, patience)
    except ElqError as error:
        log.debug("%s: asking for the blob id", error)
        try:
            found = _by_blob(source, target, addresses, patience)
        except ElqError:
            found = False
        if not found:
            raise error from None
    return target


def fetch(
    wanted: Sequence[Source], folder: Path, addresses: Addresses, patience: Patience, description: str
) -> dict[Source, Path]:
    """Download the files that are not there yet, and return the path of each.

    Args:
        wanted: the files.
        folder: the folder for them; a file's place in it is :attr:`Source.place`.
        addresses: the servers.
        patience: seconds to wait for a server, and between attempts.
        description: what is downloaded, for the progress.

    Raises:
        ElqError: a file can be had neither by its path nor by its blob id, its content is wrong, or the disk has no space. What
            was downloaded stays, so that the next call resumes from there.
    """
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        jobs = {pool.submit(_provide, source, folder, addresses, patience): source for source in wanted}
        try:
            found = {jobs[job]: job.result() for job in track(as_completed(jobs), description, len(jobs))}
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return {source: found[source] for source in wanted}
