"""Workers that are processes of this machine."""

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from elq.bulk.job import Job
from elq.bulk.shards import Shard
from elq.bulk.signals import handled
from elq.bulk.worker import Lost, Message, Ready, Worker
from elq.progress import SILENCE
from elq.threads import available_threads

ENDING = 10.0  # seconds in which a process ends after its pipe did


def workers_here(shards: int, device: str) -> int:
    """How many processes link this number of shards: one for each core, or with CUDA one for each card."""
    if device.startswith("cuda"):
        import torch

        most = torch.cuda.device_count() if device == "cuda" else 1
    else:
        most = available_threads()
    return max(1, min(most, shards))


class Processes:
    """Starts processes, and passes messages through pipes. The end of a pipe says that a process has ended.

    The processes are spawned: a forked one would have none of the threads of torch.

    Args:
        job: what is linked how.
        plan: the plan of the run.
        workers: the number of processes that share the cores.
    """

    def __init__(self, job: Job, plan: Mapping[str, Any], workers: int) -> None:
        self._given = job, plan, max(1, available_threads() // workers)
        self._context = multiprocessing.get_context("spawn")
        self._live: dict[Connection, BaseProcess] = {}
        self._places = count()

    def start(self) -> Connection:
        """Start a process."""
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs, *self._given, next(self._places)), daemon=True)
        with signals_wait():  # a process that gets only a part of what it needs to start says so with a traceback
            process.start()
            theirs.close()  # so that the pipe ends when the process ends
            self._live[ours] = process
        return ours

    def give(self, worker: Connection, shard: Shard) -> None:
        """Let a process link a shard."""
        with suppress(OSError):  # it has ended, which the next look at its pipe shows
            worker.send(shard)

    def messages(self) -> Iterator[tuple[Connection, Message]]:
        """Wait for messages."""
        for pipe in wait(list(self._live)):
            assert isinstance(pipe, Connection)
            try:
                yield pipe, pipe.recv()
            except (EOFError, OSError):
                process = self._live.pop(pipe)
                process.join(ENDING)
                if process.is_alive():  # it has closed its pipe, and hangs while libraries take themselves apart
                    process.kill()
                    process.join()
                code = process.exitcode or 0
                yield pipe, Lost(f"signal {-code}" if code < 0 else f"exit code {code}")

    def close(self) -> None:
        """End all processes."""
        for process in self._live.values():
            process.kill()  # nothing is lost: an unfinished shard has no name yet
        for process in self._live.values():
            process.join()


@contextmanager
def signals_wait() -> Iterator[None]:
    """Let SIGTERM and Ctrl-C wait until the block ends."""
    received: list[int] = []
    try:
        with handled(lambda number, _: received.append(number)):
            yield
    finally:
        for number in received:
            signal.raise_signal(number)


@contextmanager
def processes(job: Job, plan: Mapping[str, Any], shards: int, workers: int | None) -> Iterator[tuple[Processes, int]]:
    """Processes that end with the block, and how many there are to be. They are not started yet.

    Args:
        job: what is linked how.
        plan: the plan of the run.
        shards: the number of shards to link.
        workers: the number of processes; None: see :func:`workers_here`. There are no more than shards.
    """
    number = min(workers, shards) if workers else workers_here(shards, str(job.opening.get("device") or "cpu"))
    crew = Processes(job, plan, number)
    try:
        yield crew, number
    finally:
        crew.close()


def _work(pipe: Connection, job: Job, plan: Mapping[str, Any], threads: int, place: int) -> None:
    """The program of a process. It ends when the process that started it ends, even by a kill."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one ends the others
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logging.basicConfig(level=logging.ERROR if place else logging.INFO, format="%(message)s")  # one of them is enough
    logging.getLogger("faiss").setLevel(logging.WARNING)
    os.environ[SILENCE] = "1"
    worker = Worker(job, plan, threads, _own_card(str(job.opening.get("device") or "cpu"), place))
    with suppress(EOFError, OSError):  # the pipe ends when the process that started this one ends
        pipe.send(said := worker.open())
        while isinstance(said, Ready):
            pipe.send(worker.link(pipe.recv()))


def _own_card(device: str, place: int) -> str:
    """The card of a process, where several cards are there."""
    if device != "cuda":
        return device
    import torch

    return f"cuda:{place % torch.cuda.device_count()}" if torch.cuda.device_count() > 1 else device


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
