"""Wikidata: reads its JSON dumps, its entity files (Special:EntityData), and tables with records of its form."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from elq.errors import ElqError
from elq.reading.lines import format_of
from elq.reading.records import read_records
from elq.sources.dump import Chunk, read_chunks
from elq.sources.redirects import Redirects, read_redirects
from elq.sources.source import RECORDS, Options, Record, Skips, Source, grouped
from elq.sources.wikidata_items import ItemReader

LANGUAGE = re.compile(r"[a-z]{2,}(?:-[a-z0-9]+)*")
SITE = re.compile(r"[a-z][a-z0-9_]*")
FORMS = {"types": ("Q", "Q5"), "without_types": ("Q", "Q5"), "type_properties": ("P", "P31"), "external_ids": ("P", "P646")}
FILES = ("json", "jsonl", "ndjson")  # what is read of a folder


class WikidataSource(Source):
    """A dump of Wikidata, a file of Special:EntityData, a folder of such files, or a Parquet file with such records."""

    uses = frozenset(("languages", "site", "min_sitelinks", "has_sitelink", "redirects", "internal_pages", *FORMS))
    linked = True
    parallel = True

    def __init__(self, path: Path, options: Options, skips: Skips) -> None:
        super().__init__(path, options, skips)
        _check(options)
        self.files = _files(path)
        self.total = sum(file.stat().st_size for file in self.files)
        self.reader = ItemReader(options, read_redirects(options.redirects) if options.redirects else Redirects())

    def records(self) -> Iterator[Record]:
        """Yield the records of all items that are not left out."""
        for chunk in self.chunks():
            yield from self.parse(chunk, self.skips, {})

    def chunks(self) -> Iterator[Any]:
        """Yield chunks of lines, documents, or lists of values of a Parquet file."""
        before = 0
        for file in self.files:
            if format_of(file) == "parquet":
                yield from grouped((record for _, record in read_records(file)), RECORDS)
            else:
                yield from read_chunks(file, lambda done, before=before: setattr(self, "done", before + done))  # type: ignore[misc]
            before += file.stat().st_size
            self.done = before

    def parse(self, chunk: Any, skips: Skips, others: dict[str, str]) -> Iterable[Record]:
        """The records of one chunk."""
        values = _values(chunk, skips) if isinstance(chunk, Chunk) else ((value, str(value.get("id"))) for value in chunk)
        for value, place in values:
            for item in _items(value):
                if record := self.reader.record(item, place, skips, others):
                    yield record


def _values(chunk: Chunk, skips: Skips) -> Iterator[tuple[Any, str]]:
    """The JSON values of a chunk, and their places. Broken lines are counted."""
    if not chunk.line:
        try:
            yield orjson.loads(chunk.data.removeprefix(b"\xef\xbb\xbf")), chunk.file
        except orjson.JSONDecodeError as error:
            skips.add("not valid JSON", f"{chunk.file}: {error}")
        return
    for number, raw in enumerate(chunk.data.split(b"\n"), chunk.line):
        line = raw.strip(b"\xef\xbb\xbf\r\t ,") if number == 1 else raw.strip(b"\r\t ,")
        line = line[1:] if line.startswith(b"[") else line
        line = line[:-1] if line.endswith(b"]") else line
        if not line:
            continue
        try:
            yield orjson.loads(line), f"line {number}"
        except orjson.JSONDecodeError as error:
            skips.add("not valid JSON", f"line {number}: {error}")


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
    if options.min_sitelinks < 0:
        raise ElqError(f"--min-sitelinks is {options.min_sitelinks}, but must be 0 or more: correct it")
