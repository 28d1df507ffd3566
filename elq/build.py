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
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from elq.catalogue import Catalogue, read_entities, write_catalogue
from elq.encoder import DEFAULT, POOLINGS, Encoder
from elq.errors import ElqError
from elq.files import promote, write_json
from elq.folder import CATALOGUE, MANIFEST, TABLE, Manifest
from elq.index import INDEX_KINDS, build_index
from elq.model import load_tokenizer
from elq.progress import track
from elq.table import DTYPES, EntityTable
from elq.texts import EntityText
from elq.tokens import QuestionTokenizer

log = logging.getLogger(__name__)

PART = 8_192  # rows encoded between two markers
BATCH = 128  # texts in one encoder pass
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


class EntityEncoder:
    """Texts → vectors of one frozen encoder."""

    def __init__(self, settings: BuildSettings, *, device: str = "cpu") -> None:
        self.encoder = Encoder.from_pretrained(settings.encoder or DEFAULT).to(device).eval()
        limit = min(settings.max_tokens, self.encoder.max_tokens)
        self.tokenizer: QuestionTokenizer = load_tokenizer(settings.encoder or DEFAULT, max_tokens=limit)
        self.pool = POOLINGS[settings.pooling]
        self.device = device
        self.precision = resolve_precision(settings.precision, device)

    def _autocast(self) -> AbstractContextManager[object]:
        device_type = torch.device(self.device).type
        return torch.autocast(device_type, dtype=torch.bfloat16, enabled=self.precision == "bf16")

    def batches(self, texts: Sequence[str]) -> Iterator[tuple[np.ndarray[Any, np.dtype[np.int64]], Tensor]]:
        """Encode in batches of similar length, which leaves little padding: (places in ``texts``, vectors (B, D) fp32)."""
        order = np.argsort([len(text) for text in texts], kind="stable")
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            tokens = self.tokenizer([texts[place] for place in places]).to(self.device)
            with torch.inference_mode(), self._autocast():
                vectors = self.pool(self.encoder(tokens.ids, tokens.attention), tokens.attention).cpu()  # (B, D)
            yield places, vectors

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Vectors (len(texts), D) fp32 in the order of the texts."""
        vectors = torch.empty(len(texts), self.encoder.width)
        for places, found in self.batches(texts):
            vectors[torch.from_numpy(places)] = found
        return vectors


def resolve_precision(precision: str, device: str) -> str:
    """``bf16`` or ``fp32``; ``auto`` is bf16 where the processor computes in it."""
    if precision != "auto":
        return precision
    if torch.device(device).type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    return "bf16" if torch.ops.mkldnn._is_mkldnn_bf16_supported() else "fp32"


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
    plan = _plan(source, settings, columns, device)
    if _holds(output, plan):
        log.info("%s is up to date", output)
        return Manifest.load(output)
    if output.exists() and not (output / PLAN).is_file():
        raise ElqError(f"{output} exists and was not made by `elq build`: choose another output folder or remove it")
    work = output.with_name(f".{output.name}.building")
    if not _holds(work, plan):
        shutil.rmtree(work, ignore_errors=True)
        digest = write_catalogue(track(read_entities(source, columns), "reading the catalogue"), work / CATALOGUE)
        write_json(work / PLAN, {**plan, "catalogue_sha256": digest})
    if not (work / MANIFEST).is_file():
        _encode(work, settings, device)
        _index(work, settings, plan)
    promote(work, output)
    shutil.rmtree(output / PARTS, ignore_errors=True)
    manifest = Manifest.load(output)
    log.info("%s holds %s entities", output, f"{manifest.entities:,}")
    return manifest


def _plan(source: Path, settings: BuildSettings, columns: Mapping[str, str] | None, device: str) -> dict[str, object]:
    """What a build is made from; two builds of one plan make the same folder."""
    if not source.is_file():
        raise ElqError(f"catalogue {source} does not exist: give the path of a JSONL, CSV or Parquet file")
    with source.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256")
    digest.update(json.dumps(sorted((columns or {}).items())).encode())
    made_with = {**asdict(settings), "encoder": settings.encoder or DEFAULT}
    made_with["precision"] = resolve_precision(settings.precision, device)
    plan: dict[str, object] = json.loads(json.dumps({"source_sha256": digest.hexdigest(), "settings": made_with}))
    return plan


def _holds(folder: Path, plan: dict[str, object]) -> bool:
    """Whether a folder was made, or is being made, from this plan."""
    try:
        found = json.loads((folder / PLAN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.items() >= plan.items()


def _encode(work: Path, settings: BuildSettings, device: str) -> None:
    """Fill the table part by part; parts with a marker are in it already."""
    catalogue, encoder = Catalogue(work / CATALOGUE), EntityEncoder(settings, device=device)
    parts = [(start, min(start + PART, len(catalogue))) for start in range(0, len(catalogue), PART)]
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
        found = np.load(path, mmap_mode="r+", allow_pickle=False)
        if found.shape == (rows, width):
            return cast("np.memmap[Any, np.dtype[Any]]", found)
    return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(rows, width))


def _announce(work: Path, catalogue: Catalogue, encoder: EntityEncoder, settings: BuildSettings, rows: int) -> None:
    """Say what the build will take: rows, disk, and time measured on a sample spread over the catalogue."""
    sample = [settings.text(catalogue[row]) for row in range(0, len(catalogue), -(-len(catalogue) // (2 * BATCH)))]
    encoder(sample[:BATCH])  # the first pass is slower
    began = time.perf_counter()
    encoder(sample)
    seconds = (time.perf_counter() - began) / len(sample) * rows
    size = len(catalogue) * encoder.encoder.width * np.dtype(settings.dtype).itemsize
    size += size * 4 if settings.index == "hnsw" else 0  # the graph keeps fp32 vectors and its links
    log.info(
        "%s of %s entities to encode: %.0f MB of disk, about %.1f minutes (%s)",
        *(f"{rows:,}", f"{len(catalogue):,}", size / 1e6, seconds / 60, encoder.precision),
    )
    free = shutil.disk_usage(work).free
    if size > free + ((work / TABLE).stat().st_size if (work / TABLE).is_file() else 0):
        raise ElqError(f"the build needs {size / 1e6:.0f} MB, but {work} has {free / 1e6:.0f} MB free: free space or move it")


def _index(work: Path, settings: BuildSettings, plan: dict[str, object]) -> None:
    """Index the finished table and write the manifest, which says that the folder is complete."""
    table = EntityTable.open(work / TABLE)
    build_index(settings.index, table).save(work)
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
