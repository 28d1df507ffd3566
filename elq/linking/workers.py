"""Workers: Python threads that score batches of questions side by side, so that no core waits for the Python code of another.

A batch has parts that use several cores (the encoder, the search) and parts that use one (names, links). So the batches of a
call are scored by several workers, which share the cores. That is twice as quick as one batch after another on all cores.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import torch

from elq.beside import submitted
from elq.threads import compute_with

MOST = 4  # workers; the Python code of more of them would wait for each other
AHEAD = 2  # batches for each worker that may be scored before their links are asked for
LEAST = 8  # questions of a batch for which it is worth while
PARTS = 2  # batches at least of a call with enough questions, on any number of cores, so that scores are the same everywhere
WIDE, WIDE_PARTS = 1024, 4  # columns of an encoder that gets more batches: less padding saves more time than a batch costs

Item = TypeVar("Item")
Result = TypeVar("Result")

_POOLS: dict[tuple[int, int, int], ThreadPoolExecutor] = {}  # by process, workers and threads of each


def workers_for(questions: int, device: torch.device) -> int:
    """How many workers score a number of questions on a device; 1 if the calling thread does it alone.

    >>> workers_for(15, torch.device("cpu")), workers_for(1_000, torch.device("cuda"))
    (1, 1)
    """
    return max(1, min(MOST, torch.get_num_threads(), questions // LEAST)) if device.type == "cpu" else 1


def batch_for(questions: int, most: int, width: int, device: torch.device) -> int:
    """The size of the batches of a number of questions, at most ``most``. The rounding of a score may depend on it.

    Args:
        questions: the number of questions of the call.
        most: the largest batch.
        width: D, the width of the encoder.
        device: where it computes; only on the processor, a wide encoder gets more batches.

    >>> cpu = torch.device("cpu")
    >>> [batch_for(questions, 64, 384, cpu) for questions in (0, 1, 15, 16, 64, 1_000)]
    [1, 1, 15, 8, 32, 64]
    >>> [batch_for(questions, 64, 1024, cpu) for questions in (15, 16, 64, 1_000)]
    [15, 8, 16, 64]
    """
    parts = WIDE_PARTS if width >= WIDE and device.type == "cpu" else PARTS
    parts = max(1, min(parts, questions // LEAST))
    return max(1, min(most, -(-questions // parts)))


def side_by_side(score: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """Yield ``score(item)`` of each item, in the order of the items.

    Args:
        score: a function that several threads may call.
        items: any number of items.
        workers: how many items are scored at the same time; with 1, the calling thread does it.

    Raises:
        Exception: what ``score`` raises.
    """
    if workers == 1:
        yield from map(score, items)
        return
    pool, waiting = _pool(workers), deque[Future[Result]]()
    try:
        for item in items:
            waiting.append(submitted(pool, partial(score, item)))
            if len(waiting) > AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _pool(workers: int) -> ThreadPoolExecutor:
    """The workers of this process, which share its threads; a forked process has others."""
    threads = max(1, torch.get_num_threads() // workers)
    key = (os.getpid(), workers, threads)
    if key not in _POOLS:
        _POOLS[key] = ThreadPoolExecutor(workers, "elq", compute_with, (threads,))
    return _POOLS[key]
