"""A bulk run: links the shards that are not finished, and counts."""

import logging
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from elq.bulk.job import Job, digest_of_plan, left_over, prepared
from elq.bulk.processes import processes
from elq.bulk.schedule import Crew, run_shards
from elq.bulk.shards import Shard, find_shards, finished, record_path
from elq.bulk.worker import Done, Failed
from elq.errors import ElqError
from elq.progress import track
from elq.questions.inputs import check_input

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Summary:
    """What a run has done.

    Args:
        shards: the shards that this run has linked.
        before: the shards that were finished before.
        questions, links, bad_lines: the counts of this run.
        seconds: the time of this run.
    """

    shards: int = 0
    before: int = 0
    questions: int = 0
    links: int = 0
    bad_lines: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        kept = f" ({self.before:,} more were finished before)" if self.before else ""
        rate = self.questions / self.seconds if self.seconds else 0.0
        return (
            f"{self.shards:,} shards{kept}, {self.questions:,} questions, {self.links:,} links, {self.bad_lines:,} bad lines,"
            f" {self.seconds:,.1f} seconds, {rate:,.0f} questions a second"
        )


def bulk(job: Job, source: str, *, workers: int | None = None, ray: str | None = None, overwrite: bool = False) -> Summary:
    """Link every file of a folder or a pattern. A run that was stopped anywhere resumes when it is started again.

    Args:
        job: the model, the settings and the output folder.
        source: a folder, a pattern such as ``data/*.csv``, or a file.
        workers: the number of workers; by default one for each core (with CUDA, one for each card), at most one for each
            shard.
        ray: None: processes of this machine; otherwise the address of a Ray cluster, or "" for the cluster of this machine,
            which is started if there is none.
        overwrite: delete links that another model or other settings made.

    Raises:
        ElqError: the input or the model cannot be used, the output belongs to another run, or a shard could not be linked. The
            other shards are linked all the same.
    """
    began = time.perf_counter()
    shards, others = find_shards(source, job.form)
    _refuse_inside(source, shards, job.output)
    if others:
        log.warning("%s files of %s are not linked, since elq cannot read their format", f"{others:,}", source)
    check_input(str(shards[0].source), job.text_column)
    plan = job.plan()
    with prepared(job.output, plan, shards, overwrite=overwrite):
        digest = digest_of_plan(plan)
        todo = [shard for shard in shards if finished(shard, job.output, digest) is None]
        summary = Summary(before=len(shards) - len(todo))
        if left := left_over(job.output, shards):
            log.warning("%s outputs of earlier runs in %s have no input in this run; they are kept", f"{left:,}", job.output)
        failed: list[Failed] = []
        if todo:
            with _crew(job, plan, len(todo), workers, ray) as (crew, number):
                results = track(run_shards(crew, todo, number), "linking shards", len(todo))
                failed = _count(results, summary)
    summary.seconds = time.perf_counter() - began
    if failed:
        raise ElqError(
            f"{len(failed):,} of {len(shards):,} shards could not be linked ({summary}); the first one: {failed[0].sentence};"
            " the same command links only what is missing"
        )
    return summary


def _crew(
    job: Job, plan: dict[str, object], shards: int, workers: int | None, ray: str | None
) -> AbstractContextManager[tuple[Crew, int]]:
    """The workers, not started yet, and how many there are to be."""
    if ray is not None:
        from elq.bulk.cluster import actors

        return actors(job, plan, shards, workers, ray)
    return processes(job, plan, shards, workers)


def _count(results: Iterable[Done | Failed], summary: Summary) -> list[Failed]:
    """Add up the records, and report bad lines and failures in the log. Returns the failures."""
    failed = []
    for result in results:
        if isinstance(result, Failed):
            log.error("a shard failed: %s", result.sentence)
            failed.append(result)
            if result.stop:
                break
            continue
        record = result.record
        summary.shards += 1
        summary.questions += record.questions
        summary.links += record.links
        summary.bad_lines += record.bad_lines
        if record.bad_lines:
            said = "; ".join(record.examples)
            more = " and more" if record.bad_lines > len(record.examples) else ""
            log.warning("%s bad lines of %s were left out: %s%s", f"{record.bad_lines:,}", record.source, said, more)
    return failed


def _refuse_inside(source: str, shards: list[Shard], output: Path) -> None:
    """Refuse an output folder whose files the next run would read as input, or that would replace the input."""
    inside = Path(source).is_dir() and output.is_relative_to(Path(source).resolve())
    if inside or any(output / shard.name == shard.source or _is_output(shard.source, output) for shard in shards):
        raise ElqError(
            f"the output {output} lies in the input {source}, so its links would be read as questions: give an --output"
            " elsewhere"
        )


def _is_output(source: Path, output: Path) -> bool:
    """Whether an input file, such as one that a pattern has found, is an output of an earlier run."""
    return source.is_relative_to(output) and record_path(output, source.relative_to(output).as_posix()).is_file()
