"""The catalogue: the entity records, memory-mapped, with a hash of their content.

File format: one Arrow IPC file with the columns of :class:`elq.types.Entity`. The rows have the order of the source, so that
row n of the catalogue, of the table and of the index is the same entity.
"""

import hashlib
import json
import tempfile
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from itertools import accumulate, groupby
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from elq.errors import AGAIN, ElqError
from elq.files import replacing
from elq.types import Entity

if TYPE_CHECKING:
    from elq.names.interface import Names

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("title", pa.string()),
        ("label", pa.string()),
        ("description", pa.string()),
        ("aliases", pa.list_(pa.string())),
        ("types", pa.list_(pa.string())),
        ("popularity", pa.int64()),
        ("data", pa.map_(pa.string(), pa.string())),
    ]
)
WITHOUT_DATA = SCHEMA.remove(len(SCHEMA) - 1)  # an older catalogue has no column of further data
HASH_KEY = "elq.sha256"  # in the metadata of the file's schema
CHUNK = 10_000  # records turned into Python objects at a time


def write_catalogue(entities: Iterable[Entity], path: str | Path, *, unique: bool = True) -> str:
    """Write a catalogue file and return the hash of its content (sha256 over the records in order).

    Args:
        entities: the records.
        path: the file.
        unique: whether an id may not occur twice.

    Raises:
        ElqError: there are no records, or an id occurs twice.
    """
    path = Path(path)
    with replacing(path.with_suffix(".records"), "wb") as stream:
        digest = _write_records(entities, stream, unique)
    with (
        pa.memory_map(str(path.with_suffix(".records"))) as source,
        replacing(path, "wb") as stream,
        pa.ipc.open_file(source) as records,
        pa.ipc.new_file(stream, SCHEMA.with_metadata({HASH_KEY: digest})) as writer,
    ):
        for number in range(records.num_record_batches):  # a second file, since the header contains the hash of all records
            writer.write_batch(records.get_batch(number))
    path.with_suffix(".records").unlink()
    return digest


def _write_records(entities: Iterable[Entity], stream: IO[bytes], unique: bool) -> str:
    digest, ids = hashlib.sha256(), []
    with pa.ipc.new_file(stream, SCHEMA) as writer:
        chunk: list[tuple[Any, ...]] = []

        def flush() -> None:
            columns = [pa.array(column, field.type) for column, field in zip(zip(*chunk, strict=True), SCHEMA, strict=True)]
            writer.write_batch(pa.record_batch(columns, schema=SCHEMA))
            ids.append(columns[0])
            chunk.clear()

        for entity in entities:
            *values, data = astuple(entity)
            chunk.append((*values, list(data.items())))
            hashed = [*values, data] if data else values  # without data, the hash is that of older catalogues
            digest.update(json.dumps(hashed, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))
            if len(chunk) == CHUNK:
                flush()
        if chunk:
            flush()
    if not ids:
        raise ElqError("the catalogue has no records, but a linker needs at least one entity: give a file with records")
    if unique:
        _refuse_duplicates(pa.chunked_array(ids))
    return digest.hexdigest()


def _refuse_duplicates(ids: pa.ChunkedArray) -> None:
    counts = pc.value_counts(ids)
    repeated = counts.filter(pc.greater(counts.field("counts"), 1))
    if len(repeated):
        example = repeated[0].as_py()
        raise ElqError(
            f"{len(repeated)} ids occur more than once in the catalogue ({example['values']!r} {example['counts']} times):"
            " remove the repeated records, or give every entity a different id"
        )


class Catalogue:
    """A memory-mapped catalogue of N rows. ``catalogue[row]`` reads one record, also one that was removed.

    Its records are in one file, or in a base file and the files of segments that were added to it. Iteration and ids leave out
    removed records. The attribute ``sha256`` is the hash of the content of the base, as it is written in the file, and
    ``hashes`` has those of all files. ``names`` are the stored names of the records, if there are any (elq/names/stored.py).

    Args:
        path: a file that :func:`write_catalogue` wrote.
        segments: further such files, whose rows follow.
        removed: rows whose records were removed.

    Raises:
        ElqError: a file is missing, incomplete, or not a catalogue.
    """

    def __init__(self, path: str | Path, *segments: str | Path, removed: frozenset[int] = frozenset()) -> None:
        self.folder = Path(path).parent
        parts = [_read(file) for file in (path, *segments)]
        self.hashes = [(part.schema.metadata or {}).get(HASH_KEY.encode(), b"").decode() for part in parts]
        self.sha256, self.removed = self.hashes[0], removed
        self.names: Names | None = None
        self._base_rows = parts[0].num_rows
        self._table = pa.concat_tables([part.replace_schema_metadata(None) for part in parts])
        self._batches = self._table.to_batches()
        self._firsts = [*accumulate((batch.num_rows for batch in self._batches), initial=0)]  # rows, and the number of all
        # rows of segments; the buffer as it is, see `records`
        self._added = np.array([row for row in range(self._base_rows, len(self)) if row not in removed], np.int64)
        inside = self._added - self._base_rows
        places = pa.Array.from_buffers(pa.int64(), len(inside), [None, pa.py_buffer(inside)])
        self._added_ids = self._table.column("id").slice(self._base_rows).take(places)

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __getitem__(self, row: int) -> Entity:
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} does not exist: the catalogue has {len(self)} rows, counted from 0")
        return self.records([row])[row]

    def records(self, rows: Iterable[int]) -> dict[int, Entity]:
        """The records of several rows, read together; negative rows mean "no entity" and are skipped."""
        found: dict[int, Entity] = {}
        for part, places in self._by_batch(rows):
            batch, inside = self._batches[part], np.array(places, np.int64) - self._firsts[part]
            if len(places) == 1:
                records = batch.slice(int(inside[0]), 1).to_pylist()
            else:  # the buffer as it is: pyarrow.array would import pandas, which takes longer than a question
                taken = pa.Array.from_buffers(pa.int64(), len(inside), [None, pa.py_buffer(inside)])
                records = batch.take(taken).to_pylist()  # take() of the table would copy its columns
            found |= zip(places, map(_entity, records), strict=True)
        return found

    def titles(self, rows: Iterable[int]) -> dict[int, tuple[str, str]]:
        """The ids and titles of several rows; negative rows mean "no entity" and are skipped."""
        found: dict[int, tuple[str, str]] = {}
        for part, places in self._by_batch(rows):
            first, (ids, titles) = self._firsts[part], (self._batches[part].column(column) for column in (0, 1))
            found |= {row: (ids[row - first].as_py(), titles[row - first].as_py()) for row in places}
        return found

    def _by_batch(self, rows: Iterable[int]) -> Iterator[tuple[int, list[int]]]:
        """The batches of records that have these rows, and the rows of each, in ascending order; negative rows are skipped.

        Raises:
            IndexError: a row does not exist.
        """
        for part, found in groupby(sorted({row for row in rows if row >= 0}), lambda row: bisect_right(self._firsts, row) - 1):
            places = list(found)
            if part == len(self._batches):
                raise IndexError(f"row {places[0]} does not exist: the catalogue has {len(self)} rows, counted from 0")
            yield part, places

    def by_id(self, ids: Iterable[str]) -> dict[str, Entity]:
        """Id → record, for those of the ids that the catalogue contains."""
        return {record.id: record for record in self.records(self.rows(sorted({*ids})).tolist()).values()}

    def titled(self, titles: Iterable[str]) -> list[int]:
        """The rows of the entities that have one of these titles, in ascending order."""
        found = pc.is_in(self._table.column("title"), value_set=pa.array(sorted({*titles}), pa.string()))
        return [row for row in np.flatnonzero(np.asarray(found)).tolist() if row not in self.removed]

    def __iter__(self) -> Iterator[Entity]:
        yield from (entity for row, entity in enumerate(self.all_rows()) if row not in self.removed)

    def all_rows(self) -> Iterator[Entity]:
        """The records of all rows in their order, also the removed ones."""
        for batch in self._table.to_batches(max_chunksize=CHUNK):
            yield from map(_entity, batch.to_pylist())

    def all_types(self) -> Iterator[Sequence[str]]:
        """The types of all rows in their order, also of the removed ones."""
        for batch in self._table.select(["types"]).to_batches(max_chunksize=CHUNK):
            yield from batch.column(0).to_pylist()

    def type_counts(self) -> dict[str, int]:
        """Each type of the entities, and how many of them have it: the most frequent first, then in alphabetical order."""
        found = pc.value_counts(pc.list_flatten(self._table.column("types")))
        counts = Counter(dict(zip(*(found.field(name).to_pylist() for name in ("values", "counts")), strict=True)))
        for entity in self.records(self.removed).values():
            counts.subtract(entity.types)
        return {name: count for name, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])) if count > 0}

    def rows(self, ids: Sequence[str]) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The row of each id, int64; −1 for an id that the catalogue does not contain."""
        wanted = pa.array(ids, pa.string())
        found = _places(wanted, self._table.column("id").slice(0, self._base_rows))
        found[np.isin(found, [*self.removed])] = -1
        if len(self._added):
            added = _places(wanted, self._added_ids)
            found = np.where(added < 0, found, self._added[added])
        return found


def _read(path: str | Path) -> pa.Table:
    try:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        table.validate(full=True)  # later reads use the offsets in the file without checking them
    except (OSError, pa.ArrowInvalid) as error:
        raise ElqError(f"{path} is not a readable catalogue ({error}): {AGAIN}") from None
    if table.schema == WITHOUT_DATA:
        table = table.append_column(SCHEMA.field("data"), pa.nulls(table.num_rows, SCHEMA.field("data").type))
    if table.schema != SCHEMA:
        raise ElqError(f"{path} has the columns {table.column_names}, but needs {SCHEMA.names} with their types: {AGAIN}")
    return table


def _places(wanted: pa.Array, among: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.asarray(pc.fill_null(pc.index_in(wanted, value_set=among), -1)).astype(np.int64)


def _entity(record: dict[str, Any]) -> Entity:
    lists = {"aliases": tuple(record["aliases"]), "types": tuple(record["types"]), "data": dict(record.get("data") or ())}
    return Entity(**{**record, **lists})


@contextmanager
def temporary_catalogue(entities: Iterable[Entity]) -> Iterator[Catalogue]:
    """A catalogue of records in a temporary file, without stored names.

    Raises:
        ElqError: there are no records, or an id occurs twice.
    """
    with tempfile.TemporaryDirectory() as folder:
        write_catalogue(entities, path := Path(folder) / "catalogue.arrow")
        yield Catalogue(path)
