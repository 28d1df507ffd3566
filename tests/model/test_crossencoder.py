"""The cross-encoder: its pairs, its scores against one pair at a time, and its files."""

import json

import pytest
import torch

from elq import ElqError
from elq.model.cross_config import CrossSettings, FirstStage, read_cross_config
from elq.model.crossencoder import CrossEncoder, PairTexts, pairs_of
from elq.types import Entity

TITANIC = Entity("Q44578", "Titanic (1997 film)", "Titanic", "film", ("the ship film",))
QUEEN = Entity("Q116", "Queen", "queen", "")


@pytest.fixture
def cross(encoder_folder):
    torch.manual_seed(2)
    network, tokenizer = CrossEncoder.from_encoder(encoder_folder, context_tokens=20, entity_tokens=16)
    return network.eval(), tokenizer


def words_of(tokenizer, ids) -> str:
    return " ".join(tokenizer.words[number] for number in ids)


def test_a_pair_has_the_marked_context_and_the_text_of_the_entity(cross):
    network, tokenizer = cross
    texts = PairTexts(tokenizer, network.config)
    contexts = texts.contexts(["who directed titanic"], [[(13, 20)]])
    pairs = pairs_of(contexts * 2, texts.entities([TITANIC, QUEEN]), network.encoder.padding)
    start = "[CLS] who directed [unused0] titanic [unused1] [SEP]"
    assert words_of(tokenizer, pairs.ids[0].tolist()) == (
        f"{start} titanic ( 1 ##9 ##9 ##7 film ) ( the ship film ) [unused2] [SEP]"  # cut after 16 tokens of the entity
    )
    assert words_of(tokenizer, pairs.ids[1].tolist()).startswith(f"{start} queen [SEP] [PAD]")
    assert pairs.types[1].tolist() == [0] * 7 + [1] * 15
    assert pairs.attention.sum(1).tolist() == [22, 9]


def test_scores_are_those_of_one_pair_at_a_time_and_padding_is_no_candidate(cross):
    network, tokenizer = cross
    texts = PairTexts(tokenizer, network.config)
    contexts = texts.contexts(["who directed titanic", "what is the queen song"], [[(13, 20)], [(12, 17)]])
    entities = texts.entities([TITANIC, QUEEN])
    sides = [(contexts[0], entities[0]), (contexts[0], entities[1]), (contexts[1], entities[1])]
    there = torch.tensor([[True, True, False], [True, False, False]])
    with torch.inference_mode():
        pairs = pairs_of([context for context, _ in sides], [entity for _, entity in sides], network.encoder.padding)
        found = network.candidate_scores(pairs, there)
        alone = [float(network(pairs_of([context], [entity], network.encoder.padding))) for context, entity in sides]
    inf = torch.inf
    torch.testing.assert_close(found, torch.tensor([[alone[0], alone[1], -inf], [alone[2], -inf, -inf]]), rtol=1e-4, atol=1e-5)
    assert len({round(score, 4) for score in alone}) == 3


def test_the_token_types_count(cross):
    network, tokenizer = cross
    texts = PairTexts(tokenizer, network.config)
    pairs = pairs_of(texts.contexts(["titanic"], [[(0, 7)]]), texts.entities([TITANIC]), network.encoder.padding)
    with torch.inference_mode():
        assert network(pairs) != network(type(pairs)(pairs.ids, pairs.attention, torch.zeros_like(pairs.types)))


def test_gradients_reach_the_candidates_only(cross):
    network, tokenizer = cross
    texts = PairTexts(tokenizer, network.config)
    pairs = pairs_of(texts.contexts(["titanic"], [[(0, 7)]]) * 2, texts.entities([TITANIC, QUEEN]), 0)
    scores = network.candidate_scores(pairs, torch.tensor([[True, True, False]]))
    torch.nn.functional.cross_entropy(scores, torch.tensor([0])).backward()
    assert float(network.head.weight.grad.abs().sum()) > 0
    assert all(weight.grad is None or weight.grad.isfinite().all() for weight in network.parameters())


def test_a_saved_cross_encoder_is_the_same(cross, tmp_path):
    network, tokenizer = cross
    network.save_pretrained(tmp_path, tokenizer)
    opened = CrossEncoder.from_pretrained(tmp_path)
    assert opened.config == network.config
    texts = PairTexts(tokenizer, network.config)
    pairs = pairs_of(texts.contexts(["titanic"], [[(0, 7)]]), texts.entities([TITANIC]), network.encoder.padding)
    with torch.inference_mode():
        torch.testing.assert_close(opened(pairs), network(pairs))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "biencoder"}, "is no cross-encoder of format 1, but of the kind 'biencoder'"),
        ({"format": 2}, "is no cross-encoder of format 1"),
        ({"context_tokens": 4}, "context_tokens is 4, but must be a whole number of at least 5"),
        ({"entity_fields": ["colour"]}, "the entity text names the field 'colour'"),
        ({"first_stage": {"candidates": 0}}, "candidates is 0, but must be a whole number of at least 1"),
        ({"first_stage": {"score_weight": float("nan")}}, "score_weight is nan, but must be a finite number"),
        ({"first_stage": {"kind": "oracle"}}, "the first stage is a 'oracle'"),
        ({"first_stage": {"margin": -1}}, "margin is -1, but must be a number above 0, or null"),
        ({"colour": 1}, "is not the configuration of a cross-encoder"),
        ({"context_tokens": 60, "entity_tokens": 60}, "make pairs of 119 tokens, but the encoder takes 64"),
    ],
)
def test_a_wrong_configuration_is_refused(cross, tmp_path, change, message):
    network, tokenizer = cross
    network.save_pretrained(tmp_path, tokenizer)
    values = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(values | change))
    with pytest.raises(ElqError, match=message.replace("(", r"\(")):
        CrossEncoder.from_pretrained(tmp_path)


def test_a_folder_with_missing_or_other_files_is_refused(cross, tmp_path):
    network, tokenizer = cross
    with pytest.raises(ElqError, match="lacks config.json, model.safetensors, tokenizer.json, so it is no cross-encoder"):
        read_cross_config(tmp_path)
    network.save_pretrained(tmp_path, tokenizer)
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ElqError, match="cannot be read"):
        CrossEncoder.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ElqError, match="cannot be read"):
        CrossEncoder.from_pretrained(tmp_path)


def test_settings_have_limits():
    assert CrossSettings(entity_fields=["title"]).entity_fields == ("title",)
    with pytest.raises(ElqError, match="entity_tokens is 2"):
        CrossSettings(entity_tokens=2)
    with pytest.raises(ElqError, match="log_weight is inf"):
        FirstStage(log_weight=float("inf"))
