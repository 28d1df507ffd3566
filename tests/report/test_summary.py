"""The summary: its figures are those of the metrics, and a sentence without figures is left out."""

import re

import numpy as np
import pytest

from elq.evaluation.evaluate import Observed, measure, metric_ratios
from elq.evaluation.intervals import Interval
from elq.report.buckets import BUCKETS, errors_of
from elq.report.summary import REASONS, against_baseline, false_links, losses, quality, summary
from elq.types import Link, Question
from tests.evaluation.test_counting import link, question

Links = list[list[Link]]
QUESTIONS = [question((4, 9, "Q2")), question((4, 9, "Q1"), (10, 15, "Q3")), question((4, 9, None)), question()]
LINKS = [[link(4, 9, "Q2")], [link(4, 9, "Q2"), link(10, 19, "Q3")], [], [link(0, 3, "Q1")]]
NONE: Links = [[], [], [], []]


def made(questions: list[Question], links: Links, theirs: Links | None = None) -> list[str]:
    ours = metric_ratios(Observed(questions, links))
    baseline = None if theirs is None else metric_ratios(Observed(questions, theirs))
    errors = [error for pair in zip(questions, links, strict=True) for error in errors_of(*pair, lambda *_: True)]
    return summary(ours, baseline, Interval(0.25, 0.125, 0.375), errors)


def test_by_hand():
    assert made(QUESTIONS, LINKS, NONE) == [
        "Of 4 questions, 2 have their main entity in the catalogue. There the model finds 2 of 3 gold entities (recall 0.667),"
        " and 2 of the 3 entities that it links are right (precision 0.667). F1 is 0.667.",
        "The dictionary, which links the longest name in a question to the lowest id, has F1 0.000. The model is better by"
        " 0.250 (95% interval 0.125 to 0.375).",
        "1 of 3 gold mentions has a right link with the same span. Of the others: for 1 another entity of the same name is"
        " linked; for 1 the entity is right, but the span is not.",
        "In the question without a mention, where every link is false, the model makes 1 link, and the dictionary 0.",
    ]


def test_the_figures_are_those_of_the_metrics():
    metrics, ratios = measure(Observed(QUESTIONS, LINKS)), metric_ratios(Observed(QUESTIONS, LINKS))
    said = [float(figure) for figure in re.findall(r"(?:recall|precision|F1 is) (\d\.\d+)", quality(ratios))]
    names = [f"set_in_catalogue_micro_{name}" for name in ("recall", "precision", "f1")]
    assert said == pytest.approx([metrics[name] for name in names], abs=5e-4)


def test_what_was_not_measured_is_not_said():
    assert made(QUESTIONS[:1], LINKS[:1])[1:] == ["1 of 1 gold mention has a right link with the same span."]
    assert made(QUESTIONS[2:3], [[]]) == ["Of 1 question none has its main entity in the catalogue."]
    assert made(QUESTIONS[3:], [[]])[1:] == [
        "In the question without a mention, where every link is false, the model makes 0 links."
    ]
    assert "There the model links nothing." in made(QUESTIONS[:1], [[]])[0]


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        (Interval(0.25, 0.125, 0.375), "The model is better by 0.250 (95% interval 0.125 to 0.375)."),
        (Interval(-0.25, -0.375, -0.125), "The model is worse by 0.250 (95% interval 0.125 to 0.375)."),
        (Interval(-0.25, -0.5, 0.125), "The difference, −0.250 (95% interval −0.500 to +0.125), may be chance."),
        (Interval(0.25, 0.0, 0.5), "The difference, +0.250 (95% interval +0.000 to +0.500), may be chance."),
    ],
)
def test_a_difference_is_claimed_only_where_its_interval_leaves_out_0(difference, said):
    assert against_baseline(metric_ratios(Observed(QUESTIONS, NONE)), difference).endswith(said)


def test_without_an_interval_nothing_is_said_about_the_dictionary():
    ours = metric_ratios(Observed(QUESTIONS, LINKS))
    assert not [one for one in summary(ours, ours, Interval(np.nan, np.nan, np.nan), []) if "has F1" in one]
    assert "dictionary" in false_links(ours, ours)
    assert "Of the others" not in losses(ours, [])


def test_every_reason_is_a_bucket_of_lost_mentions():
    assert BUCKETS.keys() - REASONS.keys() == {"spurious", "nil"}  # which only links can be
