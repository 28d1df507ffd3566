"""Parses a dump on the machines of a Ray cluster.

The unit of work is the part of a catalogue (elq/sources/parts.py), the same as on one machine. So the catalogue is the same,
byte for byte, and a command that was stopped resumes with or without Ray: only missing parts are made.

All machines must share the folder of the output, under the same path, since the parts lie in a hidden folder beside it. They
must share the source too, unless it is one packed file, which only the machine that gives the command reads.
"""

# Plain tasks, and not Ray Data: what a task gives is a file that a later command finds again, so there are no blocks that could
# flow to a next step. And chunks of a packed file are made only as fast as workers take them, which a data set cannot do.

import gc
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from socket import gethostname
from typing import Any

from elq import __version__
from elq.bulk.cluster import amounts, connected, environment, reason_of
from elq.bulk.schedule import TRIES
from elq.errors import ElqError
from elq.files import holds_json, write_json
from elq.progress import LOG_SECONDS, Meter
from elq.sources import dump
from elq.sources.convert import PLAN, Writer
from elq.sources.parts import number_of, part_path
from elq.sources.pool import WAITING, write_chunk
from elq.sources.source import Range, Source

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What one worker does: it parses a chunk, or reads some files and parses their chunks.

    Args:
        number: the number of the part, or of the first part of the files.
        chunk: the chunk, or its place; None for files.
        places: the places of the files in ``Source.files``; empty for a chunk.
        read: path and size in bytes of each file that the worker reads.
        done: bytes of the source up to the end of the task, for the progress.
    """

    number: int
    chunk: Any = None
    places: tuple[int, ...] = ()
    read: tuple[tuple[Path, int], ...] = ()
    done: int = 0

    def marker(self, folder: Path) -> Path:
        """The file that says that all parts of the files are done, and has their numbers."""
        return folder / f"{self.number:012d}.{len(self.places)}.files.json"

    def finished(self, folder: Path) -> list[int] | None:
        """The numbers of the parts, if all of them are done."""
        if not self.places:
            return [self.number] if part_path(folder, self.number).exists() else None
        try:
            found: list[int] = json.loads(self.marker(folder).read_text(encoding="utf-8"))
        except OSError:
            return None
        return found


@dataclass(frozen=True, slots=True)
class Answer:
    """What a worker says: the numbers of the parts, the new entities in them, and the sentence of an error ("" if none)."""

    numbers: list[int] = field(default_factory=list)
    entities: int = 0
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Parser:
    """Does tasks on one machine of the cluster.

    Args:
        folder: the folder of the parts.
        plan: the content of its plan, from which the worker knows that it sees the same folder.
        version: the version of elq.
    """

    folder: Path
    plan: Any
    version: str = __version__

    def __call__(self, source: Source, task: Task) -> Answer:
        """Write the parts of a task that are missing."""
        if sentence := self._refusal(task):
            return Answer(sentence=sentence)
        source.threads = 1  # the other cores have tasks of their own
        gc.disable()  # as in the processes of elq/sources/pool.py
        try:
            if not task.places:
                return Answer([task.number], write_chunk(source, self.folder, task.number, task.chunk))
            return self._files(source, task)
        except ElqError as error:
            return Answer(sentence=str(error))
        finally:
            gc.enable()

    def _files(self, source: Source, task: Task) -> Answer:
        numbers, entities = [], 0
        for file in task.places:
            for place, chunk in enumerate(source.chunks_of(file)):
                numbers.append(number := number_of(file, place))
                if not part_path(self.folder, number).exists():
                    entities += write_chunk(source, self.folder, number, chunk)
        write_json(task.marker(self.folder), numbers)
        return Answer(numbers, entities)

    def _refusal(self, task: Task) -> str:
        """Why this machine cannot do a task; "" if it can."""
        machine = f"the machine {gethostname()}"
        if self.version != __version__:
            return f"{machine} has elq {__version__} and the command has {self.version}: install the same version everywhere"
        remedy = "give a source and an --output on a file system that all machines share"
        if not holds_json(self.folder / PLAN, self.plan):
            return f"{machine} does not see {self.folder}: {remedy}"
        for path, size in task.read:
            if not path.is_file() or path.stat().st_size != size:
                return f"{machine} does not see {path} with its {size:,} bytes: {remedy}"
        return ""


def parts_on_ray(address: str) -> Writer:
    """A function that writes the parts of a source on a Ray cluster, for :func:`elq.sources.convert.convert`.

    Args:
        address: the address of the cluster; "": see :func:`elq.bulk.cluster.connected`.

    Raises:
        ElqError: (the function) there is no cluster, a machine does not see the files, the source cannot be read, or a task has
            cost too many workers.
    """

    def write(source: Source, folder: Path, processes: int | None, meter: Meter) -> list[int]:
        if not source.parallel:
            raise ElqError(f"--ray is given, but one process reads {source.path} as quickly: leave out --ray")
        with connected(address) as ray:
            return _write(ray, source, folder, processes, meter)

    return write


def tasks_of(source: Source) -> Iterator[Task]:
    """Yield the tasks of a source. They are the same in every run.

    A file that is not packed is divided by places of bytes. Several other files are read by the workers, small ones together.
    One other file is read here, and its chunks are sent to the workers.
    """
    group: list[int] = []
    sizes = [file.stat().st_size for file in source.files]
    before = size = 0
    for file, path in enumerate(source.files):
        before += sizes[file]
        ranges = source.ranges(file) if sizes[file] >= dump.CHUNK or len(sizes) == 1 else None
        if ranges is None and len(sizes) > 1:
            group.append(file)
            size += sizes[file]
        if group and (ranges is not None or size >= dump.CHUNK or file + 1 == len(sizes)):
            read = tuple((source.files[one], sizes[one]) for one in group)
            yield Task(number=number_of(group[0], 0), places=tuple(group), read=read, done=before)
            group, size = [], 0
        if ranges is not None or len(sizes) == 1:
            for place, chunk in enumerate(source.chunks_of(file) if ranges is None else ranges):
                here = isinstance(chunk, Range)
                done = before - sizes[file] + chunk.end if here else source.done
                yield Task(number=number_of(file, place), chunk=chunk, read=((path, sizes[file]),) * here, done=done)


def _write(ray: Any, source: Source, folder: Path, processes: int | None, meter: Meter) -> list[int]:
    """Let the workers do the tasks that are not done. Returns the numbers of all parts."""
    run = ray.remote(_parse).options(num_cpus=1, max_retries=TRIES - 1, scheduling_strategy="SPREAD", runtime_env=environment())
    parser, given = Parser(folder, json.loads((folder / PLAN).read_text(encoding="utf-8"))), ray.put(source)
    cores = sum(amounts(ray, "CPU"))
    most = processes or WAITING * max(cores, 1)
    log.info("%s cores of the cluster parse %s", f"{min(most, cores):,}", source.path)
    numbers: list[int] = []
    waiting: dict[Any, Task] = {}
    try:
        for task in tasks_of(source):
            if (found := task.finished(folder)) is not None:
                numbers += found
                meter.show(task.done)
                continue
            waiting[run.remote(parser, given, task)] = task
            while len(waiting) >= most:
                numbers += _answered(ray, waiting, meter)
        while waiting:
            numbers += _answered(ray, waiting, meter)
    finally:
        for one in waiting:  # after an error
            ray.cancel(one)
    return sorted(numbers)


def _answered(ray: Any, waiting: dict[Any, Task], meter: Meter) -> list[int]:
    """The numbers of the parts that workers have finished meanwhile. Ray itself repeats the task of a worker that was lost."""
    ready, _ = ray.wait(list(waiting), num_returns=1, timeout=LOG_SECONDS)
    numbers = []
    for one in ready:
        task = waiting.pop(one)
        try:
            answer: Answer = ray.get(one)
        except ray.exceptions.RayTaskError:
            raise  # an error in elq, with the trace of the worker
        except ray.exceptions.RayError as error:
            raise ElqError(
                f"{TRIES} workers ended while they parsed the same part ({reason_of(error)}), perhaps since memory ran out:"
                " give the same command again with fewer --processes; finished parts are kept"
            ) from None
        if answer.sentence:
            raise ElqError(answer.sentence)
        numbers += answer.numbers
        meter.entities += answer.entities
        meter.show(task.done)
    return numbers


def _parse(parser: Parser, source: Source, task: Task) -> Answer:
    """The task of a worker."""
    return parser(source, task)
