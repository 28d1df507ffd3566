"""The catalogue: entity records in a stable order, memory-mapped, with a content hash.

File format: one Arrow IPC file with the columns of :class:`elq.types.Entity`. Rows keep the order of the source, so that
row n of the catalogue is row n of the table and of the index.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from elq.encoding.tokens import SURROGATES
from elq.errors import ElqError
from elq.files import read_jsonl, replacing
from elq.types import NIL, Entity

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("title", pa.string()),
        ("label", pa.string()),
        ("description", pa.string()),
        ("aliases", pa.list_(pa.string())),
        ("types", pa.list_(pa.string())),
        ("popularity", pa.int64()),
    ]
)
SUFFIXES = (".jsonl", ".csv", ".parquet")
HASH_KEY = "elq.sha256"  # in the metadata of the file's schema
CHUNK = 10_000  # records turned into Python objects at a time


def entity_from_record(record: Mapping[str, Any], columns: Mapping[str, str] | None = None) -> Entity:
    """Check one raw record and give it our names.

    ``title`` falls back to ``label`` and ``label`` to ``title``; lists may also be strings with "|" between the items.

    Args:
        record: column name → value, as read from the source.
        columns: our field → the source's column, for the fields whose names differ.

    Raises:
        ElqError: a missing id or name, or a value of the wrong type.

    >>> entity_from_record({"qid": 5, "title": "Titanic", "aliases": "RMS Titanic|Titan"}, {"id": "qid"}).aliases
    ('RMS Titanic', 'Titan')
    """
    names = columns or {}
    values = {field: record.get(names.get(field, field)) for field in SCHEMA.names}
    identity, title, label, description = (_text(field, values[field]) for field in ("id", "title", "label", "description"))
    if not identity:
        raise ElqError(f"the record has no id (its columns: {', '.join(record)}): add one, or map a column to id")
    if identity == NIL:
        raise ElqError(f"an entity has the id {NIL}, which stands for none of the catalogue in links: give it another id")
    if not (title or label):
        raise ElqError(f"entity {identity} has neither title nor label: add one, or map a column to it")
    aliases, types = (_strings(field, values[field]) for field in ("aliases", "types"))
    count = _count("popularity", values["popularity"])
    return Entity(identity, title or label, label or title, description, aliases, types, count)


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, float) and value != value)  # readers give NaN for an empty cell


def _text(field: str, value: object) -> str:
    if _is_empty(value):
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ElqError(f"{field} is {value!r}, but must be a string: correct it or map another column to {field}")
    return _encodable(field, str(value).strip())


def _encodable(field: str, text: str) -> str:
    if SURROGATES.search(text):
        raise ElqError(f"{field} is {text!r}, which holds half of a character (a lone surrogate): correct it")
    return text


def _strings(field: str, value: object) -> tuple[str, ...]:
    items = () if _is_empty(value) else value.split("|") if isinstance(value, str) else value
    if not isinstance(items, Sequence) or not all(isinstance(item, str) for item in items):
        raise ElqError(f'{field} is {value!r}, but must be a list of strings, or one string with "|" between them')
    return tuple(_encodable(field, item.strip()) for item in items if item.strip())


def _count(field: str, value: object) -> int:
    if _is_empty(value) or value == "":
        return 0
    number = float(value) if isinstance(value, str) and value.isdecimal() else value
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < 2**63 or number != int(number):
        raise ElqError(f"{field} is {value!r}, but must be a whole number from 0 (unknown) to 2^63 - 1")
    return int(value)  # type: ignore[call-overload, no-any-return]


def _raw_records(path: Path, columns: Mapping[str, str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(place in the file, raw record) in file order.

    CSV and Parquet come through ``datasets``. JSON lines do not: where a column mixes types, its reader turns the values
    into JSON text without a word, and it cannot name the line of a bad record.
    """
    if path.suffix == ".jsonl":
        for line, record in read_jsonl(path):
            yield f"line {line}", record
        return
    import datasets

    kind, number = path.suffix.removeprefix("."), 0
    # as text, since pandas would read the id 007 as 7 and the name Null as nothing
    as_text = {"converters": {columns.get(field, field): str for field in SCHEMA.names}}
    try:
        settings = as_text if kind == "csv" else {}
        stream = datasets.load_dataset(kind, data_files=str(path), split="train", streaming=True, **settings)
        for chunk in stream.with_format("arrow").iter(batch_size=CHUNK):
            for record in chunk.to_pylist():
                number += 1
                yield f"record {number}", record
    except Exception as error:  # the parsers' own error types are many; each of them means a bad file
        if isinstance(error, ElqError):
            raise
        raise ElqError(f"{path} could not be read as {kind} after record {number} ({error}): correct the file") from error


def read_entities(path: str | Path, columns: Mapping[str, str] | None = None) -> Iterator[Entity]:
    """Stream the entities of a JSONL, CSV or Parquet file in file order, in constant memory.

    Raises:
        ElqError: a missing file, an unknown suffix, an unknown field in ``columns``, or a bad record (with its place).
    """
    path, known = Path(path), [field.name for field in fields(Entity)]
    if path.suffix not in SUFFIXES:
        raise ElqError(f"catalogue {path} must end in one of {', '.join(SUFFIXES)}: convert it or rename it")
    if not path.is_file():
        raise ElqError(f"catalogue {path} does not exist: give the path of a {', '.join(SUFFIXES)} file")
    for field in columns or {}:
        if field not in known:
            raise ElqError(f"column mapping names the field {field!r}, but the fields are {', '.join(known)}")
    for place, record in _raw_records(path, columns or {}):
        try:
            entity = entity_from_record(record, columns)
        except ElqError as error:
            raise ElqError(f"{path}, {place}: {error}") from None
        yield entity


def write_catalogue(entities: Iterable[Entity], path: str | Path) -> str:
    """Write the memory-mappable catalogue file and return its content hash (sha256 over the records in order).

    Raises:
        ElqError: no records at all, or an id that occurs twice.
    """
    path = Path(path)
    with replacing(path.with_suffix(".records"), "wb") as stream:
        digest = _write_records(entities, stream)
    with (
        pa.memory_map(str(path.with_suffix(".records"))) as source,
        replacing(path, "wb") as stream,
        pa.ipc.open_file(source) as records,
        pa.ipc.new_file(stream, SCHEMA.with_metadata({HASH_KEY: digest})) as writer,
    ):
        for number in range(records.num_record_batches):  # the hash is known last, but stands in the file's header
            writer.write_batch(records.get_batch(number))
    path.with_suffix(".records").unlink()
    return digest


def _write_records(entities: Iterable[Entity], stream: IO[bytes]) -> str:
    digest, ids = hashlib.sha256(), []
    with pa.ipc.new_file(stream, SCHEMA) as writer:
        chunk: list[tuple[Any, ...]] = []

        def flush() -> None:
            columns = [pa.array(column, field.type) for column, field in zip(zip(*chunk, strict=True), SCHEMA, strict=True)]
            writer.write_batch(pa.record_batch(columns, schema=SCHEMA))
            ids.append(columns[0])
            chunk.clear()

        for entity in entities:
            chunk.append(astuple(entity))
            digest.update(json.dumps(chunk[-1], ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))
            if len(chunk) == CHUNK:
                flush()
        if chunk:
            flush()
    if not ids:
        raise ElqError("the catalogue has no records: a linker needs at least one entity")
    _refuse_duplicates(pa.chunked_array(ids))
    return digest.hexdigest()


def _refuse_duplicates(ids: pa.ChunkedArray) -> None:
    counts = pc.value_counts(ids)
    repeated = counts.filter(pc.greater(counts.field("counts"), 1))
    if len(repeated):
        example = repeated[0].as_py()
        raise ElqError(
            f"{len(repeated)} ids occur more than once in the catalogue ({example['values']!r} {example['counts']} times):"
            " every entity needs an id of its own"
        )


class Catalogue:
    """A memory-mapped catalogue file. N entities; ``catalogue[row]`` builds one record when it is asked for.

    Args:
        path: what :func:`write_catalogue` wrote. ``sha256`` is the content hash that stands in it.

    Raises:
        ElqError: the file is missing, cut short, or no catalogue.
    """

    def __init__(self, path: str | Path) -> None:
        try:
            self._table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
            self._table.validate(full=True)  # its offsets are followed without a further look
        except (OSError, pa.ArrowInvalid) as error:
            raise ElqError(f"{path} is not a readable catalogue ({error}): build the folder again") from None
        self.sha256: str = (self._table.schema.metadata or {}).get(HASH_KEY.encode(), b"").decode()
        if self._table.schema != SCHEMA:
            raise ElqError(f"{path} has the columns {self._table.column_names}, but needs {SCHEMA.names}: build it again")

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __getitem__(self, row: int) -> Entity:
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} is outside the catalogue's {len(self)} rows")
        return _entity(self._table.slice(row, 1).to_pylist()[0])

    def __iter__(self) -> Iterator[Entity]:
        for batch in self._table.to_batches(max_chunksize=CHUNK):
            yield from map(_entity, batch.to_pylist())

    def rows(self, ids: Sequence[str]) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Row of each id, int64 of the same length; -1 where the catalogue has none."""
        found = pc.index_in(pa.array(ids, pa.string()), value_set=self._table.column("id"))
        return np.asarray(pc.fill_null(found, -1)).astype(np.int64)


def _entity(record: dict[str, Any]) -> Entity:
    return Entity(**{**record, "aliases": tuple(record["aliases"]), "types": tuple(record["types"])})
