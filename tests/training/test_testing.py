"""`elq test` measures a test file, at the γ of the settings or at one chosen on the development questions."""

import json

import pytest
import yaml

from elq import Linker
from elq.commands import run
from elq.evaluation.evaluate import evaluate
from elq.questions.annotated import read_questions
from tests.conftest import write_lines


@pytest.fixture
def test_file(question_file, tmp_path):
    """Some development questions with other words, and one question whose entity is not in the catalogue."""
    records = [json.loads(line) for line in question_file.read_text().splitlines()][:5]
    records[1]["mentions"][0]["entity"] = "Q999999"
    records[2]["mentions"] = [{"start": 0, "end": 3, "entity": "Q90"}]  # never found
    return write_lines(tmp_path / "test.jsonl", records)


@pytest.mark.parametrize("given", [None, -0.02])
def test_the_test_file_is_measured_as_elq_evaluate_does(given, run_folder, values, test_file, tmp_path, capsys, caplog):
    config = tmp_path / "config.yaml"
    config.write_text((run_folder / "config.yaml").read_text())
    options = ["--config", str(config), "--ckpt_path", str(run_folder / "checkpoints" / "best.ckpt")]
    options += ["--data.test", str(test_file), "--model.threshold", "null" if given is None else str(given)]
    with caplog.at_level("INFO"):
        assert run("test", options) == 0
    linker = Linker.from_pretrained(run_folder / "model")
    wanted = evaluate(linker, read_questions(test_file), threshold=given)
    [told] = [record.message for record in caplog.records if record.message.startswith("test questions: ")]
    shown = dict(pair.split() for pair in told.removeprefix("test questions: ").split(", "))
    names = {f"test_{name}": f"set_in_catalogue_micro_{name}" for name in ("f1", "precision", "recall")}
    names |= {f"test_{name}": name for name in ("main_entity_recall", "strong_micro_f1", "weak_micro_f1", "questions")}
    assert {name: float(shown[name]) for name in names} == {name: round(wanted[key], 4) for name, key in names.items()}
    assert wanted["questions"] == 5
    assert float(shown["test_threshold"]) == pytest.approx(linker.threshold if given is None else given, abs=1e-4)
    assert "test_main_entity_recall" in capsys.readouterr().out


def test_the_config_that_elq_fit_leaves_serves_validate_and_test(values, test_file, tmp_path):
    run_folder = tmp_path / "run"
    trainer = {**values["trainer"], "max_epochs": None, "default_root_dir": str(run_folder)}
    data = {**values["data"], "train": [{"epochs": 2, "sources": [{"file": values["data"]["dev"]}]}]}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({**values, "trainer": trainer, "data": data}))
    assert run("fit", ["--config", str(tmp_path / "config.yaml")]) == 0
    saved = yaml.safe_load((run_folder / "config.yaml").read_text())
    assert saved["trainer"]["max_epochs"] == 2  # derived
    options = ["--config", str(run_folder / "config.yaml"), "--ckpt_path", str(run_folder / "checkpoints" / "best.ckpt")]
    assert run("validate", options) == 0
    assert run("test", [*options, "--data.test", str(test_file)]) == 0


def test_without_a_test_file_it_is_one_sentence(run_folder, tmp_path, capsys):
    config = yaml.safe_load((run_folder / "config.yaml").read_text())
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    assert run("test", ["--config", str(tmp_path / "config.yaml")]) == 2
    said = capsys.readouterr().err
    assert "data.test is missing: give a file of annotated questions with --data.test FILE" in said


@pytest.mark.parametrize("command", ["test", "validate"])
def test_an_untrained_network_is_not_measured(command, run_folder, test_file, tmp_path, capsys):
    (tmp_path / "config.yaml").write_text((run_folder / "config.yaml").read_text())
    options = ["--config", str(tmp_path / "config.yaml"), "--data.test", str(test_file)]
    assert run(command, options) == 2
    assert "ckpt_path is missing: give the checkpoint to measure" in capsys.readouterr().err
    assert run(command, [*options, "--ckpt_path", "none.ckpt"]) == 2
    assert "ckpt_path none.ckpt does not exist" in capsys.readouterr().err


def test_a_model_folder_as_the_encoder_is_measured_without_a_checkpoint(run_folder, tmp_path, caplog):
    (tmp_path / "config.yaml").write_text((run_folder / "config.yaml").read_text())
    own = yaml.safe_load((run_folder / "config.yaml").read_text())["model"]["encoder"]  # which made the table
    options = ["--model.encoder", str(run_folder / "model"), "--data.build.encoder", own]
    with caplog.at_level("INFO"):
        assert run("validate", ["--config", str(tmp_path / "config.yaml"), *options]) == 0
    found = json.loads((run_folder / "metrics.json").read_text())["model"]["set_in_catalogue_micro_f1"]
    assert f"dev_f1 {found:.4f}" in caplog.text
