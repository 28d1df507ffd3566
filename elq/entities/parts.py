"""Parts: long work in pieces that outlives a kill, and that several processes may share.

A marker file says that a part is done. A lock, which the system lets go when its process dies, says that one is being done; so
any number of processes on one file system, started at any time, share the parts, and a dead one's part goes to another.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from elq.files import write_json

WAIT_SECONDS = 0.2  # between two looks at the parts that other processes are doing


def open_parts(markers: Path, parts: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The parts [start, end) that have no marker yet."""
    return [part for part in parts if not (markers / str(part[0])).is_file()]


def claimed_parts(markers: Path, locks: Path, parts: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Give out the parts that nobody has done or is doing; end when every part is done, whoever did it.

    A part that was given out is marked when the next one is asked for, and given back if the loop ends with an error.

    Args:
        markers: folder of the markers. It may be taken away once every part is marked.
        locks: folder of the locks, which lives on its own.
        parts: all of them.
    """
    while markers.is_dir() and (waiting := open_parts(markers, parts)):
        busy = False
        for part in waiting:
            try:
                held = FileLock(locks / str(part[0])).acquire(timeout=0)
            except Timeout:
                busy = True
                continue
            with held:  # asked again: since then it may have been done, and the folder moved
                if markers.is_dir() and open_parts(markers, [part]):
                    yield part
                    write_json(markers / str(part[0]), part[1])
        if busy:
            time.sleep(WAIT_SECONDS)
