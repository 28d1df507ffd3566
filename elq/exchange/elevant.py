"""ELEVANT: writes links and gold mentions in the simple JSONL of the evaluation tool ELEVANT.

Links are ``{"predictions": [{"entity_reference", "start_char", "end_char"}]}``, a line for each question, in the order of the
benchmark. A benchmark has ``{"text", "title", "labels": [the same]}``. The reference of NIL is null, which ELEVANT reads as an
unknown entity.
"""

import json
from collections.abc import Sequence

from elq.exchange.iris import entity_iri
from elq.files import whole
from elq.types import NIL, Link, Question


def prediction_line(links: Sequence[Link], prefix: str | None = None) -> str:
    """The line of a question's links.

    Args:
        links: the links.
        prefix: the beginning of the IRIs of entities; None: the ids are written as they are, which ELEVANT understands for
            Wikidata, for titles of Wikipedia, and for a knowledge base of one's own.

    >>> prediction_line([Link(8, 12, "peru", "Q419", "Peru", "", -0.25)])
    '{"predictions": [{"entity_reference": "Q419", "start_char": 8, "end_char": 12}]}'
    """
    return _line({"predictions": [_reference(one.start, one.end, one.entity, prefix) for one in links]})


def benchmark_line(question: Question, prefix: str | None = None) -> str:
    """The line of a question with its gold mentions, in the order of the text; its id is the title."""
    mentions = sorted(question.mentions, key=lambda one: (one.start, one.end))
    labels = [_reference(one.start, one.end, one.entity, prefix) for one in mentions]
    return _line({"text": whole(question.text), "title": question.id, "labels": labels})


def _reference(start: int, end: int, entity: str | None, prefix: str | None) -> dict[str, object]:
    reference = None if entity is None or entity == NIL else entity if prefix is None else entity_iri(entity, prefix)
    return {"entity_reference": reference, "start_char": start, "end_char": end}


def _line(record: dict[str, object]) -> str:
    line = json.dumps(record, ensure_ascii=False)
    return line if line.isprintable() else json.dumps(record)  # as in elq's own JSON lines
