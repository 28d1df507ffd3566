"""Re-ranking: the probabilities, the linker and the commands with a cross-encoder, against slow oracles."""

import json
import math
import pickle

import pytest
import torch

from elq import ElqError, Linker
from elq.commands import run
from elq.linking import rerank, second_stage
from elq.linking.calibration import Calibration
from elq.linking.decision import Decision
from elq.linking.rerank import Reranker, divided_anew, is_read
from elq.linking.second_stage import reachable
from elq.model.cross_config import FirstStage
from elq.model.crossencoder import CrossEncoder, pairs_of
from elq.tensors import Spans
from elq.training.export import export_folder
from tests.conftest import QUESTIONS
from tests.linking.test_given import random_model

TEXTS = [text for text, _, _ in QUESTIONS] + ["queen of paris, texas and the titanic"]
STAGE = FirstStage(candidates=3, margin=6.0, log_weight=0.5, score_weight=3.0)


def cross_folder(encoder_folder, folder, stage: FirstStage):
    folder.mkdir()
    torch.manual_seed(2)
    network, tokenizer = CrossEncoder.from_encoder(encoder_folder, context_tokens=30, entity_tokens=24)
    with torch.no_grad():
        network.head.weight.mul_(20.0)  # so that it does not agree with the first stage
    network.config = type(network.config)(**{**vars(network.config), "first_stage": stage})
    network.save_pretrained(folder, tokenizer)
    return folder


@pytest.fixture(scope="module")
def folder(encoder_folder, tmp_path_factory):
    return cross_folder(encoder_folder, tmp_path_factory.mktemp("cross") / "model", STAGE)


@pytest.fixture(scope="module")
def first_alone(encoder_folder, tmp_path_factory):
    """A cross-encoder whose scores have the weight 0."""
    stage = FirstStage(candidates=3, log_weight=1.0, score_weight=0.0)
    return cross_folder(encoder_folder, tmp_path_factory.mktemp("alone") / "model", stage)


@pytest.fixture(scope="module")
def reranker(folder) -> Reranker:
    return Reranker.from_pretrained(folder)


@pytest.fixture(params=["candidates", "table"])
def linkers(request, encoder_folder, tokenizer, entities, reranker) -> tuple[Linker, Linker]:
    """The same linker with and without the re-ranker."""
    how = {"threshold": -8.0, "candidates": 4, "score_mode": request.param, "calibration": Calibration(0.5, 0.7)}
    model = random_model(encoder_folder, True)
    return Linker(model, tokenizer, entities, reranker=reranker, **how), Linker(model, tokenizer, entities, **how)


def oracle_candidates(plain: Linker, reranker: Reranker, text: str, start: int, end: int) -> list[tuple[str, float]]:
    """(id, log p) of the candidates of one mention, best first, one pair at a time."""
    catalogue, found = plain.entities.catalogue, plain.candidates_of(text, start, end, 4)
    read = [c for place, c in enumerate(found) if place < 3 and c.score >= found[0].score - 6.0]
    context = reranker.texts.contexts([text], [[(start, end)]])
    sums = []
    for candidate in read:
        row = int(catalogue.rows([candidate.entity])[0])
        entity = reranker.texts.entities([catalogue.records([row])[row]])
        with torch.inference_mode():
            score = float(reranker.network(pairs_of(context, entity, 0)))
        sums.append(0.5 * candidate.score + 3.0 * score)
    mass, total = sum(math.exp(c.score) for c in read), sum(map(math.exp, sums))
    new = [(c.entity, math.log(mass * math.exp(own) / total)) for c, own in zip(read, sums, strict=True)]
    return sorted([*new, *((c.entity, c.score) for c in found if c not in read)], key=lambda one: -one[1])


def test_the_mass_of_the_candidates_is_divided_by_both_scores():
    torch.manual_seed(0)
    log_probs = (0.7 * torch.rand(20, 5).softmax(-1)).log()
    log_probs[3, 2:] = log_probs[7] = -torch.inf
    scores = torch.randn(20, 5)
    found = divided_anew(log_probs, scores, STAGE)
    for q in range(20):
        places = [k for k in range(5) if log_probs[q, k] > -torch.inf]
        weights = {k: math.exp(0.5 * float(log_probs[q, k]) + 3.0 * float(scores[q, k])) for k in places}
        mass = sum(math.exp(float(log_probs[q, k])) for k in places)
        for k in range(5):
            expected = mass * weights[k] / sum(weights.values()) if k in places else 0.0
            assert math.exp(found[q, k]) == pytest.approx(expected, rel=1e-4)


def test_the_first_stage_alone_keeps_its_probabilities():
    log_probs = torch.tensor([[0.6, 0.3, 0.05]]).log()
    found = divided_anew(
        log_probs, torch.tensor([[-9.0, 3.0, torch.nan]]).nan_to_num(0), FirstStage(log_weight=1, score_weight=0)
    )
    torch.testing.assert_close(found, log_probs)


def test_only_likely_candidates_are_read():
    rows, log_probs = torch.tensor([[3, 1, 4, 5], [2, -1, -1, -1]]), torch.tensor([[-0.1, -0.2, -7.0, -0.3], [-1.0] * 4])
    assert is_read(rows, log_probs, FirstStage(candidates=4, margin=5.0)).tolist() == [
        [True, True, False, True],
        [True, False, False, False],
    ]
    assert is_read(rows, log_probs, FirstStage(candidates=2)).sum(-1).tolist() == [2, 1]


def test_links_have_the_candidates_of_the_oracle(linkers, reranker, monkeypatch):
    again, plain = linkers
    monkeypatch.setattr(second_stage, "MOST", 1000)
    changed = checked = 0
    for text, links in zip(TEXTS, again.link(TEXTS, nil=False), strict=True):
        for link in links:
            expected = oracle_candidates(plain, reranker, text, link.start, link.end)
            assert [c.entity for c in link.candidates] == [entity for entity, _ in expected]
            assert [c.score for c in link.candidates] == pytest.approx([p for _, p in expected], abs=1e-3)
            assert link.entity == expected[0][0]
            assert link.score == pytest.approx(link.mention_score + expected[0][1], abs=1e-3)
            changed += expected[0][0] != plain.candidates_of(text, link.start, link.end, 1)[0].entity
            checked += 1
    assert checked > 5
    assert changed > 0


def test_given_mentions_are_re_ranked_too_and_nil_keeps_its_probability(linkers, reranker):
    again, plain = linkers
    mentions = [[(text.index(name), text.index(name) + len(name))] for text, name, _ in QUESTIONS]
    texts = [text for text, _, _ in QUESTIONS]
    for text, [(start, end)], [link], [before] in zip(
        texts, mentions, again.link(texts, mentions=mentions), plain.link(texts, mentions=mentions), strict=True
    ):
        expected = oracle_candidates(plain, reranker, text, start, end)
        assert [c.entity for c in link.candidates] == [entity for entity, _ in expected]
        assert (link.nil_score, link.mention_score) == (before.nil_score, before.mention_score)
        [alone] = again.link(text, mentions=[(start, end)])
        assert [c.score for c in alone.candidates] == pytest.approx([c.score for c in link.candidates], abs=1e-4)


def test_weights_of_the_first_stage_alone_change_no_link(encoder_folder, tokenizer, entities, first_alone):
    how = {"threshold": -6.0, "candidates": 4, "score_mode": "table"}
    model = random_model(encoder_folder, True)
    plain = Linker(model, tokenizer, entities, **how).link(TEXTS)
    again = Linker(model, tokenizer, entities, reranker=Reranker.from_pretrained(first_alone), **how).link(TEXTS)
    for mine, theirs in zip(plain, again, strict=True):
        assert [(x.start, x.end, x.entity) for x in mine] == [(x.start, x.end, x.entity) for x in theirs]
        assert [x.score for x in mine] == pytest.approx([x.score for x in theirs], abs=1e-4)


def test_a_higher_threshold_only_removes_links(linkers):
    again, _ = linkers
    before: set = set()
    for threshold in (-0.5, -1.0, -2.0, -4.0, -8.0):
        scored = again.score(TEXTS, threshold=threshold).links(threshold, overlaps=True)
        found = {(q, x.start, x.end, x.entity, round(x.score, 3)) for q, links in enumerate(scored) for x in links}
        assert before <= found
        before = found
    assert before


def test_spans_are_re_ranked_if_they_could_reach_the_threshold_and_at_most_a_number_of_each_text():
    mention, log_probs = torch.tensor([-0.1, -0.2, -0.3, -3.0]), torch.tensor([[0.5, 0.4]] * 4).log()
    spans = Spans(torch.tensor([0, 0, 1, 1]), torch.arange(4), torch.arange(4) + 1)
    assert reachable(mention, log_probs, -1.0, spans, [5, 5]).tolist() == [0, 1, 2]  # log .9 − 3 cannot reach −1
    assert reachable(mention, log_probs, -9.0, spans, [1, 2]).tolist() == [0, 2, 3]
    assert reachable(mention, log_probs, -0.25, spans, [5, 5]).tolist() == [0]


def test_the_number_of_re_ranked_spans_is_bounded(linkers, monkeypatch):
    again, _ = linkers
    asked = []

    def counted(self, texts, marked, rows, catalogue):
        asked.append(marked)
        return torch.zeros(rows.shape)

    monkeypatch.setattr(Reranker, "scores", counted)
    monkeypatch.setattr(second_stage, "MOST", 2)
    again.link("queen of paris, texas and the titanic", threshold=-50.0)
    assert [len(marked) for marked in asked] == [2]


def test_a_span_of_special_tokens_is_left_alone(encoder_folder, tokenizer, entities, reranker):
    torch.manual_seed(1)
    from elq.model.network import ELQ

    model = ELQ.from_encoder(encoder_folder, max_span_tokens=4).eval()
    linker = Linker(model, tokenizer, entities, threshold=-50.0, candidates=3, score_mode="elq", reranker=reranker)
    assert linker.link("who directed titanic?")


def test_explain_shows_the_scores_of_the_links(linkers):
    again, _ = linkers
    text = "who directed titanic?"
    [link] = again.link(text, mentions=[(13, 20)])
    explained = again.explain(text, link.entity)
    [span] = [one for one in explained.spans if (one.link.start, one.link.end) == (13, 20)]
    assert span.link.score == pytest.approx(link.score, abs=1e-4)


@pytest.fixture(scope="module")
def model_folder(encoder_folder, tokenizer, entities, entities_folder, tmp_path_factory):
    made = tmp_path_factory.mktemp("reranked") / "model"
    decision = Decision(threshold=-6.0, candidates=2, score_mode="table", calibration=(0.5, 0.7))
    export_folder(made, random_model(encoder_folder, False), tokenizer, entities, entities_folder, decision)
    return made


def test_a_linker_opens_with_a_re_ranker_and_can_be_pickled(model_folder, folder, entities, monkeypatch):
    linker = Linker.from_pretrained(model_folder, reranker=folder)
    assert linker.candidates == 3  # K of the re-ranker, since the score mode does not depend on K
    assert linker.link(TEXTS) != Linker.from_pretrained(model_folder).link(TEXTS)
    assert pickle.loads(pickle.dumps(linker)).link(TEXTS) == linker.link(TEXTS)
    monkeypatch.setattr("elq.linking.linker.open_catalogue", lambda *_, **__: entities)
    moved = linker.with_catalogue([{"id": "a", "title": "Paris"}])
    assert moved.scorer.reranker is linker.scorer.reranker
    with pytest.raises(ElqError, match="the re-ranker was made of parts in memory"):
        pickle.dumps(Reranker(linker.scorer.reranker.network, linker.scorer.reranker.texts.marked.tokenizer))


def test_half_precision_is_close(folder, reranker, entities):
    half = Reranker.from_pretrained(folder, dtype="bf16")
    rows = torch.tensor([[0, 1, 2]])
    full, found = (each.scores(["who lives in paris"], [(0, 13, 18)], rows, entities.catalogue) for each in (reranker, half))
    torch.testing.assert_close(full, found, rtol=0.05, atol=0.05)
    assert not torch.equal(full, found)


def test_the_commands_take_a_re_ranker(model_folder, folder, question_file, tmp_path, capsys):
    assert run("predict", ["--model", str(model_folder), "--rerank", str(folder), "--format", "jsonl", TEXTS[0]]) == 0
    found = json.loads(capsys.readouterr().out)
    expected = Linker.from_pretrained(model_folder, reranker=folder).link(TEXTS[0])
    assert [x["entity"] for x in found["links"]] == [x.entity for x in expected]
    out = tmp_path / "metrics.json"
    flags = ["--model", str(model_folder), "--rerank", str(folder), "--questions", str(question_file), "--output", str(out)]
    assert run("evaluate", flags) == 0
    written = json.loads(out.read_text())
    assert written["reranker"] == str(folder)
    before = tmp_path / "before.json"
    assert run("evaluate", ["--model", str(model_folder), "--questions", str(question_file), "--output", str(before)]) == 0
    assert json.loads(before.read_text())["model"] != written["model"]


def test_a_bad_folder_is_refused_in_one_sentence(model_folder, tmp_path, capsys):
    for bad, words in ((tmp_path / "none", "is not a folder"), (model_folder, "is no cross-encoder of format 1")):
        assert run("predict", ["--model", str(model_folder), "--rerank", str(bad), TEXTS[0]]) == 2
        printed = capsys.readouterr().err.strip().splitlines()
        assert len(printed) == 1
        assert words in printed[0]


def test_an_own_batch_size_changes_nothing(reranker, entities, monkeypatch):
    rows, marked = torch.tensor([[0, 1, -1], [2, 3, 4]]), [(1, 13, 18), (0, 0, 5)]
    texts = ["paris texas", "who lives in paris"]
    whole = reranker.scores(texts, marked, rows, entities.catalogue)
    monkeypatch.setattr(rerank, "BATCH", 1)
    torch.testing.assert_close(reranker.scores(texts, marked, rows, entities.catalogue), whole, rtol=1e-4, atol=1e-5)
    assert whole[0, 2] == -torch.inf


def test_fewer_candidates_are_the_first_of_those_that_were_re_ranked(encoder_folder, tokenizer, entities, reranker):
    model = random_model(encoder_folder, True)
    linker = Linker(model, tokenizer, entities, reranker=reranker, threshold=-8.0, candidates=4, score_mode="table")
    for text in TEXTS:
        four, one = linker.link(text), linker.link(text, candidates=1)
        assert [(link.entity, link.score) for link in one] == [(link.entity, link.score) for link in four]
        spans = [(link.start, link.end) for link in four]
        four, one = linker.link(text, mentions=spans), linker.link(text, mentions=spans, candidates=1)
        assert [(link.entity, link.score) for link in one] == [(link.entity, link.score) for link in four]
