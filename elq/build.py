"""Build: catalogue → table → index → manifest, resumable.

Work goes on in a hidden neighbour of the output folder, part by part: the table file is there in full size from the start,
and a marker file says that a part's rows are in it. A killed build finds the markers and encodes only what is missing.
The output folder appears when everything is done.
"""

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from filelock import FileLock

from elq.catalogue import Catalogue, read_entities, write_catalogue
from elq.encoder import DEFAULT, FILES, POOLINGS, resolve_device, resolve_encoder
from elq.entity_encoder import BATCH, EntityEncoder, resolve_precision
from elq.errors import ElqError
from elq.files import promote, write_json
from elq.folder import CATALOGUE, MANIFEST, TABLE, Manifest
from elq.index import INDEX_KINDS, build_index, recall_against_exact
from elq.progress import track
from elq.table import DTYPES, EntityTable
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
    output.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(output.with_name(f".{output.name}.lock")):  # another process may want the same folder: it waits
        if _holds(output, plan):
            log.info("%s is up to date", output)
        else:
            _build(source, output, settings, columns, plan, device)
    return Manifest.load(output)


def _build(
    source: Path, output: Path, settings: BuildSettings, columns: Mapping[str, str] | None, plan: dict[str, object], device: str
) -> None:
    if output.exists() and not (output / PLAN).is_file():
        raise ElqError(f"{output} exists and was not made by `elq build`: choose another output folder or remove it")
    work = output.with_name(f".{output.name}.building")
    if not _holds(work, plan):
        shutil.rmtree(work, ignore_errors=True)
        digest = write_catalogue(track(read_entities(source, columns), "reading the catalogue"), work / CATALOGUE)
        write_json(work / PLAN, {**plan, "catalogue_sha256": digest})
    if not (work / MANIFEST).is_file():
        _encode(work, settings, device)
        _index(work, settings)
    promote(work, output)
    shutil.rmtree(output / PARTS, ignore_errors=True)
    log.info("%s holds %s entities", output, f"{Manifest.load(output).entities:,}")


def _plan(source: Path, settings: BuildSettings, columns: Mapping[str, str] | None, device: str) -> dict[str, object]:
    """What a build is made from; two builds of one plan make the same folder."""
    if not source.is_file():
        raise ElqError(f"catalogue {source} does not exist: give the path of a JSONL, CSV or Parquet file")
    encoder = resolve_encoder(settings.encoder or DEFAULT)
    made_with = {**asdict(settings), "encoder": settings.encoder or DEFAULT}
    made_with["precision"] = resolve_precision(settings.precision, device)
    plan = {
        "source_sha256": _digest([source], json.dumps(sorted((columns or {}).items()))),
        "encoder_sha256": _digest([encoder / name for name in FILES]),
        "settings": made_with,
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


def _encode(work: Path, settings: BuildSettings, device: str) -> None:
    """Fill the table part by part; parts with a marker are in it already."""
    catalogue = Catalogue(work / CATALOGUE)
    encoder = EntityEncoder(
        settings.encoder or DEFAULT,
        pooling=settings.pooling,
        max_tokens=settings.max_tokens,
        precision=settings.precision,
        device=device,
    )
    parts = [(start, min(start + PART, len(catalogue))) for start in range(0, len(catalogue), PART)]
    if not (work / TABLE).is_file():
        shutil.rmtree(work / PARTS, ignore_errors=True)  # markers of rows that are gone
    (work / PARTS).mkdir(exist_ok=True)
    todo = [part for part in parts if not (work / PARTS / str(part[0])).is_file()]
    _announce(work, catalogue, encoder, settings, sum(end - start for start, end in todo))
    table = _allocate(work / TABLE, len(catalogue), encoder.encoder.width, settings.dtype)

    def steps() -> Iterator[None]:
        for start, end in todo:
            texts = [settings.text(catalogue[row]) for row in range(start, end)]
            for first, vectors in encoder.batches(texts):
                if not torch.isfinite(vectors).all():
                    raise ElqError(
                        f"encoder {settings.encoder or DEFAULT} gave NaN or Inf for rows {start} to {end}: use another"
                    )
                table[start + first] = vectors.numpy().astype(settings.dtype)
                yield None
            table.flush()
            write_json(work / PARTS / str(start), end)

    for _ in track(steps(), "encoding the entities", sum(-(-(end - start) // BATCH) for start, end in todo)):
        pass


def _allocate(path: Path, rows: int, width: int, dtype: str) -> "np.memmap[Any, np.dtype[Any]]":
    """The table file in its full size: opened where it is there already, made otherwise."""
    if path.is_file():
        return cast("np.memmap[Any, np.dtype[Any]]", np.load(path, mmap_mode="r+", allow_pickle=False))
    return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(rows, width))


def _announce(work: Path, catalogue: Catalogue, encoder: EntityEncoder, settings: BuildSettings, rows: int) -> None:
    """Say what the build will take: rows, disk, and time measured on a sample spread over the catalogue."""
    sample = [settings.text(catalogue[row]) for row in range(0, len(catalogue), -(-len(catalogue) // (8 * BATCH)))]
    encoder(sample[:BATCH])  # the first pass is slower
    began = time.perf_counter()
    encoder(sample)
    seconds = (time.perf_counter() - began) / len(sample) * rows
    size = len(catalogue) * encoder.encoder.width * np.dtype(settings.dtype).itemsize
    if settings.index == "hnsw":
        size += len(catalogue) * (encoder.encoder.width * 4 + GRAPH_BYTES)
    log.info(
        "%s of %s entities to encode: %.0f MB of disk, about %.1f minutes (%s)%s",
        *(f"{rows:,}", f"{len(catalogue):,}", size / 1e6, seconds / 60, encoder.precision),
        ", and then the hnsw graph" if settings.index == "hnsw" else "",
    )
    free = shutil.disk_usage(work).free + ((work / TABLE).stat().st_size if (work / TABLE).is_file() else 0)
    if size > free:
        raise ElqError(f"the build needs {size / 1e6:.0f} MB, but {work} has {free / 1e6:.0f} MB free: free space or move it")


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
    ).save(work)
