"""Wikidata: reads its JSON dumps, its entity files (Special:EntityData), and tables with records of its form."""

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from elq.errors import ElqError
from elq.files import write_json
from elq.progress import Meter
from elq.reading.lines import format_of
from elq.reading.records import read_records
from elq.sources.dump import Chunk, has_ranges, ranges_of, read_chunks, read_range
from elq.sources.redirects import Redirects, read_redirects
from elq.sources.source import RECORDS, Options, Range, Record, Skips, Source, grouped
from elq.sources.subclasses import SUBCLASS_OF, Subclasses
from elq.sources.wikidata_items import ItemReader, statements

log = logging.getLogger(__name__)

CLASSES = "classes.json"  # in the folder of the parts: the chosen types with their subclasses
LANGUAGE = re.compile(r"[a-z]{2,}(?:-[a-z0-9]+)*")
SITE = re.compile(r"[a-z][a-z0-9_]*")
FORMS = {"types": ("Q", "Q5"), "without_types": ("Q", "Q5"), "type_properties": ("P", "P31"), "external_ids": ("P", "P646")}
FILES = ("json", "jsonl", "ndjson")  # what is read of a folder


class WikidataSource(Source):
    """A dump of Wikidata, a file of Special:EntityData, a folder of such files, or a Parquet file with such records."""

    uses = frozenset(
        ("languages", "site", "min_sitelinks", "has_sitelink", "redirects", "internal_pages", "subclasses", *FORMS)
    )
    linked = True
    parallel = True

    def __init__(self, path: Path, options: Options, skips: Skips) -> None:
        super().__init__(path, options, skips)
        _check(options)
        self.files = _files(path)
        self.total = sum(file.stat().st_size for file in self.files)
        self.reader = ItemReader(options, read_redirects(options.redirects) if options.redirects else Redirects())

    def prepare(self, folder: Path) -> None:
        """With ``subclasses``, read the dump once and find the classes below the chosen types."""
        if not self.options.subclasses:
            return
        kept = folder / CLASSES
        if kept.is_file():
            types, without = json.loads(kept.read_text(encoding="utf-8"))
        else:
            known = self._subclasses()
            types, without = known.below(self.options.types), known.below(self.options.without_types)
            log.info("%s statements about subclasses: --types are %s classes now", f"{len(known):,}", f"{len(types):,}")
            write_json(kept, [types, without])
        self.reader.choose(types, without)

    def _subclasses(self) -> Subclasses:
        """The statements about subclasses, of which only the lines that have some are read as JSON."""
        known, property_name, current = Subclasses(), f'"{SUBCLASS_OF}"'.encode(), self.reader.redirects.current
        with Meter(f"subclasses in {self.path}", self.total) as meter:
            for chunk in self.chunks():
                meter.show(self.done)
                if isinstance(chunk, Chunk) and chunk.line:
                    lines = (line for line in chunk.data.split(b"\n") if property_name in line)
                    chunk = chunk._replace(data=b"\n".join(lines))
                for item, _ in _placed(chunk, Skips()):
                    if isinstance(item, dict) and isinstance(child := item.get("id"), str):
                        for parent in statements(item, SUBCLASS_OF):
                            known.add(current(child), current(parent))
        return known

    def records(self) -> Iterator[Record]:
        """Yield the records of all items that are not left out."""
        for chunk in self.chunks():
            yield from self.parse(chunk, self.skips, {})

    def chunks(self) -> Iterator[Any]:
        """Yield the chunks of all files."""
        for file in range(len(self.files)):
            yield from self.chunks_of(file)

    def chunks_of(self, file: int) -> Iterator[Any]:
        """Yield chunks of lines, documents, or lists of values of a Parquet file."""
        path, before = self.files[file], self.done if file else 0
        if format_of(path) == "parquet":
            yield from grouped((record for _, record in read_records(path)), RECORDS)
        else:
            yield from read_chunks(path, lambda done: setattr(self, "done", before + done), self.threads)
        self.done = before + path.stat().st_size

    def ranges(self, file: int) -> Iterable[Range] | None:
        """The places of the chunks of a dump that is not packed."""
        path = self.files[file]
        return ranges_of(path) if format_of(path) != "parquet" and has_ranges(path) else None

    def parse(self, chunk: Any, skips: Skips, others: dict[str, str]) -> Iterable[Record]:
        """The records of one chunk."""
        if isinstance(chunk, Range):
            chunk = read_range(chunk)
        for item, place in _placed(chunk, skips):
            if record := self.reader.record(item, place, skips, others):
                yield record


def _placed(chunk: Any, skips: Skips) -> Iterator[tuple[Any, str]]:
    """The items of a chunk, and their places."""
    values = _values(chunk, skips) if isinstance(chunk, Chunk) else ((value, str(value.get("id"))) for value in chunk)
    for value, place in values:
        for item in _items(value):
            yield item, place


def _values(chunk: Chunk, skips: Skips) -> Iterator[tuple[Any, str]]:
    """The JSON values of a chunk, and their places. Broken lines are counted."""
    if not chunk.line:
        try:
            yield orjson.loads(chunk.data.removeprefix(b"\xef\xbb\xbf")), chunk.file
        except orjson.JSONDecodeError as error:
            skips.add("not valid JSON", f"{chunk.file}: {error}")
        return
    behind = f" behind byte {chunk.start}" if chunk.start else ""
    for number, raw in enumerate(chunk.data.split(b"\n"), chunk.line):
        line = raw.strip(b"\xef\xbb\xbf\r\t ,") if number == 1 and not chunk.start else raw.strip(b"\r\t ,")
        line = line[1:] if line.startswith(b"[") else line
        line = line[:-1] if line.endswith(b"]") else line
        if not line:
            continue
        try:
            yield orjson.loads(line), f"line {number}{behind}"
        except orjson.JSONDecodeError as error:
            skips.add("not valid JSON", f"line {number}{behind}: {error}")


def _items(value: Any) -> Iterable[Any]:
    """The items of a JSON value: a list, the answer of Special:EntityData, items by their ids, or one item."""
    if isinstance(value, list):
        return value
    if isinstance(value, Mapping):
        inner = value.get("entities")
        if isinstance(inner, Mapping):
            return inner.values()
        if isinstance(inner, list):
            return inner
        if value and "id" not in value and all(isinstance(one, Mapping) and "id" in one for one in value.values()):
            return value.values()
    return [value]


def _files(path: Path) -> list[Path]:
    """The files of a source, in the order of their names.

    Raises:
        ElqError: the folder has none.
    """
    if not path.is_dir():
        return [path]
    files = sorted(one for one in path.iterdir() if one.is_file() and format_of(one) in FILES and one.name[0] != ".")
    if not files:
        raise ElqError(
            f"the folder {path} has no file that ends in .{', .'.join(FILES)}: give the folder with the entity files"
        )
    return files


def _check(options: Options) -> None:
    """Check what the user chose.

    Raises:
        ElqError: a language, a site, an id or a number has a wrong form.
    """
    if wrong := [one for one in options.languages if not LANGUAGE.fullmatch(one)]:
        raise ElqError(f"--languages has {wrong[0]!r}, but must be codes as Wikidata writes them: write en,de or zh-hans")
    if not options.languages:
        raise ElqError("--languages has no language, but names are read in at least one: write --languages en")
    if not SITE.fullmatch(options.site):
        raise ElqError(f"--site is {options.site!r}, but must be a wiki as Wikidata writes it: write enwiki or dewiki")
    for name, (letter, example) in FORMS.items():
        for one in getattr(options, name):
            if not re.fullmatch(rf"{letter}[1-9][0-9]*", one):
                raise ElqError(f"--{name.replace('_', '-')} has {one!r}, but must be ids such as {example}: correct it")
    if options.subclasses and not (options.types or options.without_types):
        raise ElqError("--subclasses is given without --types and --without-types: give the types, or leave it out")
    if options.min_sitelinks < 0:
        raise ElqError(f"--min-sitelinks is {options.min_sitelinks}, but must be 0 or more: correct it")
