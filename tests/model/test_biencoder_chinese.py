"""The bi-encoder with Chinese markers: added words are saved and read, and folders of the BLINK form stay as they were."""

import json

import pytest
import torch

from elq.encoding.added_words import words_of
from elq.encoding.marked import CHINESE, padded, with_markers
from elq.encoding.packed import load_weights, pack_exactly
from elq.encoding.pretrained import load_tokenizer
from elq.encoding.transformer import Encoder
from elq.files import write_json
from elq.model.biencoder import BiEncoder
from elq.model.network import save_weights

TEXTS, MENTIONS = ["who directed titanic ?", "paris is in texas"], [[(13, 20)], [(0, 5), (12, 17)]]
ENTITIES = ["queen; band", "paris"]


def made(encoder_folder, **settings):
    network, texts = BiEncoder.from_encoder(encoder_folder, **{"context_tokens": 20, "entity_tokens": 20, **settings})
    return network.eval(), texts


@torch.inference_mode()
@pytest.mark.parametrize("tower", ["own", "tied"])
def test_save_then_load_is_the_identity(encoder_folder, tmp_path, tower):
    network, texts = made(encoder_folder, markers="chinese", entity_tower=tower)
    size = len(words_of(network.context).weight)
    assert words_of(network.context).added.shape == (3, 32)
    with torch.no_grad():
        for weight in network.parameters():
            weight += 0.01 * torch.randn_like(weight)
    network.save_pretrained(tmp_path, texts)
    again, read = BiEncoder.from_pretrained(tmp_path, entity_tower=True)
    alone, _ = BiEncoder.from_pretrained(tmp_path)
    contexts, entities = texts.contexts(TEXTS, MENTIONS), texts.entities(ENTITIES)
    assert [texts.tokenizer.words[i] for i in contexts[0]][3:6] == ["[ENT_S]", "titanic", "[ENT_E]"]
    assert read.contexts(TEXTS, MENTIONS) == contexts
    assert read.entities(ENTITIES) == entities
    expected = network.context_vectors(padded(contexts, 0))
    for one in (again, alone):
        assert torch.equal(words_of(one.context).added, words_of(network.context).added)
        torch.testing.assert_close(one.context_vectors(padded(contexts, 0)), expected)
    torch.testing.assert_close(again.entity_vectors(padded(entities, 0)), network.entity_vectors(padded(entities, 0)))
    assert json.loads((tmp_path / "config.json").read_text())["added_words"] == 3
    folder = tmp_path / "entity_encoder"  # an ordinary encoder, which has never seen the markers
    assert load_tokenizer(folder).size == size
    assert len(words_of(Encoder.from_pretrained(folder)).weight) == size
    assert not [name for name in load_weights(folder / "model.safetensors") if name.endswith(("added", "first"))]


def test_both_towers_start_with_the_encoder_and_the_words_of_a_text_count_as_text(encoder_folder):
    network, texts = made(encoder_folder, markers="chinese")
    start = Encoder.from_pretrained(encoder_folder).state_dict()
    for tower in (network.context, network.entity):
        state = tower.state_dict()
        assert all(torch.equal(state[name], value) for name, value in start.items())
    assert words_of(network.entity).weight.shape == words_of(network.context).weight.shape
    assert texts.markers.mention_start not in texts.entities(["queen [ENT_S] band"])[0]


@torch.inference_mode()
def test_a_folder_with_the_markers_in_its_word_vectors_still_opens(encoder_folder, tmp_path):
    """Before there were added words, the vectors of [ENT_S] and [ENT_E] were rows of the word vectors of both towers."""
    network, texts = made(encoder_folder, entity_tower="own")  # as many rows, for the markers of BLINK
    values = {**vars(network.config), "markers": "chinese"}
    values.pop("added_words")
    own = {name: value for name, value in network.state_dict().items() if not name.startswith("entity.")}
    write_json(tmp_path / "config.json", values)
    save_weights(tmp_path / "model.safetensors", pack_exactly(own))
    with_markers(load_tokenizer(encoder_folder), CHINESE)[0].save(tmp_path / "tokenizer.json")
    again, read = BiEncoder.from_pretrained(tmp_path)
    contexts = read.contexts(TEXTS, MENTIONS)
    assert contexts == texts.contexts(TEXTS, MENTIONS)  # the ids are the same, their names differ
    vectors = network.context_vectors(padded(contexts, 0))
    torch.testing.assert_close(again.context_vectors(padded(contexts, 0)), vectors)


def test_a_folder_of_the_blink_form_knows_nothing_of_added_words(encoder_folder, tmp_path):
    network, texts = made(encoder_folder)
    network.save_pretrained(tmp_path, texts)
    assert "added_words" not in json.loads((tmp_path / "config.json").read_text())
    weights = load_weights(tmp_path / "model.safetensors")
    assert sorted(weights) == sorted(name for name in network.state_dict() if not name.startswith("entity."))
    assert load_tokenizer(tmp_path).id_of("[unused0]") == texts.markers.mention_start
    assert load_tokenizer(tmp_path / "entity_encoder").size == len(words_of(network.entity).weight)
