"""Progress: shows how far long work is, as a bar or in the log."""

import logging
import os
import time
from collections.abc import Iterable, Iterator, Sized
from typing import Any, Self, TypeVar

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


class Meter:
    """Shows how many bytes of a file were read, and how many entities they gave: as a bar on a terminal, otherwise in the log.

    Args:
        description: the name of the work, for the bar or the log.
        total: bytes of the file; 0 if unknown.
    """

    def __init__(self, description: str, total: int) -> None:
        self.description, self.total, self.entities = description, total, 0
        self._start = self._last = time.monotonic()
        self._bar: Any = None

    def __enter__(self) -> Self:
        if not os.environ.get(SILENCE):
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

            if (console := Console(stderr=True)).is_terminal:
                shown = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
                self._bar = Progress(*shown, TimeRemainingColumn(), console=console, transient=True)
                self._bar.start()
                self._task = self._bar.add_task(self.description, total=self.total or None)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def show(self, done: int) -> None:
        """Show that so many bytes were read. In the log, at most one line every 30 seconds appears."""
        if self._bar:
            text = f"{self.description}: {self.entities:,} entities"
            self._bar.update(self._task, completed=done, description=text)
        elif not os.environ.get(SILENCE) and time.monotonic() - self._last > LOG_SECONDS:
            self._last = time.monotonic()
            rate = done / (self._last - self._start)
            left = f", {(self.total - done) / rate / 60:.0f} minutes to go" if 0 < done < self.total else ""
            log.info(
                "%s: %s MB of %s MB read, %s entities%s",
                *(self.description, f"{done / 1e6:,.0f}", f"{self.total / 1e6:,.0f}", f"{self.entities:,}", left),
            )
