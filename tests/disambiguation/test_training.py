"""A tiny training of a bi-encoder: what it exports, that it resumes, and the disambiguator over its model folder."""

import copy
import json
import shutil

import pytest
import torch
import yaml

from elq import Disambiguator, ElqError
from elq.commands import run
from elq.commands.tasks import task_of
from elq.commands.train import fit
from elq.disambiguation.examples import examples_of
from elq.disambiguation.ranking import scores_of
from elq.entities.edit import add_entities
from elq.entities.manifest import Manifest, open_entities
from elq.linking.scoring import entity_log_probs
from elq.model.biencoder import BiEncoder
from elq.questions.annotated import read_questions
from tests.disambiguation.tiny import broken, resumed, tiny_values


@pytest.fixture(scope="module")
def tiny(encoder_folder, catalogue_file, question_file, entities_folder, tmp_path_factory):
    entities = tmp_path_factory.mktemp("bi") / "entities"
    return tiny_values(encoder_folder, catalogue_file, question_file, entities, model={"lr_encoder": 2e-3}, epochs=(2, 4))


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    metrics = fit(copy.deepcopy(tiny), folder)
    return folder, metrics


@pytest.fixture(scope="module")
def frozen(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "frozen"
    values = {**tiny, "model": {**tiny["model"], "entity_tower": "frozen"}}
    return folder, fit(copy.deepcopy(values), folder)


def test_the_model_folder_has_everything(trained, question_file):
    folder, metrics = trained
    assert metrics["vectors_recall_1"] == 1.0
    assert metrics["all_recall_1"] == 1.0
    assert json.loads((folder / "metrics.json").read_text())["model"] == metrics
    names = {path.name for path in (folder / "model").iterdir()}
    assert names == {
        *("config.json", "model.safetensors", "tokenizer.json", "ranking.json", "metrics.json", "training.yaml"),
        *("entities", "entity_encoder"),
    }
    assert Manifest.load(folder / "model" / "entities").encoder == "entity_encoder"
    assert not (folder / "towers").exists()
    assert yaml.safe_load((folder / "config.yaml").read_text())["task"] == "biencoder"
    assert (folder.parent / "latest").resolve() == folder.resolve()


@torch.inference_mode()
def test_the_table_of_the_folder_has_the_vectors_of_the_entity_tower(trained):
    folder, _ = trained
    network, texts = BiEncoder.from_pretrained(folder / "model", entity_tower=True)
    entities = open_entities(folder / "model" / "entities")
    from elq.disambiguation.mining import entity_table
    from elq.entities.texts import EntityText

    text = EntityText(**{**entities.manifest.text, "fields": tuple(entities.manifest.text["fields"])})
    assert text(entities.catalogue[0]) == "Paris (City of Light) [unused2] capital city of france"
    made = entity_table(network, texts, [text(entities.catalogue[row]) for row in range(7)])
    torch.testing.assert_close(entities.table.tensor()[:, :32], made, rtol=2e-2, atol=2e-2)  # float16, and perhaps bf16


@pytest.fixture(scope="module")
def disambiguator(trained):
    return Disambiguator.from_pretrained(trained[0] / "model")


def test_links_of_given_mentions(disambiguator):
    texts = ["who directed titanic?", "what is the capital city paris", "nothing here", "the ship titanic"]
    links = disambiguator.link(texts, [[(13, 20)], [(25, 30)], [], [(9, 16)]], candidates=3)
    assert [[link.entity for link in of_text] for of_text in links] == [["Q44578"], ["Q90"], [], ["Q25173"]]
    link = links[0][0]
    assert (link.start, link.end, link.mention, link.title) == (13, 20, "titanic", "Titanic (1997 film)")
    assert len(link.candidates) == 3
    shares = [2.718281828459045**candidate.score for candidate in link.candidates]
    assert sum(shares) == pytest.approx(1.0, abs=1e-4)
    assert link.probability == pytest.approx(shares[0], abs=1e-3)
    assert disambiguator.link(["titanic"], [[]]) == [[]]


@torch.inference_mode()
def test_candidates_against_a_loop_over_all_entities(disambiguator, question_file):
    catalogue, ranking = disambiguator.entities.catalogue, disambiguator.ranking
    examples = examples_of(read_questions(question_file), catalogue, "file")
    found = disambiguator.candidates(examples, 7)
    table = disambiguator.entities.table.tensor()
    for m, example in enumerate(examples):
        (vector,) = disambiguator.vectors([example])
        matches = disambiguator.dictionary.name_matches([example.mention])
        kinds = dict(zip(matches.rows[0].tolist(), matches.kinds[0].tolist(), strict=True))
        scores = []
        for row in range(7):
            score = ranking.vectors * float(vector @ table[row, :32])
            score += sum(w * float(x) for w, x in zip(ranking.prior, table[row, 32:], strict=True))
            scores.append(score + (ranking.names[kinds[row]] if row in kinds else 0.0))
        order = sorted(range(7), key=lambda row: -scores[row])
        assert found.rows[m].tolist() == order
        torch.testing.assert_close(found.scores[m], torch.tensor([scores[row] for row in order]), rtol=1e-3, atol=1e-3)
        alone = disambiguator.candidates([example], 7, vectors_alone=True)
        assert alone.rows[0].tolist() == sorted(range(7), key=lambda row: -float(vector @ table[row, :32]))
    few = disambiguator.candidates(examples, 2)
    assert torch.equal(few.rows, found.rows[:, :2])
    torch.testing.assert_close(entity_log_probs(few.scores).exp().sum(-1), torch.ones(len(examples)))


def test_features_hold_the_gold_entity_first_and_every_entity_once(disambiguator, question_file):
    examples = examples_of(read_questions(question_file), disambiguator.entities.catalogue, "file")
    features = disambiguator.features(examples)
    there = features.products > -torch.inf
    assert there.sum(-1).tolist() == [7] * len(examples)
    assert features.gold.tolist() == [0] * len(examples)
    matches = disambiguator.dictionary.name_matches([example.mention for example in examples])
    for m, example in enumerate(examples):
        kinds = dict(zip(matches.rows[m].tolist(), matches.kinds[m].tolist(), strict=True))
        assert features.kinds[m, 0] == kinds.get(example.row, -1)


def test_many_mentions_are_looked_for_in_parts(disambiguator, question_file, monkeypatch):
    examples = examples_of(read_questions(question_file), disambiguator.entities.catalogue, "file")
    together, features = disambiguator.candidates(examples, 4), disambiguator.features(examples)
    monkeypatch.setattr("elq.disambiguation.disambiguator.TOGETHER", 3)
    found = disambiguator.candidates(examples, 4)
    assert torch.equal(found.rows, together.rows)
    torch.testing.assert_close(found.scores, together.scores, rtol=1e-4, atol=1e-4)
    weights = torch.linspace(-1, 1, 1 + 4 + 18)
    first, second = (
        scores_of(each, weights, 4).sort(-1, descending=True)[0] for each in (features, disambiguator.features(examples))
    )
    torch.testing.assert_close(first[:, :7], second[:, :7], rtol=1e-4, atol=1e-4)
    assert features.gold.tolist() == [0] * 7


def test_an_entity_that_is_added_to_the_folder_is_found(trained, tmp_path):
    shutil.copytree(trained[0] / "model", tmp_path / "model")
    add_entities(tmp_path / "model" / "entities", [{"id": "X1", "title": "Queen of Texas", "description": "song"}])
    [[link]] = Disambiguator.from_pretrained(tmp_path / "model").link(["who wrote queen of texas?"], [[(10, 24)]])
    assert link.entity == "X1"


def test_bad_mentions_are_one_sentence(disambiguator, trained, entities_folder):
    with pytest.raises(ElqError, match="several texts are needed here, but a single string is given"):
        disambiguator.link("who is q", [[(7, 8)]])
    with pytest.raises(ElqError, match="there are 1 texts, but the mentions are 2 lists"):
        disambiguator.link(["a"], [[], []])
    with pytest.raises(ElqError, match="must lie in its 1 characters"):
        disambiguator.link(["a"], [[(0, 2)]])
    with pytest.raises(ElqError, match="candidates is -1"):
        disambiguator.link(["queen"], [[(0, 5)]], candidates=-1)
    with pytest.raises(ElqError, match="build the entities with the entity_encoder of the model"):
        Disambiguator.from_pretrained(trained[0] / "model", entities=entities_folder)


@pytest.mark.parametrize("tower", ["own", "frozen"])
def test_a_resumed_training_ends_with_the_weights_of_the_unbroken_one(tiny, trained, frozen, tmp_path, tower):
    values = {**tiny, "model": {**tiny["model"], "entity_tower": tower}}
    whole, _ = trained if tower == "own" else frozen
    broken(values, tmp_path / "part", 3)
    assert (tmp_path / "part" / "mined_2.npy").is_file() == (tower == "own")
    first, second = resumed(values, tmp_path / "part", whole)
    assert any("entity." in key for key in first) == (tower == "own")
    for key in first:
        torch.testing.assert_close(first[key], second[key])


def test_a_frozen_tower_uses_the_entities_folder_as_it_is(tiny, frozen):
    folder, metrics = frozen
    assert metrics["all_recall_1"] == 1.0
    manifests = [Manifest.load(place) for place in (folder / "model" / "entities", tiny["data"]["entities"])]
    assert manifests[0].files == manifests[1].files
    assert manifests[0].encoder_sha256 == manifests[1].encoder_sha256


def test_elq_fit_reads_the_task_from_a_saved_config(trained, tmp_path, capsys):
    folder, metrics = trained
    config = str(folder / "config.yaml")
    assert (
        task_of(["fit", "--config", config]) == task_of([f"--config={config}"]) == task_of(["--task=biencoder"]) == "biencoder"
    )
    assert task_of(["fit", "--trainer.max_epochs", "3"]) == "linker"
    assert run("fit", ["--config", config]) == 2
    assert "holds a finished run" in capsys.readouterr().err
    options = ["--config", config, "--trainer.default_root_dir", str(tmp_path), "--trainer.max_epochs", "1"]
    assert run("fit", options) == 0
    assert json.loads((tmp_path / "metrics.json").read_text())["model"].keys() == metrics.keys()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (("task",), "tagger", "task is 'tagger', but must be one of linker, biencoder"),
        (("model", "pooling"), "max", "pooling is 'max', but must be one of"),
        (("model", "moving_mean"), 1.5, "model.moving_mean is 1.5"),
        (("data", "train"), [{"epochs": 1}], "needs stages with at least one epoch, with sources"),
        (("data", "train"), [{"sources": [{"file": "q.jsonl", "swapped": 2}]}], "swapped of q.jsonl is 2.*, but only"),
        (("data", "batch_size"), 0, "data.batch_size is 0"),
        (("data", "dev"), "nowhere.jsonl", "nowhere.jsonl"),
        (("model", "max_span_tokens"), 3, "model.max_span_tokens is not a setting"),
    ],
)
def test_a_wrong_setting_is_one_sentence(tiny, tmp_path, key, value, message):
    values = copy.deepcopy(tiny)
    place = values
    for name in key[:-1]:
        place = place[name]
    place[key[-1]] = value
    with pytest.raises(ElqError, match=message):
        fit(values, tmp_path / "run")
