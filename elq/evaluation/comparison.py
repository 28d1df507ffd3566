"""Comparison: compares two sets of links by a paired bootstrap over questions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from elq.errors import ElqError
from elq.evaluation.counting import count, gold_entities, paired
from elq.evaluation.intervals import Ratio, interval, resampled
from elq.evaluation.metrics import METRICS, question_sums, ratios_of
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
RESAMPLES = 10_000  # more than for intervals, because a small p-value needs many resamples


class Difference(NamedTuple):
    """A micro figure of A and of B, with the 95% interval and the two-sided p-value of b − a over resampled questions."""

    task: str
    quality: str
    a: float
    b: float
    low: float
    high: float
    p: float


class Change(NamedTuple):
    """A question whose links differ.

    The kind is "won" if B's set of entities has a better F1 than A's, "lost" if it has a worse one, and else "changed".
    """

    kind: str
    question: Question
    a: Sequence[Link]
    b: Sequence[Link]


def matched(path: str | Path, questions: Sequence[Question]) -> list[list[Link]]:
    """The links of a file of predictions, in the order of the annotated questions.

    Raises:
        ElqError: an id occurs twice, is missing, belongs to no annotated question, or has another text.
    """
    wanted = _by_id(questions, "the annotated questions")
    predicted, links = read_predictions(path)
    found = _by_id(predicted, str(path))
    if missing := [key for key in wanted if key not in found]:
        raise ElqError(
            f"{path} lacks {len(missing)} of the questions, such as id {missing[0]!r}: predict all with `elq predict`"
        )
    if extra := [key for key in found if key not in wanted]:
        raise ElqError(f"{path} has {len(extra)} questions too many, such as id {extra[0]!r}: predict only the annotated ones")
    for key, place in wanted.items():
        if (text := predicted[found[key]].text) != questions[place].text:
            raise ElqError(
                f"{path} has the text {text!r} for id {key!r}, but the annotated text is {questions[place].text!r}: run"
                " `elq predict` on the annotated file"
            )
    return [links[found[key]] for key in wanted]


def _by_id(questions: Sequence[Question], source: str) -> dict[str, int]:
    """The place of each id in the list. Raises ElqError if an id occurs twice."""
    places: dict[str, int] = {}
    for place, question in enumerate(questions):
        if places.setdefault(question.id, place) != place:
            raise ElqError(f"{source} has the id {question.id!r} twice, but questions are matched by id: give each its own id")
    return places


def compare(
    questions: Sequence[Question], a: Links, b: Links, *, resamples: int = RESAMPLES, seed: int = 0
) -> list[Difference]:
    """The ``FIGURES`` of A and B on n annotated questions, with intervals and p-values of their differences.

    The p-value is twice the share of resamples in which the difference is 0 or has the other sign. One such resample is added,
    so that the p-value is never 0.

    Args:
        questions: annotated questions.
        a, b: the links of each question.
        resamples: number of resamples; each has n questions, drawn with replacement.
        seed: seed of the draws.

    Raises:
        ElqError: there is no resample or no question, or the numbers of questions and of lists of links differ.
    """
    sides = (_ratios(questions, a), _ratios(questions, b))
    ratios = {(side, figure): ratio for side, own in enumerate(sides) for figure, ratio in own.items()}
    drawn = resampled(ratios, resamples=resamples, seed=seed)  # one call draws the same questions for A and for B
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
    """The questions whose links differ in span or entity, in order.

    Raises:
        ElqError: the numbers of questions and of lists of links differ.
    """
    found = []
    for (question, before), (_, after) in zip(paired(questions, a), paired(questions, b), strict=True):
        if {(x.start, x.end, x.entity) for x in before} == {(x.start, x.end, x.entity) for x in after}:
            continue
        scores = [count(question, links)["set_all"].quality(empty=1.0)["f1"] for links in (before, after)]
        kind = "won" if scores[0] < scores[1] else "lost" if scores[0] > scores[1] else "changed"
        found.append(Change(kind, question, before, after))
    return found


def change_record(change: Change) -> dict[str, Any]:
    """A change as values for JSON: id, text, kind, the gold entities, and the links of A and of B."""
    fields = ("start", "end", "mention", "entity", "title", "score", "probability")
    sides = {
        side: [{field: getattr(link, field) for field in fields} for link in links]
        for side, links in (("a", change.a), ("b", change.b))
    }
    question = change.question
    return {"id": question.id, "text": question.text, "change": change.kind, "gold": sorted(gold_entities(question)), **sides}
