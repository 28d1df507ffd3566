"""Ray: finds or starts a cluster, divides its cores, and starts workers that are actors of it.

Actors, and not Ray Data: a data set is divided into blocks that have no files of their own, so "this input file is finished"
would have to be found out again. Here the unit that is given away, counted and repeated is the file.
"""

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any

from elq.bulk.job import Job
from elq.bulk.shards import Shard
from elq.bulk.worker import Lost, Message, Worker
from elq.errors import ElqError
from elq.progress import SILENCE
from elq.threads import SLEEPING

PASSED = ("PYTHONPATH", "HF_HOME", "HF_HUB_OFFLINE")  # variables that the workers get, besides those of elq and OpenMP
SECRET = ("ELQ_TOKEN",)  # Ray shows the variables of its workers to everyone who sees its dashboard
# For a cluster that elq starts: Ray tells nobody that it is used, and its workers do not give way to every other program.
STARTED = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """The module ``ray``, connected to a cluster until the block ends; a connection that exists is used, and stays.

    Args:
        address: the address of a cluster; "" means that of ``$RAY_ADDRESS``, else the one of this machine, which is started
            if there is none.

    Raises:
        ElqError: there is no cluster at the address.
    """
    for name, value in STARTED.items():
        os.environ.setdefault(name, value)
    import ray

    if ray.is_initialized():
        yield ray
        return
    _refuse_unreachable(address)
    logging.getLogger("ray").setLevel(logging.ERROR)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        ray.init(address=address or None, logging_level=logging.ERROR, log_to_driver=False, include_dashboard=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ElqError(
            f"--ray {address}: there is no Ray cluster that can be used ({reason}): give the address that `ray start` printed,"
            " or --ray alone"
        ) from None
    if threading.current_thread() is threading.main_thread():
        for number, handler in handlers.items():  # Ray has put its own in their place, which print a trace
            signal.signal(number, handler)
    try:
        yield ray
    finally:
        ray.shutdown()


def _refuse_unreachable(address: str) -> None:
    """Raise an ElqError if nothing listens at an address. Ray itself tries for minutes."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not (colon and port.isdecimal()):  # "", "auto" and "local"
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise ElqError(
            f"--ray {address}: nothing answers there ({error}): give the address that `ray start --head` printed, such as"
            " 10.0.0.1:6379, or --ray alone for the cluster of this machine"
        ) from None


def environment() -> dict[str, dict[str, str]]:
    """The runtime environment of a worker: the variables that it shares with this process."""
    named = {name: value for name, value in os.environ.items() if name.startswith("ELQ_") or name in PASSED}
    kept = {name: value for name, value in named.items() if name not in SECRET}
    openmp = {name: os.environ.get(name, value) for name, value in SLEEPING.items()}
    return {"env_vars": {**kept, **openmp, SILENCE: "1"}}


def reason_of(error: Exception) -> str:
    """What Ray says of a lost worker, on one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1] if lines else 'no reason is known'}"


def amounts(ray: Any, resource: str) -> list[int]:
    """How many of a resource (``CPU`` or ``GPU``) each machine of a cluster has, without those that have none."""
    found = [int(node["Resources"].get(resource, 0)) for node in ray.nodes() if node["Alive"]]
    return [number for number in found if number]


def cores_each(machines: list[int], workers: int) -> int:
    """How many cores each worker gets, so that all workers find a place at once; 1 if there are too few.

    Args:
        machines: the number of cores of each machine.
        workers: the number of workers.

    >>> cores_each([8, 8], 4), cores_each([8, 8], 3), cores_each([2], 4)
    (4, 4, 1)
    """
    fits = [each for each in range(1, max(machines, default=1) + 1) if sum(n // each for n in machines) >= workers]
    return max(fits, default=1)


class Actors:
    """Starts actors, and waits for their answers. Ray does not restart them: the schedule does.

    Args:
        ray: the module, connected.
        given: the arguments of every :class:`Worker`.
        cpus: the cores that each actor reserves.
        gpus: the cards that each actor reserves.
    """

    def __init__(self, ray: Any, given: tuple[Any, ...], cpus: int, gpus: int) -> None:
        self._ray, self._given = ray, given
        self._class = ray.remote(Worker).options(
            num_cpus=cpus, num_gpus=gpus, max_restarts=0, scheduling_strategy="SPREAD", runtime_env=environment()
        )
        self._actors: dict[int, Any] = {}
        self._pending: dict[Any, int] = {}  # what is asked → the number of the actor
        self._numbers = count()

    def start(self) -> int:
        """Start an actor. It waits until the cluster has room for it."""
        number = next(self._numbers)
        self._actors[number] = self._class.remote(*self._given)
        self._pending[self._actors[number].open.remote()] = number
        return number

    def give(self, worker: int, shard: Shard) -> None:
        """Let an actor link a shard."""
        self._pending[self._actors[worker].link.remote(shard)] = worker

    def messages(self) -> Iterator[tuple[int, Message]]:
        """Wait for answers."""
        ready, _ = self._ray.wait(list(self._pending), num_returns=1)
        for answer in ready:
            number = self._pending.pop(answer)
            try:
                yield number, self._ray.get(answer)
            except self._ray.exceptions.RayError as error:
                self._ray.kill(self._actors.pop(number))  # it may only be out of reach
                yield number, Lost(reason_of(error))

    def close(self) -> None:
        """End all actors."""
        for actor in self._actors.values():
            self._ray.kill(actor)


@contextmanager
def actors(job: Job, plan: Mapping[str, Any], shards: int, workers: int | None, address: str) -> Iterator[tuple[Actors, int]]:
    """Actors that end with the block, and how many there are to be. They are not started yet.

    Args:
        job: what is linked how.
        plan: the plan of the run.
        shards: the number of shards to link.
        workers: the number of actors; None: one for each core of the cluster, or with CUDA one for each card, but no more
            than there are shards.
        address: see :func:`connected`.
    """
    device = str(job.opening.get("device") or "cpu")
    cards = device.startswith("cuda")
    with connected(address) as ray:
        most = sum(amounts(ray, "GPU" if cards else "CPU"))
        number = max(1, min(workers or most, shards))
        cpus = cores_each(amounts(ray, "CPU"), number)
        crew = Actors(ray, (job, plan, cpus, device), cpus, int(cards))
        try:
            yield crew, number
        finally:
            crew.close()
