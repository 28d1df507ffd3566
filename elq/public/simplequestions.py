"""SimpleQuestions over Wikidata: lines with subject, property, object and question, and no spans.

The span of the subject is silver: it is where the longest of its names that has whole brackets stands in the question.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from elq.names.words import folded
from elq.questions.records import question_record

SPLITS = {"dev": "valid", "train": "train"}  # our name → the word in the name of the file
Spans = Callable[[str, str], Sequence[tuple[int, int]]]  # text, entity → the places of its names, the longest first


def _rows(path: Path) -> Iterator[tuple[int, str, str]]:
    """The number of a line from 0, the subject and the question."""
    with path.open(encoding="utf-8", newline="\n") as stream:
        for number, line in enumerate(stream):
            subject, _, _, text = line.rstrip("\r\n").split("\t", 3)
            yield number, subject, text


def _best(text: str, spans: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The first span that does not cut a pair of brackets in two, as "thriller (genre" does; else the first one."""
    whole = (span for span in spans if text.count("(", *span) == text.count(")", *span))
    return next(whole, spans[0])


def read(paths: Sequence[Path], known: frozenset[str], spans_of: Spans) -> dict[str, list[dict[str, Any]]]:
    """The questions about an entity of the catalogue whose name stands in the question, each text once.

    Args:
        paths: the files of the splits.
        known: the ids of the catalogue.
        spans_of: finds the names of an entity in a text.
    """
    made: dict[str, list[dict[str, Any]]] = {}
    texts: set[str] = set()  # of both splits, development first, so that no development question is trained on
    for split, word in SPLITS.items():
        questions = made.setdefault(f"simplequestions_{split}.jsonl", [])
        for path in (path for path in paths if word in path.stem):
            for number, subject, text in _rows(path):
                key = folded(text)
                if subject in known and key not in texts and (spans := spans_of(text, subject)):
                    texts.add(key)
                    questions.append(question_record(f"sq-{word}-{number}", text, [(*_best(text, spans), subject)], known))
    return made
