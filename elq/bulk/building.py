"""Builds an entities folder on the machines of a Ray cluster.

Every worker runs the same build as `elq build` does. They share its parts through markers and locks in the folder, as several
processes of one machine do (elq/entities/parts.py). So the files are those of a build on one machine, a build that was stopped
resumes with or without Ray, and the part of a lost worker is done by another one.
"""

import logging
import os
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from socket import gethostname
from typing import Any

from elq.bulk.cluster import amounts, connected, cores_each, environment, reason_of
from elq.bulk.schedule import TRIES
from elq.encoding.device import own_device, resolve_precision
from elq.entities.assembly import PARTS
from elq.entities.build import BuildSettings, build_entities
from elq.entities.catalogue_files import require_catalogue
from elq.entities.manifest import Manifest
from elq.errors import ElqError
from elq.files import writing
from elq.progress import LOG_SECONDS
from elq.threads import set_threads

log = logging.getLogger(__name__)

Build = Callable[..., Manifest]


def build_on_ray(address: str, workers: int | None = None) -> Build:
    """A function that builds on a Ray cluster, with the arguments and the result of :func:`elq.build_entities`.

    Args:
        address: the address of the cluster; "": see :func:`elq.bulk.cluster.connected`.
        workers: the number of workers; by default one for each machine, with all of its cores (with CUDA, one for each card).
    """

    def build(
        source: str | Path,
        output: str | Path,
        settings: BuildSettings | None = None,
        *,
        columns: Mapping[str, str] | None = None,
        device: str = "cpu",
    ) -> Manifest:
        settings, source, output = settings or BuildSettings(), Path(source).resolve(), Path(output).resolve()
        require_catalogue(source, columns)
        if not device.startswith("cuda"):  # all workers compute as this machine would
            settings = replace(settings, precision=resolve_precision(settings.precision, device))
        sign = output.with_name(f".{output.name}.{uuid.uuid4().hex}.sign")
        with writing(sign):
            sign.parent.mkdir(parents=True, exist_ok=True)
            sign.touch()
        try:
            with connected(address) as ray:
                _build(ray, workers, Builder(sign, device), (source, output, settings, columns))
        finally:
            sign.unlink(missing_ok=True)
        return Manifest.load(output)

    return build


class Builder:
    """Builds on one machine of the cluster.

    Args:
        sign: a file that the worker sees if it shares the file system with the process that started the build.
        device: the device of the encoder.
        threads: the number of threads.
    """

    def __init__(self, sign: Path, device: str, threads: int = 1) -> None:
        self.sign, self.device, self.threads, self.folder = sign, device, threads, Path.cwd()

    def __call__(self, source: Path, output: Path, settings: BuildSettings, columns: Mapping[str, str] | None) -> str:
        """Build, together with the other workers. Returns "" when all parts are done, or the sentence of an error."""
        if not self.sign.is_file():
            return (
                f"the machine {gethostname()} does not see {self.sign.parent}: give a --catalogue and an --output on a file"
                " system that all machines share"
            )
        if self.folder.is_dir():  # for an encoder that is given as a relative path
            os.chdir(self.folder)
        try:
            set_threads(self.threads)
            build_entities(source, output, settings, columns=columns, device=own_device(self.device))
        except ElqError as error:
            return str(error)
        return ""


def _build(ray: Any, workers: int | None, builder: Builder, given: tuple[Any, ...]) -> None:
    """Let all workers build, until one of them says that everything is done."""
    cards, machines = builder.device.startswith("cuda"), amounts(ray, "CPU")
    number = workers or (sum(amounts(ray, "GPU")) if cards else len(machines)) or 1
    builder.threads = cores_each(machines, number)
    task = ray.remote(_run).options(
        num_cpus=builder.threads,
        num_gpus=int(cards),
        max_retries=0,
        scheduling_strategy="SPREAD",
        runtime_env=environment(),
    )
    log.info("%s workers build %s; each of them has %s cores", number, given[1], builder.threads)
    waiting, losses, last = {task.remote(builder, *given) for _ in range(number)}, 0, time.monotonic()
    while waiting:
        ready, _ = ray.wait(list(waiting), num_returns=1, timeout=LOG_SECONDS)
        for answer in ready:
            waiting.remove(answer)
            try:
                sentence = ray.get(answer)
            except ray.exceptions.RayError as error:
                losses += 1
                if losses >= TRIES * number:
                    raise ElqError(
                        f"{losses} workers ended before the build was done ({reason_of(error)}), perhaps since memory ran out:"
                        " give fewer --workers, then the same command resumes"
                    ) from None
                waiting.add(task.remote(builder, *given))
                continue
            if sentence:
                raise ElqError(sentence)
            return
        if time.monotonic() - last >= LOG_SECONDS:
            last = time.monotonic()
            _report(given[1])


def _run(builder: Builder, *given: Any) -> str:
    """The task of a worker."""
    return builder(*given)


def _report(output: Path) -> None:
    """Log how many parts of the table are done."""
    done = len([*(output.with_name(f".{output.name}.building") / PARTS).glob("[0-9]*")])
    log.info("%s parts of the table are filled", f"{done:,}")
