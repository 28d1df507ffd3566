"""ZESHEL: reads the documents of a world, each of which is an entity, as a catalogue."""

from collections.abc import Iterator
from pathlib import Path

from elq.errors import ElqError
from elq.reading.json_lines import read_jsonl
from elq.reading.lines import format_of
from elq.reading.records import listing
from elq.sources.source import Record, Source

LONGEST = 2000  # characters of a description; an encoder reads fewer


class ZeshelSource(Source):
    """The documents of a file ``WORLD.json``, or of a folder of such files, one on each line. The type of all is the world.

    So the entities of several worlds can be in one catalogue, and a linker can be asked for those of one world (``types``).
    """

    def records(self) -> Iterator[Record]:
        """Yield the records in the order of the files, which are in alphabetical order.

        Raises:
            ElqError: a line is not valid JSON, or has no id, title or text.
        """
        folder = self.path.is_dir()
        for file in sorted(one for one in self.path.iterdir() if format_of(one) == "json") if folder else [self.path]:
            yield from self._records(file)

    def _records(self, file: Path) -> Iterator[Record]:
        world = file.name.partition(".")[0]
        for line, record in read_jsonl(file):
            identity, title, text = (record.get(key) for key in ("document_id", "title", "text"))
            if not (isinstance(identity, str) and isinstance(title, str) and isinstance(text, str)):
                raise ElqError(
                    f"{file}, line {line}: the keys are {listing(record)}, but document_id, title and text must be texts:"
                    " correct the line, or give another --kind"
                )
            if not title.strip():
                self.skips.add("without a title", f"{file.name}, line {line}")
                continue
            yield {
                "id": identity,
                "title": title.strip(),
                "label": title.strip(),
                "description": _description(title, text),
                "aliases": [],
                "types": [world],
                "popularity": 0,
            }


def _description(title: str, text: str) -> str:
    """The beginning of the text, up to whole words, without the title with which most texts begin.

    >>> _description("Mo Lin", "Mo Lin Mo Lin is a smith .")
    'Mo Lin is a smith .'
    """
    words, named = text.split(), title.split()
    if words[: len(named)] == named:
        words = words[len(named) :]
    short = " ".join(words)
    return short if len(short) <= LONGEST else short[: LONGEST + 1].rpartition(" ")[0]
