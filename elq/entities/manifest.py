"""The manifest: describes the content of an entities folder and how it was made."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from elq.entities.catalogue import Catalogue
from elq.entities.prior import prior_columns
from elq.errors import AGAIN, ElqError
from elq.files import write_json
from elq.search.index import EntityIndex
from elq.search.kinds import INDEX_KINDS, index_files, index_options, open_index
from elq.search.options import Value
from elq.search.table import EntityTable

FORMAT = 4  # since format 4 a manifest contains facts only; the decision of a model is in its decision.json
# The keys of a manifest of format 3 that belong to the decision of a model; elq/linking/decision.py reads them.
MOVED_TO_DECISION = (
    *("score_mode", "score_unit", "candidates", "threshold", "mention_threshold", "calibration"),
    "tuned",
)
MANIFEST = "manifest.json"
CATALOGUE = "catalogue.arrow"
TABLE = "table.npy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The content of an entities folder, and how it was made. Many models can use the same folder."""

    entities: int  # N
    width: int  # D
    dtype: str  # of the table
    metric: str = "inner_product"
    encoder: str  # the encoder that made the table
    pooling: str
    text: dict[str, Any]  # fields of EntityText
    prior: Sequence[str] = ()  # features that have columns in the table, see elq/entities/prior.py
    precision: str  # of the encoder while it made the table
    catalogue_sha256: str  # over the records in order
    source_sha256: str  # of the file from which the records were read, and of the column mapping
    index: str  # kind of the index, see elq/search/kinds.py
    index_options: dict[str, Value] = field(default_factory=dict)  # only the options that were chosen
    files: dict[str, int]  # the size in bytes of the catalogue, table and index files
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

    def save(self, folder: str | Path) -> None:
        """Write ``manifest.json`` into an entities folder."""
        write_json(Path(folder) / MANIFEST, asdict(self))

    @classmethod
    def load(cls, folder: str | Path) -> "Manifest":
        """Read ``manifest.json`` of an entities folder.

        Raises:
            ElqError: the file is missing, is not JSON, has unknown or missing keys, or has a value that is not allowed.
        """
        values = manifest_values(folder)
        _check_format(values.get("format", FORMAT), FORMAT - 1, FORMAT)  # first: another format may have other keys
        if values.get("format") == FORMAT - 1:
            values = {key: value for key, value in values.items() if key not in MOVED_TO_DECISION} | {"format": FORMAT}
        try:
            return cls(**values)
        except TypeError as error:
            names = ", ".join(each.name for each in fields(cls))
            raise ElqError(
                f"{Path(folder) / MANIFEST} is not a manifest ({error}): it needs the keys {names}, so {AGAIN}"
            ) from None


def _check_format(found: object, *known: int) -> None:
    """Raise an ElqError for a format that this version cannot read."""
    if found not in known:
        raise ElqError(
            f"{MANIFEST} has format {found!r}, but this version of elq reads formats {FORMAT - 1} and {FORMAT}: {AGAIN}"
        )


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
    """The files that an entities folder may have besides the manifest, including those of every registered index kind."""
    return (CATALOGUE, TABLE, *index_files())


def file_sizes(folder: Path) -> dict[str, int]:
    """The size in bytes of the catalogue, table and index files of an entities folder."""
    return {name: (folder / name).stat().st_size for name in entity_files() if (folder / name).is_file()}


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


def open_entities(folder: str | Path) -> Entities:
    """Open an entities folder.

    Raises:
        ElqError: a file is missing, unreadable or a link to a place outside the folder, or it contradicts the manifest.
    """
    folder = Path(folder)
    refuse_links_out(folder, (MANIFEST, *entity_files()))
    manifest = Manifest.load(folder)
    if (sizes := file_sizes(folder)) != manifest.files:
        raise ElqError(f"{folder} has files of {sizes} bytes, but the manifest says {manifest.files}: {AGAIN}")
    catalogue, table = Catalogue(folder / CATALOGUE), EntityTable.open(folder / TABLE)
    for what, actual, expected in (
        (f"{CATALOGUE} rows", len(catalogue), manifest.entities),
        (f"{CATALOGUE} content", catalogue.sha256, manifest.catalogue_sha256),
        (f"{TABLE} rows", len(table), manifest.entities),
        (f"{TABLE} width", table.width, manifest.width),
        (f"{TABLE} dtype", table.dtype, manifest.dtype),
    ):
        if actual != expected:
            raise ElqError(f"{folder}/{what} is {actual}, but the manifest says {expected}: {AGAIN}")
    return Entities(manifest, catalogue, table, open_index(manifest.index, table, folder, manifest.index_options))
