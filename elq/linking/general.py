"""The general model: opens any catalogue for linking, without training.

The package contains the weights of a model that was trained not to know its catalogue (elq/weights). Only the vectors and names
of a new catalogue have to be made, which takes seconds. They are kept in the cache (elq/cache.py) under the hash of the
catalogue, so that the second time takes milliseconds.
"""

import json
import logging
import math
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from elq.cache import mark_used, trim, writable_cache
from elq.encoding.pretrained import FILES, GENERAL, resolve_encoder
from elq.entities.build import BuildSettings, build_entities
from elq.entities.catalogue_files import require_catalogue
from elq.entities.encoder import settings_of
from elq.entities.manifest import MANIFEST, Entities, Manifest, open_entities
from elq.errors import ElqError
from elq.files import digest_of, replacing
from elq.linking.folder import ENTITIES, ENTITY_ENCODER
from elq.model.config import read_config
from elq.names.words import FOLDING
from elq.types import Entity

log = logging.getLogger(__name__)

CATALOGUES = "catalogues"  # folder in the cache
STARTER = Path(__file__).resolve().parents[1] / "starter" / "catalogue.jsonl"

Source = str | Path | Iterable[Mapping[str, Any] | Entity] | Any  # Any: a DataFrame of pandas or polars, or an Arrow table


def open_catalogue(
    source: Source, settings: BuildSettings, *, columns: Mapping[str, str] | None = None, device: str = "cpu"
) -> Entities:
    """Open the entities of a catalogue, from the cache if they were made before.

    Args:
        source: a file that `elq build` reads; or dictionaries, Entity records, a DataFrame (pandas, polars) or an Arrow table.
        settings: the encoder and the other settings with which the entities are built.
        columns: our field → the name in the source, for the fields whose names differ.
        device: where the entity encoder runs.

    Raises:
        ElqError: the catalogue is bad, or the disk has too little space.
    """
    parent = writable_cache() / CATALOGUES
    parent.mkdir(parents=True, exist_ok=True)
    encoder = resolve_encoder(str(settings.encoder))
    chosen = json.dumps([sorted((columns or {}).items()), settings.values(), FOLDING], sort_keys=True)
    given = isinstance(source, str | Path)
    file = Path(str(source)) if given else parent / f".{os.getpid()}.{id(source)}.jsonl"
    if given:
        require_catalogue(file, columns)
    else:
        write_records(records_of(source), file)
    try:
        folder = parent / digest_of([file, *(encoder / name for name in FILES)], chosen)[:32]
        if (found := _cached(folder)) is not None:
            return found
        build_entities(file, folder, settings, columns=columns, device=device)
        trim(parent, folder)
        mark_used(folder)
        return open_entities(folder)
    finally:
        if not given:
            file.unlink(missing_ok=True)


def _cached(folder: Path) -> Entities | None:
    """The entities in a folder of the cache; None if they are missing, or were left damaged or by another version of elq."""
    if not (folder / MANIFEST).is_file():
        return None
    try:
        mark_used(folder)
        return open_entities(folder)
    except ElqError as error:
        log.info("the cached vectors of this catalogue cannot be used, so they are made again (%s)", error)
        shutil.rmtree(folder, ignore_errors=True)
        return None


def settings_for(model: Path, encoder: str | Path | None = None) -> BuildSettings:
    """The settings with which a catalogue gets vectors for the model in a folder, or for the model in the package.

    Args:
        model: the model folder. It may contain the encoder of its entities (`elq import` makes such folders).
        encoder: the encoder of its entities, instead of the one in the folder or the one that its manifest names.
    """
    if not (model / ENTITIES).is_dir():
        return BuildSettings(encoder=GENERAL, prior=tuple(read_config(model / "config.json").prior))
    beside = model / ENTITY_ENCODER
    name = encoder or (beside if beside.is_dir() else None)
    return settings_of(Manifest.load(model / ENTITIES), None if name is None else str(name))


def records_of(source: Any) -> Iterable[Mapping[str, Any]]:
    """The records of a DataFrame, an Arrow table, or an iterable of dictionaries or Entity records.

    Raises:
        ElqError: the source is none of these.

    >>> [*records_of([{"id": "1", "title": "Paris"}])]
    [{'id': '1', 'title': 'Paris'}]
    """
    for method, arguments in (("to_pylist", ()), ("to_dicts", ()), ("to_dict", ("records",))):  # Arrow, polars, pandas
        if hasattr(source, method) and not isinstance(source, Mapping):
            return list(getattr(source, method)(*arguments))
    if isinstance(source, Iterable) and not isinstance(source, Mapping | bytes):
        return (_record(item, number) for number, item in enumerate(source, 1))
    raise ElqError(
        f"the catalogue is {type(source).__name__}, but must be the path of a file, a list of dictionaries or of Entity"
        " records, a DataFrame or an Arrow table: give one of these"
    )


def _record(item: Any, number: int) -> Mapping[str, Any]:
    if isinstance(item, Entity):
        return asdict(item)
    if not isinstance(item, Mapping):
        raise ElqError(f"record {number} of the catalogue is {item!r}, but must be a dictionary or an Entity: correct it")
    return item


def write_records(records: Iterable[Mapping[str, Any]], file: Path) -> None:
    """Write records as JSON lines, without empty values (None and NaN). Values that JSON lacks become text."""
    with replacing(file) as stream:
        for record in records:
            kept = {str(key): value for key, value in record.items() if not _is_empty(value)}
            stream.write(json.dumps(kept, ensure_ascii=True, default=_plain) + "\n")


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _plain(value: Any) -> Any:
    """A value that JSON lacks as one that it has: numbers and arrays of numpy, sets, and text for anything else."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return sorted(map(str, value)) if isinstance(value, set | frozenset) else str(value)
