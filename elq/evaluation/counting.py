"""Counting: how well predicted links agree with a question's gold mentions and entities.

Pure functions count one (question, links) pair; elq/evaluation/ratios.py makes metrics of the counts. A gold mention without
an entity (NIL) is a gold span for mention detection but no gold for linking, where a link on it is a false one. A question's
main entity is that of its first mention.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import NamedTuple

from elq.errors import ElqError
from elq.types import Link, Question

REPORTED = ("strong", "weak", "mention", "set_all", "set_in_catalogue", "set_out_of_catalogue")
TASKS = (*REPORTED, "main", "unmentioned")
MEANINGS = {  # of the REPORTED tasks, in the order of tables
    "set_in_catalogue": "entities, main one in the catalogue",
    "set_out_of_catalogue": "entities, main one outside",
    "set_all": "entities, all questions",
    "strong": "links, same span",
    "weak": "links, overlapping span",
    "mention": "mentions",
}


class Counts(NamedTuple):
    """How many predictions agree with a gold item, how many predictions there are, and how many gold items."""

    correct: int
    predicted: int
    gold: int

    def quality(self, empty: float = 0.0) -> dict[str, float]:
        """Precision, recall, F1; 0 where only one side is empty, ``empty`` where there is neither gold nor prediction.

        >>> Counts(correct=1, predicted=2, gold=1).quality()
        {'precision': 0.5, 'recall': 1.0, 'f1': 0.6666666666666666}
        """
        if not (self.predicted or self.gold):
            return dict.fromkeys(QUALITY_PARTS, empty)
        return {name: top(self) / max(bottom(self), 1) for name, (top, bottom) in QUALITY_PARTS.items()}


QUALITY_PARTS: dict[str, tuple[Callable[[Counts], int], Callable[[Counts], int]]] = {  # top and bottom of each ratio
    "precision": (lambda counts: counts.correct, lambda counts: counts.predicted),
    "recall": (lambda counts: counts.correct, lambda counts: counts.gold),
    "f1": (lambda counts: 2 * counts.correct, lambda counts: counts.predicted + counts.gold),
}
QUALITIES = tuple(QUALITY_PARTS)


def agreement(gold: Iterable[Hashable], predicted: Iterable[Hashable]) -> Counts:
    """Count equal items, each used once.

    >>> agreement(["Q1", "Q2"], ["Q2", "Q2", "Q3"])
    Counts(correct=1, predicted=3, gold=2)
    """
    left, right = Counter(gold), Counter(predicted)
    return Counts((left & right).total(), right.total(), left.total())


def gold_entities(question: Question) -> set[str]:
    """The gold set: the mentions' entities that are in the catalogue, and the entities without an annotated span."""
    return {mention.entity for mention in question.mentions if mention.entity is not None} | set(question.other_entities)


def weak_agreement(question: Question, links: Sequence[Link]) -> Counts:
    """Overlapping spans with the same entity, in as many one-to-one pairs as can be had (a maximum bipartite matching).

    >>> from elq.types import Mention
    >>> question = Question("1", "new york city", (Mention(0, 13, "Q60"),))
    >>> weak_agreement(question, [Link(0, 8, "new york", "Q60", "", "", 0.0), Link(9, 13, "city", "Q60", "", "", 0.0)])
    Counts(correct=1, predicted=2, gold=1)
    """
    edges = [  # a NIL mention has none: no link has the entity None
        (("gold", row), ("link", column))
        for row, mention in enumerate(question.mentions)
        for column, link in enumerate(links)
        if mention.entity == link.entity and mention.start < link.end and link.start < mention.end
    ]
    matched, tops = len(edges), {top for top, _ in edges}
    if not len(tops) == len({bottom for _, bottom in edges}) == len(edges):  # some compete, which is rare
        from networkx import Graph, bipartite

        matched = len(bipartite.hopcroft_karp_matching(Graph(edges), tops)) // 2  # it holds every pair in both directions
    return Counts(matched, len(links), sum(mention.entity is not None for mention in question.mentions))


def count(question: Question, links: Sequence[Link]) -> dict[str, Counts]:
    """The counts of those of the ``TASKS`` that a question takes part in.

    All do in ``strong`` (same span and entity), ``weak`` (overlapping span, same entity), ``mention`` (same span, any entity)
    and ``set_all`` (entities without spans); those with a main entity in ``set_in_catalogue`` and ``main`` (is it linked?),
    those whose first mention is NIL in ``set_out_of_catalogue``, those without mentions in ``unmentioned``.
    """
    entities = {link.entity for link in links}
    spans = [(mention.start, mention.end) for mention in question.mentions]
    linkable = [(mention.start, mention.end, mention.entity) for mention in question.mentions if mention.entity is not None]
    counts = {
        "strong": agreement(linkable, [(link.start, link.end, link.entity) for link in links]),
        "weak": weak_agreement(question, links),
        "mention": agreement(spans, [(link.start, link.end) for link in links]),
        "set_all": agreement(gold_entities(question), entities),
    }
    if not question.mentions:
        return counts | {"unmentioned": Counts(0, len(links), 0)}
    main = question.mentions[0].entity
    if main is None:
        return counts | {"set_out_of_catalogue": counts["set_all"]}
    return counts | {"set_in_catalogue": counts["set_all"], "main": agreement([main], entities)}


def paired(questions: Sequence[Question], links: Sequence[Sequence[Link]]) -> Iterator[tuple[Question, Sequence[Link]]]:
    """Each question with its links; raises ElqError if their numbers differ."""
    if len(questions) != len(links):
        raise ElqError(f"got {len(questions)} questions but {len(links)} lists of links: give one list, even empty, for each")
    return zip(questions, links, strict=True)
