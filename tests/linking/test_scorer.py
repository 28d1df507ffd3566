"""Questions are scored once: what is decoded from the scores is what a linker gives that scores anew for every setting."""

import itertools
import math

import pytest
import torch

from elq import ElqError, Linker, Mention
from elq.evaluation.evaluate import evaluate, observe
from elq.linking.calibration import Calibration, FactorCalibration
from elq.model.network import ELQ
from elq.questions.annotated import read_questions
from elq.training.export import finish
from elq.training.parser import ELQCLI
from tests.conftest import QUESTIONS

TEXTS = [text for text, _, _ in QUESTIONS] + ["", "no names in here at all", "queen of paris, texas and the titanic"]
FLOOR = -12.0


CALIBRATIONS = {False: Calibration(0.5, 0.7), True: FactorCalibration(0.5, 0.7, 0.2)}


@pytest.fixture(params=[False, True], ids=["vectors", "names and NIL"])
def linker(request, encoder_folder, tokenizer, entities) -> Linker:
    """A random model; its spans overlap, and NIL wins some of them."""
    torch.manual_seed(1)
    model = ELQ.from_encoder(encoder_folder, max_span_tokens=4, scale=4.0, names=request.param, nil=request.param).eval()
    calibration = CALIBRATIONS[request.param]
    return Linker(model, tokenizer, entities, threshold=-3.0, candidates=3, calibration=calibration)


@pytest.mark.parametrize("least", [None, -0.9])
def test_what_is_decoded_at_any_threshold_is_what_the_linker_gives_there(linker, least):
    scored, seen = linker.score(TEXTS, threshold=FLOOR), set()
    linker.mention_threshold = least
    for threshold in (FLOOR, -6.0, -3.0, -2.0, -1.0, -0.2):
        for nil in (False, True) if linker.model.nil is not None else (False,):
            expected = linker.link(TEXTS, threshold=threshold, nil=nil)
            assert linker.links(scored, threshold=threshold, nil=nil) == expected
            seen.add(str(expected))
    assert len(seen) > 2


def test_overlapping_links_are_all_spans_and_without_overlaps_some_of_them(linker):
    scored = linker.score(TEXTS, threshold=FLOOR)
    every, some = scored.links(-6.0, overlaps=True), scored.links(-6.0)
    assert sum(map(len, every)) > 2 * sum(map(len, some)) > 0
    for wide, narrow in zip(every, some, strict=True):
        assert set(narrow) <= set(wide)
        assert all(one.end <= other.start for one, other in itertools.pairwise(narrow))
    assert None not in {link.probability for links in every for link in links}  # the scores know their linker's calibration


def test_a_threshold_below_the_floor_is_refused(linker):
    scored = linker.score(TEXTS, threshold=-2.0)
    assert scored.links(-9.0, mention_threshold=-2.0)  # spans of at least -2 are there, whatever their joint score
    with pytest.raises(ElqError, match=r"the threshold is -2\.1, but these scores reach down to -2\.0 only: score with -2\.1"):
        scored.links(-2.1)


def test_scores_are_in_the_order_of_the_texts_whatever_the_batches(linker):
    whole = linker.links(linker.score(TEXTS, threshold=-6.0), threshold=-6.0)
    linker.batch_size = 2
    again = linker.links(linker.score(TEXTS, threshold=-6.0), threshold=-6.0)
    for links, others in zip(whole, again, strict=True):
        assert [(x.start, x.end, x.entity) for x in links] == [(x.start, x.end, x.entity) for x in others]
        assert [x.score for x in links] == pytest.approx([x.score for x in others], abs=1e-4)
    assert linker.score([], threshold=-6.0).links(-6.0) == []


def test_given_mentions_are_scored_in_the_same_pass(linker):
    ends = [(len(text.split()[0]), len(text)) if text else None for text in TEXTS]
    mentions = [[Mention(0, end[0], None), Mention(end[1], end[1] + 1, None)] if end else [] for end in ends]
    scored = linker.score(TEXTS, threshold=-3.0, mentions=mentions, given_candidates=5)
    assert linker.links(scored) == linker.link(TEXTS)
    for given, of_question in zip(scored.given, mentions, strict=True):
        assert len(given) == len(of_question)
        for found, place in zip(given, range(2), strict=False):
            assert (found is None) == (place == 1)  # behind the text there is no token
            if found is not None:
                assert len(found.rows) == len(set(found.rows)) == 5
                assert math.isnan(found.log_nil) == (linker.model.nil is None)
    [[alone]] = linker.score([TEXTS[0]], mentions=[[mentions[0][0]]], given_candidates=5).given
    assert alone is not None
    assert alone.rows == scored.given[0][0].rows


@pytest.fixture
def encoded(monkeypatch) -> list[int]:
    """How many questions each encoder pass had."""
    passes: list[int] = []
    plain = ELQ.begun

    def begun(self, tokens):
        passes.append(len(tokens.ids))
        return plain(self, tokens)

    monkeypatch.setattr(ELQ, "begun", begun)
    return passes


def test_an_evaluation_encodes_every_question_once(linker, question_file, encoded):
    questions = read_questions(question_file)
    evaluate(linker, questions)
    assert sum(encoded) == len(questions)
    observed = observe(linker, questions, threshold=FLOOR)
    assert sum(encoded) == 2 * len(questions)
    assert sum(map(len, observed.above(-3.0).links)) <= sum(map(len, observed.links))


def test_the_end_of_a_training_encodes_every_development_question_once(values, run_folder, tmp_path, encoded):
    cli = ELQCLI({**values, "trainer": {**values["trainer"], "default_root_dir": str(tmp_path)}}, run=False)
    cli.datamodule.prepare_data()
    cli.datamodule.setup("validate")
    encoded.clear()
    metrics = finish(cli.trainer, cli.model, cli.datamodule)
    assert sum(encoded) == len(cli.datamodule.dev) == metrics["questions"]


def test_a_validation_uses_the_tokens_of_its_batches(values, run_folder, tmp_path, monkeypatch):
    """The linker of a validation tokenises nothing itself."""
    cli = ELQCLI({**values, "trainer": {**values["trainer"], "default_root_dir": str(tmp_path)}}, run=False)
    monkeypatch.setattr("elq.linking.scorer.Scorer.tokens", None)
    [scores] = cli.trainer.validate(cli.model, datamodule=cli.datamodule, verbose=False)
    assert "dev_f1" in scores


def test_batches_have_texts_of_about_as_many_tokens_and_the_longest_come_first(linker):
    texts = ["paris", "? ? ? ? ?", "queen of paris", "titanic", "? ?", "who is the queen of paris"]
    counts = [len(linker.tokenizer([text]).offsets[0]) for text in texts]
    assert counts[1] > counts[2], "fewer characters, but more tokens"
    batches = [*linker.scorer.by_length(texts, 2)]
    assert [*map(len, batches)] == [2, 2, 2]
    places = [place for batch in batches for place in batch]
    assert sorted(places) == [*range(6)]
    assert [counts[place] for place in places] == sorted(counts, reverse=True)
    assert [*linker.scorer.by_length(texts, 6)] == [[0, 1, 2, 3, 4, 5]]
