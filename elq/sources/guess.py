"""Guesses which column of a table has which field, says it in the log with an example, and refuses to guess ids and names."""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from elq.entities.columns import FIELDS, SIMILAR, plain_name, require_fields
from elq.errors import ElqError
from elq.reading.records import listing

log = logging.getLogger(__name__)

MORE = {  # further names of columns in SPARQL results and term tables, beside those of a catalogue file
    "id": "concept subject s cui conceptid conceptcode ui meshid descriptorui termid thing resource place person".split(),
    "title": "label term str string preferredname preferredterm preferred preflabel rdfslabel mh descriptorname".split(),
    "aliases": "altname altnames alternatename othername othernames entryterm entryterms sy alternativename variants".split(),
    "description": "definition definitions def scopenote comment note notes ms".split(),
    "types": "semantictype semantictypes sty typelabel classlabel instanceoflabel instancelabel parent broader group".split(),
    "popularity": "sitelinks linkcount pageview frequency count fame".split(),
}
LABEL = "Label"  # the label service of Wikidata gives ?item the names ?itemLabel, ?itemDescription and ?itemAltLabel
SERVICE = {"title": "Label", "description": "Description", "aliases": "AltLabel"}
IDENTIFIER = re.compile(r"[a-z][a-z0-9+.-]*:\S+|[QPL]\d+", re.IGNORECASE)
SHOWN = 60  # characters of an example


@dataclass(frozen=True)
class Guess:
    """Field → column of one table; ``others`` are the columns without a field."""

    columns: Mapping[str, str]
    others: tuple[str, ...]

    def column(self, name: str) -> str | None:
        """The column of a field; None if there is none."""
        return self.columns.get(name)


def guess_columns(
    columns: Sequence[str], rows: Sequence[Mapping[str, str]], given: Mapping[str, str], source: Path, *, numbered: bool = False
) -> Guess:
    """Find the columns of a table, and say in the log what was found, with an example of each.

    Args:
        columns: the names of the columns, in the order of the file.
        rows: the first rows: column → value.
        given: the user's own mapping, field → column.
        source: the file, for messages.
        numbered: whether a table without ids is taken; the numbers of its rows are its ids then.

    Raises:
        ElqError: a column of ``given`` is not in the table, or the ids or the names cannot be found.
    """
    require_fields(given)
    if absent := [name for name in given if given[name] not in columns]:
        pair = f"{absent[0]}={given[absent[0]]}"
        raise ElqError(
            f"--columns has {pair}, but {source} has no such column: its columns are {listing(columns)}, so name one of these"
        )
    found = dict(given)
    if "id" not in found and (identity := _id_column(columns, rows)):
        found["id"] = identity
    _add_by_service(found, columns)
    _add_by_name(found, columns)
    _add_article(found, columns, rows)
    _drop_addresses(found, given, rows)
    if "title" not in found and "label" in found:
        found["title"] = found["label"]
    if lacking := [name for name in ("id", "title") if name not in found and not (name == "id" and numbered)]:
        raise ElqError(
            f"{source} has no column in which elq recognises the {'ids' if lacking[0] == 'id' else 'names'}: name it by"
            f" --columns {lacking[0]}=COLUMN (its columns: {listing(columns)})"
        )
    taken = {*found.values()}
    others = tuple(column for column in columns if column not in taken)
    _tell(found, others, rows, source)
    return Guess(found, others)


def _id_column(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str | None:
    """The column of the ids: one with such a name whose values are not empty, else the first whose values are all addresses."""
    by_name = [column for column in columns if plain_name(column) in (*SIMILAR["id"][:-4], *MORE["id"])]
    serviced = [column for column in columns if column + LABEL in columns]
    alike = [column for column in columns if rows and all(IDENTIFIER.fullmatch(row.get(column, "")) for row in rows)]
    exact = [column for column in columns if column.lower() == "id"]
    for column in (*exact, *(one for one in serviced if one in by_name), *by_name, *serviced, *alike):
        if not rows or any(row.get(column) for row in rows):
            return column
    return None


def _add_by_service(found: dict[str, str], columns: Iterable[str]) -> None:
    """Add ?itemLabel, ?itemDescription and ?itemAltLabel for the ids in ?item."""
    present = {column.lower(): column for column in columns}
    for name, ending in SERVICE.items():
        column = present.get(f"{found.get('id', '')}{ending}".lower())
        if name not in found and column is not None and column not in found.values():
            found[name] = column


def _add_by_name(found: dict[str, str], columns: Sequence[str]) -> None:
    """Add columns whose names say what they have: elq's own names first, then similar ones."""
    for name in FIELDS:
        for words in ([name], SIMILAR.get(name, []), MORE.get(name, [])):
            free = {plain_name(column): column for column in reversed(columns) if column not in found.values()}
            if name not in found and name != "id" and (word := next((one for one in words if one in free), None)):
                found[name] = free[word]
    if (kinds := found.get("types")) and kinds + LABEL in columns:  # ?type has addresses, ?typeLabel their names
        found["types"] = kinds + LABEL


def _drop_addresses(found: dict[str, str], given: Mapping[str, str], rows: Sequence[Mapping[str, str]]) -> None:
    """Leave types out that are only addresses or ids, since a type is a name. Their column is kept as data."""
    column = found.get("types", "")
    values = [row[column] for row in rows if row.get(column)]
    if "types" not in given and values and all(IDENTIFIER.fullmatch(value) for value in values):
        del found["types"]


def _add_article(found: dict[str, str], columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    """Take the addresses of Wikipedia pages for titles if nothing else has the names."""
    for column in columns:
        values = [row[column] for row in rows if row.get(column)]
        if "title" not in found and values and all("/wiki/" in value for value in values) and column != found.get("id"):
            found["title"] = column


def _tell(found: Mapping[str, str], others: Sequence[str], rows: Sequence[Mapping[str, str]], source: Path) -> None:
    said = []
    for name, column in found.items():
        example = next((row[column] for row in rows if row.get(column)), "")
        shown = example if len(example) <= SHOWN else example[: SHOWN - 1] + "…"
        said.append(f"{name} = {column} ({shown!r})")
    further = f"; further columns, kept as data: {listing(others)}" if others else ""
    log.info("%s: %s%s; --columns FIELD=COLUMN chooses otherwise", source, ", ".join(said), further)
