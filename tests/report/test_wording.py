"""Wording: every metric that can be measured has a name in words and belongs to a family."""

from itertools import chain

from elq.evaluation.counting import REPORTED
from elq.evaluation.evaluate import Observed, measure
from elq.report.wording import BASES, HEADLINES, NUMBERS, OTHERS, TASKS, family_of, in_families, is_count, metric_name
from tests.evaluation.test_counting import link, question

GOLD = [question((4, 9, "Q2")), question((4, 9, None)), question()]
LINKS = [[link(4, 9, "Q2")], [link(4, 9, "Q1")], [link(0, 3, "Q1")]]


def everything() -> dict[str, float]:
    """All metrics: with ranks, the released counting and NIL."""
    return measure(Observed(GOLD, LINKS, [[0], [], []], [25] * 3, LINKS, [[-0.5], [-0.1], []]))


def test_every_metric_has_its_own_name_and_a_family():
    metrics = everything()
    assert {"nil_auroc", "released_weak_f1", "candidate_recall@128", "main_entity_recall"} <= metrics.keys()
    names = [metric_name(name) for name in metrics]
    assert len(set(names)) == len(metrics)
    assert not [name for name in names if "_" in name]
    shares = [name for name in metrics if not is_count(name)]
    assert OTHERS not in in_families(shares)
    assert sorted(chain.from_iterable(in_families(shares).values())) == sorted(shares)
    assert all(value == int(value) for name, value in metrics.items() if is_count(name))


def test_the_names_are_those_of_metrics():
    metrics = everything()
    assert HEADLINES.keys() | NUMBERS.keys() | set(BASES.values()) <= metrics.keys()
    assert all(any(name.startswith(start) for name in metrics) for start in BASES)
    assert TASKS.keys() == set(REPORTED)
    assert all(family.meaning.endswith(".") for family in in_families(metrics) if family != OTHERS)
    assert family_of("something_new") == OTHERS
