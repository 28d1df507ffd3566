"""The lowest probability of a link: what it keeps, and that no hidden link is likelier than a shown one."""

import itertools
import json
import math

import pytest
import torch

from elq import ElqError, Linker
from elq.commands import run
from elq.evaluation.sweep import SWEEP_FLOOR
from elq.linking.calibration import LEAST_SCORE, Calibration, FactorCalibration
from elq.linking.decision import Decision
from elq.model.network import ELQ
from elq.training.export import export_folder
from tests.conftest import QUESTIONS

TEXTS = [text for text, _, _ in QUESTIONS] + ["queen of paris, texas and the titanic", ""]
STEPS = (0.0, 0.2, 0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 0.8, 0.9, 1.0)
KINDS = [Calibration(0.9, 0.4), FactorCalibration(0.9, 0.1, 0.6)]


@pytest.fixture(params=KINDS, ids=lambda calibration: type(calibration).__name__)
def linker(request, encoder_folder, tokenizer, entities) -> Linker:
    torch.manual_seed(1)
    model = ELQ.from_encoder(encoder_folder, max_span_tokens=4, scale=4.0, names=True, nil=True).eval()
    return Linker(model, tokenizer, entities, threshold=-2.0, candidates=3, calibration=request.param)


def spans(links):
    return {(n, link.start, link.end, link.entity) for n, found in enumerate(links) for link in found}


@pytest.mark.parametrize("nil", [False, True])
def test_the_links_are_those_of_the_lowest_score_that_are_likely_enough(nil, linker):
    every, seen = linker.link(TEXTS, threshold=LEAST_SCORE, nil=nil), set()
    for least in STEPS:
        found = linker.link(TEXTS, min_probability=least, nil=nil)
        expected = [
            [x for x in links if linker.calibration.probability(x.mention_score, x.score - x.mention_score) >= least]
            for links in every
        ]
        assert spans(found) == spans(expected)
        assert all(one.end <= other.start for links in found for one, other in itertools.pairwise(links))
        shown = [x for links in found for x in links]
        assert all((x.probability is None) == (x.entity == "NIL") for x in shown)
        assert all(x.probability is None or x.probability >= least for x in shown)
        seen.add(len(shown))
    assert len(seen) > 4
    assert LEAST_SCORE == SWEEP_FLOOR


@pytest.mark.parametrize("nil", [False, True])
def test_a_higher_probability_never_adds_a_link(nil, linker):
    scored = linker.score(TEXTS, min_probability=0.0)
    for before, after in itertools.pairwise([linker.links(scored, min_probability=least, nil=nil) for least in STEPS]):
        assert spans(after) <= spans(before)
    for least in STEPS:
        expected = linker.link(TEXTS, min_probability=least, nil=nil)
        assert linker.links(scored, min_probability=least, nil=nil) == expected
        assert scored.links(min_probability=least, nil=nil) == expected


def test_no_hidden_link_is_likelier_than_a_shown_one(linker):
    every = linker.link(TEXTS, threshold=LEAST_SCORE)
    for threshold in (-5.0, -3.0, -2.5, -2.0, -1.5):
        shown = spans(linker.link(TEXTS, threshold=threshold))
        likely = [x.probability for n, links in enumerate(every) for x in links if (n, x.start, x.end, x.entity) in shown]
        hidden = [x.probability for n, links in enumerate(every) for x in links if (n, x.start, x.end, x.entity) not in shown]
        if likely and hidden and isinstance(linker.calibration, Calibration):
            assert max(hidden) < min(likely)
    assert shown
    assert hidden
    if isinstance(linker.calibration, FactorCalibration):  # of an earlier version: this is what was wrong
        assert max(hidden) > min(likely)


def test_the_floor_of_a_probability_is_its_score():
    for calibration in (Calibration(0.9, 0.4), Calibration(-2.0, 1.5)):
        for least in (1e-9, 0.01, 0.3, 0.7, 0.99, 1 - 1e-12):
            floor = calibration.floor(least)
            if floor > -11:
                assert calibration.probability(floor / 2, floor / 2) < least
            if -11 < floor < -2e-4:
                assert calibration.probability(floor + 2e-4, 0.0) >= least
    assert Calibration(0.9, 0.0).floor(0.5) == FactorCalibration(0.9, 1.0, 1.0).floor(0.5) == -math.inf


def test_with_a_threshold_a_link_needs_both(linker):
    both = spans(linker.link(TEXTS, threshold=-2.0, min_probability=0.5))
    likely, good = spans(linker.link(TEXTS, min_probability=0.5)), spans(linker.link(TEXTS, threshold=-2.0))
    assert both == {link for link in good if link in likely}
    assert both
    linker.mention_threshold = -0.4
    assert spans(linker.link(TEXTS, min_probability=0.5)) == likely  # the linker's own thresholds are not asked for
    clear = linker.link(TEXTS, threshold=-2.0, min_probability=0.5)
    assert min(x.mention_score for links in clear for x in links) >= -0.4
    assert spans(clear) != both


@pytest.mark.parametrize("wrong", [-0.1, 1.5, 50, "0.5", True, math.nan, [0.5]], ids=repr)
def test_a_wrong_probability_is_one_sentence(wrong, linker):
    scored = linker.score(TEXTS)
    for call in (linker.link, linker.score):
        with pytest.raises(ElqError, match="min_probability is .*, but must be a number from 0 to 1"):
            call(TEXTS, min_probability=wrong)
    for decode in (lambda: linker.links(scored, min_probability=wrong), lambda: scored.links(min_probability=wrong)):
        with pytest.raises(ElqError, match="must be a number from 0 to 1"):
            decode()


def test_without_a_calibration_there_is_no_probability_to_ask_for(linker):
    message = r"min_probability is 0\.5, but these links have no probability, .* `elq tune`, or give a threshold instead"
    with pytest.raises(ElqError, match=message):
        linker.link(TEXTS, min_probability=0.5, candidates=2)
    other = linker.score(TEXTS, threshold=-9.0, candidates=2)
    for call in (lambda: other.links(min_probability=0.5), lambda: linker.links(other, min_probability=0.5)):
        with pytest.raises(ElqError, match=message):
            call()
    assert {link.probability for links in [*other.links(-3.0), *linker.links(other)] for link in links} == {None}
    linker.calibration = None
    for call in (linker.link, linker.score):
        with pytest.raises(ElqError, match=message):
            call("who" if call == linker.link else ["who"], min_probability=0.5)


def test_scores_know_the_calibration_of_their_linker(linker):
    scored = linker.score(TEXTS, threshold=-6.0)
    assert scored.links(-3.0) == linker.link(TEXTS, threshold=-3.0)
    assert all(link.probability is not None for links in scored.links(-3.0) for link in links)
    other = Calibration(-3.0, 0.5)
    shown = [x.probability for links in scored.links(-3.0, calibration=other) for x in links]
    assert shown == [other.probability(x.mention_score, x.score - x.mention_score) for y in scored.links(-3.0) for x in y]
    with pytest.raises(ElqError, match="neither a threshold nor min_probability is given"):
        scored.links()
    with pytest.raises(ElqError, match=r"these scores reach down to -6\.0 only: score with"):
        scored.links(min_probability=0.01)


def test_the_command_asks_for_a_probability(linker, entities_folder, tmp_path, capsys):
    decision = Decision(threshold=-2.0, candidates=3, calibration=tuple(linker.calibration))
    folder = tmp_path / "m"
    export_folder(folder, linker.model, linker.tokenizer, linker.entities, entities_folder, decision)
    for least in ("0.4", "0.6"):
        assert run("predict", [*TEXTS[:8], "--model", str(folder), "--format", "jsonl", "--min-probability", least]) == 0
        records = [json.loads(line)["links"] for line in capsys.readouterr().out.splitlines()]
        expected = linker.link(TEXTS[:8], min_probability=float(least))
        assert [[(x["start"], x["entity"], x["probability"]) for x in found] for found in records] == [
            [(x.start, x.entity, x.probability) for x in found] for found in expected
        ]
    for wrong in ("50", "-1", "nan", "half"):
        assert run("predict", ["who?", "--model", str(folder), "--min-probability", wrong]) == 2
        assert "number" in capsys.readouterr().err
    Decision(threshold=-2.0).save(folder)
    assert run("predict", ["who?", "--model", str(folder), "--min-probability", "0.5"]) == 2
    assert "these links have no probability" in capsys.readouterr().err
