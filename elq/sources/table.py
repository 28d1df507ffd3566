"""Tables: reads any catalogue file that elq reads (JSONL, JSON, CSV, Parquet), so that it becomes a checked Parquet file."""

import logging
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import Any, ClassVar

from elq.entities.catalogue_files import SAMPLE, entity_from_record, require_catalogue
from elq.entities.columns import FIELDS, layout_of
from elq.errors import ElqError
from elq.reading.records import read_records
from elq.sources.source import Record, Source

log = logging.getLogger(__name__)


class TableSource(Source):
    """The records of a catalogue file. A record that elq would refuse is counted, and the others are read on."""

    uses: ClassVar[frozenset[str]] = frozenset({"columns"})

    def records(self) -> Iterator[Record]:
        """Yield the records in the order of the file.

        Raises:
            ElqError: the file cannot be read, or its ids or names cannot be found.
        """
        require_catalogue(self.path, self.options.columns)
        rows = read_records(self.path)
        head = list(islice(rows, SAMPLE))
        if not any(isinstance(record, Mapping) for _, record in head):
            raise ElqError(f"{self.path} has no records, but a catalogue needs at least one entity: give a file with records")
        layout = layout_of([row for _, row in head if isinstance(row, Mapping)], self.options.columns, str(self.path))
        self._warn_of_joined_rows([layout.value(row, "id") for _, row in head if isinstance(row, Mapping)])
        for place, row in chain(head, rows):
            try:
                if not isinstance(row, Mapping):
                    raise ElqError("it is no object with id and title")
                entity = entity_from_record(row, layout=layout, number=place.rpartition(" ")[2])
            except ElqError as error:
                self.skips.add("with a wrong value", f"{place}: {error}")
                continue
            fields = {name: getattr(entity, name) for name in FIELDS}
            lists: Record = {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}
            yield {**entity.data, **lists}

    def _warn_of_joined_rows(self, ids: list[Any]) -> None:
        filled = [str(value) for value in ids if value]
        if 3 * len({*filled}) < 2 * len(filled):
            log.warning(
                "%s: many rows have the id of another row; if each is a name of an entity, --kind mesh joins the rows of an id",
                self.path,
            )
