"""All metrics equal those of a slow oracle that uses only the definitions, and follow the laws of sums over questions."""

import math
from dataclasses import replace
from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elq.evaluation import metrics
from elq.evaluation.evaluate import Observed, evaluate_links, measure, metric_ratios
from elq.evaluation.metrics import METRICS, Metric, question_sums
from elq.types import NIL, Link, Question
from tests.evaluation.test_counting import FAR, NOTHING, ONE, link, links, questions
from tests.test_imports import loaded_after

approx = pytest.approx
Row = tuple[Question, list[Link], list[int], int, list[Link], list[float]]  # as the fields of Observed


@st.composite
def rows(draw) -> Row:
    gold = draw(questions)
    linkable = sum(mention.entity is not None for mention in gold.mentions)
    ranks = draw(st.lists(st.sampled_from([-1, 0, 1, 3, 4, 100]), min_size=linkable, max_size=linkable))
    of_nil = [link(m.start, m.end, draw(st.sampled_from([NIL, "Q1"]))) for m in gold.mentions if draw(st.booleans())]
    logs = st.lists(st.sampled_from([-3.0, -1.0, -0.5, math.nan]), min_size=len(gold.mentions), max_size=len(gold.mentions))
    more = draw(st.lists(links, max_size=1))
    return gold, draw(st.lists(links, max_size=4)), ranks, draw(st.integers(0, 14)), of_nil + more, draw(logs)


many_rows = st.lists(rows(), max_size=6)


def observed(some: list[Row]) -> Observed:
    return Observed(*map(list, zip(*some, strict=True))) if some else Observed([], [], [], [], [], [])


def sums_of(seen: Observed) -> dict[str, metrics.Sums]:
    return question_sums(seen.questions, seen.links, ranks=seen.ranks, ends=seen.ends, nil_links=seen.nil_links)


# The oracle: plain loops over small lists, question by question.


def common(gold: list, predicted: list) -> int:
    """Number of predictions that equal a gold item; each gold item is used once."""
    left = list(gold)
    for one in predicted:
        if one in left:
            left.remove(one)
    return len(gold) - len(left)


def most_pairs(gold: list, predicted: list, fits, ordered: bool) -> int:
    """The largest number of fitting pairs, found by trying all. ``ordered``: the pairs are in order in both lists."""
    for size in range(min(len(gold), len(predicted)), 0, -1):
        for some in combinations(gold, size):
            for others in (combinations if ordered else permutations)(predicted, size):
                if all(fits(*pair) for pair in zip(some, others, strict=True)):
                    return size
    return 0


def overlap(mention, found) -> bool:
    shared = set(range(mention.start, mention.end)) & set(range(found.start, found.end))
    return bool(shared) and mention.entity == found.entity


def same(mention, found) -> bool:
    return (mention.start, mention.end, mention.entity) == (found.start, found.end, found.entity)


def released(gold: list, found: list[Link]) -> dict[str, tuple[int, int, int]]:
    by_end = [sorted(some, key=lambda one: one.end) for some in (gold, found)]
    fits = {"weak": overlap, "strong": same}
    return {name: (most_pairs(*by_end, one, ordered=True), len(found), len(gold)) for name, one in fits.items()}


def slow_counts(row: Row) -> dict[str, tuple[int, int, int]]:
    """Task → numbers of right, predicted and gold items, if the question takes part in it."""
    q, found, _, end, of_nil, _ = row
    real = [mention for mention in q.mentions if mention.entity is not None]
    nil_spans = [(mention.start, mention.end) for mention in q.mentions if mention.entity is None]
    spans = [(mention.start, mention.end) for mention in q.mentions]
    gold_set, found_set = {*(m.entity for m in real), *q.other_entities}, {one.entity for one in found}
    sets = (len(gold_set & found_set), len(found_set), len(gold_set))
    guessed_nil = [(one.start, one.end) for one in of_nil if one.entity == NIL]
    counts = {
        "strong": (most_pairs(real, found, same, ordered=False), len(found), len(real)),
        "weak": (most_pairs(real, found, overlap, ordered=False), len(found), len(real)),
        "mention": (common(spans, [(one.start, one.end) for one in found]), len(found), len(spans)),
        "set_all": sets,
        "nil": (common(nil_spans, guessed_nil), len(guessed_nil), len(nil_spans)),
    }
    counts |= {f"released_{name}": one for name, one in released(real, found).items()}
    seen = [mention for mention in real if mention.end <= end]
    counts |= {f"released_window_{name}": one for name, one in released(seen, found).items()}
    if not q.mentions:
        return counts
    if q.mentions[0].entity is None:
        return counts | {"set_out_of_catalogue": sets}
    return counts | {"set_in_catalogue": sets, "main": (int(q.mentions[0].entity in found_set), 1, 1)}


def quality(right: int, predicted: int, gold: int, empty: float) -> dict[str, float]:
    if predicted + gold == 0:
        return {"precision": empty, "recall": empty, "f1": empty}
    precision, recall = right / predicted if predicted else 0.0, right / gold if gold else 0.0
    f1 = 2 * precision * recall / (precision + recall) if right else 0.0
    return {"precision": precision, "recall": recall, "f1": f1}


def slow_area(some: list[Row]) -> dict[str, float]:
    known = [(p, m.entity is None) for q, *_, logs in some for m, p in zip(q.mentions, logs, strict=True) if not math.isnan(p)]
    pairs = [(one > other) + (one == other) / 2 for one, nil in known if nil for other, also in known if not also]
    return {"nil_auroc": sum(pairs) / len(pairs)} if pairs else {}


def slow(some: list[Row]) -> dict[str, float]:
    counted = [slow_counts(row) for row in some]
    values = slow_area(some)
    for task in ("strong", "weak", "mention", "set_all", "set_in_catalogue", "set_out_of_catalogue"):
        own = [one[task] for one in counted if task in one]
        micro = quality(*(sum(one[part] for one in own) for part in range(3)), empty=0.0)
        values |= {f"{task}_micro_{name}": value for name, value in micro.items()}
        for name in micro:
            each = [quality(*one, empty=1.0)[name] for one in own]
            values[f"{task}_macro_{name}"] = sum(each) / len(each) if each else 0.0
    for task in ("nil", *(f"released_{way}" for way in ("weak", "strong", "window_weak", "window_strong"))):
        total = [sum(one[task][part] for one in counted) for part in range(3)]
        values |= {f"{task}_{name}": value for name, value in quality(*total, empty=0.0).items()}
        values |= {
            f"{task}_{name}": n for name, n in zip(("correct", "predicted", "gold"), total, strict=True) if task != "nil"
        }
        values |= {"nil_mentions": total[2]} if task == "nil" else {}
    main, unmentioned = [one["main"] for one in counted if "main" in one], [row for row in some if not row[0].mentions]
    ranks = [rank for row in some for rank in row[2]]
    found = {k: sum(0 <= rank < k for rank in ranks) / max(len(ranks), 1) for k in (1, 4, 10, 16, 64, 128)}
    return values | {
        "main_entity_recall": sum(right for right, _, _ in main) / max(len(main), 1),
        "false_links_per_unmentioned_question": sum(len(row[1]) for row in unmentioned) / max(len(unmentioned), 1),
        "questions": len(some),
        "questions_in_catalogue": len(main),
        "questions_out_of_catalogue": sum("set_out_of_catalogue" in one for one in counted),
        "questions_unmentioned": len(unmentioned),
        **{f"candidate_recall@{k}": value for k, value in found.items()},
        "disambiguation_accuracy": found[1],
        "gold_mentions": len(ranks),
    }


@given(many_rows)
@settings(max_examples=150, deadline=None)
def test_every_metric_equals_the_slow_oracle(some):
    assert measure(observed(some)) == approx(slow(some), abs=1e-9)


@given(many_rows, st.randoms())
@settings(max_examples=60, deadline=None)
def test_the_order_of_the_questions_permutes_the_rows_of_the_sums_and_changes_no_metric(some, random):
    order = random.sample(range(len(some)), len(some))
    seen, other = observed(some), observed([some[place] for place in order])
    one, two = sums_of(seen), sums_of(other)
    assert list(one) == list(two)
    for name, (top, bottom) in one.items():
        np.testing.assert_array_equal(top[order], two[name].top)
        assert (bottom is None) == (two[name].bottom is None)
        assert bottom is None or bottom[order].tolist() == two[name].bottom.tolist()
    assert measure(other) == approx(measure(seen))


@given(many_rows, many_rows)
@settings(max_examples=60, deadline=None)
def test_the_metrics_of_two_sets_together_follow_from_the_sums_of_both(left, right):
    one, two, both = (sums_of(observed(some)) for some in (left, right, left + right))
    values = measure(observed(left + right))
    assert one.keys() == two.keys() == both.keys() == METRICS.keys()
    assert values.keys() - METRICS.keys() <= {"nil_auroc"}
    for name in METRICS:
        top = one[name].top.sum() + two[name].top.sum()
        if both[name].bottom is None:
            assert values[name] == top
            continue
        bottom = one[name].bottom.sum() + two[name].bottom.sum()
        assert values[name] == approx(top / bottom if bottom else 0.0)


@given(many_rows)
@settings(max_examples=30, deadline=None)
def test_what_was_not_observed_has_no_metrics_and_changes_no_other(some):
    whole = measure(observed(some))
    for field, prefixes in {
        "ranks": ("candidate_recall", "disambiguation", "gold_mentions"),
        "ends": ("released",),
        "nil_links": ("nil",),
    }.items():
        seen = replace(observed(some), **{field: None})
        wanted = {name: value for name, value in whole.items() if not name.startswith(prefixes)}
        assert measure(seen) == wanted
        assert metric_ratios(seen).keys() <= wanted.keys()


def test_a_new_metric_is_one_entry(monkeypatch):
    several = Metric(lambda case: len(case.links) > 1, lambda case: 1)
    monkeypatch.setitem(METRICS, "several_links", several)
    golds, found = [ONE, FAR, NOTHING], [[link(0, 3, "Q1"), link(4, 9, "Q2")], [link(0, 3, "Q1")], []]
    assert evaluate_links(golds, found)["several_links"] == approx(1 / 3)
    assert metric_ratios(Observed(golds, found))["several_links"].top.tolist() == [1, 0, 0]


def test_measuring_needs_no_torchmetrics():
    modules = ("evaluation.evaluate", "evaluation.tune", "evaluation.comparison", "report.page", "report.plots")
    assert "torchmetrics" not in loaded_after(f"import {', '.join(f'elq.{module}' for module in modules)}")
