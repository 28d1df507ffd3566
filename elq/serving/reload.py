"""Reload: opens changed files beside those that are served, and then serves the new ones."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from elq.errors import ElqError
from elq.serving.catalogues import Served, forget_garbage, open_served, watched

log = logging.getLogger(__name__)

Fingerprint = tuple[tuple[int, int, int] | None, ...]  # of each file: when it was changed, its size, and its number on the disk
SETTLING = 1.0  # seconds for which changed files have to stay as they are before they are opened, or the interval if it is less


def fingerprint(paths: Sequence[Path]) -> Fingerprint:
    """What changes when a file is changed, replaced or removed."""
    found = list[tuple[int, int, int] | None]()
    for path in paths:
        try:
            about = path.stat()
            found.append((about.st_mtime_ns, about.st_size, about.st_ino))
        except OSError:
            found.append(None)
    return tuple(found)


class Reloader:
    """Looks for changed files in a thread of its own.

    A changed folder is opened and links once before it is served, so no request waits for it. Requests that have begun keep the
    old one. If the new files cannot be opened, the old ones stay, and ``Served.error`` says why.

    Args:
        catalogues: the catalogues.
        opening: settings of the linkers, as in Linker.from_pretrained.
        seconds: how often to look.
        count: is told the catalogue, and ``opened`` or ``refused``.
    """

    def __init__(
        self,
        catalogues: Mapping[str, Served],
        opening: Mapping[str, Any],
        seconds: float,
        count: Callable[[Served, str], None],
    ) -> None:
        self.catalogues, self.opening, self.seconds, self.count = catalogues, opening, seconds, count
        self._seen = dict[str, Fingerprint]()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="elq-reload", daemon=True)

    def note(self) -> None:
        """Note the files as they are. It is called before they are opened, so that no later change is missed."""
        self._seen = {name: fingerprint(watched(served)) for name, served in self.catalogues.items()}

    def start(self) -> None:
        """Start to look, unless the interval is 0."""
        if self.seconds:
            self._thread.start()

    def stop(self) -> None:
        """Look no longer."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self.seconds):
            for served in self.catalogues.values():
                self.look(served)

    def look(self, served: Served) -> None:
        """Open the files of a catalogue again if they were changed and have settled."""
        now = fingerprint(watched(served))
        if now == self._seen[served.name]:
            return
        if self._stopped.wait(min(SETTLING, self.seconds)) or fingerprint(watched(served)) != now:
            return  # somebody writes them still: look again later
        error: str | None = None
        try:
            beside = served.opened.linker if served.model is None and served.opened else None
            opened = open_served(served, self.opening, beside)
        except ElqError as problem:
            error = str(problem)
        except Exception as problem:
            log.exception("the changed files of the catalogue %s cannot be opened", served.name)
            error = f"{type(problem).__name__}: {problem}"
        if fingerprint(watched(served)) != now:
            return  # they were changed while they were opened
        self._seen[served.name] = now
        served.error = error
        if error is not None:
            log.error("the changed files of the catalogue %s are refused, and the old ones stay: %s", served.name, error)
            self.count(served, "refused")
        elif served.opened is None or opened.version != served.opened.version:
            served.opened = opened
            forget_garbage()
            log.info("the catalogue %s is served from its changed files, version %s", served.name, opened.version)
            self.count(served, "opened")
