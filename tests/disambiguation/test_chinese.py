"""A tiny training with Chinese markers: what is trained, what is saved, and that it resumes."""

import copy
import json
from pathlib import Path

import pytest
import torch

from elq import Disambiguator, ElqError
from elq.commands.train import fit
from elq.disambiguation.module import BiEncoderModule
from elq.encoding.added_words import words_of
from elq.encoding.transformer import Encoder
from elq.entities.edit import add_entities
from elq.entities.manifest import Manifest, open_entities
from tests.disambiguation.tiny import broken, resumed, tiny_values


@pytest.fixture(scope="module")
def tiny(encoder_folder, catalogue_file, question_file, tmp_path_factory):
    entities, chosen = tmp_path_factory.mktemp("zh") / "entities", {"markers": "chinese", "entity_tower": "tied"}
    model = {**chosen, "frozen_words": True, "frozen_layers": 1, "lr_encoder": 5e-3}
    return tiny_values(encoder_folder, catalogue_file, question_file, entities, model=model, epochs=(1, 2))


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    fit(copy.deepcopy(tiny), folder)
    return folder


def test_markers_and_upper_layers_are_trained_and_saved(tiny, trained):
    start = BiEncoderModule(**tiny["model"])
    before, after = start.network, Disambiguator.from_pretrained(trained / "model").network
    first, last = (words_of(network.context) for network in (before, after))
    assert torch.equal(first.weight, last.weight)
    turned = torch.nn.functional.cosine_similarity(first.added, last.added) < 0.9999
    assert turned.tolist() == [True, True, False]  # [ENT_D] is in no text
    state = after.context.state_dict()
    changed = {name for name, value in before.context.state_dict().items() if not torch.equal(value, state[name])}
    assert changed
    assert all("layer.1." in name or name.endswith("word_embeddings.added") for name in changed)
    folder = trained / "model" / "entity_encoder"
    assert len(words_of(Encoder.from_pretrained(folder)).weight) == len(first.weight)


def test_the_entities_have_the_chinese_form(trained):
    place = trained / "model" / "entities"
    assert json.loads((place / "manifest.json").read_text())["text"]["form"] == "chinese"
    add_entities(place, [{"id": "X1", "title": "queen of texas", "types": ["song"]}])
    entities = open_entities(place)
    disambiguator = Disambiguator.from_pretrained(trained / "model")
    with torch.inference_mode():
        network, texts = disambiguator.network, disambiguator.texts
        ids = torch.tensor(texts.entities(["queen of texas; 类型: song"]))
        hidden = network.context(ids, ids > -1).mean(1)  # (1, D); the towers are tied
        vector = torch.nn.functional.normalize(hidden, dim=-1)
    added = entities.table.gather(torch.tensor([len(entities.catalogue) - 1]))[:, :32]
    torch.testing.assert_close(added, vector, rtol=2e-2, atol=2e-2)  # float16, and perhaps bf16
    assert len(disambiguator.link(["the queen of texas"], [[(4, 18)]])[0]) == 1


def test_the_usual_form_is_not_named_in_a_manifest(entities_folder):
    assert "form" not in Manifest.load(entities_folder).text


def test_the_questions_of_the_benchmark_are_whole():
    lines = (Path(__file__).parents[2] / "benchmarks" / "chinese" / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    questions = [json.loads(line) for line in lines]
    mentions = [(question["text"], mention) for question in questions for mention in question["mentions"]]
    assert len(questions) == len(mentions) == len({mention["entity"] for _, mention in mentions}) == 100
    assert all(text[m["start"] : m["end"]].strip() and m["end"] <= len(text) for text, m in mentions)
    assert sum(question["needs"] != "label" for question in questions) >= 40


def test_a_resumed_training_ends_with_the_weights_of_the_unbroken_one(tiny, trained, tmp_path):
    broken(tiny, tmp_path / "part", 2)
    first, second = resumed(tiny, tmp_path / "part", trained)
    assert any(name.endswith("word_embeddings.added") for name in first)
    for name in first:
        torch.testing.assert_close(first[name], second[name])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"frozen_layers": 3}, "model.frozen_layers is 3, but the encoder has 2 layers of BERT"),
        ({"frozen_layers": -1}, "model.frozen_layers is -1, but must be at least 0"),
        ({"markers": "french"}, "markers is 'french', but must be one of blink, chinese"),
    ],
)
def test_a_wrong_setting_is_one_sentence(encoder_folder, settings, message):
    with pytest.raises(ElqError, match=message):
        BiEncoderModule(encoder=str(encoder_folder), **settings)
