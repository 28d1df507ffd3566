"""Mintaka: a JSON array of questions, with the spans and Wikidata ids of their entities."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from elq.questions.records import question_record

FEW = 1000  # questions for experiment=webqsp


def _question(record: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any] | None:
    """A question record; None if no entity has an id and a place in the text."""
    text, mentions, after = record["question"], [], 0
    found = [one for one in record["questionEntity"] if one["entityType"] == "entity" and one["name"] and one.get("span")]
    for one in sorted(found, key=lambda one: (one["span"][0], -one["span"][1])):
        start, end = one["span"]
        if after <= start < end <= len(text):  # overlapping mentions cannot both be linked
            mentions.append((start, end, str(one["name"])))
            after = end
    return question_record(record["id"], text, mentions, known) if mentions else None


def read(paths: Sequence[Path], known: frozenset[str]) -> dict[str, list[dict[str, Any]]]:
    """All training questions that have a mention, and a file of the first ``FEW``.

    Args:
        paths: the file.
        known: the ids of the catalogue.
    """
    records = [record for path in paths for record in json.loads(path.read_text(encoding="utf-8"))]
    questions = [question for record in records if (question := _question(record, known)) is not None]
    return {"mintaka_train.jsonl": questions, f"mintaka_{FEW}.jsonl": questions[:FEW]}
