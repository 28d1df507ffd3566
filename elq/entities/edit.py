"""Edit: changes the entities of a folder that is in use: adds, removes and changes records, without a training.

Only new and changed records are encoded, by the encoder that made the folder. To change a record is to remove it and to add it.
The folder may be an entities folder or a model folder. Another process may change it at the same time: one waits for the other.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from elq.entities.catalogue import CHUNK, Catalogue
from elq.entities.catalogue_files import entity_from_record, read_entities
from elq.entities.encoder import encoded
from elq.entities.grow import clean, compact, grow, load_manifest, refuse_empty
from elq.entities.manifest import ENTITIES, MANIFEST, Entities, Manifest, open_entities
from elq.entities.parts import lock_of
from elq.errors import ElqError
from elq.types import Entity

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Change:
    """What a call changed: the ids of the new, removed and changed entities, and what the folder contains now."""

    new: tuple[str, ...]
    gone: tuple[str, ...]
    changed: tuple[str, ...]
    entities: int
    version: int


@dataclass(frozen=True, slots=True)
class _Difference:
    new: Sequence[Entity]
    changed: Sequence[Entity]
    gone: Sequence[int]  # rows


def update_entities(
    folder: str | Path,
    source: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    encoder: str | None = None,
    device: str = "cpu",
    dry_run: bool = False,
) -> Change:
    """Give a folder the entities of a catalogue file: what is new is added, what is not in the file is removed.

    Args:
        folder: an entities folder or a model folder.
        source: the catalogue file.
        columns: our field → the name of the column in ``source``, for the fields whose names differ.
        encoder: folder or name of the encoder that made the folder, if it cannot be found under the name in the manifest.
        device: where the encoder runs.
        dry_run: whether nothing is written.

    Raises:
        ElqError: the file or the folder is bad, the encoder is another one, or a file cannot be written.
    """
    return _change(folder, lambda old: _difference(old, read_entities(source, columns)), encoder, device, dry_run)


def add_entities(
    folder: str | Path,
    source: str | Path | Sequence[Mapping[str, Any]],
    *,
    columns: Mapping[str, str] | None = None,
    encoder: str | None = None,
    device: str = "cpu",
) -> Change:
    """Add the records of a catalogue file, or records that are given; the other arguments are those of :func:`update_entities`.

    Raises:
        ElqError: as for :func:`update_entities`, or the catalogue has an entity of the same id.
    """

    def plan(old: Catalogue) -> _Difference:
        file = isinstance(source, str | Path)
        read = read_entities(source, columns) if file else (entity_from_record(one, columns) for one in source)  # type: ignore[arg-type, union-attr]
        new = [*read]
        _refuse_twice(new)
        if (known := old.rows([entity.id for entity in new]) >= 0).any():
            there = new[int(known.argmax())].id
            raise ElqError(f"entity {there} is in the catalogue already: change it with `elq edit`, or use `elq update`")
        return _Difference(new, (), ())

    return _change(folder, plan, encoder, device)


def remove_entities(folder: str | Path, ids: Iterable[str]) -> Change:
    """Remove entities by their ids.

    Raises:
        ElqError: an id is unknown, no entity would be left, or a file cannot be written.
    """
    wanted = list(dict.fromkeys(ids))
    return _change(folder, lambda old: _Difference((), (), _rows(old, wanted)))


def edit_entity(
    folder: str | Path, identity: str, *, encoder: str | None = None, device: str = "cpu", **fields: object
) -> Change:
    """Change fields of one entity, such as ``title``, ``aliases`` or ``description``; the others stay.

    Raises:
        ElqError: the id is unknown, a field is unknown or has a wrong type, or a file cannot be written.
    """
    if unknown := [name for name in fields if name not in Entity.__slots__ or name == "id"]:
        known = ", ".join(name for name in Entity.__slots__ if name != "id")
        raise ElqError(f"entity {identity} cannot get the field {unknown[0]!r}: the fields are {known}")

    def plan(old: Catalogue) -> _Difference:
        before = old[_rows(old, [identity])[0]]
        record = {name: getattr(before, name) for name in Entity.__slots__} | fields
        if "title" in fields and "label" not in fields and before.label == before.title:
            record["label"] = fields["title"]  # a record without a label has its title as its label
        after = entity_from_record(record)
        return _Difference((), () if after == before else (after,), ())

    return _change(folder, plan, encoder, device)


def compact_entities(folder: str | Path) -> Change:
    """Merge all changes of a folder into one base, and store the names of a folder of an older version.

    Raises:
        ElqError: the folder is bad, or a file cannot be written.
    """
    place = entities_folder(folder)
    with lock_of(place):
        opened = _open(place)
        old = opened.manifest
        done = old if old.names_sha256 and not (old.segments or old.removed) else compact(place, opened)
    return Change((), (), (), done.entities, done.version)


def entities_folder(folder: str | Path) -> Path:
    """The entities folder that a path names: the path itself, or ``entities`` in a model folder.

    Raises:
        ElqError: it is neither.
    """
    folder = Path(folder)
    for place in (folder / ENTITIES, folder, folder / "model" / ENTITIES):
        if (place / MANIFEST).is_file():
            return place
    raise ElqError(f"{folder} is neither a model folder nor an entities folder ({MANIFEST}): give the path of one")


def _change(
    folder: str | Path,
    plan: Callable[[Catalogue], _Difference],
    encoder: str | None = None,
    device: str = "cpu",
    dry_run: bool = False,
) -> Change:
    place = entities_folder(folder)
    if dry_run:
        opened = open_entities(place)
        return _told(opened, plan(opened.catalogue), opened.manifest)
    with lock_of(place):
        opened = _open(place)
        difference = plan(opened.catalogue)
        new = [*difference.changed, *difference.new]
        rows = opened.catalogue.rows([entity.id for entity in difference.changed]).tolist()
        gone = [*difference.gone, *rows]
        if not new and not gone:
            return _told(opened, difference, opened.manifest)
        refuse_empty(opened, len(new), len(gone))
        if not opened.manifest.names_sha256:
            log.info("%s is of an older version: its names are stored first", place)
            compact(place, opened)
            opened = _open(place)
        vectors = encoded(place, opened, new, encoder, device)
        return _told(opened, difference, grow(place, opened, new, vectors, gone))


def _open(place: Path) -> Entities:
    clean(place, manifest := load_manifest(place))
    return replace(open_entities(place), manifest=manifest)


def _told(opened: Entities, difference: _Difference, manifest: Manifest) -> Change:
    gone = tuple(entity.id for entity in opened.catalogue.records(difference.gone).values())
    new, changed = (tuple(entity.id for entity in some) for some in (difference.new, difference.changed))
    return Change(new, gone, changed, manifest.entities, manifest.version)


def _rows(catalogue: Catalogue, ids: Sequence[str]) -> list[int]:
    """The rows of entities, looked up together, since each search reads all ids of the catalogue."""
    rows = catalogue.rows(ids)
    if (unknown := rows < 0).any():
        identity = ids[int(unknown.argmax())]
        raise ElqError(f"entity {identity} is not in the catalogue: give the id of one of its entities")
    found: list[int] = rows.tolist()
    return found


def _refuse_twice(entities: Sequence[Entity]) -> None:
    seen: set[str] = set()
    for entity in entities:
        if entity.id in seen:
            raise ElqError(f"entity {entity.id} occurs more than once in the new records: keep one of them")
        seen.add(entity.id)


def _difference(old: Catalogue, source: Iterable[Entity]) -> _Difference:
    """What is new, changed and gone in a catalogue file. Only new and changed records are kept in memory."""
    left = np.ones(len(old), bool)
    left[np.fromiter(old.removed, np.int64)] = False
    new: list[Entity] = []
    changed: list[Entity] = []
    for entities in _chunks(source):
        rows = old.rows([entity.id for entity in entities]).tolist()
        before = old.records(rows)
        for entity, row in zip(entities, rows, strict=True):
            if row < 0:
                new.append(entity)
                continue
            if not left[row]:
                raise ElqError(f"entity {entity.id} occurs more than once in the catalogue file: keep one of its records")
            left[row] = False
            if entity != before[row]:
                changed.append(entity)
    _refuse_twice(new)
    return _Difference(new, changed, np.flatnonzero(left).tolist())


def _chunks(source: Iterable[Entity]) -> Iterable[list[Entity]]:
    chunk: list[Entity] = []
    for entity in source:
        chunk.append(entity)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
