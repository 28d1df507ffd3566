"""Beside: computes something in another thread while the calling thread goes on, if there is a core for it."""

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import torch

from elq.threads import compute_with

MOST = 4  # threads that compute for others

Result = TypeVar("Result")

_POOLS: dict[int, ThreadPoolExecutor] = {}  # by process: a forked process has none of the threads of its parent


def begun(compute: Callable[[], Result]) -> Callable[[], Result]:
    """Begin to compute in another thread, and return a function that waits for the result, or raises what ``compute`` raised.

    Where torch computes with one thread, as in each of several workers, there is no core for it: then the function that is
    returned computes. The other thread computes with one thread and without gradients.

    Args:
        compute: a function that spends its time without the lock of the interpreter, as matrix products do. The calling thread
            should do so too: as long as it runs Python code, the other one cannot begin.
    """
    if torch.get_num_threads() == 1:
        return compute
    return submitted(_pool(), partial(_without_gradients, compute)).result


def together(*computations: Callable[[], Any]) -> list[Any]:
    """The results of several functions that run at the same time, in their order; of several errors, the first is raised."""
    with ThreadPoolExecutor(min(MOST, len(computations)), "elq-together") as pool:
        return [future.result() for future in [submitted(pool, compute) for compute in computations]]


def submitted(pool: ThreadPoolExecutor, compute: Callable[[], Result]) -> Future[Result]:
    """Let a pool compute. Where no thread can begin, the calling thread computes at once.

    When the main thread has ended, Python lets no pool begin anything, although other threads may go on.
    """
    try:
        return pool.submit(compute)
    except RuntimeError:
        alone: Future[Result] = Future()
    try:
        alone.set_result(compute())
    except Exception as error:
        alone.set_exception(error)
    return alone


def _without_gradients(compute: Callable[[], Result]) -> Result:
    with torch.inference_mode():
        return compute()


def _pool() -> ThreadPoolExecutor:
    """The threads of this process that compute for others."""
    if os.getpid() not in _POOLS:
        _POOLS[os.getpid()] = ThreadPoolExecutor(MOST, "elq-beside", compute_with, (1,))
    return _POOLS[os.getpid()]
