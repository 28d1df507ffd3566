"""Any setting can be given without a plus, and any path without hydra's quotes."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir

from elq.commands import run
from elq.commands.train import CONF
from elq.configuration.overrides import hydra_text, normalised, readable

ROOT = Path(__file__).parents[2]


def test_pluses_are_added_and_dropped_as_hydra_wants_them():
    given = ["experiment=starter", "trainer=gpu", "model.nil=true", "data.batch_size=8", "hydra.run.dir=a"]
    wanted = ["+experiment=starter", "trainer=gpu", "++model.nil=true", "++data.batch_size=8", "hydra.run.dir=a"]
    assert normalised(given, CONF) == wanted
    with_plus = [argument if argument.startswith("hydra") else f"+{argument}" for argument in given]
    assert normalised(with_plus, CONF) == wanted
    for kept in (["~data.dev"], ["++model.nil=true"], ["--cfg", "job"], ["--config-dir", "a=b"], ["--multirun"]):
        assert normalised(kept, CONF) == kept
    assert normalised(wanted, CONF) == wanted


@pytest.mark.parametrize("sign", ["", "+"])
@pytest.mark.parametrize("start", [["train.py"], ["-m", "elq", "train"]])
def test_both_ways_of_writing_work_in_both_programs(start, sign):
    overrides = [f"{sign}experiment=starter", f"{sign}model.nil=true", f"{sign}data.batch_size=8", f"{sign}trainer=gpu"]
    command = [sys.executable, *start, *overrides, "--cfg", "job", "--resolve"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    values = yaml.safe_load(done.stdout)
    assert (values["model"]["nil"], values["data"]["batch_size"], values["trainer"]["accelerator"]) == (True, 8, "gpu")


PATHS = ("a b.csv", "ä/ü.jsonl", "a (1).csv", "a=b.csv", "a,b.csv", "it's.csv", "c:\\d\\", 'q"q', "[a]/b.csv", "~/x", "a#b!")


@pytest.mark.parametrize("path", PATHS)
def test_a_path_needs_no_quotes_of_hydra_s(path):
    overrides = normalised(["experiment=starter", f"data.catalogue={path}", f"hydra.run.dir={path}"], CONF)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = compose("train", overrides, return_hydra_config=True)
    assert composed.data.catalogue == composed.hydra.run.dir == path


def test_a_path_within_a_list_needs_none_either():
    stages = [{"epochs": 2, "sources": [{"file": "my ä (1)/it's.jsonl", "partial": True}], "templates": None}]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        overrides = normalised(["experiment=starter", f"data.train={yaml.safe_dump(stages, default_flow_style=True)}"], CONF)
        assert compose("train", overrides).data.train == stages
        assert compose("train", [*overrides[:1], f"data.train={hydra_text(stages)}"]).data.train == stages


def test_what_hydra_reads_itself_stays_as_it_is():
    for value in (
        "1e-3",
        "true",
        "null",
        "[qid, popularity]",
        "{id: qid}",
        "${elq:starter/dev.jsonl}",
        "'a,b'",
        "",
        "runs/a-b_c.d",
    ):
        assert readable("model.x", value) == value
    assert readable("seed_everything", "1,2", sweeps=True) == "1,2"


def folder_of(capsys, *arguments: str) -> str:
    assert run("train", [*arguments, "--cfg", "hydra", "--package", "hydra.run", "--resolve"]) == 0
    return yaml.safe_load(capsys.readouterr().out)["dir"]


def test_the_run_folder_has_the_experiment_s_name(tmp_path, capsys):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\ndefaults: [starter]\nmodel: {nil: true}\n")
    assert folder_of(capsys, "experiment=webqsp").startswith("runs/webqsp/20")
    assert folder_of(capsys, "experiment=graphquestions").startswith("runs/graphquestions/20")
    assert folder_of(capsys, "--config-dir", str(tmp_path), "experiment=mine").startswith("runs/mine/20")
    assert folder_of(capsys).startswith("runs/train/20")
    assert folder_of(capsys, "experiment=starter", "hydra.run.dir=own/place") == "own/place"


def test_a_run_that_goes_on_says_where(run_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    checkpoint = run_folder / "checkpoints" / "last.ckpt"
    overrides = [f"ckpt_path={checkpoint}", "hydra.run.dir=b", "model.lr_heads=fast"]  # refused before anything is trained
    assert run("train", ["experiment=starter", *overrides]) == 2
    told = capsys.readouterr().err
    assert f"the run resumes in its own folder {run_folder}" in told
    assert "hydra.run.dir=b is not used" in told


def test_the_short_help_has_the_settings_the_experiments_and_the_way_to_all(capsys):
    for name in ("train", "fit", "validate", "test"):
        with pytest.raises(SystemExit):
            run(name, ["--help"])
        said = capsys.readouterr().out
        assert said.count("\n") < 50
        assert all(
            word in said for word in ("model.lr_heads = 0.001", "float:", "peak learning rate", "--help_all", "max_epochs")
        )
    with pytest.raises(SystemExit):
        run("train", ["-h"])
    said = capsys.readouterr().out
    assert all(word in said for word in ("starter ", "own_catalogue", "fsdp", "data.batch_size = 64", "wikidata_154k"))
    with pytest.raises(SystemExit):
        run("fit", ["--help_all"])
    assert capsys.readouterr().out.count("\n") > 500
