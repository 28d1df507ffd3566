"""Assembly: makes an entities folder: catalogue, then table, index and manifest.

The vectors of the table may come from any source (:class:`VectorSource`). The files are made in a hidden folder beside the
output folder. The table file has its full size from the start and is filled part by part (elq/entities/parts.py); a marker file
says that the rows of a part are written. A run that was killed and is started again finds the markers and does only the missing
parts. Several processes, started by torchrun, by srun or by hand, may do the same work: they share the parts. The hidden folder
gets the name of the output folder when everything is done.
"""

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from elq.entities.catalogue import Catalogue, write_catalogue
from elq.entities.manifest import CATALOGUE, MANIFEST, NAMES, TABLE, Manifest, file_sizes, manifest_values
from elq.entities.parts import claimed_parts, lock_of, open_parts
from elq.entities.prior import typical_weights
from elq.errors import ElqError
from elq.files import link_or_copy, promote, write_json
from elq.names.writing import collect, write_names
from elq.progress import track
from elq.search.kinds import build_index, index_files, index_options, kind_of, open_index
from elq.search.mentions import Mentions
from elq.search.options import Value
from elq.search.recall import measure
from elq.search.table import EntityTable, allocate_table
from elq.tensors import Array
from elq.types import Entity

log = logging.getLogger(__name__)

PART = 8_192  # rows of one part
PLAN, PARTS = "plan.json", "parts"
PLAN_FORMAT = 3  # part of every plan: with another number, every folder is built again


class VectorSource(Protocol):
    """The source of the vectors of a table."""

    width: int  # D

    def announce(self, catalogue: Catalogue, rows: int) -> None:
        """Log how long this number of rows will take."""

    def steps(self, rows: int) -> int:
        """The number of pieces into which :meth:`pieces` divides this number of rows."""

    def pieces(self, catalogue: Catalogue, start: int, end: int) -> Iterator[tuple[Array | slice, Array]]:
        """Yield the rows [start, end) piece by piece: their places within the part, and their vectors (…, D)."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything from which an entities folder is made.

    Args:
        plan: a JSON object that identifies the result: two runs with the same plan make the same folder.
        entities: reads the records in order.
        vectors: opens the source of the vectors; it is called only if there is something to do.
        maker: the name of what made the vectors, for messages.
        dtype: data type of the table.
        index: kind of the index.
        index_options: the options of the index that were chosen; the others have their defaults.
        index_files: the finished files of an index over the same vectors (name → file). If they are given, no index is built.
        facts: the fields of the manifest that say how the vectors were made.
        mentions: makes vectors of mentions of a catalogue, with which an approximate index is measured; None: they are made of
            rows of the table.
    """

    plan: Mapping[str, object]
    entities: Callable[[], Iterable[Entity]]
    vectors: Callable[[], VectorSource]
    maker: str
    dtype: str
    index: str
    index_options: Mapping[str, Value] = field(default_factory=dict)
    index_files: Mapping[str, Path] = field(default_factory=dict)
    facts: Mapping[str, Any]
    mentions: Callable[[Catalogue], Mentions] | None = None


def assemble(output: Path, recipe: Recipe) -> Manifest:
    """Make an entities folder, or return at once if it exists and was made from the same plan.

    Several processes may make the same folder: they share the work, and all return when it is done.

    Raises:
        ElqError: the catalogue is bad, the disk has too little free space, a vector contains NaN or Inf, or the folder would be
            replaced by one of other input although its entities were changed.
    """
    work, locks = (output.with_name(f".{output.name}.{ending}") for ending in ("building", "locks"))
    alone = lock_of(output)  # another process may want the same folder
    with alone:
        if is_done(output, recipe.plan):
            log.info("%s is up to date", output)
            return Manifest.load(output)
        if output.exists() and not (output / PLAN).is_file():
            raise ElqError(f"{output} exists and was not made by `elq build`: choose another --output or remove the folder")
        if not holds(output, recipe.plan):
            _refuse_edited(output)
        source = recipe.vectors()
        _prepare(work, recipe, source.width)
        # the files are opened while the lock is held: later another process may rename the folder
        catalogue, table = Catalogue(work / CATALOGUE), EntityTable.open(work / TABLE)
    _fill(work, locks, recipe, source, catalogue, table)
    with alone:
        if not is_done(output, recipe.plan):  # otherwise another process has finished the folder
            _refuse_another(work, recipe.plan)
            _finish(work, recipe)
            promote(work, output)
            shutil.rmtree(output / PARTS, ignore_errors=True)
            log.info("%s is complete: it contains %s entities", output, f"{len(table):,}")
        shutil.rmtree(locks, ignore_errors=True)
    return Manifest.load(output)


def _refuse_edited(output: Path) -> None:
    """Refuse to replace a folder of other input whose entities somebody has changed, since the changes are nowhere else."""
    if (output / MANIFEST).is_file() and (version := manifest_values(output).get("version")):
        raise ElqError(
            f"{output} was changed by `elq add`, `edit`, `remove` or `update` (version {version}), and a build would lose that:"
            " choose another folder, bring it up to date with `elq update`, or remove it"
        )


def _prepare(work: Path, recipe: Recipe, width: int) -> None:
    """Make the catalogue, and the table file in its full size, unless an earlier run has made them."""
    if (digest := _same_vectors(work, recipe.plan)) is not None:
        for name in index_files():  # of a build that was refused or killed
            (work / name).unlink(missing_ok=True)
        write_json(work / PLAN, {**recipe.plan, "catalogue_sha256": digest})
    elif not holds(work, recipe.plan):
        shutil.rmtree(work, ignore_errors=True)
        digest = write_catalogue(track(recipe.entities(), "reading the catalogue"), work / CATALOGUE)
        write_json(work / PLAN, {**recipe.plan, "catalogue_sha256": digest})
    if not (work / TABLE).is_file():
        shutil.rmtree(work / PARTS, ignore_errors=True)  # old markers, whose rows do not exist any more
        _allocate(work / TABLE, len(Catalogue(work / CATALOGUE)), width, recipe)
    (work / PARTS).mkdir(exist_ok=True)


def holds(folder: Path, plan: Mapping[str, object]) -> bool:
    """Whether a folder was made, or is being made, from this plan."""
    try:
        found: dict[str, Any] = json.loads((folder / PLAN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.items() >= plan.items()


def _same_vectors(folder: Path, plan: Mapping[str, object]) -> str | None:
    """The hash of the catalogue of a folder whose plan differs only in the index; None if it has another plan, or the same.

    So the vectors need not be made again when an index was refused.
    """
    try:
        found: dict[str, Any] = json.loads((folder / PLAN).read_text(encoding="utf-8"))
        digest = found.pop("catalogue_sha256")
        both: list[Any] = [found, dict(plan)]
        plans = [{**one, "settings": {**one["settings"], "index": "", "index_options": {}}} for one in both]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return str(digest) if found != plan and plans[0] == plans[1] else None


def is_done(folder: Path, plan: Mapping[str, object]) -> bool:
    """Whether a folder is complete, was made from this plan, and was not changed since."""
    return holds(folder, plan) and manifest_values(folder).get("source_sha256") != ""


def _allocate(path: Path, rows: int, width: int, recipe: Recipe) -> None:
    """Make the table file in its full size, so that a full disk is noticed before the work starts."""
    kind = kind_of(recipe.index)
    options = kind.options(**index_options(recipe.index, recipe.index_options))
    kind.require(options)
    size = rows * width * np.dtype(recipe.dtype).itemsize
    size += 0 if recipe.index_files else kind.disk_bytes(rows, width, options)
    memory = kind.memory_bytes(rows, width, options)
    said = "the build of %s entities needs %.0f MB of disk, and %.0f MB of memory for the %s index"
    log.info(said, f"{rows:,}", size / 1e6, memory / 1e6, recipe.index)
    if size > (free := shutil.disk_usage(path.parent).free):
        raise ElqError(
            f"the build needs {size / 1e6:.0f} MB, but {path.parent} has {free / 1e6:.0f} MB free: delete files there, or"
            " choose an --output on a larger disk"
        )
    allocate_table(path, rows, width, recipe.dtype)


def _refuse_another(work: Path, plan: Mapping[str, object]) -> None:
    if not holds(work, plan):
        raise ElqError(
            f"{work} was taken by a build from another catalogue or with other settings: wait until that build ends, then start"
            " this one again, or choose another --output"
        )


def _fill(work: Path, locks: Path, recipe: Recipe, source: VectorSource, catalogue: Catalogue, table: EntityTable) -> None:
    """Fill the table part by part. Parts that have a marker are skipped, since their rows are written."""
    parts = [(row, min(row + PART, len(table))) for row in range(0, len(table), PART)]
    if not (todo := open_parts(work / PARTS, parts)):
        return
    source.announce(catalogue, sum(end - start for start, end in todo))

    def steps() -> Iterator[None]:
        for start, end in claimed_parts(work / PARTS, locks, parts):
            vectors = np.empty((end - start, table.width), table.dtype)
            with np.errstate(over="ignore"):  # a number that is too large for the dtype becomes Inf, which is refused below
                for places, found in source.pieces(catalogue, start, end):
                    vectors[places] = found
                    yield None
            if not np.isfinite(vectors).all():
                raise ElqError(
                    f"{recipe.maker} gave NaN or Inf in {table.dtype} for rows {start} to {end}: use another encoder or table"
                    + (", or --dtype float32" if table.dtype == "float16" else "")
                )
            _refuse_another(work, recipe.plan)
            with (work / TABLE).open("r+b") as stream:  # not memory-mapped, since a full disk would then crash the process
                stream.seek(table.vectors.offset + table.vectors[0].nbytes * start)  # type: ignore[attr-defined]
                stream.write(vectors.tobytes())
                stream.flush()
                os.fsync(stream.fileno())

    for _ in track(steps(), "filling the table", sum(source.steps(end - start) for start, end in todo)):
        pass


def _finish(work: Path, recipe: Recipe) -> None:
    """Index the finished table and write the manifest. A folder with a manifest is complete."""
    table, weights = EntityTable.open(work / TABLE), typical_weights(recipe.facts.get("prior", ()))
    for name, file in recipe.index_files.items():
        (work / name).unlink(missing_ok=True)
        link_or_copy(file, work / name)
    if recipe.index_files:
        index = open_index(recipe.index, table, work, recipe.index_options)
    else:
        index = build_index(recipe.index, table, recipe.index_options, len(weights))
    options = kind_of(recipe.index).options(**recipe.index_options)
    mentions = partial(recipe.mentions, Catalogue(work / CATALOGUE)) if recipe.mentions else None
    measure(index, options, weights, mentions, refuse=not recipe.index_files)
    if not recipe.index_files:
        index.save(work)
    made = json.loads((work / PLAN).read_text(encoding="utf-8"))
    names = write_names(collect(Catalogue(work / CATALOGUE).all_rows()), work / NAMES)
    Manifest(
        entities=len(table),
        width=table.width,
        dtype=table.dtype,
        catalogue_sha256=made["catalogue_sha256"],
        index=recipe.index,
        index_options=dict(recipe.index_options),
        names_sha256=names,
        files=file_sizes(work),
        **recipe.facts,
    ).save(work)
