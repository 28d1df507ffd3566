"""A linker for one's own catalogue: without questions nothing is trained, and with them the best model is kept."""

import json
from pathlib import Path

import pytest
import torch

from elq import Linker
from elq.commands import run
from elq.encoding.pretrained import GENERAL, WEIGHTS
from elq.entities.manifest import Manifest
from elq.errors import ElqError
from elq.evaluation.evaluate import evaluate
from elq.linking import model_folder
from elq.linking.decision import Decision
from elq.linking.model_folder import build_model_folder
from elq.questions.annotated import read_questions
from elq.training.held_out import held_out
from elq.training.keep_best import DICTIONARY, OBJECTIVE, TRAINED, UNTRAINED, choose
from elq.training.module import ELQModule
from elq.training.stages import with_stages
from elq.types import Question
from tests.conftest import write_lines

RECORDS = [
    {"id": "S", "title": "Titanic (ship)", "label": "Titanic", "description": "ship that sank in 1912", "types": ["ship"]},
    {"id": "F", "title": "Titanic (film)", "label": "Titanic", "description": "film of 1997", "types": ["film"]},
    {"id": "P", "title": "Paris", "description": "capital of France", "types": ["city"]},
    {"id": "D", "title": "Cordless drill", "description": "tool with a battery", "types": ["tool"]},
]
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory) -> Path:
    return write_lines(tmp_path_factory.mktemp("own") / "c.jsonl", RECORDS)


def write_asked(path: Path, entity: str) -> Path:
    """40 questions about the film Titanic, annotated with this entity."""
    asked = [f"who directed the film titanic in the {first} {rest}?" for first in NUMBERS[:4] for rest in NUMBERS]
    return write_lines(path, [{"text": text, "mentions": [{"start": 22, "end": 29, "entity": entity}]} for text in asked])


@pytest.fixture(scope="module")
def questions(catalogue) -> Path:
    """Questions that the general model links wrongly: here, the film Titanic means the ship."""
    return write_asked(catalogue.with_name("q.jsonl"), "S")


def arguments(catalogue: Path, folder: Path, *more: str) -> list[str]:
    entities = folder.parent / "entities"
    return [
        "experiment=own_catalogue",
        f"data.catalogue={catalogue}",
        f"data.entities={entities}",
        f"hydra.run.dir={folder}",
        *more,
    ]


RATES = (
    "model.lr_encoder=1e-3",
    "model.lr_heads=1e-3",
    "model.warmup_steps=0",
    "trainer.max_epochs=2",
    "data.batch_size=4",
)


@pytest.fixture(scope="module")
def trained(catalogue, questions, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    assert run("train", arguments(catalogue, folder, f"data.train={questions}", *RATES)) == 0
    return folder


def test_without_questions_the_run_folder_has_the_general_model_over_the_catalogue(catalogue, tmp_path, capsys):
    assert run("train", arguments(catalogue, tmp_path / "run", "data.build.dtype=float32")) == 0
    assert "nothing is trained, because there are no annotated questions" in capsys.readouterr().err
    made = tmp_path / "latest" / "model"
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        assert (made / name).read_bytes() == (WEIGHTS / name).read_bytes()
    assert Decision.load(made) == Decision.load(WEIGHTS)
    assert Manifest.load(made / "entities").dtype == "float32"
    linker = Linker.from_pretrained(made)
    asked = ["is the cordless drill in stock?", "where is paris?"]
    assert [[link.entity for link in links] for links in linker.link(asked)] == [["D"], ["P"]]
    scores = [[link.score for link in links] for links in linker.link(asked)]
    opened = Linker.from_catalogue(catalogue).link(asked)  # whose table is float16
    assert scores == [[pytest.approx(link.score, abs=1e-3) for link in links] for links in opened]


def test_a_folder_with_the_name_of_the_link_stays(catalogue, tmp_path, capsys):
    assert run("train", arguments(catalogue, tmp_path / "latest")) == 0
    assert "no link to this run" not in capsys.readouterr().err
    assert run("train", arguments(catalogue, tmp_path / "run")) == 0
    assert "latest is a folder, so no link to this run could be made: rename it" in capsys.readouterr().err
    for name in ("latest", "run"):
        assert (tmp_path / name / "model" / "config.json").is_file()
        assert not (tmp_path / name).is_symlink()
    assert not [*tmp_path.glob(".latest*")]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("data.trian=q.jsonl", "data.trian is not a setting: did you mean data.train?"),
        ("data.build.encoder=x", "data.build.encoder cannot be given, because the model elq/general decides it"),
        ("data.train=none.jsonl", "data files are missing: none.jsonl"),
    ],
)
def test_a_wrong_setting_is_refused_although_nothing_is_trained(setting, message, catalogue, tmp_path, capsys):
    assert run("train", arguments(catalogue, tmp_path / "run", setting)) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run" / "model").exists()


def test_with_questions_the_trained_model_is_kept_where_it_is_better(trained, questions):
    metrics = json.loads((trained / "metrics.json").read_text())
    assert metrics["kept"] == TRAINED
    assert metrics[TRAINED][OBJECTIVE] > metrics[UNTRAINED][OBJECTIVE]
    assert metrics["model"] == metrics[TRAINED]
    assert metrics["questions_file"] == "20 questions held out from data.train"
    linker = Linker.from_pretrained(trained / "model")
    assert metrics["threshold"] == linker.threshold
    assert (trained / "model" / "training.yaml").is_file()
    assert (trained / "model" / "model.safetensors").read_bytes() != (WEIGHTS / "model.safetensors").read_bytes()
    development = held_out(read_questions(questions), 0.1, seed=0)
    assert evaluate(linker, development) == metrics["model"]
    untrained = Linker.from_catalogue(questions.with_name("c.jsonl"))
    assert evaluate(untrained, development)[OBJECTIVE] == pytest.approx(metrics[UNTRAINED][OBJECTIVE])
    checkpoint = torch.load(trained / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    frozen = linker.model.encoder.transformer.get_input_embeddings().weight
    assert torch.equal(frozen, checkpoint["model.encoder.transformer.embeddings.word_embeddings.weight"])


def test_the_general_model_is_kept_where_the_training_makes_it_worse(catalogue, questions, tmp_path, capsys):
    right = write_asked(tmp_path / "q.jsonl", "F")  # the training questions are annotated wrongly
    given = (f"data.train=[{questions}]", f"data.dev={right}", *RATES)
    assert run("train", arguments(catalogue, tmp_path / "run", *given)) == 0
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["kept"] == UNTRAINED
    assert metrics["model"] == metrics[UNTRAINED]
    assert metrics[UNTRAINED][OBJECTIVE] > metrics[TRAINED][OBJECTIVE]
    made = tmp_path / "run" / "model"
    assert (made / "model.safetensors").read_bytes() == (WEIGHTS / "model.safetensors").read_bytes()
    assert Decision.load(made) == Decision.load(WEIGHTS)
    assert metrics["threshold"] == Decision.load(WEIGHTS).threshold
    assert not (made / "training.yaml").exists()
    said = capsys.readouterr().err
    assert "false links per question without mention" in said
    assert f"the model folder has the weights of {GENERAL} without the training" in said
    assert Linker.from_pretrained(made).link("where is paris?")[0].entity == "P"


@pytest.mark.parametrize(
    ("trained", "untrained", "dictionary", "kept"),
    [(0.7, 0.6, 0.9, TRAINED), (0.6, 0.6, 0.5, UNTRAINED), (0.5, 0.6, 0.9, UNTRAINED)],
)
def test_the_better_model_is_kept_also_where_the_dictionary_is_best(trained, untrained, dictionary, kept, caplog):
    values = {TRAINED: trained, UNTRAINED: untrained, DICTIONARY: dictionary}
    measured = {name: {OBJECTIVE: f1, "strong_micro_f1": f1, "questions_unmentioned": 0} for name, f1 in values.items()}
    assert choose(measured, GENERAL, "dev.jsonl") == kept
    assert ("is better than both models" in caplog.text) == (dictionary > max(trained, untrained))


def test_held_out_questions_are_drawn_by_the_seed_and_are_no_training_questions():
    asked = [Question(str(number), f"who is {number % 300}?") for number in range(600)]
    drawn = held_out(asked, 0.1, seed=1)
    assert len({question.text for question in drawn}) == len(drawn) == 30
    assert drawn == held_out(asked, 0.1, seed=1) != held_out(asked, 0.1, seed=2)
    assert [len(held_out(asked[:count], 0.1, seed=0)) for count in (10, 30, 40, 60, 201)] == [5, 15, 20, 20, 21]
    with pytest.raises(ElqError, match="data.train has 9 different questions, but at least 10 are needed"):
        held_out(asked[:9], 0.1, seed=0)


def test_paths_become_one_stage():
    stage = with_stages({"data": {"train": ["a.jsonl", "b.jsonl"]}})["data"]["train"]
    assert [source["file"] for source in stage[0]["sources"]] == ["a.jsonl", "b.jsonl"]
    stages = {"data": {"train": [{"epochs": 1, "templates": 5}]}}
    assert with_stages(stages) == stages


def test_keep_best_needs_a_trained_model(encoder_folder):
    with pytest.raises(ElqError, match=r"model\.keep_best is true, but model\.encoder is .*, which is no trained model"):
        ELQModule(str(encoder_folder), keep_best=True)


def test_a_model_folder_that_was_not_completed_resumes(catalogue, tmp_path, monkeypatch, caplog):
    class Killed(BaseException):
        pass

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(model_folder, "put_model", killed)
        with pytest.raises(Killed):
            build_model_folder(catalogue, tmp_path / "m")
    assert not (tmp_path / "m").exists()
    build_model_folder(catalogue, tmp_path / "m")
    assert "entities is up to date" in caplog.text  # they are not encoded again
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == sorted(
        ["config.json", "decision.json", "entities", "model.safetensors", "tokenizer.json"]
    )
    assert Linker.from_pretrained(tmp_path / "m").link("where is paris?")[0].entity == "P"


def test_elq_build_makes_a_model_folder_and_keeps_its_decision(catalogue, tmp_path, capsys):
    made = tmp_path / "m"
    given = ["--model", GENERAL, "--output", str(made), "--catalogue"]
    assert run("build", [*given, str(catalogue), "--dtype", "float32"]) == 0
    assert Manifest.load(made / "entities").dtype == "float32"
    decision = json.loads((made / "decision.json").read_text()) | {"threshold": -2.5}
    (made / "decision.json").write_text(json.dumps(decision))
    assert Decision.load(WEIGHTS).threshold != -2.5  # the file is no hard link to that of the package
    more = write_lines(tmp_path / "more.jsonl", [*RECORDS, {"id": "O", "title": "Oslo"}])
    assert run("build", [*given, str(more)]) == 0
    linker = Linker.from_pretrained(made)
    assert (linker.threshold, len(linker.entities.catalogue)) == (-2.5, 5)


@pytest.mark.parametrize(
    "option", ["--encoder", "--pooling", "--prior", "--text", "--max-tokens", "--separator", "--max-aliases"]
)
def test_elq_build_refuses_what_the_model_decides(option, catalogue, tmp_path, capsys):
    given = ["--model", GENERAL, "--catalogue", str(catalogue), "--output", str(tmp_path / "m")]
    assert run("build", [*given, option, "1"]) == 2
    assert f"elq: {option} cannot be given, because the model elq/general decides it" in capsys.readouterr().err


def test_elq_build_replaces_no_other_folder(catalogue, trained, tmp_path, capsys):
    for output, words in ((trained / "model", "is the folder of another model"), (tmp_path, "is not a model folder")):
        (tmp_path / "mine.txt").write_text("mine")
        assert run("build", ["--model", GENERAL, "--catalogue", str(catalogue), "--output", str(output)]) == 2
        assert words in capsys.readouterr().err
    assert (tmp_path / "mine.txt").is_file()
    assert (
        run("build", ["--model", str(trained / "model"), "--catalogue", str(catalogue), "--output", str(tmp_path / "m")]) == 0
    )
    asked = "who directed the film titanic in the two nine?"
    assert Linker.from_pretrained(tmp_path / "m").link(asked) == Linker.from_pretrained(trained / "model").link(asked)
