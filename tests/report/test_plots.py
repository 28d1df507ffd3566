"""Curves and plots: their numbers agree with the metrics, and the plots have the right colours and borders."""

import io
import math

import numpy as np
import pytest
from PIL import Image

from elq.evaluation.evaluate import Observed, measure
from elq.evaluation.intervals import Interval
from elq.evaluation.metrics import question_sums, recalls_at, values_of
from elq.evaluation.reliability import reliability
from elq.evaluation.sweep import Threshold
from elq.report.curves import confidence, quality_curve, recall_curve, reliability_diagram
from elq.report.plots import DARK, LIGHT, drawn, quality_plot, recall_plot, reliability_plot
from elq.types import Link, Mention, Question
from tests.evaluation.test_counting import link, question

MANY = [  # question "the quick brown fox jumps", links of all scores, ranks
    (question((0, 3, "Q1"), (4, 9, "Q2")), [link(0, 3, "Q1", -0.1), link(5, 9, "Q2", -1.0), link(10, 15, "Q3", -6.0)], [0, 3]),
    (question((0, 3, None), (4, 9, "Q1")), [link(0, 3, "Q1", -0.2)], [-1]),
    (question((4, 9, "Q3"), other=["Q1"]), [link(0, 3, "Q1", -2.0), link(4, 9, "Q3", -2.5), link(10, 15, "Q3", -1.5)], [9]),
    (question(), [link(0, 3, "Q1", -0.3)], []),
    (question((0, 9, "Q2")), [link(0, 3, "Q1", -3.0), link(4, 9, "Q2", -7.0)], [127]),
]


@pytest.fixture
def low() -> Observed:
    return Observed([gold for gold, _, _ in MANY], [found for _, found, _ in MANY], [ranks for _, _, ranks in MANY])


def test_the_curve_goes_through_the_metrics(low):
    curve = quality_curve(low)
    assert len(curve) > 5
    for point in curve:
        metrics = measure(low.above(point.threshold))
        for quality in ("precision", "recall", "f1"):
            assert getattr(point, quality) == pytest.approx(metrics[f"set_in_catalogue_micro_{quality}"])


def test_recall_at_k_is_that_of_the_metrics(low):
    curve, ks = recall_curve(low), range(1, 129)
    expected = values_of(question_sums(low.questions, low.links, ranks=low.ranks, metrics=recalls_at(ks)))
    assert [one.value for one in curve] == pytest.approx([expected[f"candidate_recall@{k}"] for k in ks])
    assert recall_curve(Observed(low.questions, low.links, [[] for _ in low.questions])) == []


def test_bins_of_reliability_hold_equal_numbers_in_the_order_of_confidence():
    generator = np.random.default_rng(0)
    questions, links, rows = [], [], []
    for number in range(40):
        gold = tuple(Mention(3 * n, 3 * n + 2, "Q1") for n in range(3))
        found = [
            Link(3 * n, 3 * n + 2, "", str(generator.choice(["Q1", "Q2"])), "", "", float(np.log(generator.random())))
            for n in range(3)
        ]
        questions.append(Question(str(number), "a question of nine", gold))
        links.append(found)
        rows += [(math.exp(link.score), link.entity == "Q1") for link in found]
    bins, whole = reliability_diagram(Observed(questions, links), bins=7)
    assert whole == reliability(*map(np.array, zip(*rows, strict=True)), 7)
    rows.sort()
    assert sorted({one.links for one in bins}) == [17, 18]
    at = 0
    for one in bins:
        inside = rows[at : at + one.links]
        assert one.confidence == pytest.approx(sum(p for p, _ in inside) / len(inside))
        assert one.right.value == pytest.approx(sum(right for _, right in inside) / len(inside))
        assert one.right.low <= one.right.value <= one.right.high
        at += one.links
    assert at == len(rows)
    assert whole.ece == pytest.approx(sum(abs(one.confidence - one.right.value) * one.links for one in bins) / 120)
    assert confidence(links[0][0]) == math.exp(links[0][0].score)
    assert reliability_diagram(Observed(questions, [[] for _ in questions])) is None
    assert len(reliability_diagram(Observed(questions[:1], links[:1])).bins) == 3  # fewer links than bins


def test_links_of_equal_confidence_stand_in_one_bin():
    questions, links = [question((0, 3, "Q1"))] * 8, [[link(0, 3, f"Q{1 + n % 2}", -1.0 - (n > 5))] for n in range(8)]
    bins, whole = reliability_diagram(Observed(questions, links))
    assert [(one.links, one.right.value) for one in bins] == [(2, 0.5), (6, 0.5)]
    assert whole.ece == pytest.approx((2 * (0.5 - math.exp(-2.0)) + 6 * (0.5 - math.exp(-1.0))) / 8)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def test_colours_can_be_told_from_their_ground():
    """The limits of WCAG 2: 4.5 for text, 3 for lines that mean something."""
    for theme in (LIGHT, DARK):
        assert contrast(theme.text, theme.ground) >= 4.5
        assert all(contrast(colour, theme.ground) >= 3 for colour in theme.curves)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_pictures_have_their_ground_and_nothing_is_cut_off(theme):
    curve = [Threshold(-x, 0.5, 0.9 - x / 10, x / 8) for x in range(1, 8)]
    plots = (
        quality_plot(curve, Threshold(-4.5, 0.5, 0.5, 0.5)),
        reliability_plot(reliability_diagram(Observed([Question("1", "a")], [[Link(0, 1, "a", "Q1", "", "", -0.5)]])).bins),
        recall_plot([Interval(1 - 1 / k, 1 - 1.1 / k, 1 - 0.9 / k) for k in range(2, 130)]),
    )
    for plot in plots:
        pixels = np.asarray(Image.open(io.BytesIO(drawn(plot, theme, "png"))).convert("RGB"))
        ground = [int(theme.ground[place : place + 2], 16) for place in (1, 3, 5)]
        edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        assert (edge == ground).all()
        assert (pixels != ground).any(-1).mean() > 0.01
