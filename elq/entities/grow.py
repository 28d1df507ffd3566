"""Growing: writes the new files of a changed entities folder, and makes them visible by one replacement of its manifest.

A file that exists is never written into, since it may have hard links in other folders, and since linkers may have mapped it.
Every change has a new version number, which is part of the names of its files. A run that is killed before the manifest is
replaced has changed nothing; its files are removed by the next run.
"""

import json
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

from elq.entities.assembly import PLAN
from elq.entities.catalogue import Catalogue, write_catalogue
from elq.entities.images import carry_images
from elq.entities.manifest import (
    CATALOGUE,
    MANIFEST,
    MOVED_TO_DECISION,
    NAMES,
    TABLE,
    Entities,
    Manifest,
    entity_files,
    file_sizes,
    manifest_values,
)
from elq.entities.prior import typical_weights
from elq.entities.segments import IMAGE_PLACE, IMAGES, PLACE, REMOVED, Segment, write_removed
from elq.errors import ElqError
from elq.files import link_or_copy, replacing, write_json
from elq.names.writing import collect, write_names
from elq.search.kinds import build_index, kind_of
from elq.search.recall import measure
from elq.search.table import BLOCK, EntityTable
from elq.tensors import Array
from elq.types import Entity


def load_manifest(folder: Path) -> Manifest:
    """The manifest of a folder. What an older version did not write into it is read from ``plan.json``, if that is there."""
    manifest = Manifest.load(folder)
    try:
        plan = json.loads((folder / PLAN).read_text(encoding="utf-8"))
        known = {"max_tokens": int(plan["settings"]["max_tokens"]), "encoder_sha256": str(plan["encoder_sha256"])}
    except (OSError, ValueError, KeyError, TypeError):
        return manifest
    return manifest if manifest.encoder_sha256 else replace(manifest, **known)  # type: ignore[arg-type]


def save_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest. The decision of a model, which an older version wrote into it, stays there."""
    kept = {key: value for key, value in manifest_values(folder).items() if key in MOVED_TO_DECISION}
    write_json(folder / MANIFEST, manifest.values() | kept)


def clean(folder: Path, manifest: Manifest) -> None:
    """Remove the files that the manifest does not name: those of earlier versions, and of runs that were killed."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            known = PLACE.fullmatch(path.name) or IMAGE_PLACE.fullmatch(path.name)
            if known and path.name not in (*manifest.places, manifest.images):
                shutil.rmtree(path, ignore_errors=True)
            continue
        temporary = path.name.startswith((f".{MANIFEST}.", ".removed-")) and path.name.endswith(".tmp")
        unused = REMOVED.fullmatch(path.name) and path.name != manifest.removed
        if temporary or unused or (manifest.base and path.name in entity_files()):
            path.unlink(missing_ok=True)


class _Earlier:
    """The rows before a segment, as elq/names/writing.py needs them."""

    def __init__(self, catalogue: Catalogue, first: int) -> None:
        self.catalogue, self.first = catalogue, first

    def rows(self, key: str) -> list[int]:
        names = self.catalogue.names
        return [] if names is None else [row for row in names.rows(key) if row < self.first]

    def titled(self, whole: str) -> list[int]:
        names = self.catalogue.names
        return [] if names is None else [row for row in names.titled(whole) if row < self.first]

    def record(self, row: int) -> Entity:
        return self.catalogue[row]


def grow(folder: Path, entities: Entities, new: Sequence[Entity], vectors: Array, removed: Collection[int]) -> Manifest:
    """Add records and remove rows, and write the new manifest.

    The smaller segments at the end become part of the new segment, so that a folder has few segments.

    Args:
        folder: the entities folder.
        entities: the folder as it was opened.
        new: the new records.
        vectors: their vectors (B, D), in the order of the records.
        removed: the rows to remove.
    """
    old, catalogue, table = entities.manifest, entities.catalogue, entities.table
    version, kept, first = old.version + 1, [*old.segments], old.rows
    if new:
        while kept and kept[-1].rows <= old.rows - first + len(new):
            first -= kept.pop().rows
        kept.append(_write_segment(folder, f"segment-{version}", catalogue, table, first, new, vectors))
    gone = catalogue.removed | {*removed}
    file = f"removed-{version}.npy" if removed else old.removed
    if removed:
        write_removed(folder / file, sorted(gone))
    made = replace(
        old,
        version=version,
        entities=old.rows + len(new) - len(gone),
        segments=kept,
        removed=file,
        removed_rows=len(gone),
        source_sha256="",
    )
    return _finish(folder, made)


def _finish(folder: Path, manifest: Manifest) -> Manifest:
    made = replace(manifest, files=file_sizes(folder, manifest.places, manifest.removed, manifest.images))
    save_manifest(folder, made)
    clean(folder, made)
    return made


def _write_segment(
    folder: Path, name: str, catalogue: Catalogue, table: EntityTable, first: int, new: Sequence[Entity], vectors: Array
) -> Segment:
    """Write the rows from ``first`` on, and the new ones, as one segment."""
    place = folder / name
    place.mkdir()
    moved = [catalogue[row] for row in range(first, len(catalogue))]
    digest = write_catalogue(chain(moved, new), place / CATALOGUE, unique=False)  # a removed record may have the same id
    rows = np.concatenate([table.tensor(first).numpy(), vectors.astype(np.float32)])
    with replacing(place / TABLE, "wb") as stream:
        np.save(stream, rows.astype(table.dtype))
    names = collect(chain(moved, new), first=first, earlier=_Earlier(catalogue, first))
    return Segment(folder=name, rows=len(rows), catalogue_sha256=digest, names_sha256=write_names(names, place / NAMES))


def compact(folder: Path, entities: Entities) -> Manifest:
    """Merge all parts into one base without the removed rows, and store the names."""
    old, catalogue = entities.manifest, entities.catalogue
    name = f"base-{old.version + 1}"
    place = folder / name
    place.mkdir()
    whole = not (old.segments or old.removed)
    if whole:
        _link_files(folder / old.base, place)
        digest = old.catalogue_sha256
    else:
        digest = write_catalogue(catalogue, place / CATALOGUE)
        _copy_table(entities.table, catalogue.removed, place / TABLE)
        _index(old, EntityTable.open(place / TABLE), place)
    names = write_names(collect(Catalogue(place / CATALOGUE).all_rows()), place / NAMES)
    images = old.images
    if images and not whole:
        images = f"{IMAGES}-{1 + int(images.rpartition('-')[2])}"
        carry_images(folder / old.images, folder / images, _new_rows(len(catalogue), catalogue.removed))
    made = replace(
        old,
        version=old.version + 1,
        images=images,
        base=name,
        segments=(),
        removed="",
        removed_rows=0,
        catalogue_sha256=digest,
        names_sha256=names,
    )
    return _finish(folder, made)


def _new_rows(count: int, removed: Collection[int]) -> Array:
    """The new number of each row when the removed ones are left out; −1 for those."""
    kept = np.ones(count, bool)
    kept[[*removed]] = False
    return np.where(kept, np.cumsum(kept) - 1, -1)


def _index(manifest: Manifest, table: EntityTable, place: Path) -> None:
    """Build the index of a new base. If it finds too few entities, there is only a warning, since the old one is in use."""
    weights = typical_weights(manifest.prior)
    index = build_index(manifest.index, table, manifest.index_options, len(weights))
    index.save(place)
    measure(index, kind_of(manifest.index).options(**manifest.index_options), weights, refuse=False)


def _link_files(source: Path, place: Path) -> None:
    for name in entity_files():
        if name != NAMES and (source / name).is_file():
            link_or_copy(source / name, place / name)


def _copy_table(table: EntityTable, removed: Collection[int], path: Path) -> None:
    """Write the rows of a table that were not removed."""
    left = np.setdiff1d(np.arange(len(table)), np.array(sorted(removed), np.int64))
    header = {"shape": (len(left), table.width), "fortran_order": False}

    def blocks() -> Iterator[Array]:
        for start in range(0, len(table), BLOCK):
            end = min(start + BLOCK, len(table))
            own = left[(left >= start) & (left < end)] - start
            yield table.tensor(start, end).numpy()[own].astype(table.dtype)

    with replacing(path, "wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header | {"descr": np.lib.format.dtype_to_descr(np.dtype(table.dtype))})
        for block in blocks():
            stream.write(block.tobytes())


def refuse_empty(entities: Entities, new: int, removed: int) -> None:
    """Raise an ElqError if nothing would be left."""
    if entities.manifest.entities + new - removed < 1:
        raise ElqError("no entity would be left, but a linker needs at least one: keep an entity, or add others first")
