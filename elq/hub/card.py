"""The model card: writes the README.md of a model on the Hub from its files and its evaluations."""

import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import yaml

from elq.hub import sections
from elq.hub.facts import Facts, facts_of
from elq.linking.folder import ENTITIES

TEMPLATE = resources.files("elq.hub") / "card.md"
TASK = {"type": "token-classification", "name": "Entity linking"}  # the Hub has no task of entity linking


def model_card(
    folder: Path,
    *,
    name: str | None = None,
    entities: Path | None = None,
    evaluations: Sequence[str | Path] = (),
    licence: str | None = None,
    languages: Sequence[str] = (),
) -> str:
    """Write the model card of a model folder. The same files give the same card.

    Args:
        folder: the model folder.
        name: its name on the Hub; None: ``owner/name`` stands in the card for it.
        entities: the entities folder; None: the one in the model folder.
        evaluations: files of ``elq evaluate --output``.
        licence: the licence of the model, such as ``mit``; None: it is unknown.
        languages: codes of the languages of its questions, such as ``en``; by default those of its training or encoder.

    Raises:
        ElqError: a file of the folder is damaged, or a file is no evaluation or one of other weights.
    """
    facts = facts_of(folder, entities or folder / ENTITIES, evaluations)
    name = name or "owner/name"
    spoken = [*(languages or facts.languages)]
    metadata = yaml.safe_dump(_metadata(facts, name, licence, spoken), sort_keys=False, allow_unicode=True)
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        metadata=metadata,
        title=name.rpartition("/")[2],
        name=json.dumps(name),
        question=json.dumps(f"what is {facts.example}?", ensure_ascii=False),
        other_catalogues=sections.other_catalogues(facts),
        model=sections.model(facts),
        training=sections.training(facts),
        scores=sections.scores(facts),
        cost=sections.cost(facts),
        limits=sections.limits(facts, spoken),
        licence=sections.licence(facts, licence),
    )


def _metadata(facts: Facts, name: str, licence: str | None, languages: Sequence[str]) -> dict[str, Any]:
    """The metadata at the head of the card, as the Hub reads them."""
    made: dict[str, Any] = {"license": (licence or "unknown").lower()}
    if languages:
        made["language"] = list(languages)
    made |= {"library_name": "elq", "pipeline_tag": "token-classification"}
    made["tags"] = ["elq", "entity-linking", "entity-disambiguation", "question-answering", "knowledge-graph"]
    if facts.base:
        made["base_model"] = facts.base.hub
    if facts.evaluations:
        made["model-index"] = [{"name": name.rpartition("/")[2], "results": [*_results(facts)]}]
    return made


def _results(facts: Facts) -> list[dict[str, Any]]:
    return [
        {
            "task": TASK,
            "dataset": {"type": evaluation.name, "name": evaluation.questions_file},
            "metrics": [
                {"type": figure.kind, "value": round(evaluation.metrics[figure.metric], 4), "name": figure.words}
                for figure in evaluation.figures
            ],
        }
        for evaluation in facts.evaluations
    ]
