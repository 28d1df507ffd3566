"""Tally: counts what the records of a catalogue file have, and warns of what is probably a mistake."""

import logging
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from elq.errors import ElqError
from elq.types import Entity

log = logging.getLogger(__name__)

COUNTED = ("title", "label", "description", "aliases", "types", "popularity")
ALWAYS_SAID = ("title", "description", "aliases", "types")
WIKIDATA_ID = re.compile(r"[QPL]\d+")
LIKE_ID = re.compile(r"https?://\S+|[QPL]\d{2,}|\d+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class Tally:
    """Counts the entities of one file while they are read.

    Args:
        source: the name of the file, for messages.
    """

    def __init__(self, source: str) -> None:
        self.source, self.count = source, 0
        self.filled: Counter[str] = Counter()
        self.others: dict[str, None] = {}  # names of further columns, in the order of the file
        self.titles: set[str] = set()  # at most two different ones
        self.without_name: list[str] = []  # one title that is only an id, and the entity's id
        self.numbers = 0
        self._hashes = array("q")  # of the ids; a set of a million texts would need 100 MB

    def add(self, entity: Entity, present: Sequence[str]) -> None:
        """Count one entity. ``present`` are the fields that its record has, which are not empty."""
        self.count += 1
        for name in present:
            self.filled[name] += 1
        if entity.data:
            self.others.update(dict.fromkeys(entity.data))
        if len(self.titles) < 2:
            self.titles.add(entity.title)
        self.numbers += LIKE_ID.fullmatch(entity.title) is not None
        if not self.without_name and WIKIDATA_ID.fullmatch(entity.title) and entity.id.endswith(entity.title):
            self.without_name = [entity.title, entity.id]
        self._hashes.append(hash(entity.id))

    def report(self) -> None:
        """Log how many records have each field, and what looks like a mistake."""
        if not self.count:
            raise ElqError(f"{self.source} has no records, but a linker needs at least one entity: give a file with records")
        said = [
            f"{name} {self.filled[name]:,}" + ("" if self.filled[name] else f" of {self.count:,}")
            for name in COUNTED
            if self.filled[name] or name in ALWAYS_SAID
        ]
        log.info("read %s record%s: %s", f"{self.count:,}", "" if self.count == 1 else "s", ", ".join(said))
        if self.others:
            log.info("further columns, kept as data of each entity: %s", ", ".join(self.others))
        self._warn()

    def _warn(self) -> None:
        remedy = "name the column that has the names by --columns title=COLUMN (data.columns={title: COLUMN} in a training)"
        if len(self.titles) == 1 and self.count > 1:
            log.warning("%s: all %s titles are %r: %s", self.source, f"{self.count:,}", *self.titles, remedy)
        elif 2 * self.numbers >= self.count:
            log.warning(
                "%s: %s of %s titles look like ids or numbers: %s", self.source, f"{self.numbers:,}", f"{self.count:,}", remedy
            )
        elif self.without_name:
            log.warning(
                "%s: the title %r of %s looks like an id: leave out entities without a name, or give them one",
                *(self.source, *self.without_name),
            )

    def require_distinct(self, again: Callable[[], Iterator[tuple[str, str]]]) -> None:
        """Refuse ids that occur more than once.

        Args:
            again: reads the places and the ids of the file once more; it is called only if two ids may be equal.

        Raises:
            ElqError: an id occurs twice; the message says both places.
        """
        hashes = np.sort(np.frombuffer(self._hashes, np.int64))
        repeated = {*hashes[1:][hashes[1:] == hashes[:-1]].tolist()}
        if not repeated:
            return
        first: dict[str, str] = {}
        twice: dict[str, str] = {}
        for place, identity in again():
            if hash(identity) in repeated and first.setdefault(identity, place) != place:
                twice.setdefault(identity, place)
        for identity, place in twice.items():
            more = f" ({len(twice):,} ids occur more than once)" if len(twice) > 1 else ""
            raise ElqError(
                f"{self.source}, {place}: the id {identity!r} is that of {first[identity]} too{more}: remove the repeated"
                " records, or give every entity a different id"
            )
