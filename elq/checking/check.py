"""Checks a catalogue file: counts what is doubtful in it, how ambiguous its names are, and what should be added first."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain, compress, islice
from pathlib import Path
from typing import Any

from elq.checking.findings import LONG_DESCRIPTION, LONG_NAME, MANY_ALIASES, Findings
from elq.checking.scripts import language_of, script_of
from elq.entities.catalogue_files import SAMPLE, entity_from_record, require_catalogue
from elq.entities.columns import Layout, layout_of
from elq.entities.tally import LIKE_ID
from elq.errors import ElqError
from elq.names.lengths import Lengths, surely_short
from elq.names.records import keys_of
from elq.names.surface import FUNCTION_WORDS, without_brackets
from elq.progress import track
from elq.reading.records import read_records
from elq.types import QID, Entity

FIELDS = ("description", "aliases", "types", "popularity")
MARKUP = re.compile(r"</?[a-zA-Z][^>]*>|&(?:#\d+|[a-z]+);|\[\[|\]\]|''")
WRONG_ENCODING = re.compile("\ufffd|Ã[\x80-\xbf©¤¶¼³±¡«»]|â€|Â[\xa0-\xbf]")  # "é" read as Latin-1 is "Ã©"
LIST_IN_TEXT = re.compile(r"\[['\"].*\]|[^;]+(?:; ?[^;]+){2,}")
BATCH = 4096  # names that are cut into tokens together


@dataclass
class Names:
    """The names of a catalogue: folded name → the numbers of its entities, and what the names are written in."""

    entities: dict[str, list[int]] = field(default_factory=dict)
    scripts: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)


class Checker:
    """Looks at the entities of one file, one after the other."""

    def __init__(self) -> None:
        self.findings, self.names = Findings(), Names()
        self.filled: Counter[str] = Counter()
        self.first: dict[str, str] = {}  # id → the place of its record
        self.titles: list[str] = []
        self.told: list[bool] = []  # whether an entity has a description or types
        self.known: list[bool] = []  # whether its fame is known
        self.same: dict[tuple[str, str], str] = {}  # title and description → the first id
        self._lengths, self._waiting = Lengths(), list[tuple[str, str]]()

    def refuse(self, place: str, error: ElqError) -> None:
        """Count a record that is not an entity."""
        self.findings.add("bad records", f"{place}: {error}")

    def add(self, place: str, entity: Entity, raw: Mapping[str, Any]) -> None:
        """Look at one entity. ``raw`` are the values of its record by field, as they are in the file."""
        if (before := self.first.setdefault(entity.id, place)) != place:
            self.findings.add("duplicate ids", f"{entity.id} ({before} and {place})")
        number = len(self.titles)
        self.titles.append(entity.title)
        self.told.append(bool(entity.description or entity.types))
        self.known.append(bool(entity.popularity or QID.fullmatch(entity.id)))
        for name in FIELDS:
            self.filled[name] += bool(getattr(entity, name))
        self._look_at_names(entity, number)
        self._look_at_texts(entity, raw)

    def _look_at_names(self, entity: Entity, number: int) -> None:
        for key in keys_of(entity):
            self.names.entities.setdefault(key, []).append(number)
            if language := language_of(key):
                self.names.languages[language] += 1
        if LIKE_ID.fullmatch(entity.title):
            self.findings.add("titles like ids", f"{entity.title!r} of {entity.id}")
        for name in dict.fromkeys((entity.title, entity.label, *entity.aliases)):
            self.names.scripts[script_of(name)] += 1
            for kind in _doubts_about(name):
                self.findings.add(kind, f"{name[:LONG_NAME]!r} of {entity.id}")
            if not surely_short(short := without_brackets(name)):
                self._waiting.append((short, entity.id))
        if len(self._waiting) >= BATCH:
            self._count_tokens()

    def _look_at_texts(self, entity: Entity, raw: Mapping[str, Any]) -> None:
        identity, text = entity.id, entity.description
        if len(text) > LONG_DESCRIPTION:
            self.findings.add("long descriptions", f"{len(text):,} characters of {identity}")
        if text and text.casefold() == entity.title.casefold():
            self.findings.add("description is the title", f"{text[:LONG_NAME]!r} of {identity}")
        if WRONG_ENCODING.search(text):
            self.findings.add("wrong encoding", f"{text[:LONG_NAME]!r} of {identity}")
        if len(entity.aliases) > MANY_ALIASES:
            self.findings.add("many aliases", f"{identity} has {len(entity.aliases):,}")
        for item in (*entity.aliases, *entity.types):
            if LIST_IN_TEXT.fullmatch(item):
                self.findings.add("unsplit lists", f"{item[:LONG_NAME]!r} of {identity}")
        for name in ("aliases", "types"):
            if isinstance(items := raw.get(name), list) and (empty := sum(not str(item or "").strip() for item in items)):
                self.findings.add("empty items", f"{name} of {identity}", empty)
        if (other := self.same.setdefault((entity.title.casefold(), text), identity)) != identity:
            self.findings.add("no difference", f"{entity.title[:LONG_NAME]!r}: {other} and {identity}")

    def _count_tokens(self) -> None:
        long = self._lengths.too_long([name for name, _ in self._waiting])
        for name, identity in compress(self._waiting, long):
            self.findings.add("long for a mention", f"{name[:LONG_NAME]!r} of {identity}")
        self._waiting = []

    def finish(self) -> None:
        """Look at what is known only at the end."""
        self._count_tokens()
        if len(self.titles) > 1 and len({*self.titles}) == 1:
            self.findings.add("all titles equal", f"{self.titles[0][:LONG_NAME]!r}", len(self.titles))


def _doubts_about(name: str) -> list[str]:
    """The kinds of findings that a name belongs to."""
    tests = {
        "function words": name.lower() in FUNCTION_WORDS or (len(name) == 1 and name.isascii() and name.isalpha()),
        "numbers": name.replace(",", "").replace(".", "").isdecimal(),
        "long names": len(name) > LONG_NAME,
        "markup": MARKUP.search(name) is not None,
        "wrong encoding": WRONG_ENCODING.search(name) is not None,
    }
    return [kind for kind, found in tests.items() if found]


def check_catalogue(path: str | Path, columns: Mapping[str, str] | None = None) -> Checker:
    """Read a catalogue file and look at every record. A record that elq would refuse is counted, and the others are read on.

    Args:
        path: a JSONL, JSON, CSV or Parquet file.
        columns: our field → the file's column, for each name that differs.

    Raises:
        ElqError: the file cannot be read, its columns cannot be found, or it has no records.
    """
    path = Path(path)
    require_catalogue(path, columns)
    records = read_records(path)
    head = list(islice(records, SAMPLE))
    if not head:
        raise ElqError(f"{path} has no records, but there must be at least one to check: give a file with records")
    mappings = [record for _, record in head if isinstance(record, Mapping)]
    layout = layout_of(mappings, columns or {}, str(path)) if mappings else Layout()
    checker = Checker()
    for place, record in track(chain(head, records), "checking the catalogue"):
        _look(checker, place, record, layout)
    checker.finish()
    return checker


def _look(checker: Checker, place: str, record: Any, layout: Layout) -> None:
    try:
        if not isinstance(record, Mapping):
            raise ElqError(
                f"the record is {str(record)[:LONG_NAME]!r}, but must be an object with id and title: correct it or remove it"
            )
        entity = entity_from_record(record, layout=layout, number=place.rpartition(" ")[2])
        checker.add(place, entity, {name: layout.value(record, name) for name in ("aliases", "types")})
    except ElqError as error:
        checker.refuse(place, error)
