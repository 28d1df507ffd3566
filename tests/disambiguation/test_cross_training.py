"""Training of a cross-encoder behind a tiny linker: its examples, its batches, a whole run, and one that is killed."""

import copy
import json

import pytest
import torch
from hydra import compose, initialize_config_dir

from elq import ElqError, Linker
from elq.commands import run
from elq.commands.train import CONF, fit, plain_values
from elq.disambiguation import cross_examples
from elq.disambiguation.cross_batches import CrossCollator, drawn
from elq.disambiguation.cross_data import CrossData
from elq.disambiguation.cross_examples import (
    Example,
    find_examples,
    kind_of,
    log_probs_of,
    open_first_stage,
    targets_of,
    within,
)
from elq.disambiguation.cross_module import CrossModule
from elq.disambiguation.cross_settings import CrossTraining, Sizes
from elq.disambiguation.disambiguator import Disambiguator
from elq.disambiguation.ranking import Ranking
from elq.entities.build import BuildSettings, build_entities
from elq.linking.decision import Decision
from elq.linking.rerank import Reranker
from elq.model.biencoder import BiEncoder
from elq.model.crossencoder import CrossEncoder, PairTexts, pairs_of
from elq.questions.annotated import read_questions
from elq.training.export import export_folder
from tests.conftest import QUESTIONS, write_lines
from tests.linking.test_given import random_model

EXAMPLE = Example("who directed titanic?", 13, 20, "Q44578", ("Q25173", "Q44578", "Q90", "Q116"), (-0.2, -2.0, -5.0, -9.0))


@pytest.fixture(scope="module")
def behind(encoder_folder, tokenizer, entities, entities_folder, tmp_path_factory):
    made = tmp_path_factory.mktemp("behind") / "model"
    decision = Decision(threshold=-6.0, candidates=4, score_mode="table")
    export_folder(made, random_model(encoder_folder, False), tokenizer, entities, entities_folder, decision)
    return made


@pytest.fixture(scope="module")
def values(encoder_folder, question_file, behind) -> dict:
    return {
        "task": "crossencoder",
        "seed_everything": 3,
        "trainer": {"accelerator": "cpu", "devices": 1, "max_epochs": 3, "log_every_n_steps": 1, "gradient_clip_val": 1.0},
        "model": {
            "encoder": str(encoder_folder),
            "lr_encoder": 3e-3,
            "lr_heads": 1e-2,
            "warmup_steps": 2,
            "frozen_words": False,
        },
        "data": {
            "behind": str(behind),
            "train": [str(question_file)] * 6,
            "dev": str(question_file),
            "fit": str(question_file),
            "batch_size": 4,
            "sizes": {"candidates": 5, "negatives": 3},
        },
    } | {"early_stopping": {"patience": 30}}


@pytest.fixture(scope="module")
def values_of(values):
    """Values with short texts, which the tiny encoder takes."""
    made = copy.deepcopy(values)
    made["model"] |= {"context_tokens": 30, "entity_tokens": 24}
    return lambda: copy.deepcopy(made)


@pytest.fixture(scope="module")
def run_folder(values_of, tmp_path_factory):
    folder = tmp_path_factory.mktemp("crossruns") / "run"
    folder.mkdir()
    fit(values_of(), folder)
    return folder


def test_examples_have_the_candidates_of_the_first_stage_and_are_found_once(behind, question_file, tmp_path, monkeypatch):
    first, questions = open_first_stage(behind), read_questions(question_file)
    found = find_examples(first, questions, 3, tmp_path, "questions", "key")
    linker = Linker.from_pretrained(behind)
    known = [(text, name, gold) for text, name, gold in QUESTIONS if gold is not None]
    assert [(e.text, e.text[e.start : e.end], e.gold) for e in found] == known
    for example in found:
        expected = linker.candidates_of(example.text, example.start, example.end, 3)
        assert example.candidates == tuple(c.entity for c in expected)
        assert example.log_probs == pytest.approx([c.score for c in expected], abs=1e-4)
    monkeypatch.setattr(cross_examples, "_found", None)  # nothing is found again
    assert find_examples(first, questions, 3, tmp_path, "questions", "key") == found
    with pytest.raises(TypeError):
        find_examples(first, questions, 3, tmp_path, "questions", "another model")


def test_a_killed_search_for_candidates_goes_on(behind, question_file, tmp_path, monkeypatch):
    monkeypatch.setattr(cross_examples, "CHUNK", 2)
    first, questions = open_first_stage(behind), read_questions(question_file)
    whole = find_examples(first, questions, 3, tmp_path / "whole", "questions", "key")
    found, asked = cross_examples._found, []

    def breaking(first, chunk, candidates):
        asked.append(len(chunk))
        if len(asked) == 3:
            raise KeyboardInterrupt
        return found(first, chunk, candidates)

    monkeypatch.setattr(cross_examples, "_found", breaking)
    with pytest.raises(KeyboardInterrupt):
        find_examples(first, questions, 3, tmp_path / "broken", "questions", "key")
    assert find_examples(first, questions, 3, tmp_path / "broken", "questions", "key") == whole
    assert asked == [2, 2, 2, 2, 1]  # the first four texts are not asked for again


def test_targets_and_log_probs_are_tensors_with_padding():
    other = Example("x", 0, 1, "Q7", ("Q1",), (-0.5,))
    assert targets_of([EXAMPLE, other]).tolist() == [1, -1]
    expected = [[-0.2, -2.0, -5.0, -9.0], [-0.5, *[-torch.inf] * 3]]
    torch.testing.assert_close(log_probs_of([EXAMPLE, other], 4), torch.tensor(expected))
    assert within(EXAMPLE, 3.0).candidates == ("Q25173", "Q44578")
    assert within(EXAMPLE, 1.0).target == -1
    assert within(EXAMPLE, None) is EXAMPLE


def test_negatives_are_drawn_anew_by_a_seed_and_the_gold_entity_stays():
    assert drawn(EXAMPLE, 9, "a") == list(EXAMPLE.candidates)
    found = [tuple(drawn(EXAMPLE, 1, str(seed))) for seed in range(300)]
    assert all("Q44578" in pair and len(pair) == 2 for pair in found)
    counts = [sum(entity in pair for pair in found) for entity in ("Q25173", "Q90", "Q116")]
    assert counts[0] > counts[1] > counts[2] > 0  # the first are drawn more often
    assert drawn(EXAMPLE, 1, "7") == drawn(EXAMPLE, 1, "7")


def test_a_batch_has_the_pairs_of_each_mention_alone(encoder_folder, entities):
    network, tokenizer = CrossEncoder.from_encoder(encoder_folder, context_tokens=30, entity_tokens=24)
    texts = PairTexts(tokenizer, network.config)
    short = Example("who sang the queen song", 13, 18, "Q7", ("Q116",), (-0.5,))
    batch = CrossCollator(texts, entities.catalogue, network.encoder.padding)([EXAMPLE, short])
    assert batch.there.tolist() == [[True] * 4, [True, False, False, False]]
    assert batch.targets.tolist() == [1, -1]
    with torch.inference_mode():
        scores = network.eval().candidate_scores(batch.pairs, batch.there)
        for m, example in enumerate((EXAMPLE, short)):
            context = texts.contexts([example.text], [[(example.start, example.end)]])
            for k, one in enumerate(example.candidates):
                row = int(entities.catalogue.rows([one])[0])
                pair = pairs_of(context, texts.entities([entities.catalogue.records([row])[row]]), network.encoder.padding)
                assert float(scores[m, k]) == pytest.approx(float(network(pair)), abs=1e-5)


def test_a_run_learns_and_its_folder_says_what_it_was_trained_behind(run_folder, behind, question_file):
    metrics = json.loads((run_folder / "metrics.json").read_text())
    found = metrics["model"]
    assert found["mentions"] == 7
    assert found["both_accuracy"] > found["first_stage_accuracy"]
    assert found["both_accuracy_with_gold"] >= found["both_accuracy"]
    reranker = Reranker.from_pretrained(run_folder / "model")
    assert (reranker.stage.kind, reranker.candidates, reranker.stage.folder.split("/")[-1]) == ("linker", 5, "model")
    assert [reranker.stage.log_weight, reranker.stage.score_weight] == pytest.approx(metrics["weights"])
    linker = Linker.from_pretrained(behind, reranker=run_folder / "model")
    right = 0
    for text, name, gold in QUESTIONS:
        if gold is not None:
            [link] = linker.link(text, mentions=[(text.index(name), text.index(name) + len(name))])
            right += link.entity == gold
    assert right / 7 == pytest.approx(found["both_accuracy"])
    assert (run_folder / "model" / "training.yaml").is_file()
    assert (run_folder.parent / "latest").resolve() == run_folder.resolve()


def test_a_killed_run_goes_on_and_ends_with_the_same_weights(values_of, run_folder, tmp_path, monkeypatch):
    step, seen = CrossModule.training_step, []

    def breaking(self, batch, batch_idx):
        seen.append(batch_idx)
        if self.current_epoch == 1:
            raise KeyboardInterrupt
        return step(self, batch, batch_idx)

    folder = tmp_path / "run"
    folder.mkdir()
    monkeypatch.setattr(CrossModule, "training_step", breaking)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fit(values_of(), folder)
    assert not (folder / "model").exists()
    monkeypatch.setattr(CrossModule, "training_step", step)
    fit({**values_of(), "ckpt_path": str(folder / "checkpoints" / "last.ckpt")}, folder)
    mine, theirs = (CrossEncoder.from_pretrained(each / "model") for each in (folder, run_folder))
    assert mine.config == theirs.config
    for name, weight in mine.state_dict().items():
        torch.testing.assert_close(weight, theirs.state_dict()[name], msg=name)


def test_the_saved_config_trains_the_same(run_folder, tmp_path, capsys, quiet):
    flags = ["--config", str(run_folder / "config.yaml"), "--trainer.default_root_dir", str(tmp_path / "again")]
    assert run("fit", [*flags, "--trainer.max_epochs", "1"]) == 0
    assert CrossEncoder.from_pretrained(tmp_path / "again" / "model").config.entity_tokens == 24


def test_a_part_of_the_texts_is_held_out_for_the_fit(values_of, tmp_path):
    values = values_of()["data"] | {
        "fit": None,
        "sizes": Sizes(candidates=5, fit_share=0.5, fit_most=2),
        "cache": str(tmp_path),
    }
    data = CrossData(**values, settings=CrossTraining(context_tokens=30, entity_tokens=24))
    data.prepare_data()
    data.setup("fit")
    assert len(data.fit) == 2
    assert not {e.text for e in data.fit} & {e.text for e in data.train}
    assert all(e.target >= 0 for e in data.train)


def test_development_by_entity_shares_no_entity_with_training(values_of, tmp_path, question_file):
    texts = [{"text": "paris", "mentions": [{"start": 0, "end": 5, "entity": entity}]} for entity in ("Q90", "Q116", "Q15862")]
    file = write_lines(tmp_path / "all.jsonl", [{"id": str(n), **one} for n, one in enumerate(texts)])
    from elq.disambiguation.split import is_development

    chosen = {entity for entity in ("Q90", "Q116", "Q15862") if is_development(entity)}
    values = values_of()["data"] | {"train": [str(file)], "dev": str(file), "fit": str(file), "by_entity": True}
    values |= {"cache": str(tmp_path / "cache"), "sizes": Sizes(candidates=7)}
    data = CrossData(**values, settings=CrossTraining(context_tokens=30, entity_tokens=24))
    data.setup("fit")
    assert {e.gold for e in data.dev} == chosen
    assert {e.gold for e in data.train} == {"Q90", "Q116", "Q15862"} - chosen


def test_most_bounds_an_epoch_and_each_epoch_draws_others(values_of, tmp_path):
    values = values_of()["data"] | {"sizes": Sizes(candidates=7, most=8), "cache": str(tmp_path)}
    data = CrossData(**values, settings=CrossTraining(context_tokens=30, entity_tokens=24))
    data.setup("fit")
    assert len(data._of_epoch(0)) == 8 < len(data.train)
    assert data._of_epoch(0) != data._of_epoch(1)
    assert data._of_epoch(0) == data._of_epoch(0)


def test_the_experiment_composes():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        values = plain_values(compose("train", ["+experiment=crossencoder", "data.behind=elq/general"]))
    assert values["task"] == "crossencoder"
    assert values["data"]["sizes"] == {"margin": 8.0}


def test_wrong_values_are_refused_in_one_sentence(values_of, behind, run_folder, tmp_path):
    for change, words in (
        ({"behind": str(run_folder / "model")}, "of the kind crossencoder: give the model folder of a linker"),
        ({"behind": str(tmp_path)}, "its config.json cannot be read"),
        ({"batch_size": 0}, "data.batch_size is 0"),
        ({"train": []}, "data.train is empty"),
        ({"sizes": {"negatives": 0}}, "data.sizes.negatives is 0"),
        ({"sizes": {"margin": 0.0}}, "data.sizes.margin is 0.0"),
        ({"sizes": {"fit_share": 1.0}}, "data.sizes.fit_share is 1.0"),
        ({"colour": 1}, "data.colour is not a setting"),
    ):
        values = values_of()
        values["data"] |= change
        with pytest.raises(ElqError, match=words):
            fit(values, tmp_path / "bad")
    assert kind_of("elq/general") == kind_of(behind) == "linker"


def test_a_cross_encoder_works_behind_a_bi_encoder(values_of, encoder_folder, catalogue_file, tmp_path):
    folder = tmp_path / "biencoder"
    folder.mkdir()
    torch.manual_seed(4)
    network, texts = BiEncoder.from_encoder(encoder_folder, context_tokens=30, entity_tokens=24)
    network.save_pretrained(folder, texts)
    Ranking(candidates=4).save(folder)
    build_entities(catalogue_file, folder / "entities", BuildSettings(encoder=str(folder / "entity_encoder"), precision="fp32"))
    values, made = values_of(), tmp_path / "run"
    values["data"] |= {"behind": str(folder), "sizes": {"candidates": 4}}
    values["trainer"]["max_epochs"] = 1
    made.mkdir()
    found = fit(values, made)
    again = Disambiguator.from_pretrained(folder, reranker=made / "model")
    assert again.reranker.stage.kind == "biencoder"
    plain, right = Disambiguator.from_pretrained(folder), 0
    for text, name, gold in QUESTIONS:
        spans = [[(text.index(name), text.index(name) + len(name))]]
        [[link]], [[before]] = again.link([text], spans), plain.link([text], spans)
        assert {c.entity for c in link.candidates} == {c.entity for c in before.candidates}
        right += gold is not None and link.entity == gold
    assert right / 7 == pytest.approx(found["both_accuracy"])
