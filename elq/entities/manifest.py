"""The manifest: describes the content of an entities folder and how it was made."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

from elq.beside import together
from elq.entities.catalogue import Catalogue
from elq.entities.prior import prior_columns
from elq.entities.segments import IMAGE_FILES, Segment, check_parts, read_removed
from elq.errors import AGAIN, ElqError
from elq.files import write_json
from elq.names.joined import JoinedNames
from elq.names.stored import open_names
from elq.search.index import EntityIndex
from elq.search.kinds import INDEX_KINDS, index_files, index_options, open_index
from elq.search.options import Value
from elq.search.table import EntityTable

FORMAT = 5  # since format 5 the names are stored, and a folder can grow; since format 4 a manifest contains facts only
OLDEST = 3
# The keys of a manifest of format 3 that belong to the decision of a model; elq/linking/decision.py reads them.
MOVED_TO_DECISION = (
    *("score_mode", "score_unit", "candidates", "threshold", "mention_threshold", "calibration"),
    "tuned",
)
MANIFEST = "manifest.json"
ENTITIES, ENTITY_ENCODER = "entities", "entity_encoder"  # in a model folder: the entities, and the encoder that made them
CATALOGUE = "catalogue.arrow"
TABLE = "table.npy"
NAMES = "names.arrow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The content of an entities folder, and how it was made. Many models can use the same folder.

    A folder has a base and, if it was changed, segments and removed rows. The rows of the base come first.
    """

    entities: int  # without the removed ones
    width: int  # D
    dtype: str  # of the table
    metric: str = "inner_product"
    encoder: str  # the encoder that made the table
    pooling: str
    text: dict[str, Any]  # fields of EntityText
    prior: Sequence[str] = ()  # features that have columns in the table, see elq/entities/prior.py
    precision: str  # of the encoder while it made the table
    max_tokens: int = 64  # after which the encoder cut a text
    encoder_sha256: str = ""  # of the encoder's files; "": unknown
    catalogue_sha256: str  # over the records of the base in order
    names_sha256: str = ""  # of the file of names of the base; "": there is none
    source_sha256: str  # of the file from which the records were read, and of the column mapping; "": the folder was changed
    index: str  # kind of the index, see elq/search/kinds.py
    index_options: dict[str, Value] = field(default_factory=dict)  # only the options that were chosen
    version: int = 0  # rises with each change of the folder
    base: str = ""  # the folder of the base in the entities folder; "": the entities folder itself
    segments: Sequence[Segment] = ()
    removed: str = ""  # the file with the numbers of the removed rows; "": none was removed
    removed_rows: int = 0
    images: str = ""  # the folder of the image table in the entities folder; "": there is none
    files: dict[str, int]  # the size in bytes of all files but the manifest
    format: int = FORMAT

    def __post_init__(self) -> None:
        for name, allowed in (("index", INDEX_KINDS), ("metric", ("inner_product",))):
            if getattr(self, name) not in allowed:
                known = ", ".join(allowed)
                raise ElqError(f"{MANIFEST} has {name} {getattr(self, name)!r}, but must have one of {known}: {AGAIN}")
        index_options(self.index, self.index_options)
        _check_format(self.format, FORMAT)
        if not isinstance(self.prior, list | tuple):
            raise ElqError(f"{MANIFEST} has the prior {self.prior!r}, but it must be a list of features: {AGAIN}")
        prior_columns(self.prior)
        if type(self.entities) is not int or not isinstance(self.files, dict):
            raise ElqError(f"{MANIFEST} has entities or files of a wrong type: {AGAIN}")
        check_parts(self.version, self.places, self.removed, self.removed_rows, self.images)

    @property
    def places(self) -> tuple[str, ...]:
        """The folders of the parts, that of the base first."""
        return (self.base, *(segment.folder for segment in self.segments))

    @property
    def rows(self) -> int:
        """The number of all rows, also of the removed ones."""
        return self.entities + self.removed_rows

    @property
    def base_rows(self) -> int:
        """The number of rows of the base."""
        return self.rows - sum(segment.rows for segment in self.segments)

    def values(self) -> dict[str, Any]:
        """The values of the file. A folder without pictures has no key for them, as in older versions."""
        return {name: value for name, value in asdict(self).items() if name != "images" or value}

    def save(self, folder: str | Path) -> None:
        """Write ``manifest.json`` into an entities folder."""
        write_json(Path(folder) / MANIFEST, self.values())

    @classmethod
    def load(cls, folder: str | Path) -> "Manifest":
        """Read ``manifest.json`` of an entities folder.

        Raises:
            ElqError: the file is missing, is not JSON, has unknown or missing keys, or has a value that is not allowed.
        """
        values = manifest_values(folder)
        _check_format(values.get("format", FORMAT), *range(OLDEST, FORMAT + 1))  # first: another format may have other keys
        values = {key: value for key, value in values.items() if key not in MOVED_TO_DECISION} | {"format": FORMAT}
        try:
            segments = [Segment(**segment) for segment in values.get("segments", ())]
            return cls(**{**values, "segments": segments})
        except TypeError as error:
            names = ", ".join(each.name for each in fields(cls))
            raise ElqError(
                f"{Path(folder) / MANIFEST} is not a manifest ({error}): it needs the keys {names}, so {AGAIN}"
            ) from None


def _check_format(found: object, *known: int) -> None:
    """Raise an ElqError for a format that this version cannot read."""
    if found not in known:
        raise ElqError(f"{MANIFEST} has format {found!r}, but this version of elq reads formats {OLDEST} to {FORMAT}: {AGAIN}")


def manifest_values(folder: str | Path) -> dict[str, Any]:
    """The values of ``manifest.json`` as they are in the file, whatever its format number.

    Raises:
        ElqError: the file is missing or does not contain a JSON object.
    """
    path = Path(folder) / MANIFEST
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ElqError(
            f"{folder} has no {MANIFEST}, so it is not a complete entities folder: make one with `elq build`, and give its path"
        ) from None
    except (OSError, ValueError) as error:
        raise ElqError(f"{path} is not a manifest ({error}): {AGAIN}") from None
    if not isinstance(values, dict):
        raise ElqError(f"{path} is not a manifest (it is not a JSON object): {AGAIN}")
    return values


def entity_files() -> tuple[str, ...]:
    """The files that a part of an entities folder may have, including those of every registered index kind."""
    return (CATALOGUE, TABLE, NAMES, *index_files())


def file_sizes(folder: Path, places: Sequence[str] = ("",), removed: str = "", images: str = "") -> dict[str, int]:
    """The size in bytes of the files of an entities folder, without the manifest.

    Args:
        folder: the entities folder.
        places: the folders of its parts, see :attr:`Manifest.places`.
        removed: the file with the removed rows.
        images: the folder of the image table.
    """
    names = [f"{place}/{name}" if place else name for place in places for name in entity_files()]
    names += [removed] if removed else []
    names += [f"{images}/{name}" for name in IMAGE_FILES] if images else []
    return {name: (folder / name).stat().st_size for name in names if (folder / name).is_file()}


def refuse_links_out(folder: Path, names: Sequence[str]) -> None:
    """Refuse files that are symbolic links to places outside the folder, so that only files of the folder are loaded.

    In the cache of the Hub, the files of a folder are links to other files of the same repository; these are allowed.

    Raises:
        ElqError: a file is a link to a place outside the folder.
    """
    root = folder.resolve()
    root = next((path.parent for path in root.parents if path.name == "snapshots" and (path.parent / "blobs").is_dir()), root)
    for name in names:
        target = (folder / name).resolve()
        if not target.is_relative_to(root):
            raise ElqError(f"{folder / name} is a link to {target}, outside the folder: replace the link by a copy of the file")


@dataclass(frozen=True, slots=True)
class Entities:
    """An opened entities folder: catalogue, table and index have the same N, and their files are memory-mapped."""

    manifest: Manifest
    catalogue: Catalogue
    table: EntityTable
    index: EntityIndex

    @property
    def folder(self) -> Path:
        """The entities folder. The base of a folder that was merged after changes stands in a folder inside it."""
        return self.catalogue.folder


def open_entities(folder: str | Path) -> Entities:
    """Open an entities folder.

    Raises:
        ElqError: a file is missing, unreadable or a link to a place outside the folder, or it contradicts the manifest.
    """
    folder = Path(folder)
    refuse_links_out(folder, (MANIFEST, *entity_files()))
    manifest = Manifest.load(folder)
    try:
        return _open(folder, manifest)
    except ElqError:
        if Manifest.load(folder) == manifest:
            raise
        return open_entities(folder)  # meanwhile another process has changed the folder


def refuse_changed(entities: Entities, what: str) -> None:
    """Refuse entities with changes that are not merged, for work that reads whole tables and catalogues.

    Raises:
        ElqError: the entities have segments or removed rows.
    """
    if entities.manifest.segments or entities.manifest.removed:
        folder = entities.catalogue.folder
        raise ElqError(f"{folder} has changes that are not merged, which {what} does not read: run `elq compact` on it first")


def _open(folder: Path, manifest: Manifest) -> Entities:
    refuse_links_out(folder, [*manifest.places, *manifest.files])
    if (sizes := file_sizes(folder, manifest.places, manifest.removed, manifest.images)) != manifest.files:
        raise ElqError(f"{folder} has files of {sizes} bytes, but the manifest says {manifest.files}: {AGAIN}")
    base, *others = (folder / place for place in manifest.places)
    removed = read_removed(folder / manifest.removed, manifest.rows, manifest.removed_rows) if manifest.removed else frozenset()
    table = EntityTable.open(base / TABLE, *(place / TABLE for place in others))
    digests = (manifest.names_sha256, *(segment.names_sha256 for segment in manifest.segments))
    named = zip((base, *others), digests, table.firsts, strict=True) if manifest.names_sha256 else ()
    catalogue, index, *names = together(  # each reads a file from its first byte to its last
        partial(Catalogue, *(place / CATALOGUE for place in (base, *others)), removed=removed),
        partial(open_index, manifest.index, table, base, manifest.index_options, removed),
        *(partial(open_names, place / NAMES, digest, first=first, removed=removed) for place, digest, first in named),
    )
    catalogue.folder = folder  # the base may be a folder in it
    hashes = [manifest.catalogue_sha256, *(segment.catalogue_sha256 for segment in manifest.segments)]
    for what, actual, expected in (
        (f"{CATALOGUE} rows", len(catalogue), manifest.rows),
        (f"{CATALOGUE} content", ", ".join(catalogue.hashes), ", ".join(hashes)),
        (f"{TABLE} rows", len(table), manifest.rows),
        (f"{TABLE} width", table.width, manifest.width),
        (f"{TABLE} dtype", table.dtype, manifest.dtype),
    ):
        if actual != expected:
            raise ElqError(f"{folder}/{what} is {actual}, but the manifest says {expected}: {AGAIN}")
    if names:
        catalogue.names = names[0] if len(names) == 1 else JoinedNames(names)
    return Entities(manifest, catalogue, table, index)
