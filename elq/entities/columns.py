"""Columns: finds which column of a catalogue file has which field, and how its values are read."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import chain
from typing import Any

from elq.entities.cells import Splitting, split_cell, splitting_of
from elq.errors import ElqError
from elq.reading.ids import is_empty
from elq.reading.records import listing
from elq.types import Entity

log = logging.getLogger(__name__)

FIELDS = tuple(one.name for one in fields(Entity) if one.name != "data")
LISTS = ("aliases", "types")
SIMILAR = {  # other names that people give to a column, in lower case and without "_", "-" and blanks
    "id": "identifier ids qid uid uuid key code sku item itemid entity entityid uri iri url number nr no".split(),
    "title": "name names itemlabel entitylabel titles heading preflabel productname entityname fullname".split(),
    "aliases": (
        "alias synonym synonyms aka alsoknownas altlabel altlabels itemaltlabel alternativenames alternatenames othernames"
        " alternativelabels nicknames"
    ).split(),
    "description": "desc descriptions descr itemdescription summary about abstract shortdescription".split(),
    "types": "type kind kinds category categories class classes instanceof itemtype".split(),
    "popularity": "views pageviews visits clicks".split(),
}
WIKIDATA = ("labels", "descriptions", "aliases")  # keys whose values are objects with a language in Wikidata's records


def plain_name(column: str) -> str:
    """The name of a column as it is compared with :data:`SIMILAR`."""
    return "".join(letter for letter in column.lower() if letter not in "_- ")


@dataclass(frozen=True)
class Layout:
    """How the records of one file are read.

    ``columns`` is the name of our field → the name of the column, ``separators`` field → what divides the items in a cell,
    ``numbered`` says that the places of the records are their ids, and ``blanks`` that "_" in names is read as a blank.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    separators: Mapping[str, str] = field(default_factory=dict)
    numbered: bool = False
    blanks: bool = False

    @cached_property
    def column_of(self) -> dict[str, str]:
        """Every field of ours → its column, which the file may lack."""
        return {name: self.columns.get(name, name) for name in FIELDS}

    @cached_property
    def used(self) -> frozenset[str]:
        """The columns that may have a field of ours."""
        return frozenset(self.column_of.values())

    def value(self, record: Mapping[str, Any], name: str) -> Any:
        """The value of a field in a raw record; None if it is missing."""
        return record.get(self.column_of[name])

    def values(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """The values of all fields in a raw record; None for those that are missing."""
        return {name: record.get(column) for name, column in self.column_of.items()}

    def others(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """The columns that have no field of ours, with their values."""
        if record.keys() <= self.used:
            return {}
        return {name: value for name, value in record.items() if name not in self.used}


def require_fields(columns: Mapping[str, str]) -> None:
    """Raise an ElqError if a mapping of columns has a field that does not exist."""
    for name in columns:
        if name not in FIELDS:
            raise ElqError(
                f"columns names the field {name!r}, but the fields are {', '.join(FIELDS)}: write FIELD=COLUMN with one of"
                " these"
            )


def layout_of(records: Sequence[Mapping[str, Any]], columns: Mapping[str, str], source: str) -> Layout:
    """Find out how the records of a file are read, and say in the log what is not obvious.

    Args:
        records: the first records of the file, at least one.
        columns: the user's own mapping, our field → the column.
        source: the name of the file, for messages.

    Raises:
        ElqError: a column of the mapping is not in the file, the file has no column of ids or names but one with a similar
            name, or its records have the form of Wikidata's.
    """
    present = list(dict.fromkeys(chain.from_iterable(records)))
    if absent := [name for name in columns if columns[name] not in present]:
        pair = f"{absent[0]}={columns[absent[0]]}"
        raise ElqError(
            f"columns has {pair}, but {source} has no such column: its columns are {listing(present)}, so name one of these"
        )
    mapping = {**_by_case(present, columns, source), **columns}
    _refuse_wikidata(records[0], mapping, source)
    near = _similar(present, mapping)
    found = {name for name in FIELDS if mapping.get(name, name) in present}
    _require_or_suggest(found, near, present, source)
    layout = Layout(mapping)
    return Layout(
        mapping,
        {name: said.separator for name in LISTS if (said := _splitting(name, records, layout))},
        numbered=all(is_empty(value := layout.value(record, "id")) or not str(value).strip() for record in records),
        blanks=_written_with_underscores(records, layout, source),
    )


def _by_case(present: Sequence[str], columns: Mapping[str, str], source: str) -> dict[str, str]:
    """Our fields for columns whose names differ in case and blanks only, such as "Title"."""
    taken = {*columns.values()}
    other = {column.strip().lower(): column for column in present if column not in taken}
    found = {name: other[name] for name in FIELDS if name not in columns and name not in present and name in other}
    if found:
        log.info("%s: the columns %s are read as %s", source, ", ".join(found.values()), ", ".join(found))
    return found


def _similar(present: Sequence[str], mapping: Mapping[str, str]) -> dict[str, str]:
    """A column with a similar name for each field that the file does not have."""
    used = {*mapping.values(), *FIELDS}
    free = {plain_name(column): column for column in reversed(present) if column not in used}
    missing = [name for name in SIMILAR if name not in mapping and name not in present]
    return {name: near for name in missing if (near := next((free[s] for s in SIMILAR[name] if s in free), None))}


def _require_or_suggest(found: set[str], near: Mapping[str, str], present: Sequence[str], source: str) -> None:
    """Refuse a file without ids or names if other columns may have them, and warn about other fields of that kind."""
    option = ",".join(f"{name}={column}" for name, column in near.items())
    found = found | {"title"} if "label" in found else found  # one of the two is enough
    if lacking := [name for name in ("id", "title") if name in near and name not in found]:
        raise ElqError(
            f"{source} has no column {lacking[0]}: if its other columns have what elq needs, give --columns {option}, or rename"
            f" them (its columns: {listing(present)})"
        )
    if "title" not in found:
        raise ElqError(
            f"{source} has no column title or label (its columns: {listing(present)}): name the column that has the names by"
            " --columns title=COLUMN; the first row of a table must have the names of its columns"
        )
    for name, column in near.items():
        log.warning(
            "%s has no column %s, but a column %s: if that is the same, give --columns %s=%s (data.columns={%s: %s} in a"
            " training)",
            *(source, name, column, name, column, name, column),
        )


def _refuse_wikidata(record: Mapping[str, Any], mapping: Mapping[str, str], source: str) -> None:
    for name in WIKIDATA:
        value = record.get(mapping.get(name, name))
        value = next(iter(value.values()), None) if isinstance(value, dict) and "value" not in value else value
        value = value[0] if isinstance(value, list) and value else value
        if isinstance(value, dict) and {"language", "value"} <= value.keys():
            raise ElqError(wikidata_found(source, f"{name} are objects with a language"))


def wikidata_found(source: str, sign: str) -> str:
    """The message for records of Wikidata where a catalogue is wanted. ``sign`` says how they were recognised."""
    return (
        f"{source} has the records of a Wikidata dump ({sign}), which is no catalogue yet: make one by `elq catalogue"
        " DUMP --output CATALOGUE.parquet`, and give that file"
    )


def _splitting(name: str, records: Sequence[Mapping[str, Any]], layout: Layout) -> Splitting | None:
    """How the cells of a column of lists are split; the log shows a cell."""
    values = (layout.value(record, name) for record in records)
    said = splitting_of(name, layout.columns.get(name, name), [v.strip() for v in values if isinstance(v, str) and v.strip()])
    if said is None or said.separator == "|":
        return said  # as the documentation says
    if said.doubtful:
        log.warning(
            '%s: the cell %r is read as one item; if it has several, write "|" between the items of every cell', name, said.cell
        )
    else:
        items = [item.strip() for item in split_cell(said.cell, said.separator)]
        log.info("%s: the cell %r is read as %d items: %s", name, said.cell, len(items), items)
    return said


def _written_with_underscores(records: Sequence[Mapping[str, Any]], layout: Layout, source: str) -> bool:
    """Whether the names of a file have "_" where people write a blank: many names have one, and none has a blank."""
    names = [name for record in records for part in ("title", "label") if isinstance(name := layout.value(record, part), str)]
    marked = [name for name in names if "_" in name.strip("_")]
    found = 10 * len(marked) >= len(names) and bool(marked) and not any(" " in name.strip() for name in names)
    if found:
        log.info('%s: "_" in names is read as a blank, as in %r (no name has a blank)', source, marked[0])
    return found
