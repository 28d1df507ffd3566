"""Metrics: declares every metric, each as a ratio of two sums over questions.

``METRICS`` contains all metrics. A metric says what one question adds to the numerator (top) and to the denominator (bottom);
its value is Σ top / Σ bottom. A plain number has only a numerator. Values, bootstrap intervals, reports and comparisons are all
computed from these sums. So the order of the questions does not matter, and the sums of two sets of questions can be added.

To add a metric, add one entry to ``METRICS``: its name, and a :class:`Metric` of functions that read one question with
the output of the linker for it (a :class:`Case`). The share of questions with more than one link would be::

    "several_links": Metric(lambda case: len(case.links) > 1, lambda case: 1),

If the metric needs something that not every linker gives (ranks, ends, links to NIL), name it as the third argument. Nothing
else must be changed: ``elq evaluate`` prints the metric, and the report shows it with an interval.
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

KS = (1, 4, 10, 16, 64, 128)  # numbers k for which candidate recall at k is measured
NOTHING = Counts(0, 0, 0)  # counts of a question that takes no part in a task


@dataclass(frozen=True)
class Case:
    """One question and the output of a linker for it: everything that a metric needs. None means not observed."""

    question: Question
    links: Sequence[Link]
    ranks: Sequence[int] | None = None  # of the gold mentions with an entity: 0 = best candidate, -1 = not retrieved
    end: int | None = None  # number of characters that the linker has read
    nil_links: Sequence[Link] | None = None  # like links, with links to NIL

    @cached_property
    def counts(self) -> dict[str, Counts]:
        """Task → counts, for the tasks of ``count`` in which the question takes part, for ``released_…`` and for ``nil``."""
        counts = count(self.question, self.links)
        if self.end is not None:
            released = released_counts(self.question, self.links, self.end)
            counts |= {f"released_{name}": one for name, one in released.items()}
        if self.nil_links is not None:
            counts["nil"] = nil_counts(self.question, self.nil_links)
        return counts

    def of(self, task: str) -> Counts:
        """The counts of a task; all are 0 if the question takes no part in it."""
        return self.counts.get(task, NOTHING)

    def takes_part(self, task: str) -> bool:
        """Whether the question takes part in a task."""
        return task in self.counts


Part = Callable[[Case], float]  # what one question adds to a sum
Observation = Literal["links", "ranks", "ends", "nil_links"]  # the arguments of question_sums


class Metric(NamedTuple):
    """A metric: Σ top / Σ bottom over the questions, or the number Σ top if ``bottom`` is None."""

    top: Part
    bottom: Part | None = None
    needs: Observation = "links"  # the metric is left out if this was not observed


def micro(task: str, quality: str, needs: Observation = "links") -> Metric:
    """Precision, recall or F1 of a task over all links."""
    top, bottom = QUALITY_PARTS[quality]
    return Metric(lambda case: top(case.of(task)), lambda case: bottom(case.of(task)), needs)


def macro(task: str, quality: str) -> Metric:
    """The mean of precision, recall or F1 over the questions that take part in a task.

    It is 1 for a question without gold items and links.
    """

    def top(case: Case) -> float:
        return case.of(task).quality(empty=1.0)[quality] if case.takes_part(task) else 0.0

    return Metric(top, lambda case: case.takes_part(task))


def total(task: str, part: str, needs: Observation = "links") -> Metric:
    """A number: the sum of ``correct``, ``predicted`` or ``gold`` of a task."""
    pick = operator.attrgetter(part)
    return Metric(lambda case: pick(case.of(task)), None, needs)


def participants(task: str) -> Metric:
    """A number: how many questions take part in a task."""
    return Metric(lambda case: case.takes_part(task))


def recall_at(k: int) -> Metric:
    """The share of gold mentions whose entity is among the first k candidates."""
    return Metric(lambda case: sum(0 <= rank < k for rank in case.ranks or ()), lambda case: len(case.ranks or ()), "ranks")


def recalls_at(ks: Sequence[int]) -> dict[str, Metric]:
    """Candidate recall at 1 and at each k.

    Raises:
        ElqError: there is no k, or a k below 1.
    """
    if min(ks, default=0) < 1:
        raise ElqError(f"candidate recall is asked for at {list(ks)}: give at least one k, and no k below 1")
    return {f"candidate_recall@{k}": recall_at(k) for k in sorted({1, *ks})}


def released(name: str) -> dict[str, Metric]:
    """The metrics of one way of counting of the released ELQ: precision, recall and F1, and the three sums."""
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
    """The terms that each of Q questions adds to the sums of a metric."""

    top: Array  # (Q,)
    bottom: Array | None  # (Q,); None: the metric is a plain number

    def value(self) -> float:
        """The value of the metric for all Q questions; 0.0 if it is undefined."""
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
    """What each of Q questions adds to each metric: name → sums. A metric is left out if what it needs was not observed.

    Args:
        questions: annotated questions.
        links: the links of each question.
        ranks, ends, nil_links: those of each question, see :class:`Case`; None: not observed.
        metrics: name → metric.

    Raises:
        ElqError: the numbers of questions and of lists of links differ.
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
    """Name → ratio, for each metric that is a ratio and not a plain number."""
    return {name: Ratio(one.top, one.bottom) for name, one in sums.items() if one.bottom is not None}


def counts_ratios(counts: Sequence[Counts | None]) -> dict[str, Ratio]:
    """Micro precision, recall and F1 of Q questions as ratios; None stands for a question that takes no part."""
    rows = [one or NOTHING for one in counts]
    return {name: Ratio(_column(top, rows), _column(bottom, rows)) for name, (top, bottom) in QUALITY_PARTS.items()}


def hit_ratio(hits: Sequence[Sequence[bool]]) -> Ratio:
    """The share of hits among the gold mentions of Q questions, as a ratio."""
    return Ratio(_column(sum, hits), _column(len, hits))
