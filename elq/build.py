"""Build: catalogue → table → index → manifest, resumable.

Work goes on in a hidden neighbour of the output folder, part by part (elq/parts.py): the table file is there in full size
from the start, and a marker file says that a part's rows are in it. A killed build finds the markers and encodes only what is
missing. The same build started on several processes, by torchrun, srun or by hand, shares the parts. The output folder appears
when everything is done.
"""

import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from filelock import FileLock

from elq.catalogue import Catalogue, read_entities, write_catalogue
from elq.encoder import DEFAULT, FILES, POOLINGS, resolve_device, resolve_encoder
from elq.entity_encoder import BATCH, EntityEncoder, resolve_precision
from elq.errors import ElqError
from elq.files import promote, write_json
from elq.folder import CATALOGUE, FORMAT, TABLE, Manifest, file_sizes
from elq.index import INDEX_KINDS, build_index, recall_against_exact
from elq.parts import claimed_parts, open_parts
from elq.progress import track
from elq.table import DTYPES, EntityTable, allocate_table
from elq.texts import EntityText

log = logging.getLogger(__name__)

GRAPH_BYTES = 300  # of an hnsw graph per entity, beside its fp32 vector
PART = 8_192  # rows encoded between two markers
PLAN, PARTS = "plan.json", "parts"


@dataclass(frozen=True, kw_only=True)  # no slots: the training parser reads its __dict__
class BuildSettings:
    """Everything that changes what a build makes; each is a knob of ``elq build``."""

    encoder: str | None = None  # None: the question encoder in training, the default encoder in `elq build`
    pooling: str = "mean"
    text: EntityText = field(default_factory=EntityText)
    max_tokens: int = 64
    dtype: str = "float16"
    precision: str = "auto"  # of the encoder: bf16, fp32, or bf16 where the processor has it
    index: str = "exact"

    def __post_init__(self) -> None:
        precisions = ("auto", "bf16", "fp32")
        for name, allowed in (("pooling", POOLINGS), ("dtype", DTYPES), ("precision", precisions), ("index", INDEX_KINDS)):
            if getattr(self, name) not in allowed:
                raise ElqError(f"{name} is {getattr(self, name)!r}, but must be one of {', '.join(allowed)}")
        if self.max_tokens < 3:
            raise ElqError(f"max_tokens is {self.max_tokens}, but a text needs at least 3 (two of them special)")


def build_entities(
    source: str | Path,
    output: str | Path,
    settings: BuildSettings | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    device: str = "cpu",
) -> Manifest:
    """Make an entities folder from a catalogue file, or return at once where it is already made from the same content.

    Several processes may build the same folder from the same input: they share the work, and all return when it is done.

    Args:
        source: JSONL, CSV or Parquet file.
        output: the folder to make; one made from other content or settings is replaced when the new one is complete.
        settings: encoder, text, table and index.
        columns: our field → the source's column.
        device: where the encoder runs.

    Raises:
        ElqError: a bad catalogue, no room on the disk, or vectors that are not numbers.
    """
    settings, output, source = settings or BuildSettings(), Path(output), Path(source)
    resolve_device(device)
    plan = _plan(source, settings, columns, device)
    work, locks = (output.with_name(f".{output.name}.{ending}") for ending in ("building", "locks"))
    output.parent.mkdir(parents=True, exist_ok=True)
    alone = FileLock(output.with_name(f".{output.name}.lock"))  # another process may want the same folder
    with alone:
        if _holds(output, plan):
            log.info("%s is up to date", output)
            return Manifest.load(output)
        if output.exists() and not (output / PLAN).is_file():
            raise ElqError(f"{output} exists and was not made by `elq build`: choose another output folder or remove it")
        encoder = EntityEncoder(
            settings.encoder or DEFAULT,
            pooling=settings.pooling,
            max_tokens=settings.max_tokens,
            precision=settings.precision,
            device=device,
        )
        _prepare(work, source, settings, columns, plan, encoder.encoder.width)
        catalogue, table = Catalogue(work / CATALOGUE), EntityTable.open(work / TABLE)  # from now on the folder may move
    _encode(work, locks, settings, encoder, catalogue, table, plan)
    with alone:
        if not _holds(output, plan):  # else another process was first
            _refuse_another(work, plan)
            _index(work, settings)
            promote(work, output)
            shutil.rmtree(output / PARTS, ignore_errors=True)
            log.info("%s holds %s entities", output, f"{len(table):,}")
        shutil.rmtree(locks, ignore_errors=True)
    return Manifest.load(output)


def _prepare(
    work: Path, source: Path, settings: BuildSettings, columns: Mapping[str, str] | None, plan: dict[str, object], width: int
) -> None:
    """Make the catalogue and the table file in its full size, where an earlier build has not."""
    if not _holds(work, plan):
        shutil.rmtree(work, ignore_errors=True)
        digest = write_catalogue(track(read_entities(source, columns), "reading the catalogue"), work / CATALOGUE)
        write_json(work / PLAN, {**plan, "catalogue_sha256": digest})
    if not (work / TABLE).is_file():
        shutil.rmtree(work / PARTS, ignore_errors=True)  # markers of rows that are gone
        _allocate(work / TABLE, len(Catalogue(work / CATALOGUE)), width, settings)
    (work / PARTS).mkdir(exist_ok=True)


def _plan(source: Path, settings: BuildSettings, columns: Mapping[str, str] | None, device: str) -> dict[str, object]:
    """What a build is made from; two builds of one plan make the same folder."""
    if not source.is_file():
        raise ElqError(f"catalogue {source} does not exist: give the path of a JSONL, CSV or Parquet file")
    encoder = resolve_encoder(settings.encoder or DEFAULT)
    precision = resolve_precision(settings.precision, device)
    plan = {
        "format": FORMAT,
        "source_sha256": _digest([source], json.dumps(sorted((columns or {}).items()))),
        "encoder_sha256": _digest([encoder / name for name in FILES]),
        "settings": {**asdict(settings), "encoder": settings.encoder or DEFAULT, "precision": precision},
    }
    found: dict[str, object] = json.loads(json.dumps(plan))
    return found


def _digest(paths: Sequence[Path], also: str = "") -> str:
    """sha256 over the contents of files, and over a text."""
    digest = hashlib.sha256(also.encode())
    for path in paths:
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _holds(folder: Path, plan: dict[str, object]) -> bool:
    """Whether a folder was made, or is being made, from this plan."""
    try:
        found = json.loads((folder / PLAN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.items() >= plan.items()


def _allocate(path: Path, rows: int, width: int, settings: BuildSettings) -> None:
    """Make the table file in its full size, so that a full disk is found before the work and not in it."""
    graph = width * 4 + GRAPH_BYTES if settings.index == "hnsw" else 0
    size = rows * (width * np.dtype(settings.dtype).itemsize + graph)
    log.info("%s entities: %.0f MB of disk", f"{rows:,}", size / 1e6)
    if size > (free := shutil.disk_usage(path.parent).free):
        raise ElqError(f"the build needs {size / 1e6:.0f} MB, but {path.parent} has {free / 1e6:.0f} MB free: free some")
    allocate_table(path, rows, width, settings.dtype)


def _refuse_another(work: Path, plan: dict[str, object]) -> None:
    if not _holds(work, plan):
        raise ElqError(f"{work} was taken by a build from another catalogue or with other settings: start again after that one")


def _encode(
    work: Path,
    locks: Path,
    settings: BuildSettings,
    encoder: EntityEncoder,
    catalogue: Catalogue,
    table: EntityTable,
    plan: dict[str, object],
) -> None:
    """Fill the table part by part; parts with a marker are in it already."""
    parts = [(start, min(start + PART, len(table))) for start in range(0, len(table), PART)]
    if not (todo := open_parts(work / PARTS, parts)):
        return
    _announce(catalogue, encoder, settings, sum(end - start for start, end in todo))

    def steps() -> Iterator[None]:
        for start, end in claimed_parts(work / PARTS, locks, parts):
            texts = [settings.text(catalogue[row]) for row in range(start, end)]
            vectors = np.empty((end - start, table.width), table.dtype)
            for places, found in encoder.batches(texts):
                vectors[places] = found.numpy()
                yield None
            if not np.isfinite(vectors).all():
                name = settings.encoder or DEFAULT
                raise ElqError(f"encoder {name} gave NaN or Inf in {table.dtype} for rows {start} to {end}: use another")
            _refuse_another(work, plan)
            with (work / TABLE).open("r+b") as stream:  # written, not mapped: a full disk is then an error, not a crash
                stream.seek(table.vectors.offset + table.vectors[0].nbytes * start)  # type: ignore[attr-defined]
                stream.write(vectors.tobytes())
                stream.flush()
                os.fsync(stream.fileno())

    for _ in track(steps(), "encoding the entities", sum(-(-(end - start) // BATCH) for start, end in todo)):
        pass


def _announce(catalogue: Catalogue, encoder: EntityEncoder, settings: BuildSettings, rows: int) -> None:
    """Say what the encoding will take: rows, and time measured on a sample spread over the catalogue."""
    sample = [settings.text(catalogue[row]) for row in range(0, len(catalogue), -(-len(catalogue) // (8 * BATCH)))]
    encoder(sample[:BATCH])  # the first pass is slower
    began = time.perf_counter()
    encoder(sample)
    seconds = (time.perf_counter() - began) / len(sample) * rows
    log.info(
        "%s of %s entities to encode: about %.1f minutes (%s)%s",
        *(f"{rows:,}", f"{len(catalogue):,}", seconds / 60, encoder.precision),
        ", and then the hnsw graph" if settings.index == "hnsw" else "",
    )


def _index(work: Path, settings: BuildSettings) -> None:
    """Index the finished table and write the manifest, which says that the folder is complete."""
    table = EntityTable.open(work / TABLE)
    index = build_index(settings.index, table)
    index.save(work)
    if not index.sees_all:
        log.info("the %s index finds %.1f%% of the true 10 nearest", index.kind, 100 * recall_against_exact(index))
    made = json.loads((work / PLAN).read_text(encoding="utf-8"))
    Manifest(
        entities=len(table),
        width=table.width,
        dtype=table.dtype,
        encoder=made["settings"]["encoder"],
        pooling=settings.pooling,
        text=asdict(settings.text),
        precision=made["settings"]["precision"],
        catalogue_sha256=made["catalogue_sha256"],
        source_sha256=made["source_sha256"],
        index=settings.index,
        files=file_sizes(work),
    ).save(work)
