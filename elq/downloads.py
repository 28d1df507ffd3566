"""The folder of a download: its lock, and the checksums of the files that were put there.

A file that is not recorded in ``SHA256SUMS`` was put there by the user, and is never replaced.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock

from elq.errors import ElqError
from elq.files import replacing, writing
from elq.progress import track
from elq.transfer import MB, SCHEMES

SUMS, LOCK = "SHA256SUMS", ".elq-download.lock"
SUM_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](?:\./)?(.+)")


def parse_sums(text: str) -> dict[str, str]:
    """File name → sha256, from the output of sha256sum(1). Other lines are ignored.

    >>> parse_sums("0" * 64 + "  entity.jsonl\\n<html>")["entity.jsonl"][:4]
    '0000'
    """
    found = (SUM_LINE.fullmatch(line) for line in text.splitlines())
    return {match[2]: match[1].lower() for match in found if match}


def recorded(output: Path) -> dict[str, str]:
    """File name → sha256 of the files that were put into a folder by a download."""
    path = output / SUMS
    return parse_sums(path.read_text(encoding="utf-8", errors="replace")) if path.is_file() else {}


def record(target: Path, sha256: str) -> None:
    """Record the checksum of a file that is about to be put into its folder."""
    records = {**recorded(target.parent), target.name: sha256}
    with replacing(target.with_name(SUMS)) as stream:
        stream.writelines(f"{records[name]}  {name}\n" for name in sorted(records))


def base_address(mirror: str, example: str) -> str:
    """The address to which the paths of the files are appended: that of ``--mirror``, which ends with a slash then.

    Raises:
        ElqError: it is not the http or https address of a folder, such as ``example``.
    """
    try:
        parts = urlsplit(mirror)
        usable = parts.scheme in SCHEMES and parts.hostname and parts.port != 0 and not parts.query + parts.fragment
    except ValueError:  # the port is not a number, or an IPv6 address is incomplete
        usable = False
    if not usable or not re.fullmatch("[!-~]+", mirror):
        raise ElqError(f"--mirror is {mirror!r}, but must be the http or https address of a folder, such as {example}")
    return mirror.rstrip("/") + "/"


def digests(path: Path, kinds: Sequence[str]) -> list[str]:
    """The checksums of a file in hexadecimal. First its bytes are flushed from memory to the disk."""
    made = [hashlib.new(kind, usedforsecurity=False) for kind in kinds]
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
        blocks = iter(lambda: stream.read(MB), b"")
        for block in track(blocks, f"checking {path.name}, MB", path.stat().st_size // MB + 1):
            for digest in made:
                digest.update(block)
    return [digest.hexdigest() for digest in made]


@contextmanager
def alone(output: Path) -> Iterator[None]:
    """Make a folder and lock it against other downloads. Raises ElqError if it cannot be written."""
    with writing(output):
        output.mkdir(parents=True, exist_ok=True)
        with FileLock(output / LOCK):
            yield
