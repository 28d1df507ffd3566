"""The corpus: reads texts, with the mentions that their file gives.

File format: JSON lines or a JSON array of ``{"text", "mentions": [{"start", "end", "entity"}]}`` with character offsets, end
exclusive. An ``entity`` that is null says that the mention has none in the catalogue. Without the key ``entity``, the linker
decides this, and without the key ``mentions``, it finds the mentions. Other files, as `elq predict --input` reads them, have
texts only; in NIF, the linker decides about mentions without an entity.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from elq.emerging.unlinked import CorpusText
from elq.errors import ElqError
from elq.exchange.nif import Document
from elq.questions.annotated import question_from_record
from elq.questions.inputs import questions_of
from elq.reading.lines import format_of
from elq.reading.records import JSON, JSON_LINES, read_records
from elq.types import NIL, Mention, Question


def may_give_mentions(source: str) -> bool:
    """Whether a source is a file whose records may give mentions."""
    return source != "-" and Path(source).is_file() and format_of(source) in (*JSON, *JSON_LINES)


def read_corpus(path: str, text_column: str | None = None) -> Iterator[CorpusText]:
    """Yield the texts of a JSON or JSON-lines file, with the mentions that it gives.

    Args:
        path: the file.
        text_column: the key of the texts, if it is neither "text" nor "question".

    Raises:
        ElqError: a record is bad; the message says where it is.
    """
    for place, record in read_records(Path(path)):
        [question] = questions_of([(place, record)], path, text_column=text_column)
        if not isinstance(record, Mapping) or "mentions" not in record:
            yield CorpusText(question.text)
            continue
        try:
            yield CorpusText(question.text, _mentions(question.text, record["mentions"]))
        except ElqError as error:
            raise ElqError(f"{path}, {place}: {error}") from None


def _mentions(text: str, given: Any) -> tuple[Mention, ...]:
    """The given mentions of a text, as :class:`elq.emerging.unlinked.CorpusText` has them."""
    listed = given if isinstance(given, list) else []
    checked = (
        [{"entity": None, **one} if isinstance(one, dict) else one for one in listed] if isinstance(given, list) else given
    )
    found = question_from_record({"text": text, "mentions": checked}, 1).mentions
    known = [isinstance(one, dict) and "entity" in one for one in listed]
    return tuple(
        Mention(one.start, one.end, NIL) if said and one.entity is None else one for one, said in zip(found, known, strict=True)
    )


def text_of(question: Question) -> CorpusText:
    """The text of a question of another file. A document of NIF has given mentions if it has one without an entity."""
    if isinstance(question, Document) and question.given:
        return CorpusText(question.text, tuple(Mention(start, end, None) for start, end in question.given))
    return CorpusText(question.text)
