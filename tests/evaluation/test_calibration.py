"""Probabilities: fitting and measuring calibrations, storing them in a folder, and the linker's probabilities."""

import itertools
import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import logsigmoid
from torchmetrics.functional.classification import binary_auroc

from elq import Linker
from elq.commands import run
from elq.entities.manifest import open_entities
from elq.errors import ElqError
from elq.evaluation.reliability import (
    auroc,
    calibrated_band,
    calibration_error,
    cross_fitted,
    examples,
    fit_calibration,
    reliability,
)
from elq.evaluation.sweep import SWEEP_FLOOR
from elq.linking.calibration import LIMIT, PENALTY, Calibration, FactorCalibration, fit, log_odds
from elq.linking.decision import Decision
from elq.linking.decoding import without_overlaps
from elq.linking.folder import DECISION, ENTITIES
from elq.questions.annotated import read_questions
from elq.training.export import export_folder
from elq.types import Link, Mention, Question
from tests.conftest import QUESTIONS

TEXTS = [text for text, _, _ in QUESTIONS]


def drawn(calibration: Calibration, count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-odds (n,), and labels that are right as often as the calibration says."""
    random = np.random.default_rng(seed)
    features = torch.from_numpy(random.normal(0.0, 3.0, count))
    labels = random.random(count) < calibration.probabilities(features).numpy()
    return features, torch.from_numpy(labels).double()


def loss(weights, features, labels) -> float:
    """The loss that the fit minimises, computed link by link."""
    total = PENALTY / 2 * sum(weight**2 for weight in weights)
    for odds, label in zip(features.tolist(), labels.tolist(), strict=True):
        p = 1 / (1 + math.exp(-weights[0] - weights[1] * odds))
        total -= math.log(p if label else 1 - p)
    return total


def annotated(*rights: bool) -> tuple[list[Question], list[list[Link]]]:
    """Questions with one link each, right or wrong, and with different scores."""
    questions = [Question(str(n), "paris", (Mention(0, 5, "Q1" if right else "Q2"),)) for n, right in enumerate(rights)]
    scores = [(-0.1 - 0.3 * n, -0.2 * ((n * 7) % 5) - 0.05) for n in range(len(rights))]
    return questions, [[Link(0, 5, "paris", "Q1", "", "", m + e, (), m)] for m, e in scores]


def test_log_odds():
    for p in (1e-4, 0.1, 0.5, 0.999):
        assert log_odds(math.log(p)) == pytest.approx(math.log(p / (1 - p)))
    assert [log_odds(x) for x in (0.0, 1e-7, -1e-30, -math.inf, -50.0)] == [LIMIT, LIMIT, LIMIT, -LIMIT, -LIMIT]


@pytest.mark.parametrize("seed", range(4))
def test_no_step_from_the_fit_makes_the_links_more_likely(seed):
    """The loss is convex, so a fit is best if no small step inside the bounds lowers it. Some labels lead to a bound."""
    features, labels = drawn(Calibration(-1.0, (1.5, 0.3, -0.5, -2.0)[seed]), 60, seed)
    found = fit(features, labels)
    assert (found.slope == 0) == (seed > 1)
    least = loss(found, features, labels)
    for place in range(2):
        for step in (-1e-3, 1e-3):
            other = [value + step * (place == n) for n, value in enumerate(found)]
            assert other[1] < 0 or loss(other, features, labels) > least


def test_the_fit_finds_what_the_labels_were_drawn_with():
    truth = Calibration(-0.5, 0.6)
    assert fit(*drawn(truth, 40_000)) == pytest.approx(truth, abs=0.05)


def test_a_fit_to_links_of_one_kind_or_that_a_line_parts_is_finite():
    features = torch.tensor([-5.0, -4.0, 4.0, 5.0], dtype=torch.float64)
    for labels in ([1.0] * 4, [0.0] * 4, [0.0, 0.0, 1.0, 1.0]):
        found = fit(features, torch.tensor(labels, dtype=torch.float64))
        assert max(map(abs, found)) < 100
        assert ((found.probabilities(features) > 0.5) == torch.tensor(labels).bool()).all()
    with pytest.raises(ElqError, match="needs links, but there are none"):
        fit_calibration([Question("1", "paris")], [[]])


def test_one_probability_is_that_of_many():
    calibration, (features, _) = Calibration(0.3, 0.5), drawn(Calibration(0.0, 1.0), 50)
    for odds, expected in zip(features, calibration.probabilities(features), strict=True):
        score = float(logsigmoid(odds))
        for share in (0.0, 0.3, 1.0):
            assert calibration.probability(share * score, (1 - share) * score) == pytest.approx(float(expected), abs=1e-9)


def slow_error(pairs, bins):
    """Sorted links in bins of equal size; links of equal probability are in the bin of the first of them."""
    kept: list[list[tuple[float, float]]] = [[] for _ in range(bins)]
    ordered = sorted(pairs)
    for place, (p, label) in enumerate(ordered):
        while place and ordered[place - 1][0] == p:
            place -= 1
        kept[place * bins // len(pairs)].append((p, label))
    gaps = [abs(sum(p for p, _ in inside) / len(inside) - sum(y for _, y in inside) / len(inside)) for inside in kept if inside]
    return sum(gap * len(inside) for gap, inside in zip(gaps, filter(None, kept), strict=True)) / len(pairs)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]) | st.floats(0, 1), st.booleans()), min_size=1),
    st.integers(1, 20),
    st.randoms(),
)
def test_the_calibration_error_is_that_of_the_slow_oracle_in_any_order(pairs, bins, random):
    expected = slow_error(pairs, bins)
    random.shuffle(pairs)
    probabilities, labels = np.array([p for p, _ in pairs]), np.array([float(y) for _, y in pairs])
    assert calibration_error(probabilities, labels, bins) == pytest.approx(expected, abs=1e-9)


def test_the_band_holds_what_is_calibrated_95_times_of_100_and_not_what_is_over_confident():
    random = np.random.default_rng(5)
    probabilities = random.random(300)
    low, high = calibrated_band(probabilities)
    assert 0 < low < high
    labels = random.random((400, 300)) < probabilities
    inside = sum(low <= calibration_error(probabilities, row) <= high for row in labels)
    assert 365 <= inside <= 395
    assert calibration_error((probabilities > 0.5) * 0.98 + 0.01, labels[0]) > calibrated_band(probabilities)[1]


def test_auroc_counts_pairs():
    random = np.random.default_rng(2)
    probabilities, labels = random.integers(0, 12, 80) / 12, (random.random(80) < 0.4).astype(float)
    pairs = [
        (right > wrong) + (right == wrong) / 2 for right in probabilities[labels == 1] for wrong in probabilities[labels == 0]
    ]
    assert auroc(probabilities, labels) == pytest.approx(sum(pairs) / len(pairs), abs=1e-6)
    assert math.isnan(auroc(probabilities, np.ones(80)))


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=2, max_size=60))
@settings(deadline=None)
def test_auroc_equals_that_of_torchmetrics_where_values_are_equal(rows):
    probabilities, labels = np.array([one for one, _ in rows]) / 9, np.array([float(right) for _, right in rows])
    found = auroc(probabilities, labels)
    if len(set(labels)) < 2:
        assert math.isnan(found)
        return
    expected = binary_auroc(torch.from_numpy(probabilities), torch.from_numpy(labels).long())
    assert found == pytest.approx(float(expected), abs=1e-6)
    assert auroc(probabilities * 40 - 60, labels) == found  # only the order counts


def test_a_cross_fitted_probability_has_not_seen_its_own_question():
    rights = [n % 3 > 0 for n in range(12)]
    questions, links = annotated(*rights)
    probabilities, labels = cross_fitted(questions, links, folds=12)
    assert labels.tolist() == rights
    features, truth, _ = examples(questions, links)
    for n in range(12):
        others = [place for place in range(12) if place != n]
        assert probabilities[n] == pytest.approx(float(fit(features[others], truth[others]).probabilities(features[n])))
    assert (
        cross_fitted(questions, links, folds=3, seed=1)[0].tolist()
        != cross_fitted(questions, links, folds=3, seed=2)[0].tolist()
    )
    with pytest.raises(ElqError, match="makes 1 folds, but needs at least 2"):
        cross_fitted(questions[:1], links[:1])
    with pytest.raises(ElqError, match="needs links, but there are none"):
        cross_fitted(questions[:2], [links[0], []])


def test_reliability_brings_the_figures_together():
    questions, links = annotated(*[n % 4 > 0 for n in range(20)])
    probabilities, labels = cross_fitted(questions, links)
    found = reliability(probabilities, labels, 5)
    assert (found.links, found.right) == (20, 0.75)
    assert found.ece == calibration_error(probabilities, labels, 5)
    assert found.band == calibrated_band(probabilities, 5)
    assert found.auroc == auroc(probabilities, labels)
    with pytest.raises(ElqError, match="no links to measure"):
        reliability(np.zeros(0), np.zeros(0))


@pytest.mark.parametrize("calibration", [Calibration(0.5, 0.7), FactorCalibration(0.5, 0.7, 0.2)])
def test_links_tell_both_factors_and_their_probability(calibration, model, tokenizer, entities):
    bare = Linker(model, tokenizer, entities, threshold=-9.0, candidates=3)
    linker = Linker(model, tokenizer, entities, threshold=-9.0, candidates=3, calibration=calibration)
    for text in TEXTS:
        tokens = tokenizer([text])
        with torch.inference_mode():
            logits = model.mention_logits(model.encode(tokens), tokens)[0]  # (T, L)
        starts, ends = [s for s, _ in tokens.offsets[0]], [e for _, e in tokens.offsets[0]]
        for link, plain in zip(linker.link(text), bare.link(text), strict=True):
            first, last = starts.index(link.start, 1), ends.index(link.end, 1)
            assert link.mention_score == pytest.approx(float(logsigmoid(logits[first, last - first])), abs=1e-5)
            assert link.score - link.mention_score == pytest.approx(link.candidates[0].score, abs=1e-5)
            p = torch.tensor([link.mention_score, link.candidates[0].score]).double().exp()
            logit = 0.5 + 0.7 * (p[0] / (1 - p[0])).log() + 0.2 * (p[1] / (1 - p[1])).log()
            if isinstance(calibration, Calibration):
                logit = 0.5 + 0.7 * (p.prod() / (1 - p.prod())).log()
            assert link.probability == pytest.approx(float(logit.sigmoid()), abs=1e-4)
            assert plain == replace(link, probability=None)
        assert {link.probability for link in linker.link(text, candidates=2)} <= {None}  # its scores are other ones
    linker.scorer.score_mode = "table"
    assert all(link.probability is not None for link in linker.link(TEXTS[0], candidates=2))


@pytest.mark.parametrize("least", [-1.0, -0.5, -0.2])
def test_a_mention_threshold_drops_spans_before_overlaps_are_removed(least, model, tokenizer, entities):
    whole = Linker(model, tokenizer, entities, threshold=-9.0, candidates=3).score(TEXTS).links(-9.0, overlaps=True)
    found = Linker(model, tokenizer, entities, threshold=-9.0, candidates=3, mention_threshold=least).link(TEXTS)
    assert any(one.end > other.start for links in whole for one, other in itertools.pairwise(links))
    for links, expected in zip(found, whole, strict=True):
        left = [link for link in expected if link.mention_score >= least]
        kept = without_overlaps([(link.start, link.end) for link in left], [link.score for link in left])
        assert [(link.start, link.end, link.entity) for link in links] == [
            (left[i].start, left[i].end, left[i].entity) for i in sorted(kept, key=lambda i: left[i].start)
        ]
    if least > -0.5:  # a better span may lose to one of a lower mention score, which is gone now
        before = {(n, x.start, x.end) for n, links in enumerate(kept_of(whole)) for x in links}
        assert {(n, x.start, x.end) for n, links in enumerate(found) for x in links} != before


def kept_of(questions):
    for links in questions:
        yield [links[i] for i in without_overlaps([(x.start, x.end) for x in links], [x.score for x in links])]


def test_training_leaves_a_calibration_that_its_links_show(run_folder, question_file, capsys):
    folder = run_folder / "model"
    decision, linker = Decision.load(folder), Linker.from_pretrained(folder)
    questions = read_questions(question_file)
    links = linker.link([question.text for question in questions], threshold=SWEEP_FLOOR)
    assert decision.calibration == pytest.approx(list(fit_calibration(questions, links)), abs=1e-3)
    assert (decision.mention_threshold, decision.chosen["by"]) == (None, "training")
    assert all(link.probability is not None and 0 < link.probability < 1 for found in links for link in found)
    assert {link.probability for found in Linker.from_pretrained(folder, scoring="table").link(TEXTS) for link in found} == {
        None
    }
    assert run("predict", [TEXTS[0], "--model", str(folder), "--format", "jsonl", "--threshold", "-8"]) == 0
    shown = json.loads(capsys.readouterr().out)["links"]
    expected = linker.link(TEXTS[0], threshold=SWEEP_FLOOR)
    assert [(x["mention_score"], x["probability"]) for x in shown] == [(x.mention_score, x.probability) for x in expected]


def test_a_folder_from_before_calibrations_goes_on_to_load(run_folder, tmp_path):
    folder = shutil.copytree(run_folder / "model", tmp_path / "model")
    values = json.loads((folder / DECISION).read_text())
    for key in ("calibration", "mention_threshold", "chosen"):
        del values[key]
    (folder / DECISION).write_text(json.dumps(values))
    links = Linker.from_pretrained(folder).link(TEXTS)
    assert {link.probability for found in links for link in found} == {None}


def test_an_exported_folder_takes_no_calibration_from_the_model_before_it(run_folder, tokenizer, tmp_path):
    source = run_folder / "model" / ENTITIES
    linker, entities = Linker.from_pretrained(run_folder / "model"), open_entities(source)
    assert Decision.load(run_folder / "model").calibration
    how = Decision(threshold=-1.0, candidates=4)
    export_folder(tmp_path / "m", linker.model, tokenizer, entities, source, how)
    assert Decision.load(tmp_path / "m").calibration is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"calibration": [1.0, 2.0, 3.0, 4.0]}, "offset and two slopes"),
        ({"calibration": [1.0, -0.1]}, "a slope of at least 0"),
        ({"calibration": [1.0, -0.1, 1.0]}, "two slopes of at least 0"),
        ({"calibration": [math.nan, 1.0, 1.0]}, "offset and two slopes"),
        ({"calibration": [10**400, 1.0, 1.0]}, "offset and two slopes"),
        ({"calibration": [True, 1.0, 1.0]}, "offset and two slopes"),
        ({"calibration": "abc"}, "offset and two slopes"),
        ({"mention_threshold": math.nan}, "mention_threshold nan"),
        ({"mention_threshold": "-1"}, "mention_threshold '-1'"),
        ({"chosen": [1]}, r"chosen \[1\]"),
    ],
)
def test_bad_values_in_a_decision(values, message, tmp_path):
    folder = tmp_path
    Decision(threshold=-1.0).save(folder)
    known = json.loads((folder / DECISION).read_text())
    (folder / DECISION).write_text(json.dumps({**known, **values}))
    with pytest.raises(ElqError, match=message):
        Decision.load(folder)
