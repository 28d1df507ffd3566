"""Metrics: how well predicted links agree with a question's gold mentions and entities.

Pure functions count one (question, links) pair; the torchmetrics classes add the counts up, so that processes reduce them
once. A gold mention without an entity (NIL) is a gold span for mention detection but no gold for linking, where a link on it
is a false one. A question's main entity is that of its first mention.
"""

import operator
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric

from elq.errors import ElqError
from elq.types import Link, Question

REPORTED = ("strong", "weak", "mention", "set_all", "set_in_catalogue", "set_out_of_catalogue")
TASKS = (*REPORTED, "main", "unmentioned")
QUALITIES = ("precision", "recall", "f1")
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
        correct, predicted, gold = self
        ratios = (correct / max(predicted, 1), correct / max(gold, 1), 2 * correct / max(predicted + gold, 1))
        return dict(zip(QUALITIES, ratios if predicted or gold else (empty,) * 3, strict=True))


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


class LinkingMetrics(Metric):
    """Micro and macro quality of the ``REPORTED`` tasks, main-entity recall, and false links where there is no mention."""

    full_state_update = False
    counts: Tensor  # (tasks, 4) int64: correct, predicted, gold, questions
    macro: Tensor  # (tasks, 3) float32: sums of the questions' precision, recall, F1 (not every device has float64)

    def __init__(self, **settings: Any) -> None:  # of torchmetrics
        super().__init__(**settings)
        self.add_state("counts", torch.zeros(len(TASKS), 4, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("macro", torch.zeros(len(TASKS), 3), dist_reduce_fx="sum")

    def update(self, questions: Sequence[Question], links: Sequence[Sequence[Link]]) -> None:
        """Count a batch: each question with the links predicted for it. Raises ElqError if their numbers differ."""
        rows = {task: [0.0] * 7 for task in TASKS}
        for question, found in paired(questions, links):
            for task, counts in count(question, found).items():
                rows[task] = list(map(operator.add, rows[task], (*counts, 1, *counts.quality(empty=1.0).values())))
        table = torch.tensor(list(rows.values()), dtype=torch.float64)  # (tasks, 7)
        self.counts += table[:, :4].long().to(self.device)
        self.macro += table[:, 4:].float().to(self.device)

    def compute(self) -> dict[str, float]:
        """Flat names → values, such as ``strong_micro_f1``; 0.0 where undefined (the numbers of questions tell)."""
        results: dict[str, float] = {}
        counts = {task: Counts(*row[:3]) for task, row in zip(TASKS, self.counts.tolist(), strict=True)}
        numbers = dict(zip(TASKS, self.counts[:, 3].tolist(), strict=True))
        means = self.macro / self.counts[:, 3:].clamp(min=1)  # (tasks, 3)
        for task, mean in zip(REPORTED, means.tolist(), strict=False):  # the last tasks have no such columns
            results |= {f"{task}_micro_{name}": value for name, value in counts[task].quality().items()}
            results |= {f"{task}_macro_{name}": value for name, value in zip(QUALITIES, mean, strict=True)}
        return results | {
            "main_entity_recall": counts["main"].quality()["recall"],
            "false_links_per_unmentioned_question": counts["unmentioned"].predicted / max(numbers["unmentioned"], 1),
            "questions": float(numbers["set_all"]),
            **{f"questions_{group}": float(numbers[f"set_{group}"]) for group in ("in_catalogue", "out_of_catalogue")},
            "questions_unmentioned": float(numbers["unmentioned"]),
        }


class RankMetrics(Metric):
    """Candidate recall and disambiguation accuracy, from the rank of each gold entity among its span's candidates."""

    full_state_update = False
    hits: Tensor  # (ks + 1,) int64: gold entities within each k, then gold mentions

    def __init__(self, ks: Sequence[int] = (1, 4, 10, 16, 64, 128), **settings: Any) -> None:
        super().__init__(**settings)
        if min(ks, default=0) < 1:
            raise ElqError(f"candidate recall is asked for at {list(ks)}: give at least one k, each of them at least 1")
        self.ks = sorted({1, *ks})
        self.add_state("hits", torch.zeros(len(self.ks) + 1, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, ranks: Tensor) -> None:
        """Count (M,) ranks, one for each gold mention: 0 = best candidate, -1 = not among the retrieved."""
        ranks = ranks.to(self.device).reshape(-1, 1)  # (M, 1)
        self.hits[:-1] += ((ranks >= 0) & (ranks < torch.tensor(self.ks, device=self.device))).sum(0)  # (M, ks) → (ks,)
        self.hits[-1] += len(ranks)

    def compute(self) -> dict[str, float]:
        """``candidate_recall@k`` for 1 and each k, ``disambiguation_accuracy`` (= recall@1), and how many ``gold_mentions``."""
        *hits, mentions = self.hits.tolist()
        found = {f"candidate_recall@{k}": hit / max(mentions, 1) for k, hit in zip(self.ks, hits, strict=True)}
        return found | {"disambiguation_accuracy": found["candidate_recall@1"], "gold_mentions": float(mentions)}
