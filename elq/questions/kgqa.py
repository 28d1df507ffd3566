"""KGQA files: reads questions with SPARQL queries (QALD, LC-QuAD 1 and 2) as annotated questions with silver mentions.

The entities of a question are those of its query. Such a file has no spans: an entity whose name stands in the text gets a
silver mention, and the others are ``other_entities``.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from elq.errors import ElqError
from elq.names.dictionary import Dictionary
from elq.questions.silver import with_silver
from elq.questions.sparql import Name, names
from elq.reading.lines import require_file
from elq.reading.records import read_json
from elq.types import Question

ENGLISH = "en"


@dataclass
class Read:
    """What was read from a file: the questions with the names in their queries, and how often each reason to skip came up."""

    questions: list[tuple[Question, list[Name]]] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _qald(record: Mapping[str, Any], language: str) -> tuple[str, str]:
    """The question in a language, and the query; each is empty if it is missing."""
    asked, query = record.get("question"), record.get("query")
    versions = [one for one in asked if isinstance(one, dict)] if isinstance(asked, list) else []
    texts = (_text(one.get("string")) for one in versions if one.get("language") == language)
    return next(texts, ""), _text(query.get("sparql")) if isinstance(query, dict) else ""


def _lcquad(record: Mapping[str, Any], language: str) -> tuple[str, str]:
    """As :func:`_qald`; version 1 has other keys than version 2."""
    asked = _text(record.get("corrected_question")) or _text(record.get("question"))
    return asked, _text(record.get("sparql_query")) or _text(record.get("sparql_wikidata"))


FORMATS: dict[str, Callable[[Mapping[str, Any], str], tuple[str, str]]] = {"qald": _qald, "lcquad": _lcquad}
IDS = ("id", "uid", "_id")


def _identity(record: Mapping[str, Any], number: int) -> str:
    given = (record[key] for key in IDS if isinstance(record.get(key), str | int))
    return next((text for value in given if (text := str(value).strip())), str(number))


def _records(path: Path) -> Iterator[object]:
    """The values of the list of questions in a file, whatever they are."""
    for _, record in read_json(path):
        inner = record.get("questions") if isinstance(record, dict) else None
        yield from inner if isinstance(inner, list) else [record]


def read_kgqa(path: str | Path, form: str, language: str = ENGLISH) -> Read:
    """Read a KGQA file. A broken record is skipped and counted.

    Args:
        path: the file, JSON, which may be compressed.
        form: ``qald`` or ``lcquad``.
        language: the code of the language of the questions, such as ``de``.

    Raises:
        ElqError: the file is missing or is not JSON, it is LC-QuAD and the language is not English, or no question is left.
    """
    if form == "lcquad" and language != ENGLISH:
        raise ElqError(f"--language is {language!r}, but LC-QuAD has only English questions: leave out --language")
    require_file(path, f"question file {path}", "give a JSON file of QALD or LC-QuAD")
    read = Read()
    for number, record in enumerate(_records(Path(path)), 1):
        if not isinstance(record, dict):
            read.skipped["no object"] += 1
            continue
        text, query = FORMATS[form](record, language)
        if not text or not query:
            read.skipped[f"no question in {language!r}" if not text else "no SPARQL query"] += 1
        elif not (found := names(query)) or not any(name.entity for name in found):
            read.skipped["no entity in the query"] += 1
        else:
            read.questions.append((Question(_identity(record, number), text), found))
    if not read.questions:
        told = "; ".join(f"{reason}: {count}" for reason, count in read.skipped.items()) or "it has no records"
        raise ElqError(f"{path} has no question of the format {form} ({told}): give another file, --format or --language")
    return read


def _chosen(found: Sequence[Name], known: Mapping[str, int]) -> tuple[str, ...]:
    """The ids of the entities among names, as the catalogue writes them where it has them."""
    ids = []
    for name in found:
        form = next((form for form in name.forms if known[form] >= 0), None)
        if form is not None or name.entity:
            ids.append(name.forms[0] if form is None else form)
    return tuple(dict.fromkeys(ids))


def linked(read: Read, dictionary: Dictionary) -> list[Question]:
    """Give the questions silver mentions; entities that got one are no further entities any more.

    Args:
        read: the questions of a file.
        dictionary: the names of the catalogue.
    """
    forms = [*dict.fromkeys(form for _, found in read.questions for name in found for form in name.forms)]
    known = dict(zip(forms, dictionary.rows_of(forms), strict=True))
    questions = [replace(question, other_entities=_chosen(found, known)) for question, found in read.questions]
    return [_without_named(question) for question in with_silver(questions, dictionary)]


def _without_named(question: Question) -> Question:
    mentions = tuple(sorted(question.mentions, key=lambda mention: mention.start))
    named = {mention.entity for mention in mentions}
    others = tuple(entity for entity in question.other_entities if entity not in named)
    return replace(question, mentions=mentions, other_entities=others)
