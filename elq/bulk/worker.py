"""The worker: opens a linker once, and links one shard after another."""

import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, Any

from elq.bulk.job import PLAN, Job, digest_of_plan
from elq.bulk.outputs import WRITERS
from elq.bulk.shards import OWN, Record, Shard, record_path, sha256_of
from elq.errors import ElqError
from elq.files import holds_json, writing
from elq.questions.inputs import CHUNK, check_input, read_input
from elq.threads import set_threads

if TYPE_CHECKING:
    from elq.linking.linker import Linker

EXAMPLES = 3  # bad lines of a shard that are reported in full


@dataclass(frozen=True, slots=True)
class Ready:
    """A worker has opened its linker."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A worker cannot open its linker, and no other worker could."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Done:
    """A shard is linked, and its record is written."""

    shard: Shard
    record: Record


@dataclass(frozen=True, slots=True)
class Failed:
    """A shard cannot be linked. ``stop``: the others cannot be written either, since the disk is full or read-only."""

    shard: Shard
    sentence: str
    stop: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker has ended without an answer: it was killed, or its machine was lost."""

    reason: str


Message = Ready | Refused | Done | Failed | Lost


class Worker:
    """Links shards. It writes to a temporary file, gives it its name, and then writes the record of the shard.

    Args:
        job: what is linked how.
        plan: the plan of the run, to be compared with what this worker finds.
        threads: the number of threads for one call.
        device: the device of the encoder.
    """

    def __init__(self, job: Job, plan: Mapping[str, Any], threads: int, device: str) -> None:
        self.job, self.plan, self.threads, self.device = job, plan, threads, device
        self._digest = digest_of_plan(plan)
        self._linker: Linker | None = None

    def open(self) -> Ready | Refused:
        """Open the linker."""
        try:
            if not holds_json(self.job.output / OWN / PLAN, dict(self.plan)):
                raise ElqError(
                    f"the machine {gethostname()} does not see {self.job.output}, where this run writes: give folders on a file"
                    " system that all machines share"
                )
            set_threads(self.threads)
            self._linker = self.job.open(self.device)
            if self.job.plan() != self.plan:
                raise ElqError(
                    f"the machine {gethostname()} has another model, catalogue or version of elq than the one where the run"
                    " started, or they were changed meanwhile: make them equal, then give the same command again"
                )
        except ElqError as error:
            return Refused(str(error))
        return Ready()

    def link(self, shard: Shard) -> Done | Failed:
        """Link one shard."""
        try:
            return Done(shard, self._link(shard))
        except ElqError as error:
            return Failed(shard, str(error), stop=isinstance(error.__cause__, OSError))
        except Exception as error:  # the other shards can be linked all the same
            return Failed(shard, f"{shard.source} could not be linked ({type(error).__name__}: {error}): report this to elq")

    def _link(self, shard: Shard) -> Record:
        assert self._linker is not None
        began, output = time.perf_counter(), self.job.output / shard.name
        try:
            check_input(str(shard.source), self.job.text_column)
            before, digest = shard.source.stat(), sha256_of(shard.source)
        except OSError as error:
            raise ElqError(f"{shard.source} cannot be read ({error.strerror}): correct its permissions") from None
        temporary = self.job.output / OWN / "unfinished" / f"{gethostname()}.{os.getpid()}.{uuid.uuid4().hex}"
        try:
            with writing(output):
                counted = self._write(shard.source, temporary)
                after = shard.source.stat()
                if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
                    raise ElqError(f"{shard.source} was changed while it was read: wait until it is complete, then start again")
                record = Record(
                    source=str(shard.source),
                    size=before.st_size,
                    mtime_ns=before.st_mtime_ns,
                    sha256=digest,
                    plan=self._digest,
                    output_size=temporary.stat().st_size,
                    seconds=round(time.perf_counter() - began, 3),
                    **counted,
                )
                _name(temporary, output)
                temporary.write_text(record.as_json(), encoding="utf-8")
                _name(temporary, record_path(self.job.output, shard.name))
        finally:
            temporary.unlink(missing_ok=True)
        return record

    def _write(self, source: Path, path: Path) -> dict[str, Any]:
        """Write the links of a file, and count."""
        assert self._linker is not None
        questions = links = 0
        bad: list[str] = []
        stream = read_input(
            str(source),
            skip_bad_lines=True,
            text_column=self.job.text_column,
            skipped=lambda error: bad.append(str(error) if len(bad) < EXAMPLES else ""),
        )
        with WRITERS[self.job.form](path) as write:
            while chunk := list(islice(stream, CHUNK)):
                found = self._linker.link([question.text for question in chunk], **self.job.how)
                write(chunk, found)
                questions, links = questions + len(chunk), links + sum(map(len, found))
        if bad and not questions:
            raise ElqError(f"no line of {source} can be read, the first one because: {bad[0]}")
        return {"questions": questions, "links": links, "bad_lines": len(bad), "examples": bad[:EXAMPLES]}


def _name(temporary: Path, path: Path) -> None:
    """Give a file that is complete its name, after its content has reached the disk."""
    with temporary.open("rb+") as stream:
        os.fsync(stream.fileno())
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary.replace(path)
