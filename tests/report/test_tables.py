"""Tables: every metric except the counts has a row, and an undefined metric has none."""

import math

from elq.evaluation.evaluate import Observed, measure, metric_ratios
from elq.report.tables import families, headlines, metric_cells
from elq.report.wording import is_count
from tests.report.test_wording import GOLD, LINKS, everything


def cells(observed: Observed, baseline: Observed | None = None):
    return metric_cells(measure(observed), metric_ratios(observed), baseline and metric_ratios(baseline), resamples=3, seed=0)


def whole() -> Observed:
    return Observed(GOLD, LINKS, [[0], [], []], [25] * 3, LINKS, [[-0.5], [-0.1], []])


def test_every_metric_but_the_counts_has_its_value():
    metrics = everything()
    made = cells(whole())
    assert made.keys() == {name for name in metrics if not is_count(name)}
    for name, (one,) in made.items():
        assert math.isnan(one.value) or math.isclose(one.value, metrics[name], abs_tol=1e-6), name
    assert math.isnan(made["nil_auroc"][0].low)  # no ratio over questions, and so without an interval
    assert made["nil_auroc"][0].value == metrics["nil_auroc"] > 0


def test_a_baseline_stands_beside_every_metric():
    made = cells(whole(), Observed(GOLD, [[], [], []]))
    assert {len(one) for one in made.values()} == {3}
    assert made["disambiguation_accuracy"][1:] == [None, None]
    model, other, difference = made["strong_micro_recall"]
    assert (model.value, other.value, difference.value) == (1.0, 0.0, 1.0)


def test_what_was_not_measured_has_no_row():
    known = Observed(GOLD[:1], LINKS[:1], [[0]])
    names = [row.name for row in headlines(cells(known))]
    assert "entities: F1" in names
    assert "false links per question without a mention" not in names
    titles = [family.name for family, _ in families(cells(known))]
    assert "entities, all questions" in titles
    assert not {"entities, main entity not in the catalogue", "false links", "mentions without an entity"} & {*titles}
    rows = [row for _, some in families(cells(whole())) for row in some]
    assert len({row.name for row in rows}) == len(rows)
