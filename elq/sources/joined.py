"""Joins the rows of a table that are about the same entity: one row for each alias, language or type."""

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple
from urllib.parse import unquote

from elq.entities.cells import split_cell, splitting_of
from elq.errors import ElqError
from elq.sources.gathered import Gathered, no_label, rank_of
from elq.sources.guess import Guess, guess_columns
from elq.sources.source import Options, Record, Skips, Source

log = logging.getLogger(__name__)

SAMPLE = 10_000  # rows from which the columns are guessed
WIKIDATA_ID = re.compile(r"https?://(?:www\.)?wikidata\.org/(?:entity|wiki)/([QPL]\d+)")
PAGE = re.compile(r"https?://[a-z-]+\.(?:m\.)?wiki[a-z]+\.org/wiki/(.+)")
UNNAMED = re.compile(r"[QPL]\d+")  # what the label service gives for an entity without a label


class Cell(NamedTuple):
    """A value of a table, and its language ("" if it has none)."""

    text: str
    language: str = ""


Row = dict[str, Cell]


def id_of(value: str, prefix: str = "") -> str:
    """The id that an address stands for: a Wikidata id, or the address without the prefix.

    >>> id_of("http://www.wikidata.org/entity/Q42"), id_of("http://example.org/c/7", "http://example.org/c/"), id_of("urn:x")
    ('Q42', '7', 'urn:x')
    """
    if match := WIKIDATA_ID.fullmatch(value):
        return match[1]
    return value.removeprefix(prefix) or value


def page_title(value: str) -> str:
    """The title of the Wikipedia page at an address; another text as it is.

    >>> page_title("https://en.wikipedia.org/wiki/Titanic_(1997_film)"), page_title("Caf\u00e9")
    ('Titanic (1997 film)', 'Café')
    """
    match = PAGE.fullmatch(value)
    return unquote(match[1]).replace("_", " ") if match else value


class Joiner:
    """Puts rows together by their ids, in memory.

    Args:
        guess: which column has which field.
        rows: the first rows, from which it is found how lists in cells are divided.
        options: the languages that are wanted, and the prefix that ids lose.
        skips: counts rows that are left out.
    """

    def __init__(self, guess: Guess, rows: Sequence[Row], options: Options, skips: Skips) -> None:
        self.guess, self.options, self.skips = guess, options, skips
        self.entities: dict[str, Gathered] = {}
        self.wrong: list[str] = []  # values of popularity that are no number
        self.separators = {name: self._separator(name, rows) for name in ("aliases", "types")}

    def _separator(self, name: str, rows: Sequence[Row]) -> str:
        """What divides the items in the cells of a column: nothing if its items stand in rows of their own."""
        column, identity = self.guess.column(name), self.guess.column("id")
        cells: dict[str, set[str]] = {}
        for number, row in enumerate(rows):
            if column in row and row[column].text:
                key = row[identity].text if identity in row else str(number)
                cells.setdefault(key, set()).add(row[column].text)
        if any(len(values) > 1 for values in cells.values()):
            return ""
        said = splitting_of(name, column or "", [value for values in cells.values() for value in values])
        if said is None or said.doubtful:
            return ""
        log.info(
            "the column %s is read as lists: %r has the items %s", column, said.cell, split_cell(said.cell, said.separator)
        )
        return said.separator

    def add(self, place: str, row: Row) -> None:
        """Add one row. The number in ``place`` is its id if the table has none."""
        column = self.guess.column("id")
        identity = row.get(column, Cell("")).text.strip() if column else place.rpartition(" ")[2]
        if not identity:
            self.skips.add("without an id", place)
            return
        entity = self.entities.setdefault(id_of(identity, self.options.id_prefix), Gathered(place))
        for name, said in self.guess.columns.items():
            if name != "id" and said in row and (text := row[said].text.strip()):
                self._put(entity, name, Cell(text, row[said].language), place)
        for other in self.guess.others:
            if other in row and (text := row[other].text.strip()):
                entity.add_other(other, id_of(text))

    def _put(self, entity: Gathered, name: str, cell: Cell, place: str) -> None:
        rank = rank_of(cell.language, self.options.languages)
        if name == "popularity":
            entity.popularity = max(entity.popularity, self._count(cell.text, place))
        elif rank is None:
            if name in ("title", "label"):
                entity.unwanted.add(cell.language)
        elif name in ("title", "label"):
            text = page_title(cell.text)
            if not UNNAMED.fullmatch(text) and all(text != label for _, label in entity.labels):
                entity.labels.append(
                    (rank + (name == "label" and self.guess.column("title") != self.guess.column("label")), text)
                )
        elif name == "description":
            entity.descriptions.append((rank, cell.text))
        else:
            items = [item.strip() for item in split_cell(cell.text, self.separators[name])]
            getattr(entity, name).extend(id_of(item) if name == "types" else item for item in items)

    def _count(self, text: str, place: str) -> int:
        try:
            return max(0, int(float(text.replace(",", ""))))
        except (ValueError, OverflowError):
            self.wrong.append(f"{text!r} in {place}")
            return 0

    def records(self) -> Iterator[Record]:
        """The records, in the order in which their ids came first."""
        for identity, entity in self.entities.items():
            if entity.labels:
                yield entity.record(identity)
            else:
                self.skips.add(no_label(entity, self.options.languages), identity)
        if self.wrong:
            log.warning(
                "values of popularity that are no number, and are read as unknown: %d (the first: %s)",
                len(self.wrong),
                self.wrong[0],
            )


def joined(
    source: Source, columns: Sequence[str], rows: Iterable[tuple[str, Row]], *, numbered: bool = False
) -> Iterator[Record]:
    """The records of a table whose rows may be about the same entity.

    Args:
        source: the source, with its path, options and skips.
        columns: the names of the columns.
        rows: the places and the rows.
        numbered: whether rows without an id column are entities with the number of the row.

    Raises:
        ElqError: the table has no rows, or its ids or names cannot be found.
    """
    rest = iter(rows)
    head = list(islice(rest, SAMPLE))
    if not head:
        raise ElqError(f"{source.path} has no rows, but a catalogue needs at least one entity: give a file with rows")
    plain = [{name: cell.text for name, cell in row.items()} for _, row in head]
    guess = guess_columns(columns, plain, source.options.columns, source.path, numbered=numbered)
    joiner = Joiner(guess, [row for _, row in head], source.options, source.skips)
    for place, row in chain(head, rest):
        joiner.add(place, row)
    yield from joiner.records()
