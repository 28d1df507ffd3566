"""Progress: a bar on a terminal, a log line now and then elsewhere, nothing when silenced."""

import logging
import os
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

log = logging.getLogger(__name__)

SILENCE = "ELQ_NO_PROGRESS"  # environment variable; any value silences
LOG_SECONDS = 30.0

Item = TypeVar("Item")


def track(items: Iterable[Item], description: str, total: int | None = None) -> Iterator[Item]:
    """Pass items through while showing how many have gone by.

    Args:
        items: what to go through.
        description: what is being done, for the bar or the log.
        total: number of items, where it is known and ``items`` has no length.
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
