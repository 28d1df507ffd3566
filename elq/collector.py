"""The garbage collector of Python: passes over what the start of a command makes, since that is a quarter of its time."""

import atexit
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def starting() -> Iterator[None]:
    """Collect no garbage while the block imports and opens, and pass over what it made from then on.

    Imports make a million objects, and hardly one of them is garbage. In a process that has imported torch before, the block
    changes nothing, since there may be garbage of other work.
    """
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def end_quickly() -> None:
    """Let this process end without a search for garbage among all its objects. What is registered with atexit runs as ever."""
    atexit.unregister(gc.freeze)  # so that it is registered once
    atexit.register(gc.freeze)
