"""Counting: counts the links that agree with gold mentions and entities.

Pure functions count one (question, links) pair; elq/evaluation/metrics.py makes metrics from the counts. A gold mention without
an entity (NIL) counts for mention detection, but not for linking, where every link on it is wrong. The main entity of a
question is the entity of its first mention.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import NamedTuple

from elq.errors import ElqError
from elq.types import Link, Question

REPORTED = ("strong", "weak", "mention", "set_all", "set_in_catalogue", "set_out_of_catalogue")
TASKS = (*REPORTED, "main", "unmentioned")


class Counts(NamedTuple):
    """Numbers of predictions that agree with a gold item, of predictions, and of gold items."""

    correct: int
    predicted: int
    gold: int

    def quality(self, empty: float = 0.0) -> dict[str, float]:
        """Precision, recall and F1: 0 if there are only gold items or only predictions, and ``empty`` if there are neither.

        >>> Counts(correct=1, predicted=2, gold=1).quality()
        {'precision': 0.5, 'recall': 1.0, 'f1': 0.6666666666666666}
        """
        if not (self.predicted or self.gold):
            return dict.fromkeys(QUALITY_PARTS, empty)
        return {name: top(self) / max(bottom(self), 1) for name, (top, bottom) in QUALITY_PARTS.items()}


QUALITY_PARTS: dict[str, tuple[Callable[[Counts], int], Callable[[Counts], int]]] = {  # numerator and denominator of each ratio
    "precision": (lambda counts: counts.correct, lambda counts: counts.predicted),
    "recall": (lambda counts: counts.correct, lambda counts: counts.gold),
    "f1": (lambda counts: 2 * counts.correct, lambda counts: counts.predicted + counts.gold),
}
QUALITIES = tuple(QUALITY_PARTS)


def agreement(gold: Iterable[Hashable], predicted: Iterable[Hashable]) -> Counts:
    """Count the items that are equal in both lists. Each item is used only once.

    >>> agreement(["Q1", "Q2"], ["Q2", "Q2", "Q3"])
    Counts(correct=1, predicted=3, gold=2)
    """
    left, right = Counter(gold), Counter(predicted)
    return Counts((left & right).total(), right.total(), left.total())


def gold_entities(question: Question) -> set[str]:
    """The gold set of a question: the entities of its mentions, and its entities without an annotated span."""
    return {mention.entity for mention in question.mentions if mention.entity is not None} | set(question.other_entities)


def weak_agreement(question: Question, links: Sequence[Link]) -> Counts:
    """Count one-to-one pairs of overlapping spans with the same entity, as many as possible (maximum bipartite matching).

    >>> from elq.types import Mention
    >>> question = Question("1", "new york city", (Mention(0, 13, "Q60"),))
    >>> weak_agreement(question, [Link(0, 8, "new york", "Q60", "", "", 0.0), Link(9, 13, "city", "Q60", "", "", 0.0)])
    Counts(correct=1, predicted=2, gold=1)
    """
    edges = [  # a NIL mention has no edge, because no link has the entity None
        (("gold", row), ("link", column))
        for row, mention in enumerate(question.mentions)
        for column, link in enumerate(links)
        if mention.entity == link.entity and mention.start < link.end and link.start < mention.end
    ]
    matched, tops = len(edges), {top for top, _ in edges}
    if not len(tops) == len({bottom for _, bottom in edges}) == len(edges):  # an item has several edges, which is rare
        from networkx import Graph, bipartite

        matched = len(bipartite.hopcroft_karp_matching(Graph(edges), tops)) // 2  # it holds every pair in both directions
    return Counts(matched, len(links), sum(mention.entity is not None for mention in question.mentions))


def count(question: Question, links: Sequence[Link]) -> dict[str, Counts]:
    """The counts of one question, for each task of ``TASKS`` in which it takes part.

    Every question takes part in ``strong`` (same span and entity), ``weak`` (overlapping span, same entity), ``mention`` (same
    span, any entity) and ``set_all`` (entities without spans). A question with a main entity takes part in ``set_in_catalogue``
    and in ``main`` (whether the main entity is linked). A question whose first mention is NIL takes part in
    ``set_out_of_catalogue``, and a question without mentions in ``unmentioned``.
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
    """Pairs of a question and its links. Raises ElqError if the numbers of both differ."""
    if len(questions) != len(links):
        raise ElqError(f"got {len(questions)} questions but {len(links)} lists of links: give one list for each question")
    return zip(questions, links, strict=True)
