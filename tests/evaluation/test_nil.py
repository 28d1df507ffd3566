"""NIL: "not in the catalogue" as one more candidate, from the loss to links on request and their metrics."""

import copy
import json
import math
import re
from dataclasses import astuple, replace

import pytest
import torch

from elq.commands import run
from elq.commands.predict import as_text
from elq.commands.train import fit
from elq.errors import ElqError
from elq.evaluation.evaluate import evaluate, metric_ratios, observe
from elq.linking.linker import Linker
from elq.model.heads import SINGLE_SCALE, NilScorer
from elq.model.network import ELQ
from elq.names.dictionary import Dictionary
from elq.names.words import as_name
from elq.questions.annotated import read_questions
from elq.tensors import Spans
from elq.training.losses import sampled_loss, table_loss
from elq.types import NIL, Link, Mention, Question
from tests.conftest import QUESTIONS, write_lines

TEXTS = [text for text, _, _ in QUESTIONS]


@pytest.fixture(params=[False, True], ids=["plain", "names"])
def model(request, encoder_folder) -> ELQ:
    torch.manual_seed(1)
    made = ELQ.from_encoder(encoder_folder, max_span_tokens=4, nil=True, names=request.param).eval()
    with torch.no_grad():
        made.nil.linear.weight.normal_()
        made.nil.value.normal_(std=0.2)
    return made


@pytest.fixture
def linker(model, tokenizer, entities) -> Linker:
    return Linker(model, tokenizer, entities, threshold=-4.0, candidates=3)


@pytest.fixture(scope="module")
def trained(values, tmp_path_factory):
    """The folder of a tiny model that has learned that "xyz" is not in the catalogue."""
    changed = copy.deepcopy(values)
    changed["model"]["nil"] = True
    fit(changed, folder := tmp_path_factory.mktemp("runs") / "nil")
    return folder


def test_the_loss_is_cross_entropy_with_nil_behind_all_entities():
    torch.manual_seed(0)
    table, vectors, nil = torch.randn(9, 4), torch.randn(3, 4), torch.randn(3, requires_grad=True)
    gold = torch.tensor([5, -1, 8])
    probabilities = [torch.cat([vectors[m] @ table.T, nil[m : m + 1]]).softmax(-1) for m in range(3)]
    expected = -(probabilities[0][5].log() + probabilities[1][9].log() + probabilities[2][8].log())
    total, mentions = table_loss(vectors, gold, table, nil=nil)
    torch.testing.assert_close(total, expected)
    assert mentions == 3
    torch.testing.assert_close(sampled_loss(vectors, gold, torch.arange(9), table, nil=nil), (total, mentions))
    some = torch.tensor([2, 5, 8])  # NIL is no row, and so never misses among the candidates
    part, _ = sampled_loss(vectors, gold, some, table[some], nil=nil)
    scores = torch.cat([vectors @ table[some].T, nil.unsqueeze(-1)], -1).log_softmax(-1)
    torch.testing.assert_close(part, -(scores[0, 1] + scores[1, 3] + scores[2, 2]))
    none, _ = sampled_loss(vectors, torch.full((3,), -1), torch.empty(0, dtype=torch.int64), table[:0], nil=nil)
    assert none == 0  # no other candidate in the batch
    total.backward()
    assert nil.grad[1] < 0 < min(nil.grad[0], nil.grad[2])


def test_with_names_the_bonus_and_nil_stand_side_by_side():
    torch.manual_seed(0)
    table, vectors, nil, gold = torch.randn(9, 4), torch.randn(2, 4), torch.randn(2), torch.tensor([-1, 3])
    name_matches, bonus = torch.tensor([[4, -1], [3, 7]]), torch.tensor([[2.0, 0.0], [1.0, 3.0]])
    scores = vectors @ table.T
    scores[0, 4] += 2
    scores[1, 3] += 1
    scores[1, 7] += 3
    log_probs = torch.cat([scores, nil.unsqueeze(-1)], -1).log_softmax(-1)
    total, _ = table_loss(vectors, gold, table, name_matches, bonus, nil)
    torch.testing.assert_close(total, -(log_probs[0, 9] + log_probs[1, 3]))


def test_its_score_is_a_vector_and_how_the_span_is_a_name():
    torch.manual_seed(0)
    scorer = NilScorer(4, names=3)
    assert not scorer(torch.randn(2, 4), torch.tensor([0, 3])).any()  # it starts without a say
    with torch.no_grad():
        scorer.linear.weight.normal_()
        scorer.value.copy_(torch.tensor([0.1, 0.2, 0.3, 0.4]))
    vectors = torch.randn(3, 6)  # two columns of a prior behind
    scores = scorer(vectors, torch.tensor([0, 1, 3]))
    expected = vectors[:, :4] @ scorer.linear.weight[0] + SINGLE_SCALE * torch.tensor([0.1, 0.2, 0.4])
    torch.testing.assert_close(scores, expected)


def test_a_span_longer_than_any_looked_up_counts_as_no_name(linker, entities):
    if not linker.model.config.names:
        pytest.skip("only a model with names looks them up")
    text = "the ship film is in paris"
    tokens = linker.tokenizer([text])
    tokens = replace(tokens, named=Dictionary(entities.catalogue).named([text], tokens, 3))
    spans = Spans(torch.tensor([0, 0, 0]), torch.tensor([6, 1, 1]), torch.tensor([7, 4, 7]))  # paris, the ship film, all of it
    vectors = torch.randn(3, 32)
    with torch.no_grad():
        scores, expected = linker.model.nil_scores(vectors, spans, tokens), linker.model.nil(vectors, torch.tensor([1, 1, 0]))
    torch.testing.assert_close(scores, expected)


@pytest.mark.parametrize("mode", ["candidates", "table"])
def test_links_equal_the_slow_oracle(linker, mode):
    """One span at a time: softmax over the K best (or all) entities and NIL."""
    linker.scorer.score_mode = mode
    model, table, catalogue = linker.model, linker.entities.table.tensor(), linker.entities.catalogue
    of_nil = 0
    for text in TEXTS:
        tokens = linker.scorer.tokens([text])
        options = {}
        with torch.inference_mode():
            hidden = model.encode(tokens)
            logits = model.mention_logits(hidden, tokens)[0]  # (T, L)
            for start, length in (logits > -torch.inf).nonzero().tolist():
                span = Spans(*(torch.tensor([value]) for value in (0, start, start + length + 1)))
                vector, first = model.mention_vectors(hidden, span)[0], tokens.offsets[0][start][0]
                last = tokens.offsets[0][start + length][1]
                scores = table @ vector
                if model.name_bonus is not None:
                    name_matches = linker.dictionary.name_matches([as_name(text, first, last)])
                    for row, kind in zip(name_matches.rows[0].tolist(), name_matches.kinds[0].tolist(), strict=True):
                        scores[row] += SINGLE_SCALE * model.name_bonus.weight[kind]
                named = 0 if tokens.named is None else int(tokens.named[0, start, length])
                nil = model.nil.linear.weight[0] @ vector + SINGLE_SCALE * model.nil.value[named]
                top = scores.topk(3)
                others = torch.cat([top.values if mode == "candidates" else scores, nil[None]]).logsumexp(-1)
                mention = torch.nn.functional.logsigmoid(logits[start, length])
                best = (float(mention + top.values[0] - others), catalogue[int(top.indices[0])].id)
                options[first, last] = [best, (float(mention + nil - others), NIL)]
        for asked in (False, True):
            found = linker.link(text, threshold=-8.0, nil=asked)
            assert found or not asked
            for link in found:
                score, entity = max(options[link.start, link.end][: 1 + asked])
                assert (link.score, link.entity) == (pytest.approx(score, abs=1e-4), entity)
                assert NIL not in [candidate.entity for candidate in link.candidates]
                of_nil += link.entity == NIL
                assert asked or link.entity != NIL
    assert of_nil


def test_a_higher_threshold_only_removes_links(linker):
    low = [linker.link(text, threshold=-20.0, nil=True) for text in TEXTS]
    for threshold in (-8.0, -4.0, -2.0):
        for text, links in zip(TEXTS, low, strict=True):
            found = linker.link(text, threshold=threshold, nil=True)
            assert [link[:4] for link in map(astuple, found)] == [
                astuple(link)[:4] for link in links if link.score >= threshold
            ]


def test_a_model_without_it_says_so(encoder_folder, tokenizer, entities):
    linker = Linker(ELQ.from_encoder(encoder_folder), tokenizer, entities, threshold=-4.0)
    assert linker.model.nil is None
    with pytest.raises(ElqError, match=r"NIL is asked for, but the model was trained without NIL: train with model\.nil=true"):
        linker.link("who", nil=True)
    [[given]] = linker.score(["paris"], mentions=[[Mention(0, 5, "Q90")]]).given
    assert math.isnan(given.log_nil)
    assert not [name for name in evaluate(linker, [Question("1", "paris", (Mention(0, 5, "Q90"),))]) if name.startswith("nil")]


def test_a_catalogue_may_not_have_the_id(tmp_path, capsys):
    file = write_lines(tmp_path / "catalogue.jsonl", [{"id": "Q1", "title": "One"}, {"id": "NIL", "title": "Nilpferd"}])
    assert run("build", ["--catalogue", str(file), "--output", str(tmp_path / "entities")]) == 2
    error = capsys.readouterr().err
    assert 'line 2: an entity has the id NIL, which means "not in the catalogue" in links: give it another id' in error
    assert not (tmp_path / "entities").exists()


def test_what_training_has_seen_to_be_in_no_catalogue_is_linked_to_nil(trained, question_file):
    linker = Linker.from_pretrained(trained / "model")
    without, links = linker.link("who wrote xyz?"), linker.link("who wrote xyz?", nil=True)
    assert not without or without[0].score < links[0].score
    assert [(link.mention, link.entity, link.title, link.probability) for link in links] == [("xyz", NIL, "", None)]
    assert links[0].candidates  # the entities that it was not
    assert [link.entity for link in linker.link("who directed titanic?", nil=True)] == ["Q44578"]
    observed = observe(linker, read_questions(question_file, linker.entities.catalogue), threshold=-9.0)
    metrics = evaluate(linker, observed.questions)
    assert {name: metrics[f"nil_{name}"] for name in ("precision", "recall", "f1", "auroc", "mentions")} == {
        **dict.fromkeys(("precision", "recall", "f1", "auroc"), 1.0),
        "mentions": 1.0,
    }
    strict = observed.above(-0.0001)
    assert [link for links in strict.nil_links for link in links] == []
    assert sum(metric_ratios(strict)["nil_recall"].top) == 0
    assert sum(metric_ratios(observed.above(linker.threshold))["nil_recall"].top) == 1


def test_auroc_needs_both_kinds(trained):
    linker = Linker.from_pretrained(trained / "model")
    metrics = evaluate(linker, [Question("1", "who wrote xyz?", (Mention(10, 13, None),))])
    assert metrics["nil_recall"] == 1
    assert "nil_auroc" not in metrics


def test_info_says_so(trained, run_folder, capsys, quiet):
    assert run("info", [str(trained / "model")]) == 0
    assert re.search(r"beside vectors +NIL\n", capsys.readouterr().out)
    assert run("info", [str(run_folder / "model")]) == 0
    assert "beside vectors" not in capsys.readouterr().out


def test_predict_links_to_nil_on_request(trained, capsys, quiet):
    assert run("predict", ["who wrote xyz?", "--model", str(trained / "model"), "--nil"]) == 0
    assert capsys.readouterr().out.startswith("who wrote [xyz]?\n  xyz → NIL  (score -0.")
    assert run("predict", ["who wrote xyz?", "--model", str(trained / "model"), "--nil", "--format", "jsonl"]) == 0
    (link,) = json.loads(capsys.readouterr().out)["links"]
    assert (link["entity"], link["title"], link["probability"]) == (NIL, "", None)
    assert as_text(Question("1", "xyz"), [Link(0, 3, "xyz", NIL, "", "", -0.5)]) == "[xyz]\n  xyz → NIL  (score -0.500)"
