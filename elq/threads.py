"""Threads: how many a process may use, and that waiting threads sleep."""

import math
import os
import sys
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from elq.errors import ElqError

# OpenMP reads them once, when torch is loaded. A waiting thread takes its core for a fraction of a millisecond and then sleeps:
# that is as quick as the default on an idle machine, and ten times as quick on a busy one (benchmarks/RESULTS.md).
SLEEPING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "10000"}
NUMBERS = ("OMP_NUM_THREADS", "RAYON_NUM_THREADS")  # torch and faiss, and the tokenizers

_TELLING: dict[int, Any] = {}  # by process: the lock of who tells torch a number that is not meant for all threads


def _groups(root: Path) -> Iterator[Path]:
    """The folders of the control groups of this process, each with the groups above it, of version 1 and 2."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        lines = []
    for line in [*lines, "0::/"]:
        number, kinds, path = [*line.split(":", 2), "", ""][:3]
        for kind in [""] if number == "0" else [kinds, "cpu"] if "cpu" in kinds.split(",") else []:
            top = root / "sys/fs/cgroup" / kind
            folder = top / path.strip("/")
            yield from (one for one in (folder, *folder.parents) if one.is_relative_to(top))


def cpu_quota(root: Path = Path("/")) -> float:
    """The number of cores whose time the container of this process may use; infinity if there is no limit.

    Args:
        root: the folder that contains ``proc`` and ``sys``.
    """
    quotas = [math.inf]
    for folder in _groups(root):
        try:
            if (both := folder / "cpu.max").is_file():  # version 2: "150000 100000" or "max 100000"
                quota, period = both.read_text(encoding="utf-8").split()
            else:
                quota, period = ((folder / f"cpu.cfs_{name}_us").read_text(encoding="utf-8") for name in ("quota", "period"))
            quotas += [float(quota) / float(period)] if quota != "max" and float(quota) > 0 else []
        except (OSError, ValueError, ZeroDivisionError):  # no such file, or not in a form that we know
            continue
    return min(quotas)


def cores() -> int:
    """The number of cores on which this process may run (taskset, SLURM and docker --cpuset-cpus limit them)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_threads(root: Path = Path("/")) -> int:
    """The number of threads that this process can keep busy: its cores, but no more than the quota of its container."""
    return max(1, int(min(cores(), cpu_quota(root))))


def prepare(environment: MutableMapping[str, str] = os.environ, root: Path = Path("/")) -> None:
    """Set the variables of OpenMP for a program that has not loaded torch yet. What the user has set stays.

    By default, OpenMP threads that wait take their core, so that beside other programs a question takes many times as long.
    The number of threads is set only where a container may use less than its cores.
    """
    if "torch" in sys.modules and environment is os.environ:
        return
    if not SLEEPING.keys() & environment.keys():
        environment.update(SLEEPING)
    if (most := available_threads(root)) < cores():
        for name in NUMBERS:
            environment.setdefault(name, str(most))


def set_threads(number: int | None = None) -> int:
    """Choose how many threads torch, faiss and the tokenizers use for one call, in this process.

    That waiting threads sleep cannot be chosen here: ``OMP_WAIT_POLICY=PASSIVE`` and ``GOMP_SPINCOUNT=10000`` must be in the
    environment before torch is loaded. The command ``elq`` sets them itself.

    Args:
        number: the number of threads; by default, and at most, as many as the process can keep busy
            (:func:`available_threads`).

    Returns:
        The number of threads that are used.

    Raises:
        ElqError: the number is less than 1, or not a whole number.
    """
    if number is not None and (type(number) is not int or number < 1):
        raise ElqError(f"the number of threads is {number!r}, but must be a whole number of at least 1: give 1 or more")
    import faiss
    import torch

    most = available_threads()
    number = most if number is None else min(number, most)
    torch.set_num_threads(number)
    faiss.omp_set_num_threads(number)
    os.environ["RAYON_NUM_THREADS"] = str(number)  # it is read when the first batch is tokenised
    if number == 1:
        os.environ["TOKENIZERS_PARALLELISM"] = "false"  # it is read at each batch
    else:
        os.environ.pop("TOKENIZERS_PARALLELISM", None)
    return number


def compute_with(number: int) -> None:
    """Let torch and faiss compute with so many threads in the calling thread, and in no other.

    What torch is told in one thread would otherwise hold for each thread that computes for the first time after that.
    """
    import faiss
    import torch

    with _TELLING.setdefault(os.getpid(), Lock()):  # else a second thread would take the first one's number for that of all
        others = torch.get_num_threads()  # from now on, this thread has a number of its own
        torch.set_num_threads(number)
        restoring = Thread(target=torch.set_num_threads, args=(others,))
        restoring.start()
        restoring.join()
    faiss.omp_set_num_threads(number)
