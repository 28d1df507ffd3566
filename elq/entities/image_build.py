"""Building the image table: encodes the pictures of the entities, and puts the table beside the entity table."""

import hashlib
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from elq.cache import mark_used, trim, writable_cache
from elq.entities.cells import split_cell
from elq.entities.edit import entities_folder
from elq.entities.grow import clean, load_manifest, save_manifest
from elq.entities.images import ImageFacts, same_images, write_images
from elq.entities.manifest import Manifest, file_sizes, open_entities
from elq.entities.parts import lock_of
from elq.entities.segments import IMAGES
from elq.errors import ElqError
from elq.files import need_room, writing
from elq.tensors import Array
from elq.types import Entity
from elq.vision.encoding import View, encode_pictures, open_view
from elq.vision.opening import DEFAULT, open_tower
from elq.vision.parts import main_part
from elq.vision.pictures import LIMITS, Limits
from elq.vision.problems import PictureProblem, Problems
from elq.vision.store import FeatureStore
from elq.vision.tower import ImageTower

log = logging.getLogger(__name__)

COLUMN = "images"
BLOCK = 256  # pictures that are copied at a time


def paths_of(entity: Entity, column: str = COLUMN) -> tuple[str, ...]:
    """The paths of the pictures of an entity: a list, one path, or several with "|" between them.

    >>> paths_of(Entity("Q1", "a", "a", data={"images": '["a.png", "b.png"]'})), paths_of(Entity("Q1", "a", "a"))
    (('a.png', 'b.png'), ())
    """
    found = entity.data.get(column, "")
    return tuple(path.strip() for path in split_cell(found) if path.strip()) if found.strip() else ()


@dataclass(frozen=True, slots=True)
class BuiltImages:
    """What :func:`build_images` has made: the facts of the table, and the pictures that could not be used."""

    facts: ImageFacts
    problems: Problems


def store_of(tower: ImageTower) -> Path:
    """The folder in the cache in which the features of a tower are kept."""
    return writable_cache() / "pictures" / tower.identity[:16]


def build_images(
    folder: str | Path,
    pictures: str | Path,
    tower: ImageTower | str | Path = DEFAULT,
    *,
    column: str = COLUMN,
    store: str | Path | None = None,
    limits: Limits = LIMITS,
    parts: bool = False,
) -> BuiltImages:
    """Encode the pictures of the entities of a folder, and put their table into it. A table that is there is replaced.

    A run that was killed has changed nothing, and the next run encodes only the pictures that are missing in the store.

    Args:
        folder: the entities folder.
        pictures: the folder to which the paths of pictures are relative: that of the catalogue file.
        tower: the image tower, or its name (elq/vision/opening.py).
        column: the column of the catalogue that has the paths.
        store: the folder of the features; None: a folder in the cache, from which those of towers that were not used for the
            longest time are deleted if all together are larger than ``$ELQ_CACHE_GB``.
        limits: the largest picture that is opened.
        parts: whether the main part of a picture, such as the sign of a logo beside its name (elq/vision/parts.py), is one more
            picture of its entity.

    Raises:
        ElqError: no entity has a picture, the folder is no entities folder, or a file cannot be written.
    """
    tower = tower if isinstance(tower, ImageTower) else open_tower(tower)
    folder = entities_folder(folder)
    entities, base, problems = open_entities(folder), Path(pictures), Problems()
    catalogue = entities.catalogue
    present = (pair for pair in enumerate(catalogue.all_rows()) if pair[0] not in catalogue.removed)
    wanted = [(row, path) for row, entity in present for path in paths_of(entity, column)]
    if not wanted:
        raise ElqError(f'no entity of {folder} has a picture: give the paths in a column "{column}" of the catalogue file')
    features = FeatureStore(store or store_of(tower), tower)
    views = [(row, view) for row, path in wanted for view in _views(base / path, parts, limits)]
    places = encode_pictures([view for _, view in views], features, problems=problems, limits=limits)
    if store is None:  # the cache has a largest size
        mark_used(features.folder)
        trim(features.folder.parent, features.folder)
    there = places >= 0
    rows, places = np.array([row for row, _ in views], np.int32)[there], places[there]
    facts = ImageFacts(
        tower=tower.name,
        identity=tower.identity,
        width=tower.width,
        patches=tower.patches,
        pictures=len(rows),
        entities=len({*rows.tolist()}),
        content=hashlib.sha256(b"".join([tower.identity.encode(), rows.tobytes(), *features.keys(places)])).hexdigest(),
    )
    if not len(rows):
        raise ElqError(
            f"none of the {len(wanted):,} pictures of {folder} can be used ({problems.found[0]}): correct the paths, or give"
            " the folder to which they are relative"
        )
    _put(folder, entities.manifest, facts, _Copied(features, places), rows)
    log.info("%s has %s pictures of %s entities", folder, f"{facts.pictures:,}", f"{facts.entities:,}")
    return BuiltImages(facts, problems)


def _views(path: Path, parts: bool, limits: Limits) -> list[View]:
    """A picture, and its main part if that is wanted and there is one."""
    if not parts:
        return [View(path)]
    try:
        part = main_part(open_view(View(path), limits))
    except PictureProblem:  # it is reported when the picture is encoded
        part = None
    return [View(path), *([] if part is None else [View(path, part)])]


class _Copied:
    """The vectors of some rows of a store, as :func:`elq.entities.images.write_images` reads them: some at a time."""

    def __init__(self, features: FeatureStore, places: Array) -> None:
        self.features, self.places = features, places

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        for start in range(0, len(self.places), BLOCK):
            values = self.features.values[self.places[start : start + BLOCK]]
            yield values[:, 0], values[:, 1:]


def _put(folder: Path, opened: Manifest, facts: ImageFacts, blocks: Iterable[tuple[Array, Array]], rows: Array) -> None:
    """Write the table into a new folder, and make it visible by one replacement of the manifest."""
    with writing(folder), lock_of(folder):
        manifest = load_manifest(folder)
        if (manifest.version, manifest.catalogue_sha256) != (opened.version, opened.catalogue_sha256):
            raise ElqError(f"{folder} was changed while its pictures were encoded: give the same command again")
        clean(folder, manifest)  # what a killed run left
        if manifest.images and same_images(folder / manifest.images, facts):
            return
        name = f"{IMAGES}-{1 + int(manifest.images.rpartition('-')[2] or 0)}"
        need_room(folder / name, len(rows) * (1 + facts.patches) * facts.width * 2)
        write_images(folder / name, facts, blocks, rows)
        made = replace(manifest, images=name)
        made = replace(made, files=file_sizes(folder, made.places, made.removed, made.images))
        save_manifest(folder, made)
        clean(folder, made)
