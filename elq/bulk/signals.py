"""Signals: what a command does at SIGTERM and at Ctrl-C."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def handled(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Call a function at SIGTERM and at Ctrl-C until the block ends. Only the main thread receives signals.

    A handler that was not set from Python cannot be put back and stays.
    """
    main = threading.current_thread() is threading.main_thread()
    before = {number: known for number in ENDING if main and (known := signal.getsignal(number)) is not None}
    for number in before:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, known in before.items():
            signal.signal(number, known)
