"""Ratios: every metric, declared once, as a ratio of two sums over questions.

``METRICS`` holds them all. A metric says what one question adds to the sum on top and to the sum at the bottom; its value is
Σ top / Σ bottom. A number of something has a sum on top only. Values, bootstrap intervals, reports and comparisons all follow
from these sums. So the order of the questions does not matter, and the sums of two sets of questions add up.

To add a metric, add one entry to ``METRICS``: its name, and a :class:`Metric` of functions that look at one question with what
the linker made of it (a :class:`Case`). The share of questions with more than one link would be::

    "several_links": Metric(lambda case: len(case.links) > 1, lambda case: 1),

If it looks at something that not every linker gives (ranks, ends, links to NIL), say so as the third argument. Nothing else is
to be changed: ``elq evaluate`` prints it, and the report shows it with an interval.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from elq.errors import ElqError
from elq.evaluation.counting import QUALITIES, QUALITY_PARTS, REPORTED, Counts, count, paired
from elq.evaluation.intervals import Ratio
from elq.evaluation.nil import nil_counts
from elq.evaluation.released_counting import COUNTED, released_counts
from elq.tensors import Array
from elq.types import Link, Question

KS = (1, 4, 10, 16, 64, 128)  # of candidate recall
NOTHING = Counts(0, 0, 0)  # of a task in which a question takes no part


@dataclass(frozen=True)
class Case:
    """One question, and what a linker made of it: all that a metric looks at. None: not observed."""

    question: Question
    links: Sequence[Link]
    ranks: Sequence[int] | None = None  # of each gold mention with an entity: 0 = best candidate, -1 = not retrieved
    end: int | None = None  # where the text ends that the linker has read, in characters
    nil_links: Sequence[Link] | None = None  # as links, but with NIL asked for

    @cached_property
    def counts(self) -> dict[str, Counts]:
        """The counts of the tasks that the question takes part in: those of ``count``, ``released_…``, and ``nil``."""
        counts = count(self.question, self.links)
        if self.end is not None:
            released = released_counts(self.question, self.links, self.end)
            counts |= {f"released_{name}": one for name, one in released.items()}
        if self.nil_links is not None:
            counts["nil"] = nil_counts(self.question, self.nil_links)
        return counts

    def of(self, task: str) -> Counts:
        """The counts of a task, all 0 if the question takes no part."""
        return self.counts.get(task, NOTHING)

    def takes_part(self, task: str) -> bool:
        """Whether the question takes part in a task."""
        return task in self.counts


Part = Callable[[Case], float]  # what one question adds to a sum
Observation = Literal["links", "ranks", "ends", "nil_links"]  # the arguments of question_sums


class Metric(NamedTuple):
    """A metric: Σ top / Σ bottom over the questions, or the number Σ top where there is no sum at the bottom."""

    top: Part
    bottom: Part | None = None
    needs: Observation = "links"  # what must have been observed, or else the metric is left out


def micro(task: str, quality: str, needs: Observation = "links") -> Metric:
    """Precision, recall or F1 of a task over all links."""
    top, bottom = QUALITY_PARTS[quality]
    return Metric(lambda case: top(case.of(task)), lambda case: bottom(case.of(task)), needs)


def macro(task: str, quality: str) -> Metric:
    """The mean of precision, recall or F1 over the questions that take part in a task; 1 for one without gold and links."""

    def top(case: Case) -> float:
        return case.of(task).quality(empty=1.0)[quality] if case.takes_part(task) else 0.0

    return Metric(top, lambda case: case.takes_part(task))


def total(task: str, part: str, needs: Observation = "links") -> Metric:
    """A number: the sum of ``correct``, ``predicted`` or ``gold`` of a task."""
    pick = operator.attrgetter(part)
    return Metric(lambda case: pick(case.of(task)), None, needs)


def participants(task: str) -> Metric:
    """A number: of the questions that take part in a task."""
    return Metric(lambda case: case.takes_part(task))


def recall_at(k: int) -> Metric:
    """The share of gold mentions whose entity is among the first k candidates."""
    return Metric(lambda case: sum(0 <= rank < k for rank in case.ranks or ()), lambda case: len(case.ranks or ()), "ranks")


def recalls_at(ks: Sequence[int]) -> dict[str, Metric]:
    """Candidate recall at 1 and each k.

    Raises:
        ElqError: no k, or one below 1.
    """
    if min(ks, default=0) < 1:
        raise ElqError(f"candidate recall is asked for at {list(ks)}: give at least one k, each of them at least 1")
    return {f"candidate_recall@{k}": recall_at(k) for k in sorted({1, *ks})}


def released(name: str) -> dict[str, Metric]:
    """One of the released ELQ's ways of counting: precision, recall and F1, then the three sums."""
    task = f"released_{name}"
    qualities = {f"{task}_{quality}": micro(task, quality, "ends") for quality in QUALITIES}
    return qualities | {f"{task}_{part}": total(task, part, "ends") for part in Counts._fields}


METRICS: dict[str, Metric] = {
    **{
        f"{task}_{average}_{quality}": made(task, quality)
        for task in REPORTED
        for average, made in (("micro", micro), ("macro", macro))
        for quality in QUALITIES
    },
    "main_entity_recall": micro("main", "recall"),
    "false_links_per_unmentioned_question": Metric(
        lambda case: case.of("unmentioned").predicted, lambda case: case.takes_part("unmentioned")
    ),
    "questions": Metric(lambda case: 1),
    "questions_in_catalogue": participants("set_in_catalogue"),
    "questions_out_of_catalogue": participants("set_out_of_catalogue"),
    "questions_unmentioned": participants("unmentioned"),
    **recalls_at(KS),
    "disambiguation_accuracy": recall_at(1),
    "gold_mentions": Metric(lambda case: len(case.ranks or ()), None, "ranks"),
    **{name: metric for way in COUNTED for name, metric in released(way).items()},
    **{f"nil_{quality}": micro("nil", quality, "nil_links") for quality in QUALITIES},
    "nil_mentions": total("nil", "gold", "nil_links"),
}


class Sums(NamedTuple):
    """What each of Q questions adds to a metric."""

    top: Array  # (Q,)
    bottom: Array | None  # (Q,); None: the metric is a number of something

    def value(self) -> float:
        """The metric of all Q questions; 0.0 where a ratio is undefined."""
        top, bottom = float(self.top.sum()), 1.0 if self.bottom is None else float(self.bottom.sum())
        return top / bottom if bottom else 0.0


def question_sums(
    questions: Sequence[Question],
    links: Sequence[Sequence[Link]],
    *,
    ranks: Sequence[Sequence[int]] | None = None,
    ends: Sequence[int] | None = None,
    nil_links: Sequence[Sequence[Link]] | None = None,
    metrics: Mapping[str, Metric] = METRICS,
) -> dict[str, Sums]:
    """What each of Q questions adds to each metric: name → sums. Metrics of what was not observed are left out.

    Args:
        questions: annotated questions.
        links: of each question.
        ranks, ends, nil_links: of each question, see :class:`Case`; None: not observed.
        metrics: name → metric.

    Raises:
        ElqError: another number of questions than of lists of links.
    """
    given = {"links": links, "ranks": ranks, "ends": ends, "nil_links": nil_links}
    none = [None] * len(questions)
    others = [none if column is None else column for column in (ranks, ends, nil_links)]
    cases = [Case(*pair, *rest) for pair, *rest in zip(paired(questions, links), *others, strict=True)]
    return {
        name: Sums(_column(metric.top, cases), None if metric.bottom is None else _column(metric.bottom, cases))
        for name, metric in metrics.items()
        if given[metric.needs] is not None
    }


def _column(part: Callable[[Any], float], rows: Sequence[Any]) -> Array:
    return np.array([part(row) for row in rows], np.float64)  # (Q,)


def values_of(sums: Mapping[str, Sums]) -> dict[str, float]:
    """Name → value of each metric, see :meth:`Sums.value`."""
    return {name: one.value() for name, one in sums.items()}


def ratios_of(sums: Mapping[str, Sums]) -> dict[str, Ratio]:
    """The metrics that are ratios, and no numbers of something: name → ratio."""
    return {name: Ratio(one.top, one.bottom) for name, one in sums.items() if one.bottom is not None}


def counts_ratios(counts: Sequence[Counts | None]) -> dict[str, Ratio]:
    """Micro precision, recall and F1 of Q questions as ratios; None for a question that takes no part."""
    rows = [one or NOTHING for one in counts]
    return {name: Ratio(_column(top, rows), _column(bottom, rows)) for name, (top, bottom) in QUALITY_PARTS.items()}


def hit_ratio(hits: Sequence[Sequence[bool]]) -> Ratio:
    """The share of hits among the gold mentions of Q questions, as a ratio."""
    return Ratio(_column(sum, hits), _column(len, hits))
