"""A tiny training with Chinese markers: what is trained, what is saved, and that it resumes."""

import copy
import json
from pathlib import Path

import pytest
import torch
from lightning import Callback

from elq import Disambiguator, ElqError
from elq.commands.train import fit
from elq.disambiguation.module import BiEncoderModule
from elq.disambiguation.parser import BiEncoderCLI
from elq.encoding.added_words import words_of
from elq.encoding.transformer import Encoder
from elq.entities.edit import add_entities
from elq.entities.manifest import Manifest, open_entities


@pytest.fixture(scope="module")
def tiny(encoder_folder, catalogue_file, question_file, tmp_path_factory):
    sources = [{"file": str(question_file), "repeat": 3}]
    return {
        "task": "biencoder",
        "seed_everything": 3,
        "trainer": {"accelerator": "cpu", "devices": 1, "log_every_n_steps": 1, "gradient_clip_val": 1.0},
        "model": {
            "encoder": str(encoder_folder), "markers": "chinese", "entity_tower": "tied",
            "frozen_words": True, "frozen_layers": 1,
            "lr_encoder": 5e-3, "warmup_steps": 2, "context_tokens": 24, "entity_tokens": 24,
        },
        "data": {
            "catalogue": str(catalogue_file),
            "entities": str(tmp_path_factory.mktemp("zh") / "entities"),
            "build": {"precision": "fp32"},
            "train": [{"epochs": 1, "sources": sources}, {"epochs": 2, "hard_negatives": 2, "sources": sources}],
            "dev": str(question_file),
            "batch_size": 4,
        },
    }  # fmt: skip


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


class Break(Callback):
    """Stops a training in its third epoch, as a kill does."""

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if trainer.current_epoch == 2 and batch_idx == 1:
            raise RuntimeError("broken")


def test_a_resumed_training_ends_with_the_weights_of_the_unbroken_one(tiny, trained, tmp_path):
    part = {**tiny, "trainer": {**tiny["trainer"], "default_root_dir": str(tmp_path / "part")}}
    cli = BiEncoderCLI(copy.deepcopy(part), run=False)
    cli.trainer.callbacks.append(Break())
    with pytest.raises(RuntimeError, match="broken"):
        cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    fit({**copy.deepcopy(part), "ckpt_path": str(tmp_path / "part" / "checkpoints" / "last.ckpt")}, tmp_path / "part")
    saved = [folder / "checkpoints" / "last.ckpt" for folder in (trained, tmp_path / "part")]
    first, second = (torch.load(path, weights_only=True)["state_dict"] for path in saved)
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
