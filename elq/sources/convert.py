"""Makes a catalogue file of a source: in parts, which a run that resumes finds again, and then as one Parquet file."""

import dataclasses
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from elq.errors import ElqError
from elq.files import holds_json, write_json, writing
from elq.progress import Meter
from elq.reading.lines import require_file
from elq.sources.kinds import kind_of, source_of
from elq.sources.merge import merge_parts
from elq.sources.parts import part_path, skips_of
from elq.sources.pool import write_parts
from elq.sources.source import RECORDS, Options, Skips, Source
from elq.threads import available_threads

log = logging.getLogger(__name__)

FORM = 2  # the form of the parts; parts of another form are made again
PLAN = "plan.json"  # in the folder of the parts: what they depend on

# Writes the parts of a source into a folder, with so many processes (None: as many as fit), and returns their numbers.
Writer = Callable[[Source, Path, int | None, Meter], list[int]]


def convert(
    path: str | Path,
    output: str | Path,
    *,
    kind: str = "",
    options: Options | None = None,
    processes: int | None = None,
    write: Writer | None = None,
) -> int:
    """Make a Parquet catalogue of a file of any kind. After a kill, the same call resumes.

    Args:
        path: a file, or a folder of files, of a kind in elq/sources/kinds.py.
        output: the Parquet file to make.
        kind: the name of the kind; by default it is guessed, and the guess is said in the log.
        options: what the user chose.
        processes: the number of processes that parse; by default as many as there are cores. The result is the same.
        write: writes the parts; by default processes of this machine do. :func:`elq.bulk.parsing.parts_on_ray` makes one.

    Returns:
        The number of entities in the output.

    Raises:
        ElqError: the source cannot be read, no record of it can be used, or the output cannot be written.
    """
    path, output, options, skips = Path(path), Path(output), options or Options(), Skips()
    if write is not None:  # other machines may work in other folders
        path, output = path.absolute(), output.absolute()
    if not path.is_dir():
        require_file(path, str(path), f"give the path of a file that has one of the kinds of `elq catalogue {path}`")
    if output.suffix != ".parquet":
        raise ElqError(f"the output {output} must end in .parquet, since `elq catalogue` writes Parquet: give such a name")
    if processes is not None and processes < 1:
        raise ElqError(f"--processes is {processes}, but must be 1 or more: give 1 or leave it out")
    if not kind:
        kind = kind_of(path)
        log.info("%s is read as %s (--kind chooses another kind)", path, kind)
    source = source_of(kind, path, options, skips)
    parts = output.with_name(f".{output.name}.parts")
    with writing(output):
        parts.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(parts / "lock").acquire(timeout=0):
            _prepare(parts, _plan(path, kind, options))
            source.prepare(parts)
            with Meter(str(path), source.total) as meter:
                numbers = (write or _on_this_machine)(source, parts, processes, meter)
            for number in numbers:
                skips.merge(skips_of(part_path(parts, number)))
            count = merge_parts(parts, numbers, output, skips, linked=source.linked)
    except Timeout:
        raise ElqError(f"another process makes {output} at the moment: wait for it, or choose another output") from None
    finally:
        skips.report(str(path))
    if not count:
        raise ElqError(f"{path} has no record that can be an entity: see in the lines above why they were left out")
    shutil.rmtree(parts, ignore_errors=True)
    log.info("wrote %s entities to %s", f"{count:,}", output)
    return count


def _on_this_machine(source: Source, parts: Path, processes: int | None, meter: Meter) -> list[int]:
    """Write the parts of a source that are not there yet. Returns the numbers of all parts."""
    return write_parts(source, parts, (processes or available_threads()) if source.parallel else 1, meter)


def _plan(path: Path, kind: str, options: Options) -> dict[str, Any]:
    """What the parts depend on: parts of another plan are not used."""
    files = sorted(one for one in path.iterdir() if one.is_file()) if path.is_dir() else [path]
    files += [Path(options.redirects)] if options.redirects else []
    about = [[str(one.resolve()), one.stat().st_size, one.stat().st_mtime_ns] for one in files if one.exists()]
    return {"form": FORM, "records": RECORDS, "kind": kind, "files": about, "options": dataclasses.asdict(options)}


def _prepare(parts: Path, plan: dict[str, Any]) -> None:
    """Remove what parts were made by another plan or were half-written."""
    done = holds_json(parts / PLAN, plan)
    for old in parts.iterdir():
        if old.suffix == ".tmp" or (not done and old.name != "lock"):
            old.unlink()
    write_json(parts / PLAN, plan)
    if finished := len([one for one in parts.glob("*.parquet") if not one.name.endswith(".names.parquet")]):
        log.info("%d finished parts of an earlier run are used again", finished)
