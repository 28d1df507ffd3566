"""WebQSP: a JSON array of questions with the main entity's span, and JSON arrays of the ids that each split has."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from elq.questions.records import question_record

SPLITS = ("train", "dev")


def _question(record: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any] | None:
    """A question record; None if its main entity has no Wikidata id, or no place in the text."""
    entity, text, (start, end) = record["main_entity"], record["utterance"], record["main_entity_pos"]
    if entity is None or not 0 <= start < end <= len(text):
        return None
    others = sorted({one for one in record["entities"] if one} - {entity})
    return question_record(record["question_id"], text, [(start, end, entity)], known, others)


def read(paths: Sequence[Path], known: frozenset[str]) -> dict[str, list[dict[str, Any]]]:
    """The questions of the training and the development split.

    Args:
        paths: the file of the questions, and for each split the file of its ids, which is called ….SPLIT.ids.json.
        known: the ids of the catalogue.
    """
    files = {path.name.partition(".")[2]: json.loads(path.read_text(encoding="utf-8")) for path in paths}
    made: dict[str, list[dict[str, Any]]] = {}
    records = sorted(files["train.entities.json"], key=lambda record: int(record["question_id"].rpartition("-")[2]))
    for split in SPLITS:
        ids = frozenset(files[f"{split}.ids.json"])
        found = (_question(record, known) for record in records if record["question_id"] in ids)
        made[f"webqsp_{split}.jsonl"] = [question for question in found if question is not None]
    return made
