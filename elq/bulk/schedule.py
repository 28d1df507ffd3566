"""The schedule: gives shards to workers, and gives the shard of a lost worker to another one.

A shard may be linked twice when a machine is lost, or only seems to be, but its output exists once: each worker writes a file
of its own, and gives it the name of the output when it is complete.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from elq.bulk.shards import Shard
from elq.bulk.worker import Done, Failed, Lost, Message, Ready, Refused
from elq.errors import ElqError

TRIES = 3  # workers that a shard, or the start of a worker, may cost


class Crew(Protocol):
    """Workers somewhere: processes of this machine, or actors of a Ray cluster."""

    def start(self) -> Any:
        """Start a worker, which opens its linker, and return its handle."""

    def give(self, worker: Any, shard: Shard) -> None:
        """Let a worker link a shard."""

    def messages(self) -> Iterable[tuple[Any, Message]]:
        """Wait until workers have said something, and return it. A worker that is lost says so once."""


def run_shards(crew: Crew, shards: Sequence[Shard], workers: int) -> Iterator[Done | Failed]:
    """Link shards with a number of workers, and yield what became of each shard, in the order in which they end.

    Raises:
        ElqError: the workers cannot open the linker, or are killed while they do so.
    """
    waiting, losses, fruitless = deque(shards), Counter[str](), 0
    idle: list[Any] = []
    busy: dict[Any, Shard | None] = {crew.start(): None for _ in range(min(workers, len(shards)))}  # None: it is starting
    while waiting or any(busy.values()):
        for worker, message in crew.messages():
            shard = busy.pop(worker, None)
            if isinstance(message, Refused):
                raise ElqError(message.sentence)
            if isinstance(message, Lost):
                fruitless += shard is None
                if fruitless == TRIES:
                    raise ElqError(
                        f"{TRIES} workers ended before they could link ({message.reason}), perhaps since memory ran out: give"
                        " fewer --workers"
                    )
                idle = [one for one in idle if one is not worker]
                if shard is not None:
                    yield from _again(shard, message, losses, waiting)
                continue
            fruitless = 0
            idle.append(worker)
            if not isinstance(message, Ready):
                yield message
        while waiting and idle:
            busy[worker := idle.pop()] = waiting.popleft()
            crew.give(worker, busy[worker])  # type: ignore[arg-type]
        for _ in range(min(workers - len(busy) - len(idle), len(waiting) - sum(one is None for one in busy.values()))):
            busy[crew.start()] = None  # in the place of a worker that was lost


def _again(shard: Shard, message: Lost, losses: Counter[str], waiting: deque[Shard]) -> Iterator[Failed]:
    """Put the shard of a lost worker in front of the others, unless it has cost too many workers."""
    losses[shard.name] += 1
    if losses[shard.name] < TRIES:
        waiting.appendleft(shard)
        return
    yield Failed(
        shard,
        f"{shard.source} was given up after {TRIES} workers that linked it ended ({message.reason}), perhaps since memory ran"
        " out: give fewer --workers, or divide the file",
    )
