"""Cache: the folder in which elq keeps what it can make again, such as the vectors of catalogues that it has linked over.

The folder is ``$ELQ_CACHE``, or ``elq`` in the cache folder of the user (``$XDG_CACHE_HOME``, or ``~/.cache``; on Windows
``%LOCALAPPDATA%``). It may be deleted at any time. Its size is limited by ``$ELQ_CACHE_GB`` (10 by default): what was used
longest ago is deleted first.
"""

import logging
import os
import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from elq.errors import ElqError

log = logging.getLogger(__name__)

LIMIT_GB = 10.0
USED = ".used"  # its modification time says when a folder was used last


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The cache folder of these environment variables. It need not exist.

    >>> cache_folder({"ELQ_CACHE": "/data/elq"}), cache_folder({"XDG_CACHE_HOME": "/home/me/.cache"})
    (PosixPath('/data/elq'), PosixPath('/home/me/.cache/elq'))
    """
    if own := environment.get("ELQ_CACHE"):
        return Path(own).expanduser()
    if (local := environment.get("LOCALAPPDATA")) and os.name == "nt":
        return Path(local) / "elq" / "cache"
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "elq"


def cache_limit(environment: Mapping[str, str] = os.environ) -> int:
    """The largest size of the cache in bytes.

    Raises:
        ElqError: ``$ELQ_CACHE_GB`` is not a number of at least 0.
    """
    said = environment.get("ELQ_CACHE_GB") or str(LIMIT_GB)
    try:
        limit = float(said)
    except ValueError:
        limit = -1.0
    if not limit >= 0:
        raise ElqError(f"ELQ_CACHE_GB is {said!r}, but must be a number of gigabytes, such as 10: correct the variable")
    return int(limit * 1e9)


@cache
def _temporary() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="elq-")  # it is deleted when the process ends


def writable_cache() -> Path:
    """The cache folder; a temporary folder of this process, with a warning, if the cache folder cannot be written to."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        other = Path(_temporary().name)
        log.warning(
            "the cache folder %s cannot be written to (%s), so the work is kept only until this process ends: set ELQ_CACHE to"
            " a folder that can be written to",
            *(folder, error.strerror),
        )
        return other
    return folder


def mark_used(folder: Path) -> None:
    """Note that a folder of the cache was used now. Nothing happens if it cannot be written to."""
    try:
        (folder / USED).touch()
    except OSError:
        log.debug("%s cannot be marked as used", folder)


def trim(parent: Path, keep: Path, limit: int | None = None) -> list[Path]:
    """Delete the folders in ``parent`` that were used longest ago, until all together are not larger than the limit.

    Args:
        parent: the folder whose subfolders are counted. Names that begin with a dot are work in progress and are left.
        keep: a subfolder that is not deleted.
        limit: size in bytes; by default :func:`cache_limit`.

    Returns:
        The deleted folders.
    """
    most = cache_limit() if limit is None else limit
    folders = [path for path in parent.iterdir() if path.is_dir() and not path.name.startswith(".")]
    sizes = {path: sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) for path in folders}
    total, deleted = sum(sizes.values()), []
    for path in sorted(folders, key=_used):
        if total <= most:
            break
        if path != keep:
            shutil.rmtree(path, ignore_errors=True)
            total -= sizes[path]
            deleted.append(path)
            log.info("deleted %s from the cache, since the cache may have %.1f GB", path.name, most / 1e9)
    return deleted


def _used(folder: Path) -> float:
    marker = folder / USED
    return (marker if marker.exists() else folder).stat().st_mtime
