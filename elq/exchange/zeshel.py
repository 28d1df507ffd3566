"""ZESHEL: reads given mentions in documents of several worlds, each of which is a catalogue of its own.

``documents/WORLD.json`` has the documents of a world, ``{"document_id", "title", "text"}`` on each line. A file of mentions has
``{"mention_id", "context_document_id", "label_document_id", "start_index", "end_index", "text", "category", "corpus"}`` on each
line: the world is ``corpus``, and both indexes count the words of the document; the last word belongs to the mention.
"""

import logging
import re
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any

from elq.errors import ElqError
from elq.exchange.gold import Annotated, Gold
from elq.reading.json_lines import read_jsonl
from elq.reading.records import listing

log = logging.getLogger(__name__)

TEXTS = ("context_document_id", "label_document_id", "corpus", "text")
INDEXES = ("start_index", "end_index")
DOCUMENTS = "documents"
WORD = re.compile(r"\S+")

Record = Mapping[str, Any]  # a mention, as the file has it


def read_zeshel(path: str | Path) -> Iterator[Annotated]:
    """Read the mentions of a file and the documents in which they are; each document is one text.

    Args:
        path: a file of mentions. The documents are looked for in the folder ``documents`` beside it or beside its folder.

    Raises:
        ElqError: a file or a document is missing, or a line is bad.
    """
    worlds: dict[str, dict[str, list[tuple[str, Record]]]] = {}  # world → document → places and mentions
    for line, record in read_jsonl(path):
        place = f"{path}, line {line}"
        _check(record, place)
        worlds.setdefault(record["corpus"], {}).setdefault(record["context_document_id"], []).append((place, record))
    total, wrong = 0, []
    for world, of_world in worlds.items():
        labels = {record["label_document_id"] for mentions in of_world.values() for _, record in mentions}
        texts, titles = _documents(_file_of(Path(path), world), of_world.keys(), labels)
        for document, mentions in of_world.items():
            if document not in texts:
                raise ElqError(
                    f"{mentions[0][0]}: the document {document!r} is not in {DOCUMENTS}/{world}.json: give the mentions and the"
                    " documents of the same release"
                )
            text, words = texts[document], [*WORD.finditer(texts[document])]
            spans = [(*_span(record, words, place), gold_of(record, titles)) for place, record in mentions]
            pairs = [(record["text"], text[start:end]) for (start, end, _), (_, record) in zip(spans, mentions, strict=True)]
            total += len(pairs)
            wrong += [pair for pair in pairs if pair[0].casefold().split() != pair[1].casefold().split()]
            yield Annotated(document, text, tuple(spans), world)
    if wrong:
        told = (
            "%s: for %d of %d mentions, the text is not that of the words from start_index to end_index, which count: %r and %r"
        )
        log.warning(told, path, len(wrong), total, *wrong[0])


def gold_of(record: Record, titles: Mapping[str, str]) -> Gold:
    """The entity of a mention: the id of its document, and the title of this document if it is known."""
    label = record["label_document_id"]
    return Gold((label,), (titles[label],) if label in titles else ())


def _check(record: Record, place: str) -> None:
    """Refuse a mention without the keys that are needed."""
    for keys, kind, words in ((TEXTS, str, "a text"), (INDEXES, int, "a whole number")):
        if wrong := next((key for key in keys if type(record.get(key)) is not kind), None):
            raise ElqError(
                f"{place}: {wrong} is {record.get(wrong)!r}, but must be {words} (the keys are {listing(record)}): correct the"
                " mention"
            )


def _span(record: Record, words: list[re.Match[str]], place: str) -> tuple[int, int]:
    """The characters of a mention in its document."""
    first, last = record["start_index"], record["end_index"]
    if not 0 <= first <= last < len(words):
        raise ElqError(
            f"{place}: the mention has the words {first} to {last}, but its document has {len(words)} words, counted from 0:"
            " correct start_index and end_index"
        )
    return words[first].start(), words[last].end()


def _file_of(path: Path, world: str) -> Path:
    """The file of the documents of a world."""
    folders = [parent / DOCUMENTS for parent in (path.parent.parent, path.parent)]
    for folder in folders:
        if (file := folder / f"{world}.json").is_file() and file.resolve().parent == folder.resolve():
            return file
    raise ElqError(
        f"{path}: the documents of the world {world!r} are not at {folders[0] / world}.json: put the folder {DOCUMENTS} of"
        " ZESHEL beside the folder of the mentions"
    )


def _documents(file: Path, wanted: Container[str], labels: Container[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The texts of the wanted documents of a world, and the titles of those that are gold entities."""
    texts, titles = {}, {}
    for line, record in read_jsonl(file):
        identity, text = record.get("document_id"), record.get("text")
        if not isinstance(identity, str) or not isinstance(text, str):
            raise ElqError(
                f"{file}, line {line}: the keys are {listing(record)}, but document_id and text must be texts: correct the line"
            )
        if identity in wanted:
            texts[identity] = text
        if identity in labels and isinstance(record.get("title"), str):
            titles[identity] = record["title"]
    return texts, titles
