"""Slices: measures the quality on parts of the questions and gold mentions.

A group divides either the questions or the gold mentions with an entity by one property. For questions it measures the
set-level precision, recall and F1, and the number of links to none of the gold entities. For gold mentions it measures recall
(the same span is linked to the entity), and disambiguation, if ranks were observed (the entity is the first candidate for the
span). Every measure is a ratio over all questions.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from elq.entities.catalogue import Catalogue
from elq.evaluation.counting import QUALITIES, count, gold_entities
from elq.evaluation.evaluate import Observed
from elq.evaluation.intervals import Ratio
from elq.evaluation.metrics import counts_ratios, hit_ratio
from elq.names.dictionary import Dictionary
from elq.report.buckets import strongly_right
from elq.types import Entity, Link, Mention, Question

MOST_TYPES = 10  # number of slices of entity types; one more slice has all other types
LENGTHS = ((1, 4), (5, 6), (7, 8), (9, 11), (12, None))  # numbers of words
AMBIGUITY = ((0, 0), (1, 1), (2, 3), (4, 9), (10, None))
MENTIONS = ((0, 0), (1, 1), (2, 2), (3, 3), (4, None))


@dataclass(frozen=True, slots=True)
class Slice:
    """A part: its numbers of questions and of gold mentions with an entity, and its measures."""

    name: str
    questions: int
    mentions: int
    ratios: dict[str, Ratio]


@dataclass(frozen=True, slots=True)
class Group:
    """The slices by one property, without empty ones."""

    title: str
    measures: tuple[str, ...]
    slices: list[Slice]


def range_name(low: int, high: int | None) -> str:
    """A range in words.

    >>> range_name(4, 9), range_name(1, 1), range_name(10, None)
    ('4–9', '1', '10 or more')
    """
    return f"{low:,} or more" if high is None else f"{low:,}" if low == high else f"{low:,}–{high:,}"


def range_of(number: int, ranges: Sequence[tuple[int, int | None]]) -> str:
    """The name of the range that contains a number. A number below all ranges is in the first range."""
    held = [bounds for bounds in ranges if bounds[0] <= number]
    return range_name(*(held[-1] if held else ranges[0]))


def false_links(question: Question, links: Sequence[Link]) -> int:
    """Number of links of a question whose entity is not one of its gold entities.

    >>> false_links(Question("1", "why"), [Link(0, 3, "why", "Q90", "Paris", "", -0.5)])
    1
    """
    gold = gold_entities(question)
    return sum(link.entity not in gold for link in links)


def question_group(title: str, observed: Observed, labels: Sequence[str], order: Sequence[str]) -> Group:
    """Slices of questions. ``labels`` has a label for each question, and ``order`` the labels in the order of the table."""
    counts = [count(question, links)["set_all"] for question, links in zip(observed.questions, observed.links, strict=True)]
    linkable = [sum(mention.entity is not None for mention in question.mentions) for question in observed.questions]
    false = [false_links(question, links) for question, links in zip(observed.questions, observed.links, strict=True)]
    slices = []
    for name in order:
        inside = [label == name for label in labels]
        ratios = counts_ratios([one if held else None for one, held in zip(counts, inside, strict=True)])
        part = np.array(inside, np.float64)  # (Q,)
        ratios["false_links"] = Ratio(np.array(false, np.float64) * part, part)
        mentions = sum(number for number, held in zip(linkable, inside, strict=True) if held)
        slices.append(Slice(name, sum(inside), mentions, ratios))
    return Group(title, (*QUALITIES, "false_links"), [one for one in slices if one.questions])


def mention_group(
    title: str, observed: Observed, label: Callable[[Question, Mention, Entity], str], order: Sequence[str], gold: "Gold"
) -> Group:
    """Slices of gold mentions with an entity. ``label`` gives the label of a mention, and ``order`` the order of the table."""
    rows = zip(observed.questions, gold, strict=True)
    labels = [[label(question, mention, entity) for mention, entity in one] for question, one in rows]
    pairs = zip(observed.questions, observed.links, strict=True)
    hits = {"recall": [strongly_right(question, links)[0] for question, links in pairs]}
    if observed.ranks is not None:
        hits["disambiguation"] = [[rank == 0 for rank in ranks] for ranks in observed.ranks]
    slices = []
    for name in order:
        inside = [[one == name for one in of_question] for of_question in labels]
        ratios = {
            measure: hit_ratio(
                [[hit for hit, held in zip(*two, strict=True) if held] for two in zip(every, inside, strict=True)]
            )
            for measure, every in hits.items()
        }
        slices.append(Slice(name, sum(map(any, inside)), sum(map(sum, inside)), ratios))
    return Group(title, tuple(hits), [one for one in slices if one.mentions])


Gold = Sequence[Sequence[tuple[Mention, Entity]]]  # the linkable mentions of each question, with their records


def records_of(ids: Iterable[str], catalogue: Catalogue) -> dict[str, Entity]:
    """Id → record, for entities that are in the catalogue."""
    wanted = sorted(set(ids))
    return {one: catalogue[int(row)] for one, row in zip(wanted, catalogue.rows(wanted), strict=True)}


def gold_records(questions: Sequence[Question], catalogue: Catalogue) -> Gold:
    """The gold mentions with an entity of each question, with the record of the entity, which must be in the catalogue."""
    linkable = [[(m, m.entity) for m in question.mentions if m.entity is not None] for question in questions]
    records = records_of((entity for one in linkable for _, entity in one), catalogue)
    return [[(mention, records[entity]) for mention, entity in one] for one in linkable]


def type_slices(observed: Observed, gold: Gold) -> Group:
    """Slices by the first type of the gold entity: the most frequent types, all other types, and no type."""
    kinds = Counter(entity.types[0] for one in gold for _, entity in one if entity.types)
    frequent = [kind for kind, _ in sorted(kinds.items(), key=lambda item: (-item[1], item[0]))[:MOST_TYPES]]
    other, none = "(another type)", "(no type)"

    def label(_question: Question, _mention: Mention, entity: Entity) -> str:
        return none if not entity.types else entity.types[0] if entity.types[0] in frequent else other

    return mention_group("Entity type", observed, label, [*frequent, other, none], gold)


def popularity_slices(observed: Observed, gold: Gold) -> Group:
    """Slices by the popularity of the gold entity: unknown, and four quarters of the mentions with a known one."""
    known = np.array([entity.popularity for one in gold for _, entity in one if entity.popularity], np.int64)
    edges = np.quantile(known, (0.25, 0.5, 0.75)) if len(known) else np.zeros(3)
    quarter = np.searchsorted(edges, known, side="left")
    names = []
    for number in range(4):
        inside = known[quarter == number]
        names.append(f"quarter {number + 1}: {range_name(int(inside.min()), int(inside.max()))}" if len(inside) else "")

    def label(_question: Question, _mention: Mention, entity: Entity) -> str:
        return names[int(np.searchsorted(edges, entity.popularity, side="left"))] if entity.popularity else "unknown"

    return mention_group("Popularity of the gold entity", observed, label, ["unknown", *filter(None, names)], gold)


def ambiguity_slices(observed: Observed, gold: Gold, dictionary: Dictionary) -> Group:
    """Slices by the number of entities in the catalogue that have the mention's name."""
    texts = sorted(
        {question.text[m.start : m.end] for question, one in zip(observed.questions, gold, strict=True) for m, _ in one}
    )
    kinds = dictionary.name_matches(texts).kinds  # (Q, E)
    numbers = dict(zip(texts, ((kinds >= 0) & (kinds <= 1)).sum(-1).tolist(), strict=True))  # exactly this name

    def label(question: Question, mention: Mention, _entity: Entity) -> str:
        return range_of(numbers[question.text[mention.start : mention.end]], AMBIGUITY)

    names = [range_name(*bounds) for bounds in AMBIGUITY]
    return mention_group("Ambiguity: entities that have the mention's name", observed, label, names, gold)


def training_slices(observed: Observed, gold: Gold, training: Iterable[Question]) -> Group:
    """Slices by whether a training question has the gold entity, with a span or without."""
    seen = {entity for question in training for entity in question.other_entities}
    seen |= {mention.entity for question in training for mention in question.mentions if mention.entity is not None}

    def label(_question: Question, _mention: Mention, entity: Entity) -> str:
        return "seen" if entity.id in seen else "unseen"

    return mention_group("Gold entity in the training questions", observed, label, ["seen", "unseen"], gold)


def all_groups(
    observed: Observed, catalogue: Catalogue, dictionary: Dictionary, training: Sequence[Question] | None = None
) -> list[Group]:
    """Every group of slices.

    Args:
        observed: the output of a linker. The gold entities of its questions must be in the catalogue, see
            elq/evaluation/evaluate.py.
        catalogue: the catalogue of the linker.
        dictionary: the dictionary of the same catalogue.
        training: the training questions of the linker; without them, seen and unseen entities are not measured apart.
    """
    gold = gold_records(observed.questions, catalogue)
    lengths = [range_of(len(question.text.split()), LENGTHS) for question in observed.questions]
    numbers = [range_of(len(question.mentions), MENTIONS) for question in observed.questions]
    return [
        type_slices(observed, gold),
        popularity_slices(observed, gold),
        ambiguity_slices(observed, gold, dictionary),
        *([] if training is None else [training_slices(observed, gold, training)]),
        question_group("Length of the question in words", observed, lengths, [range_name(*bounds) for bounds in LENGTHS]),
        question_group("Number of gold mentions", observed, numbers, [range_name(*bounds) for bounds in MENTIONS]),
    ]
