"""The network of the bi-encoder against slow, obvious computations."""

import json

import pytest
import torch

from elq.commands import run
from elq.encoding.marked import padded
from elq.encoding.transformer import Encoder
from elq.errors import ElqError
from elq.model.biencoder import BiEncoder, with_words

TEXTS = ["who directed titanic ?", "paris is in texas", "queen"]
MENTIONS = [[(13, 20)], [(0, 5), (12, 17)], [(0, 5)]]


def made(encoder_folder, **settings):
    network, texts = BiEncoder.from_encoder(encoder_folder, **{"context_tokens": 20, "entity_tokens": 20, **settings})
    return network.eval(), texts


@pytest.fixture(scope="module", params=["own", "tied"])
def pair(request, encoder_folder):
    return made(encoder_folder, entity_tower=request.param)


@torch.inference_mode()
@pytest.mark.parametrize("pooling", ["mean", "cls", "mention"])
def test_vectors_against_a_loop_over_tokens(encoder_folder, pooling):
    network, texts = made(encoder_folder, pooling=pooling)
    contexts = texts.contexts(TEXTS, MENTIONS)
    found = network.context_vectors(padded(contexts, 0))
    for ids, vector in zip(contexts, found, strict=True):
        hidden = network.context(torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.bool))[0]
        first, last = ids.index(texts.markers.mention_start), ids.index(texts.markers.mention_end)
        mean, inside = (sum(part) / len(part) for part in (list(hidden), list(hidden[first : last + 1])))
        both = mean / mean.norm() + inside / inside.norm()
        expected = {"cls": hidden[0], "mean": 20 * mean / mean.norm(), "mention": 20 * both / both.norm()}[pooling]
        torch.testing.assert_close(vector, expected, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_padding_and_the_other_texts_of_a_batch_change_nothing(pair):
    network, texts = pair
    entities = texts.entities(["queen [unused2] band", "paris", "the city of the river seine in paris"])
    for vectors, rows in ((network.context_vectors, texts.contexts(TEXTS, MENTIONS)), (network.entity_vectors, entities)):
        together = vectors(padded(rows, 0))
        for row, vector in zip(rows, together, strict=True):
            torch.testing.assert_close(vectors(padded([row], 0))[0], vector, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_save_then_load_is_the_identity(pair, tmp_path):
    network, texts = pair
    with torch.no_grad():
        network.scale += 0.5
        for tower in (network.context, network.entity):
            for weight in tower.parameters():
                weight += 0.01 * torch.randn_like(weight)
    network.save_pretrained(tmp_path, texts)
    again, read = BiEncoder.from_pretrained(tmp_path, entity_tower=True)
    contexts, entities = texts.contexts(TEXTS, MENTIONS), texts.entities(["queen [unused2] band", "paris"])
    assert read.contexts(TEXTS, MENTIONS) == contexts
    assert read.entities(["queen [unused2] band", "paris"]) == entities
    torch.testing.assert_close(again.context_vectors(padded(contexts, 0)), network.context_vectors(padded(contexts, 0)))
    torch.testing.assert_close(again.entity_vectors(padded(entities, 0)), network.entity_vectors(padded(entities, 0)))
    alone, _ = BiEncoder.from_pretrained(tmp_path)
    assert alone.entity is None
    tower = Encoder.from_pretrained(tmp_path / "entity_encoder", trained=False).eval()  # an ordinary encoder folder
    ids = padded(entities, 0)
    torch.testing.assert_close(tower(ids.ids, ids.attention), network.entity(ids.ids, ids.attention))


def test_another_model_may_start_with_the_mention_tower_of_a_saved_one(encoder_folder, tmp_path):
    network, texts = made(encoder_folder, entity_tower="own")
    with torch.no_grad():
        for weight in network.context.parameters():
            weight.add_(0.5)  # so that it is no longer the encoder, nor the entity tower
    network.save_pretrained(tmp_path, texts)
    found = Encoder.from_pretrained(tmp_path).state_dict()
    assert all(torch.equal(found[name], value) for name, value in network.context.state_dict().items())


def test_the_towers_start_with_the_weights_of_the_encoder(encoder_folder):
    network, texts = made(encoder_folder)
    start = Encoder.from_pretrained(encoder_folder)
    words = start.transformer.get_input_embeddings().weight
    for tower in (network.context, network.entity):
        own = tower.transformer.get_input_embeddings().weight
        assert len(own) == len(words) + 3 == texts.tokenizer.size
        assert torch.equal(own[: len(words)], words)
        torch.testing.assert_close(own[-1], words.mean(0))
    assert network.context is not network.entity
    assert with_words(start, 5) is start
    tied, frozen = (made(encoder_folder, entity_tower=kind)[0] for kind in ("tied", "frozen"))
    assert tied.context is tied.entity
    assert frozen.entity is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "crossencoder"}, "is not the configuration of a bi-encoder"),
        ({"depth": 3}, "has the unknown keys depth"),
        ({"pooling": "max"}, "pooling is 'max', but must be one of mean, cls, mention"),
        ({"scale": 0}, "scale is 0, but must be a number above 0"),
        ({"context_tokens": 999}, "context_tokens is 999, but the encoder takes 64 tokens"),
        ({"encoder": 3}, "lacks encoder"),
    ],
)
def test_a_wrong_configuration_is_one_sentence(encoder_folder, tmp_path, change, message):
    network, texts = made(encoder_folder)
    network.save_pretrained(tmp_path, texts)
    values = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**values, **change}))
    with pytest.raises(ElqError, match=message):
        BiEncoder.from_pretrained(tmp_path)


def test_a_linker_and_elq_info_say_what_the_folder_is(encoder_folder, tmp_path, capsys):
    network, texts = made(encoder_folder)
    network.save_pretrained(tmp_path, texts)
    for arguments in (["predict", "--model", str(tmp_path), "who"], ["info", str(tmp_path)]):
        assert run(arguments[0], arguments[1:]) == 2
        assert f"{tmp_path} is the folder of a bi-encoder, which links given mentions only" in capsys.readouterr().err


def test_a_damaged_encoder_is_one_sentence(encoder_folder, tmp_path):
    network, texts = made(encoder_folder)
    network.save_pretrained(tmp_path, texts)
    values = json.loads((tmp_path / "config.json").read_text())
    values["encoder"]["hidden_size"] = "x"
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(ElqError, match="config.json describes no network"):
        BiEncoder.from_pretrained(tmp_path)


def test_missing_weights_are_one_sentence(encoder_folder, tmp_path):
    network, texts = made(encoder_folder)
    network.save_pretrained(tmp_path, texts)
    (tmp_path / "model.safetensors").write_bytes(b"12")
    with pytest.raises(ElqError, match="put whole copies of its files in their place"):
        BiEncoder.from_pretrained(tmp_path)
    with pytest.raises(ElqError, match="give the folder of a bi-encoder"):
        BiEncoder.from_pretrained(tmp_path / "nowhere")
