"""Comparison: two sets of links for the same annotated questions, by a paired bootstrap over the questions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from elq.errors import ElqError
from elq.evaluation.counting import count, gold_entities, paired
from elq.evaluation.intervals import Ratio, interval, resampled
from elq.evaluation.ratios import METRICS, question_sums, ratios_of
from elq.questions.predicted import read_predictions
from elq.types import Link, Question

Links = Sequence[Sequence[Link]]

FIGURES = (  # task and quality, both of elq/evaluation/counting.py
    ("set_in_catalogue", "f1"),
    ("set_in_catalogue", "precision"),
    ("set_in_catalogue", "recall"),
    ("strong", "f1"),
    ("weak", "f1"),
    ("main", "recall"),
)
RESAMPLES = 10_000  # more than for intervals: p-values are small shares


class Difference(NamedTuple):
    """A micro figure of A and of B, and the 95% interval and two-sided p-value of b − a over resampled questions."""

    task: str
    quality: str
    a: float
    b: float
    low: float
    high: float
    p: float


class Change(NamedTuple):
    """A question whose links differ: "won" or "lost" where B's set of entities has the better or worse F1, else "changed"."""

    kind: str
    question: Question
    a: Sequence[Link]
    b: Sequence[Link]


def matched(path: str | Path, questions: Sequence[Question]) -> list[list[Link]]:
    """The links of a file of predictions, in the order of the annotated questions.

    Raises:
        ElqError: an id stands twice, is missing or is no question's, or has another text.
    """
    wanted = _by_id(questions, "the annotated questions")
    predicted, links = read_predictions(path)
    found = _by_id(predicted, str(path))
    if missing := [key for key in wanted if key not in found]:
        raise ElqError(f"{path} lacks {len(missing)} of the questions, such as id {missing[0]!r}: predict all of them")
    if extra := [key for key in found if key not in wanted]:
        raise ElqError(f"{path} has {len(extra)} questions too many, such as id {extra[0]!r}: predict the annotated ones alone")
    for key, place in wanted.items():
        if (text := predicted[found[key]].text) != questions[place].text:
            raise ElqError(f"{path} has the text {text!r} under id {key!r}, not {questions[place].text!r}: predict this file")
    return [links[found[key]] for key in wanted]


def _by_id(questions: Sequence[Question], source: str) -> dict[str, int]:
    """The place of each id."""
    places: dict[str, int] = {}
    for place, question in enumerate(questions):
        if places.setdefault(question.id, place) != place:
            raise ElqError(f"{source} has the id {question.id!r} twice, but questions are matched by it: give each its own")
    return places


def compare(
    questions: Sequence[Question], a: Links, b: Links, *, resamples: int = RESAMPLES, seed: int = 0
) -> list[Difference]:
    """The ``FIGURES`` of A and B on n annotated questions, and how far chance in the choice of questions may carry them.

    The p-value is twice the share of resamples in which the difference is 0 or has the other sign, with one more such resample
    counted, so that it is never 0.

    Args:
        questions: annotated questions.
        a, b: the links of each question.
        resamples: how often n questions are drawn, with replacement.
        seed: of the draws.

    Raises:
        ElqError: fewer than one resample or question, or another number of questions than of lists of links.
    """
    sides = (_ratios(questions, a), _ratios(questions, b))
    ratios = {(side, figure): ratio for side, own in enumerate(sides) for figure, ratio in own.items()}
    drawn = resampled(ratios, resamples=resamples, seed=seed)  # in one call: the same questions are drawn for A and for B
    found = []
    for figure in FIGURES:
        before, after = (np.nan_to_num(drawn[side, figure]) for side in (0, 1))  # each (1 + R,); 0 where undefined
        gain = after - before
        tail = int(min((gain[1:] <= 0).sum(), (gain[1:] >= 0).sum())) + 1
        _, low, high = interval(gain)
        found.append(Difference(*figure, float(before[0]), float(after[0]), low, high, min(1.0, 2 * tail / (resamples + 1))))
    return found


def _ratios(questions: Sequence[Question], links: Links) -> dict[tuple[str, str], Ratio]:
    """The ``FIGURES`` as ratios over the questions."""
    names = {figure: "main_entity_recall" if figure[0] == "main" else "{}_micro_{}".format(*figure) for figure in FIGURES}
    ratios = ratios_of(question_sums(questions, links, metrics={name: METRICS[name] for name in names.values()}))
    return {figure: ratios[name] for figure, name in names.items()}


def changes(questions: Sequence[Question], a: Links, b: Links) -> list[Change]:
    """The questions whose links differ in span or entity, in order. Raises ElqError if the numbers differ."""
    found = []
    for (question, before), (_, after) in zip(paired(questions, a), paired(questions, b), strict=True):
        if {(x.start, x.end, x.entity) for x in before} == {(x.start, x.end, x.entity) for x in after}:
            continue
        scores = [count(question, links)["set_all"].quality(empty=1.0)["f1"] for links in (before, after)]
        kind = "won" if scores[0] < scores[1] else "lost" if scores[0] > scores[1] else "changed"
        found.append(Change(kind, question, before, after))
    return found


def change_record(change: Change) -> dict[str, Any]:
    """A change as plain values: id, text, kind, the gold entities, and the links of A and of B."""
    fields = ("start", "end", "mention", "entity", "title", "score", "probability")
    sides = {
        side: [{field: getattr(link, field) for field in fields} for link in links]
        for side, links in (("a", change.a), ("b", change.b))
    }
    question = change.question
    return {"id": question.id, "text": question.text, "change": change.kind, "gold": sorted(gold_entities(question)), **sides}
