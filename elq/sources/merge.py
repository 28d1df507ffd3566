"""Merges the parts of a catalogue into one Parquet file, and puts labels in the place of the ids of types."""

import logging
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from elq.files import replacing
from elq.sources.parts import SCHEMA, names_path, part_path
from elq.sources.source import Skips

log = logging.getLogger(__name__)

GROUP = 50_000  # rows of a row group


def merge_parts(folder: Path, numbers: Sequence[int], output: Path, skips: Skips, *, linked: bool) -> int:
    """Write one Parquet file with the entities of all parts, in their order. No file is written if there are none.

    Args:
        folder: the folder of the parts.
        numbers: the numbers of the parts, in their order.
        output: the file to write.
        skips: counts the records that are left out here.
        linked: whether types are ids of records, and are replaced by the labels of these.

    Returns:
        The number of entities in the file.
    """
    paths = [part_path(folder, number) for number in numbers]
    schema = SCHEMA
    for path in paths:
        for field in pq.read_schema(path):
            schema = schema if field.name in schema.names else schema.append(field)
    schema = schema.remove_metadata()
    repeated = _repeated_ids(paths)
    labels = _labels(folder, numbers) if linked else None
    seen: set[str] = set()
    waiting: list[pa.Table] = []
    count = rows = 0
    if not sum(pq.read_metadata(path).num_rows for path in paths):
        return 0
    with replacing(output, "wb") as stream, pq.ParquetWriter(stream, schema, compression="zstd") as writer:
        for path in paths:
            table = _without_repeated(_with_columns(pq.read_table(path), schema), repeated, seen, skips)
            waiting.append(_with_labels(table, labels) if labels is not None else table)
            rows += len(table)
            while rows >= GROUP:
                table = pa.concat_tables(waiting)
                writer.write_table(table.slice(0, GROUP), row_group_size=GROUP)
                waiting, rows, count = [table.slice(GROUP)], rows - GROUP, count + GROUP
        if rows:
            writer.write_table(pa.concat_tables(waiting), row_group_size=GROUP)
    return count + rows


def _with_columns(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """A table with all columns of a schema, in its order; those that it lacks are empty."""
    columns = [
        table.column(field.name) if field.name in table.schema.names else pa.nulls(len(table), field.type) for field in schema
    ]
    return pa.table(columns, schema=schema)


def _ids(path: Path) -> list[str]:
    ids: list[str] = pq.read_table(path, columns=["id"]).column("id").to_pylist()
    return ids


def _repeated_ids(paths: list[Path]) -> set[str]:
    """The ids that occur more than once. For each entity, 8 bytes are in memory."""
    hashes = array("q")
    for path in paths:
        hashes.extend(map(hash, _ids(path)))
    ordered = np.sort(np.frombuffer(hashes, np.int64))
    twice = {*ordered[1:][ordered[1:] == ordered[:-1]].tolist()}
    if not twice:
        return set()
    seen: set[str] = set()
    repeated: set[str] = set()
    for identity in (one for path in paths for one in _ids(path) if hash(one) in twice):
        (repeated if identity in seen else seen).add(identity)
    return repeated


def _without_repeated(table: pa.Table, repeated: set[str], seen: set[str], skips: Skips) -> pa.Table:
    """A table without the records whose id was seen in an earlier record."""
    if not repeated:
        return table
    kept = []
    for identity in table.column("id").to_pylist():
        kept.append(identity not in seen)
        if not kept[-1]:
            skips.add("the id of an earlier record", identity)
        elif identity in repeated:
            seen.add(identity)
    return table.filter(pa.array(kept, pa.bool_()))


def _names(folder: Path, numbers: Sequence[int]) -> Iterator[pa.Table]:
    """The ids and labels of all records, also of those that were left out."""
    for number in numbers:
        yield pq.read_table(part_path(folder, number), columns=["id", "label"])
        if (others := names_path(folder, number)).exists():
            yield pq.read_table(others)


def _labels(folder: Path, numbers: Sequence[int]) -> pa.Table:
    """The ids of types that occur, and their labels. Only these are in memory."""
    used = pa.array([], pa.string())
    for number in numbers:
        types = pq.read_table(part_path(folder, number), columns=["types"]).column("types").combine_chunks().flatten()
        used = pc.unique(pa.concat_arrays([used, pc.unique(types)]))
    found = pa.concat_tables(
        [table.filter(pc.is_in(table.column("id"), used)) for table in _names(folder, numbers)]
        or [pa.table({"id": used, "label": used})]
    ).combine_chunks()
    if missing := len(used) - len(pc.unique(found.column("id"))):
        log.info(
            "%s of %s types are left out, since the source has no entity with a label for them",
            f"{missing:,}",
            f"{len(used):,}",
        )
    return found


def _with_labels(table: pa.Table, labels: pa.Table) -> pa.Table:
    """A table whose types are labels instead of ids. Types without a label are left out."""
    types = table.column("types").combine_chunks()
    places = pc.index_in(types.flatten(), labels.column("id").combine_chunks())
    names = labels.column("label").combine_chunks().take(places)
    flat = iter(names.to_pylist())
    lists = [list(dict.fromkeys(name for _ in one or () if (name := next(flat)))) or None for one in types.to_pylist()]
    position = table.schema.get_field_index("types")
    return table.set_column(position, table.schema.field(position), pa.array(lists, table.schema.field(position).type))
