"""Importing: makes a model folder from the files of the released ELQ.

Nothing is trained, and no number changes. The model folder also has ``entity_encoder/``, the encoder that made the table, for
further entities. An interrupted import resumes, because the table is copied in parts, as in ``elq build``.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from tokenizers import Tokenizer

from elq.entities.assembly import PLAN_FORMAT, Recipe, assemble, holds
from elq.entities.catalogue import Catalogue
from elq.entities.manifest import Manifest
from elq.errors import ElqError
from elq.files import digest_of, promote, write_json
from elq.linking.decision import Decision
from elq.linking.folder import ENTITIES, ENTITY_ENCODER
from elq.model.config import ELQConfig
from elq.model.network import save_weights
from elq.progress import track
from elq.reading.torch_files import read_tensor, read_tensors
from elq.released.formats import (
    CANDIDATES,
    ENTITY,
    ENTITY_TEXT,
    QUESTION_TOKENS,
    THRESHOLD,
    ReleasedParams,
    bert_tokenizer,
    entity_weights,
    model_config,
    question_weights,
    read_encoder_config,
    read_params,
    read_released_entities,
)
from elq.search.exact import ExactIndex
from elq.search.faiss_files import read_graph
from elq.search.hnsw import HNSW_FILE, HnswIndex
from elq.search.table import DTYPES, EntityTable
from elq.tensors import Array

log = logging.getLogger(__name__)

PIECE = 1_024  # number of rows that are copied at a time
SAMPLE = 256  # number of rows that are compared with the index, or scored before and after rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The files of a release.

    Args:
        weights: ``elq_*.bin``.
        params: ``elq_*_params.txt``.
        encoder: folder with the encoder's ``config.json`` and ``vocab.txt``.
        catalogue: ``entity.jsonl``.
        table: ``all_entities_*.t7``.
        index: ``faiss_hnsw_index.pkl`` or ``faiss_flat_index.pkl``, which are faiss files and not pickles; None: exact search.
    """

    weights: Path
    params: Path
    encoder: Path
    catalogue: Path
    table: Path
    index: Path | None = None


def import_release(
    release: Release, output: str | Path, *, dtype: str = "float32", question_tokens: int = QUESTION_TOKENS
) -> Manifest:
    """Make a model folder from the files of a release.

    Args:
        release: the files of the release.
        output: the folder to make; it appears when it is complete.
        dtype: number format of the table. The released one is float32; float16 halves it, and the change of scores is logged.
        question_tokens: number of tokens, with special tokens, after which score mode ``elq`` cuts a question; 32 in the
            released scripts.

    Raises:
        ElqError: a file is missing, is damaged, tries to run code, or does not belong to the others.
    """
    output = Path(output)
    if dtype not in DTYPES:
        raise ElqError(f"dtype is {dtype!r}, but must be one of {', '.join(DTYPES)}")
    params = read_params(release.params)
    config = model_config(read_encoder_config(release.encoder), params, question_tokens)
    plan = _plan(release, dtype, question_tokens)
    if done := _done(output, plan):  # checked without opening a large file
        return done
    vectors = _open_table(release, config)
    recipe = _recipe(
        release, params, vectors, dtype, plan
    )  # files that do not belong together are found here, before the long work
    work = output.with_name(f".{output.name}.importing")
    work.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(output.with_name(f".{output.name}.lock")):  # another process may make the same folder
        if done := _done(output, plan):
            return done
        _write_model(release, config, params, work)
        manifest = assemble(work / ENTITIES, recipe)
        Decision(score_mode="elq", threshold=THRESHOLD, candidates=CANDIDATES).save(work)
        for lock in work.glob(".*.lock"):
            lock.unlink()
        promote(work, output)
    if dtype != "float32":
        _report_drift(vectors, dtype)
    log.info(
        "the model folder %s is made: %s entities, mentions of at most %d tokens",
        output,
        f"{manifest.entities:,}",
        config.max_span_tokens,
    )
    return manifest


def _plan(release: Release, dtype: str, question_tokens: int) -> dict[str, object]:
    """Everything that an import depends on. Files are compared by size and time, because reading them takes too long.

    Raises:
        ElqError: a file is missing.
    """
    files = [release.weights, release.params, release.catalogue, release.table, *([release.index] if release.index else [])]
    files += [release.encoder / name for name in ("config.json", "vocab.txt")]
    if missing := [str(path) for path in files if not path.is_file()]:
        raise ElqError(f"{', '.join(missing)} does not exist: give the files of a release, which `elq download` gets")
    stats = {str(path.resolve()): path.stat() for path in files}
    return {
        "format": PLAN_FORMAT,
        "question_tokens": question_tokens,
        "release": {name: [stat.st_size, stat.st_mtime_ns] for name, stat in stats.items()},
        "dtype": dtype,
    }


def _done(output: Path, plan: Mapping[str, object]) -> Manifest | None:
    """The manifest of a finished import of the same files; None if there is none.

    Raises:
        ElqError: the folder was made from other files.
    """
    if not output.exists():
        return None
    if not holds(output / ENTITIES, plan):
        raise ElqError(f"{output} exists and was made from other files: choose another output folder or remove it")
    log.info("%s is up to date", output)
    return Manifest.load(output / ENTITIES)


def _open_table(release: Release, config: ELQConfig) -> Array:
    vectors = read_tensor(release.table)
    width = config.encoder["hidden_size"]
    if vectors.ndim != 2 or vectors.dtype != np.float32 or vectors.shape[1] != width:
        raise ElqError(
            f"{release.table} holds a tensor of shape {list(vectors.shape)} and dtype {vectors.dtype}, but the encoder asks for"
            f" (N, {width}) of float32: give the table that belongs to the weights"
        )
    return vectors


def _write_model(release: Release, config: ELQConfig, params: ReleasedParams, work: Path) -> None:
    """Write the files of the model, and of the entity encoder if the release has one, after everything has been read."""
    weights = read_tensors(release.weights)
    tokenizer = partial(bert_tokenizer, release.encoder, lowercase=params.lowercase, rows=config.encoder["vocab_size"])
    model = question_weights(weights, config, release.weights), tokenizer()
    of_entities = None
    if any(name.startswith(ENTITY) for name in weights):
        of_entities = entity_weights(weights, config, release.weights), tokenizer(entities=params.entity_tokens)
    _write_part(work, config.values(), *model)
    if of_entities:
        _write_part(work / ENTITY_ENCODER, config.encoder, *of_entities)
    else:
        log.warning("%s has no entity encoder: vectors of further entities cannot be made with this model", release.weights)


def _write_part(folder: Path, config: dict[str, Any], weights: dict[str, Array], tokenizer: Tokenizer) -> None:
    """Write ``config.json``, ``model.safetensors`` and ``tokenizer.json``."""
    folder.mkdir(exist_ok=True)
    write_json(folder / "config.json", config)
    save_weights(folder / "model.safetensors", weights)
    tokenizer.save(str(folder / "tokenizer.json"))


def _recipe(release: Release, params: ReleasedParams, vectors: Array, dtype: str, plan: Mapping[str, object]) -> Recipe:
    """How to make the entities folder. Raises ElqError if table, catalogue and index do not belong together."""
    with release.catalogue.open("rb") as stream:
        entities = sum(1 for line in track(stream, "counting the entities") if line.strip())
    if entities != len(vectors):
        raise ElqError(
            f"{release.table} has {len(vectors):,} rows, but {release.catalogue} has {entities:,} entities: give a table"
            " and a catalogue of the same release"
        )
    graph = release.index if release.index is not None and _is_graph(release.index, vectors) else None
    digest = digest_of([release.catalogue])
    facts: dict[str, Any] = {"encoder": params.bert_model, "pooling": "cls", "text": asdict(ENTITY_TEXT), "precision": "fp32"}
    return Recipe(
        plan=plan,
        entities=lambda: read_released_entities(release.catalogue),
        vectors=lambda: MappedVectors(vectors),
        maker=str(release.table),
        dtype=dtype,
        index=(ExactIndex if graph is None else HnswIndex).kind,
        index_files={} if graph is None else {HNSW_FILE: graph},
        facts={**facts, "max_tokens": params.entity_tokens, "source_sha256": digest},
    )


def _sample_rows(rows: int) -> Array:
    """At most ``SAMPLE`` row numbers, at equal distances from the first row to the last."""
    return np.linspace(0, rows - 1, min(SAMPLE, rows)).astype(np.int64)


def _is_graph(path: Path, vectors: Array) -> bool:
    """Whether an index is a graph over the table (True) or a flat copy of it (False).

    Raises:
        ElqError: the index is neither, or its metric, width, size or content does not fit the table.
    """
    index = read_graph(path, len(vectors), vectors.shape[1], flat=True)
    for row in _sample_rows(len(vectors)).tolist():
        if not np.array_equal(index.reconstruct(row), vectors[row]):
            raise ElqError(f"{path} holds another vector in row {row} than the table: give the index that belongs to it")
    return hasattr(index, "hnsw")


class MappedVectors:
    """The source of vectors that are in a memory-mapped file."""

    def __init__(self, vectors: Array) -> None:
        self.vectors = vectors
        self.width = int(vectors.shape[1])

    def announce(self, catalogue: Catalogue, rows: int) -> None:
        """Log how many rows must be copied."""
        log.info("%s of %s vectors must be copied", f"{rows:,}", f"{len(catalogue):,}")

    def steps(self, rows: int) -> int:
        """Number of pieces for so many rows."""
        return -(-rows // PIECE)

    def pieces(self, catalogue: Catalogue, start: int, end: int) -> Iterator[tuple[slice, Array]]:
        """The rows from ``start`` to ``end`` (exclusive), ``PIECE`` rows at a time."""
        for first in range(start, end, PIECE):
            last = min(first + PIECE, end)
            yield slice(first - start, last - start), self.vectors[first:last]


def _report_drift(vectors: Array, dtype: str) -> None:
    """Log how much rounding the table changes scores. A sample of rows is scored against itself."""
    sample = np.array(vectors[_sample_rows(len(vectors))])
    rounded = EntityTable(sample.astype(dtype)).tensor().numpy()
    drift = np.abs(sample @ sample.T - sample @ rounded.T).max()
    log.info("%s: scores of a sample differ from those in float32 by at most %.1e", dtype, drift)
