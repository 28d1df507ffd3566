"""Wording: the names and meanings of metrics in words, and the form of numbers.

The report and the table of ``elq evaluate`` use them.
"""

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

MINUS, UNDEFINED = "−", "–"  # the minus sign U+2212, and the dash for a figure without a value


class Named(NamedTuple):
    """The name and the meaning of a figure or of a family of figures."""

    name: str
    meaning: str


TASKS = {  # of elq/evaluation/counting.py, in the order of tables
    "set_in_catalogue": Named(
        "entities, main entity in the catalogue",
        "The linked entities are compared with the gold entities of a question, at any place. Only questions whose main"
        " entity, that of the first mention, is in the catalogue.",
    ),
    "set_out_of_catalogue": Named(
        "entities, main entity not in the catalogue",
        "The linked entities are compared with the gold entities of a question. Only questions whose main entity is not in the"
        " catalogue.",
    ),
    "set_all": Named(
        "entities, all questions", "The linked entities are compared with the gold entities of a question, at any place."
    ),
    "strong": Named("links, exact span", "A link is right if its characters and its entity are those of a gold mention."),
    "weak": Named(
        "links, overlapping span", "A link is right if it has the entity of a gold mention and shares a character with it."
    ),
    "mention": Named("mentions", "A link is right if its characters are those of a gold mention. The entity may be another."),
}
CANDIDATES = Named(
    "candidates of gold mentions",
    "The gold span is given. Candidate recall@k: the share of gold mentions whose entity is among the first k candidates."
    " Disambiguation accuracy: the share whose entity is the first candidate.",
)
FAMILIES = {  # prefix of a metric's name → its family, for metrics that belong to no task
    "main_entity": Named("main entity", "The share of questions whose main entity, that of the first mention, is linked."),
    "false_links": Named("false links", "In a question without a mention, every link is false."),
    "candidate_recall": CANDIDATES,
    "disambiguation": CANDIDATES,
    "nil_": Named("mentions without an entity", "A link to NIL is right on the span of a gold mention whose entity is null."),
    "released_": Named("counting of the released ELQ", "Spans are compared by a longest common subsequence."),
}
OTHERS = Named("other figures", "")
HEADLINES = {  # the main figures, in the order of tables
    "set_in_catalogue_micro_precision": Named(
        "entities: precision", "The share of the linked entities that are gold entities of their question."
    ),
    "set_in_catalogue_micro_recall": Named(
        "entities: recall", "The share of the gold entities that are linked, at any place in the question."
    ),
    "set_in_catalogue_micro_f1": Named(
        "entities: F1",
        "The harmonic mean of both. All three use only questions whose main entity, that of the first mention, is in the"
        " catalogue.",
    ),
    "main_entity_recall": Named("main entity recall", FAMILIES["main_entity"].meaning),
    "strong_micro_f1": Named("links, exact span: F1", TASKS["strong"].meaning),
    "weak_micro_f1": Named("links, overlapping span: F1", TASKS["weak"].meaning),
    "disambiguation_accuracy": Named(
        "disambiguation accuracy", "The gold span is given: the share of gold mentions whose entity is the first candidate."
    ),
    "false_links_per_unmentioned_question": Named(
        "false links per question without a mention", "In such a question every link is false, so less is better."
    ),
}
NUMBERS = {
    "questions": "questions",
    "questions_in_catalogue": "questions whose main entity is in the catalogue",
    "questions_out_of_catalogue": "questions whose main entity is not in the catalogue",
    "questions_unmentioned": "questions without a mention",
    "gold_mentions": "gold mentions with an entity",
}
BASES = {  # prefix of a metric's name → name of the number of items that it is measured on
    "set_in_catalogue": "questions_in_catalogue",
    "set_out_of_catalogue": "questions_out_of_catalogue",
    "main_entity": "questions_in_catalogue",
    "strong_micro": "gold_mentions",
    "weak_micro": "gold_mentions",
    "false_links": "questions_unmentioned",
    "candidate_recall": "gold_mentions",
    "disambiguation": "gold_mentions",
}


def metric_name(name: str) -> str:
    """The name of a metric in words.

    >>> metric_name("strong_micro_f1"), metric_name("questions_unmentioned")
    ('links, exact span: micro F1', 'questions without a mention')
    """
    for task, (words, _) in TASKS.items():
        rest = name.removeprefix(f"{task}_")
        if rest != name and rest.startswith(("micro_", "macro_")):
            return f"{words}: {rest.replace('_', ' ').replace('f1', 'F1')}"
    if name in HEADLINES:
        return HEADLINES[name].name
    return NUMBERS.get(name, name.replace("_", " ").replace("nil", "NIL").replace("f1", "F1"))


def family_of(name: str) -> Named:
    """The family of a metric.

    >>> family_of("weak_macro_f1").name, family_of("candidate_recall@4").name
    ('links, overlapping span', 'candidates of gold mentions')
    """
    tasks = {f"{task}_{average}_": named for task, named in TASKS.items() for average in ("micro", "macro")}
    return next((named for start, named in (tasks | FAMILIES).items() if name.startswith(start)), OTHERS)


def in_families(names: Iterable[str]) -> dict[Named, list[str]]:
    """Family → the names of its metrics. The tasks come first, in their order."""
    order = list(dict.fromkeys([*TASKS.values(), *FAMILIES.values(), OTHERS]))
    made: dict[Named, list[str]] = {family: [] for family in order}
    for name in names:
        made[family_of(name)].append(name)
    return {family: some for family, some in made.items() if some}


def is_count(name: str) -> bool:
    """Whether a metric is a count; the others are shares, or means of shares.

    >>> is_count("questions_unmentioned"), is_count("nil_mentions"), is_count("nil_auroc")
    (True, True, False)
    """
    return name in NUMBERS or name.endswith(("_mentions", "_correct", "_predicted", "_gold"))


def is_defined(name: str, metrics: Mapping[str, float]) -> bool:
    """Whether a metric was measured on any item. Without items its value is 0, which has no meaning.

    >>> is_defined("main_entity_recall", {"main_entity_recall": 0.0, "questions_in_catalogue": 0.0})
    False
    """
    base = next((base for start, base in BASES.items() if name.startswith(start)), "questions")
    return name in metrics and metrics.get(base, 1) > 0


def number(value: float, digits: int = 3, *, sign: bool = False) -> str:
    """A number with ``digits`` digits after the point and a minus sign U+2212; a dash if it is undefined.

    >>> number(-0.25), number(0.25, 2, sign=True), number(-0.0001), number(math.nan)
    ('−0.250', '+0.25', '0.000', '–')
    """
    plus = "+" if sign else ""
    return UNDEFINED if math.isnan(value) else f"{value:{plus}z.{digits}f}".replace("-", MINUS)
