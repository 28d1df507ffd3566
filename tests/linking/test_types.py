"""Predicted types of mentions: the same in a batch and alone, in Python, JSON and explanations; none without a type head."""

import json
from dataclasses import replace

import pytest
import torch

from elq import Link, Linker
from elq.commands import run
from elq.entities.hierarchy import RowTypes
from elq.evaluation.type_accuracy import type_probabilities
from elq.linking.decision import Decision
from elq.linking.model_folder import link_entities
from elq.linking.scored import joined
from elq.model.network import ELQ
from elq.questions.predicted import as_json, read_predictions
from elq.training.type_data import TypeSettings, types_of
from elq.types import Question

TEXTS = ["who directed titanic?", "what river is in paris", "who sang the queen song", "who lives in paris texas"]
SPANS = [(13, 20), (17, 22), (13, 18), (13, 24)]


def typed(encoder_folder, entities, **settings) -> ELQ:
    torch.manual_seed(4)
    model = ELQ.from_encoder(encoder_folder, max_span_tokens=4, **settings)
    if settings.get("types", "none") != "none":
        model.add_types(types_of(entities.catalogue, TypeSettings(least=1))[0])
        torch.nn.init.normal_(model.types.linear.weight, std=0.3)
        torch.nn.init.zeros_(model.types.linear.bias)
    return model.eval()


@pytest.fixture(scope="module")
def folder(encoder_folder, entities, entities_folder, tokenizer, tmp_path_factory):
    made = tmp_path_factory.mktemp("typed")
    typed(encoder_folder, entities, types="goedel").save_pretrained(made, tokenizer)
    Decision(threshold=-20.0, candidates=3).save(made)
    link_entities(entities_folder, made, entities.manifest)
    return made


@pytest.fixture(scope="module")
def linker(folder) -> Linker:
    return Linker.from_pretrained(folder)


def test_the_types_of_a_link_are_those_of_its_mention(linker):
    mentions = [[span] for span in SPANS]
    names, p = linker.model.types.hierarchy.names, type_probabilities(linker.scorer, TEXTS, SPANS)
    assert names == ("band", "city", "ship")
    for text, span, links, row in zip(TEXTS, SPANS, linker.link(TEXTS, mentions=mentions), p.tolist(), strict=True):
        expected = sorted(((one, name) for one, name in zip(row, names, strict=True) if one >= 0.05), reverse=True)
        assert [*links[0].type_scores] == [name for _, name in expected]
        assert [*links[0].type_scores.values()] == pytest.approx([one for one, _ in expected], abs=1e-5)
        [alone] = linker.link(text, mentions=[span])
        assert alone.type_scores == pytest.approx(links[0].type_scores, abs=1e-5)
        [every] = linker.score([text]).links(-20.0, overlaps=True)
        found = [link for link in every if (link.start, link.end) == span]
        assert found[0].type_scores == pytest.approx(alone.type_scores, abs=1e-5)


def test_scores_of_several_batches_keep_their_types(linker):
    parts = [*linker.scorer.batches(TEXTS, floor=-20.0, candidates=3, batch_size=2)]
    assert len(parts) == 2
    for text, links in zip(TEXTS, joined(parts, len(TEXTS)).links(-20.0), strict=True):
        for one, other in zip(links, linker.link(text), strict=True):
            assert one.type_scores == pytest.approx(other.type_scores, abs=1e-5) != {}


def test_json_has_the_types_and_gives_them_back(linker, folder, tmp_path):
    (source := tmp_path / "questions.txt").write_text(TEXTS[0])
    [link] = linker.link(TEXTS[0], mentions=[SPANS[0]])
    values = json.loads(json.dumps(link.to_dict()))
    assert values["type_scores"] == dict(link.type_scores) != {}
    assert Link.from_dict(values) == link
    assert run("predict", ["--model", str(folder), "--output", str(tmp_path / "links.jsonl"), "--input", str(source)]) == 0
    [again] = read_predictions(tmp_path / "links.jsonl")[1]
    assert [one.type_scores for one in again] == [one.type_scores for one in linker.link(TEXTS[0])] != []
    text = str(linker.explain(TEXTS[0]))
    assert "predicted types: " in text


def test_a_model_without_types_gives_what_it_gave(encoder_folder, entities, tokenizer, folder):
    """The type head only adds: apart from type_scores, the links are equal bit for bit."""
    plain = Linker(typed(encoder_folder, entities), tokenizer, entities, threshold=-20.0, candidates=3)
    with_types = Linker(typed(encoder_folder, entities, types="goedel"), tokenizer, entities, threshold=-20.0, candidates=3)
    assert plain.model.types is None
    for one, other in zip(plain.link(TEXTS), with_types.link(TEXTS), strict=True):
        assert all(link.type_scores == {} for link in one)
        assert one == [replace(link, type_scores={}) for link in other]
        assert "type_scores" not in as_json(Question("q", TEXTS[0]), one)
    assert "predicted types" not in str(plain.explain(TEXTS[0]))


def test_rows_of_the_catalogue_have_their_types(entities):
    hierarchy, types = types_of(entities.catalogue, TypeSettings(least=1))
    again = RowTypes((entity.types for entity in entities.catalogue), hierarchy)
    every = [*range(len(entities.catalogue))]
    assert (types.of(every) == again.of(every)).all()
    assert types.of(every).sum() == 3
