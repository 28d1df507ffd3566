"""The contract of a source: the records that it gives, its options, and the records that are left out."""

import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Record = dict[str, Any]
"""One entity, as a source gives it: elq's own fields (id, title, label, description: str; aliases, types: list[str];
popularity: int), of which only the id and one name are needed. Every further key is a column of its own."""


class Range(NamedTuple):
    """A chunk of whole lines by its place: the bytes [start, end) of a file."""

    file: str
    start: int
    end: int


RECORDS = 20_000  # records that are checked and written together, if a source has no chunks of its own


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a user may choose for a source. Each kind of source says in ``uses`` which of them it reads.

    Args:
        languages: codes of languages, the preferred one first. The names of the others become aliases.
        site: the wiki whose page titles are the titles of Wikidata's entities.
        type_properties: the properties of Wikidata whose values are the types of an entity.
        external_ids: the properties of Wikidata whose values are kept as columns.
        min_sitelinks: entities of Wikidata with fewer pages in all wikis are left out.
        has_sitelink: leave out the entities of Wikidata without a page in ``site``.
        types: if not empty, only the entities with one of these types are kept.
        without_types: the entities with one of these types are left out.
        subclasses: whether ``types`` and ``without_types`` stand for all classes below them too.
        internal_pages: keep the items of Wikidata about disambiguation pages, categories, templates and lists.
        redirects: a file of old and new ids; "" for none.
        columns: our field → the column of a table, where the names differ.
        sheet: the name of the sheet of a workbook; "" for the first.
        id_prefix: what ids that are addresses lose, such as "http://example.org/concept/"; "" keeps them whole.
    """

    languages: tuple[str, ...] = ("en",)
    site: str = "enwiki"
    type_properties: tuple[str, ...] = ("P31",)
    external_ids: tuple[str, ...] = ("P646",)
    min_sitelinks: int = 0
    has_sitelink: bool = False
    types: tuple[str, ...] = ()
    without_types: tuple[str, ...] = ()
    subclasses: bool = False
    internal_pages: bool = False
    redirects: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    sheet: str = ""
    id_prefix: str = ""


class Skips:
    """Counts the records that are left out, by reason, and keeps the first place of each reason."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.first: dict[str, str] = {}

    def add(self, reason: str, place: str = "", count: int = 1) -> None:
        """Count records that are left out for one reason.

        Args:
            reason: why, in words that are the same for all such records, such as "no title or label".
            place: where the record is, such as "line 7" or its id.
            count: the number of records.
        """
        self.counts[reason] += count
        self.first.setdefault(reason, place)

    def merge(self, other: Mapping[str, tuple[int, str]]) -> None:
        """Add what :meth:`content` of other skips gave."""
        for reason, (count, place) in other.items():
            self.add(reason, place, count)

    def content(self) -> dict[str, tuple[int, str]]:
        """Reason → number of records, and the first place."""
        return {reason: (count, self.first[reason]) for reason, count in self.counts.items()}

    def report(self, source: str) -> None:
        """Say in the log how many records were left out, and why; nothing if there are none."""
        for reason, count in self.counts.most_common():
            place = f" (the first: {self.first[reason]})" if self.first[reason] else ""
            log.warning("%s: left out %s record%s: %s%s", source, f"{count:,}", "" if count == 1 else "s", reason, place)


def grouped(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield lists of so many items; the last may be shorter."""
    iterator = iter(items)
    while group := list(islice(iterator, size)):
        yield group


class Source(ABC):
    """A source of records. A new kind is a subclass with :meth:`records`, and a line in elq/sources/kinds.py.

    Where parsing is slow, a kind overrides :meth:`chunks` and :meth:`parse` instead, and sets ``parallel``: then chunks are
    parsed in several processes. The chunks must be the same in every run, since a run that resumes passes over those that
    are done.

    Args:
        path: the file, which exists.
        options: what the user chose.
        skips: counts the records that this source leaves out while :meth:`records` or :meth:`chunks` run.

    Raises:
        ElqError: an option has a wrong value, or the file is of another kind.
    """

    uses: ClassVar[frozenset[str]] = frozenset()  # the names of the options that this kind reads
    linked: ClassVar[bool] = False  # whether types are ids of other records; they are replaced by the labels of these
    parallel: ClassVar[bool] = False  # whether `parse` is worth a process; the source must then be picklable

    def __init__(self, path: Path, options: Options, skips: Skips) -> None:
        self.path, self.options, self.skips = path, options, skips
        self.files = [path]  # a subclass may have several, each of which can be read without the others
        self.threads = 0  # threads that unpack a file; 0: as many as there are cores
        self.done = 0  # bytes of the file that were read; a subclass may keep it up to date, for the progress
        self.total = path.stat().st_size if path.is_file() else 0  # bytes of the file; 0 if unknown

    def prepare(self, folder: Path) -> None:  # noqa: B027 most kinds have nothing to do
        """Do what must be done before :meth:`chunks`, such as a pass over the file.

        Args:
            folder: where the result may be kept, for a run that resumes. It is emptied when the file or the options change.
        """

    @abstractmethod
    def records(self) -> Iterator[Record]:
        """Yield the records in the order of the file, with constant memory."""

    def chunks(self) -> Iterator[Any]:
        """Yield what :meth:`parse` takes: here lists of records."""
        yield from grouped(self.records(), RECORDS)

    def chunks_of(self, file: int) -> Iterator[Any]:
        """Yield the chunks of the file with this place in ``files``. A kind with several files overrides it."""
        yield from self.chunks()

    def ranges(self, file: int) -> Iterable[Range] | None:
        """The same chunks of a file as places of bytes, found without reading the file; :meth:`parse` takes these too.

        None if the file must be read from its start, as most kinds and all packed files must.
        """
        return None

    def parse(self, chunk: Any, skips: Skips, others: dict[str, str]) -> Iterable[Record]:
        """The records of one chunk.

        Args:
            chunk: a value of :meth:`chunks`.
            skips: counts the records of this chunk that are left out.
            others: id → label of records that are left out, but may be types of other records (only for ``linked``).
        """
        found: Iterable[Record] = chunk
        return found
