"""The bootstrap equals a slow one that measures every resample as a set of questions, and has its stated properties."""

import math
import weakref

import numpy as np
import pytest
from hypothesis import given, settings

import elq.evaluation.intervals
from elq.errors import ElqError
from elq.evaluation.evaluate import Observed, measure, metric_ratios
from elq.evaluation.intervals import Interval, Ratio, interval, intervals, resampled
from tests.evaluation.test_counting import Pairs, link, many_pairs, question


def observed(pairs: Pairs, ends: bool = False) -> Observed:
    golds, links = [gold for gold, _ in pairs], [found for _, found in pairs]
    ranks = [[place - 1 for place, m in enumerate(gold.mentions) if m.entity is not None] for gold in golds]  # −1, 0, 1
    return Observed(golds, links, ranks, [6] * len(pairs) if ends else None)


def ratio(top: list[float], bottom: list[float]) -> Ratio:
    return Ratio(np.array(top, float), np.array(bottom, float))


@given(many_pairs)
@settings(max_examples=100, deadline=None)
def test_every_ratio_is_its_metric_and_every_other_metric_is_a_number_of_something(pairs):
    if not pairs:
        return
    seen = observed(pairs, ends=True)
    metrics, ratios = measure(seen), metric_ratios(seen)
    values = {name: values[0] for name, values in resampled(ratios, resamples=1).items()}
    assert ratios.keys() <= metrics.keys()
    numbers = metrics.keys() - ratios.keys()
    assert all(name.startswith(("questions", "gold_mentions", "released_")) for name in numbers)
    assert all(metrics[name] == int(metrics[name]) for name in numbers)
    for name, value in values.items():
        assert metrics[name] == pytest.approx(0.0 if math.isnan(value) else value, abs=1e-6)


PAIRS = [
    (question((0, 3, "Q1"), (4, 9, "Q2")), [link(0, 3, "Q1"), link(5, 9, "Q2")]),
    (question((0, 3, None)), [link(0, 3, "Q1")]),
    (question((4, 9, "Q3"), other=["Q1"]), [link(0, 3, "Q1")]),
    (question(), [link(0, 3, "Q1")]),
    (question((0, 9, "Q2")), []),
    (question((0, 3, "Q1"), (4, 9, "Q3")), [link(4, 9, "Q3")]),
]


def test_resamples_are_measured_as_question_sets_of_their_own():
    ratios = metric_ratios(observed(PAIRS, ends=True))
    fast = resampled(ratios, resamples=40, seed=5)
    generator = np.random.default_rng(5)
    for number in range(1, 41):
        drawn = [PAIRS[place] for place in generator.integers(len(PAIRS), size=len(PAIRS))]
        slow = measure(observed(drawn, ends=True))
        for name, values in fast.items():
            assert slow[name] == pytest.approx(0.0 if math.isnan(values[number]) else values[number], abs=1e-6), name


def test_draws_depend_on_the_seed_alone_and_not_on_the_blocks(monkeypatch):
    ratios = metric_ratios(observed(PAIRS))
    whole = resampled(ratios, resamples=50, seed=1)
    other = resampled(ratios, resamples=50, seed=2)
    monkeypatch.setattr(elq.evaluation.intervals, "CELLS", 20)
    small = resampled(ratios, resamples=50, seed=1)
    for name, values in whole.items():
        np.testing.assert_array_equal(values, small[name])
    assert any(not np.array_equal(values, other[name], equal_nan=True) for name, values in whole.items())


def test_draws_are_held_one_block_at_a_time(monkeypatch):
    """The draws have resamples × questions cells, which are gigabytes for a large file."""
    blocks, alive, draw = [], [], elq.evaluation.intervals.draw_counts

    def watched(*settings):
        for block in draw(*settings):
            blocks.append(weakref.ref(block))
            alive.append(sum(one() is not None for one in blocks))
            yield block

    monkeypatch.setattr(elq.evaluation.intervals, "CELLS", 20)
    monkeypatch.setattr(elq.evaluation.intervals, "draw_counts", watched)
    resampled(metric_ratios(observed(PAIRS)), resamples=50)
    assert len(alive) > 10
    assert max(alive) <= 3


def test_an_interval_holds_the_truth_in_95_of_100_samples():
    generator, held = np.random.default_rng(0), 0
    for seed in range(400):
        top = generator.random(150) < 0.7
        found = intervals({"share": Ratio(top.astype(float), np.ones(150))}, resamples=400, seed=seed)["share"]
        held += found.low <= 0.7 <= found.high
    assert 0.925 <= held / 400 <= 0.975


def test_an_interval_is_that_of_whole_questions_and_not_of_their_mentions():
    """Ten mentions of one question are right or wrong together, so they give no more information than one."""
    ones = intervals({"a": ratio([1, 0] * 20, [1] * 40), "b": ratio([10, 0] * 20, [10] * 40)})
    assert ones["a"] == ones["b"]
    assert 0.25 < ones["a"].high - ones["a"].low < 0.35


def test_differences_are_of_the_same_resamples():
    draws = resampled({"a": ratio([1, 0, 1, 0], [1] * 4), "b": ratio([1, 0, 1, 1], [1] * 4)})
    again = resampled({"b": ratio([1, 0, 1, 1], [1] * 4)})
    assert interval(draws["b"] - again["b"]) == Interval(0.0, 0.0, 0.0)
    assert interval(draws["b"] - draws["a"]).low == 0.0  # never worse, question by question


def test_what_is_undefined_has_no_figure_and_resamples_without_it_are_passed_over():
    found = intervals({"never": ratio([0, 0], [0, 0]), "rarely": ratio([1, 0], [1, 0])}, resamples=50)
    assert all(map(math.isnan, found["never"]))
    assert found["rarely"] == Interval(1.0, 1.0, 1.0)
    assert intervals({}) == {}


@pytest.mark.parametrize(("top", "resamples"), [([], 10), ([1.0], 0)])
def test_nothing_to_draw_is_refused(top, resamples):
    with pytest.raises(ElqError, match=f"{resamples} resamples of {len(top)} questions are asked for: give at least one"):
        intervals({"a": ratio(top, top)}, resamples=resamples)
