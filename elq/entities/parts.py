"""Parts: divides long work so that it can resume and be shared by processes.

A marker file says that a part is done. A file lock says that a process is doing a part; the operating system releases the lock
when the process ends. So any number of processes on the same file system, started at any time, can share the parts, and the
part of a killed process is done by another one.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from elq.errors import ElqError
from elq.files import write_json

WAIT_SECONDS = 0.2  # before checking again the parts that other processes are doing


def lock_of(folder: Path) -> FileLock:
    """The lock of a folder, which is held by the process that makes or changes it. It is a file beside the folder.

    Raises:
        ElqError: no file can be made there. (The lock would wait for it without an end.)
    """
    folder = folder if folder.name else folder.resolve()  # "." has no name
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder.parent):
            pass
    except OSError as error:
        raise ElqError(
            f"{folder.parent} cannot be used ({error.strerror}), since no file can be made in it: choose another folder"
        ) from None
    return FileLock(folder.with_name(f".{folder.name}.lock"))


def open_parts(markers: Path, parts: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The parts [start, end) that have no marker yet."""
    return [part for part in parts if not (markers / str(part[0])).is_file()]


def claimed_parts(markers: Path, locks: Path, parts: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the parts that no process has done or is doing; end when all parts are done, by this process or another.

    A part is marked as done when the caller asks for the next part. If the caller's loop ends with an error, the part is not
    marked, and any process may do it.

    Args:
        markers: folder of the markers. It may be removed when every part is marked.
        locks: folder of the locks. It must not be the folder of the markers, which may be moved or removed.
        parts: all parts [start, end).
    """
    while markers.is_dir() and (waiting := open_parts(markers, parts)):
        busy = False
        for part in waiting:
            try:
                held = FileLock(locks / str(part[0])).acquire(timeout=0)
            except Timeout:
                busy = True
                continue
            with held:  # checked again: meanwhile another process may have done the part and moved the folder
                if markers.is_dir() and open_parts(markers, [part]):
                    yield part
                    write_json(markers / str(part[0]), part[1])
        if busy:
            time.sleep(WAIT_SECONDS)
