"""Progress: shows how far long work is, as a bar or in the log."""

import logging
import os
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

log = logging.getLogger(__name__)

SILENCE = "ELQ_NO_PROGRESS"  # environment variable: with any value that is not empty, no progress is shown
LOG_SECONDS = 30.0

Item = TypeVar("Item")


def track(items: Iterable[Item], description: str, total: int | None = None) -> Iterator[Item]:
    """Yield the items, and show how many were yielded: as a bar on a terminal, otherwise as a log line every 30 seconds.

    Args:
        items: the items.
        description: the name of the work, for the bar or the log.
        total: the number of items, if it is known and ``items`` has no length.
    """
    if os.environ.get(SILENCE):
        yield from items
        return
    from rich.console import Console
    from rich.progress import track as rich_track

    total = total if total is not None else len(items) if isinstance(items, Sized) else None
    console = Console(stderr=True)
    if console.is_terminal:
        yield from rich_track(items, description, total=total, console=console, transient=True)
        return
    last = time.monotonic()
    for number, item in enumerate(items, 1):
        yield item
        if time.monotonic() - last > LOG_SECONDS:
            last = time.monotonic()
            log.info("%s: %s%s", description, f"{number:,}", f" of {total:,}" if total else "")
