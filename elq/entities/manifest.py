"""The manifest of an entities folder: what the folder holds, and how it was made."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from elq.entities.catalogue import Catalogue
from elq.entities.prior import prior_columns
from elq.errors import ElqError
from elq.files import write_json
from elq.search.index import EntityIndex
from elq.search.kinds import INDEX_KINDS, index_files, index_options, open_index
from elq.search.options import Value
from elq.search.table import EntityTable

FORMAT = 4  # 4: facts only; the decisions of a model are in its decision.json
# What a manifest of format 3 held beside its facts: linking/decision.py reads it from there.
MOVED_TO_DECISION = (
    *("score_mode", "score_unit", "candidates", "threshold", "mention_threshold", "calibration"),
    "tuned",
)
MANIFEST = "manifest.json"
CATALOGUE = "catalogue.arrow"
TABLE = "table.npy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an entities folder holds, and how it was made. One such folder serves many models."""

    entities: int  # N
    width: int  # D
    dtype: str  # of the table
    metric: str = "inner_product"
    encoder: str  # that made the table
    pooling: str
    text: dict[str, Any]  # fields of EntityText
    prior: Sequence[str] = ()  # features behind the vectors, see elq/entities/prior.py
    precision: str  # of the encoder while it made the table
    catalogue_sha256: str  # over the records in order
    source_sha256: str  # of the file the records came from, and of the column mapping
    index: str  # kind, see elq/search/kinds.py
    index_options: dict[str, Value] = field(default_factory=dict)  # of the kind, only those that were chosen
    files: dict[str, int]  # bytes of every file beside the manifest
    format: int = FORMAT

    def __post_init__(self) -> None:
        for name, allowed in (("index", INDEX_KINDS), ("metric", ("inner_product",))):
            if getattr(self, name) not in allowed:
                raise ElqError(f"manifest has {name} {getattr(self, name)!r}, but must have one of {', '.join(allowed)}")
        index_options(self.index, self.index_options)
        if self.format != FORMAT:
            raise ElqError(
                f"manifest has format {self.format}, but formats {FORMAT - 1} and {FORMAT} can be read: build it again"
            )
        if not isinstance(self.prior, list | tuple):
            raise ElqError(f"manifest has the prior {self.prior!r}, but it must be a list of features: build the folder again")
        prior_columns(self.prior)

    def save(self, folder: str | Path) -> None:
        """Write ``manifest.json`` into an entities folder."""
        write_json(Path(folder) / MANIFEST, asdict(self))

    @classmethod
    def load(cls, folder: str | Path) -> "Manifest":
        """Read ``manifest.json`` of an entities folder.

        Raises:
            ElqError: missing, not JSON, unknown or missing keys, or a value that is not allowed.
        """
        values = manifest_values(folder)
        if values.get("format") == FORMAT - 1:
            values = {key: value for key, value in values.items() if key not in MOVED_TO_DECISION} | {"format": FORMAT}
        try:
            return cls(**values)
        except TypeError as error:
            names = ", ".join(each.name for each in fields(cls))
            raise ElqError(f"{Path(folder) / MANIFEST} is not a manifest ({error}): it needs the keys {names}") from None


def manifest_values(folder: str | Path) -> dict[str, Any]:
    """The values of ``manifest.json`` as they stand there, of any format.

    Raises:
        ElqError: the file is missing, or holds no JSON object.
    """
    path = Path(folder) / MANIFEST
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ElqError(f"{folder} has no {MANIFEST}: build the entities with `elq build`") from None
    except (OSError, ValueError) as error:
        raise ElqError(f"{path} is not a manifest ({error}): build the entities again with `elq build`") from None
    if not isinstance(values, dict):
        raise ElqError(f"{path} is not a manifest (it holds no object): build the entities again with `elq build`")
    return values


def entity_files() -> tuple[str, ...]:
    """The files that an entities folder may have beside the manifest, those of every registered index kind included."""
    return (CATALOGUE, TABLE, *index_files())


def file_sizes(folder: Path) -> dict[str, int]:
    """Bytes of the catalogue, table and index files that an entities folder holds."""
    return {name: (folder / name).stat().st_size for name in entity_files() if (folder / name).is_file()}


def refuse_links_out(folder: Path, names: Sequence[str]) -> None:
    """Refuse files that are symbolic links to places outside their folder: what is loaded is what the folder holds.

    The Hub's cache, whose folders link to the files of the same repository beside them, is one folder in this sense.

    Raises:
        ElqError: such a link.
    """
    root = folder.resolve()
    root = next((path.parent for path in root.parents if path.name == "snapshots" and (path.parent / "blobs").is_dir()), root)
    for name in names:
        target = (folder / name).resolve()
        if not target.is_relative_to(root):
            raise ElqError(f"{folder / name} is a link to {target}, outside the folder: put a copy of the file in its place")


@dataclass(frozen=True, slots=True)
class Entities:
    """An opened entities folder; every part is memory-mapped and has the same N."""

    manifest: Manifest
    catalogue: Catalogue
    table: EntityTable
    index: EntityIndex


def open_entities(folder: str | Path) -> Entities:
    """Open an entities folder.

    Raises:
        ElqError: a part is missing, unreadable or a link out of the folder, or contradicts the manifest (both values named).
    """
    folder = Path(folder)
    refuse_links_out(folder, (MANIFEST, *entity_files()))
    manifest = Manifest.load(folder)
    if (sizes := file_sizes(folder)) != manifest.files:
        raise ElqError(f"{folder} holds files of {sizes} bytes, but the manifest says {manifest.files}: build the folder again")
    catalogue, table = Catalogue(folder / CATALOGUE), EntityTable.open(folder / TABLE)
    for what, actual, expected in (
        (f"{CATALOGUE} rows", len(catalogue), manifest.entities),
        (f"{CATALOGUE} content", catalogue.sha256, manifest.catalogue_sha256),
        (f"{TABLE} rows", len(table), manifest.entities),
        (f"{TABLE} width", table.width, manifest.width),
        (f"{TABLE} dtype", table.dtype, manifest.dtype),
    ):
        if actual != expected:
            raise ElqError(f"{folder}/{what} is {actual}, but the manifest says {expected}: build the folder again")
    return Entities(manifest, catalogue, table, open_index(manifest.index, table, folder, manifest.index_options))
