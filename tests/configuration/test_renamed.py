"""Every old name of a setting works at every place where a user can write it, and the new name is logged."""

import json
import logging
from pathlib import Path

import pytest
import torch
import yaml

from elq.commands import run
from elq.configuration.renamed import RENAMED, _tell, new_name, renamed_arguments, renamed_values
from elq.training.module import ELQModule
from tests.training.test_config import composed, parsed

OLD = {"model": {"candidates": "sampled", "retrieved": 7}, "data": {"dev": None, "dev_bootstrap": 30}}
STAGES = [
    {"epochs": 1, "bootstrap": 8, "knobs": {"partial": 0.5}},
    {"epochs": 2, "sources": [{"file": "q.jsonl"}], "bootstrap": 9},
]


@pytest.fixture
def old(values) -> dict:
    model = {key: value for key, value in values["model"].items() if key != "candidates"}
    data = {**values["data"], **OLD["data"], "train": STAGES}
    return {**values, "model": {**model, **OLD["model"]}, "data": data}


def check(config) -> None:
    assert (config.model.loss, config.model.candidates) == ("sampled", 7)
    assert config.data.dev_templates == 30
    assert [stage.templates for stage in config.data.train] == [8, 9]


def test_every_old_key_has_a_new_one_that_is_not_old_itself():
    for key, new in RENAMED.items():
        assert new_name(key, "word") == new
    assert new_name("model.candidates", 10) is new_name("model.candidates", "10") is new_name("model.loss", "table") is None


def test_old_names_in_plain_values(old, caplog):
    _tell.cache_clear()
    with caplog.at_level(logging.WARNING):
        check(parsed(old).config)
        check(parsed(old).config)  # says nothing more
    assert sorted(record.message.split()[2] for record in caplog.records if "is now called" in record.message) == sorted(
        RENAMED
    )
    assert old["model"]["retrieved"] == 7  # what was given is as it was


def test_old_names_in_a_saved_config(old, tmp_path):
    (tmp_path / "old.yaml").write_text(yaml.safe_dump(old))
    for arguments in (["--config", str(tmp_path / "old.yaml")], [f"--config={tmp_path / 'old.yaml'}"]):
        check(parsed(["fit", *arguments]).config.fit)


def test_old_names_on_the_lightning_command_line(values, tmp_path):
    (tmp_path / "new.yaml").write_text(yaml.safe_dump({**values, "data": {**values["data"], "dev": None, "dev_templates": 1}}))
    options = ["--model.candidates", "sampled", "--model.retrieved=7", "--data.dev_bootstrap", "30"]
    check(parsed(["fit", "--config", str(tmp_path / "new.yaml"), *options, "--data.train", json.dumps(STAGES)]).config.fit)
    (tmp_path / "model.yaml").write_text(yaml.safe_dump({**values["model"], **OLD["model"]}))
    config = parsed(["fit", "--config", str(tmp_path / "new.yaml"), "--model", str(tmp_path / "model.yaml")]).config.fit
    assert (config.model.loss, config.model.candidates) == ("sampled", 7)


def test_old_names_in_hydra_s_overrides(capsys):
    stages = "[{epochs: 1, bootstrap: 8}, {epochs: 2, bootstrap: 9}]"
    overrides = ["+model.retrieved=7", "model.candidates=sampled", "data.dev=null", "data.dev_bootstrap=30", "model.nil=true"]
    changed = renamed_arguments(["+experiment=own_catalogue", *overrides, f"data.train={stages}"])
    assert changed[1:5] == ["+model.candidates=7", "model.loss=sampled", "data.dev=null", "data.dev_templates=30"]
    changed[4] = f"+{changed[4]}"
    check(parsed(composed(*changed[:5], changed[6], "data.catalogue=c.jsonl")).config)
    asked = ["+experiment=own_catalogue", "data.catalogue=c.jsonl", "data.dev_bootstrap=31", "--cfg", "job"]
    assert run("train", asked) == 0
    assert "dev_templates: 31" in capsys.readouterr().out


def test_old_names_in_an_experiment_of_one_s_own(tmp_path, capsys):
    """The old name from the user replaces the new name from a model group in conf/."""
    values = composed("+experiment=webqsp_large")
    values = {**values, "model": {**values["model"], **OLD["model"]}}
    assert values["model"]["loss"] == "released"
    config = parsed(values).config
    assert (config.model.loss, config.model.candidates) == ("sampled", 7)


def test_other_values_stay_as_they_are(values):
    assert renamed_values(values) == values
    for argument in ("model.candidates=10", "~model.candidates", "--model.candidates", "trainer=gpu", "--cfg", "-c", "a b=c"):
        assert renamed_arguments([argument]) == [argument]


def test_the_saved_config_of_an_older_run_parses():
    file = Path(__file__).parent / "old_config.yaml"
    config = parsed(["fit", "--config", str(file)]).config.fit
    old = yaml.safe_load(file.read_text())
    assert (config.model.loss, config.model.candidates, config.model.max_span_tokens) == ("table", 11, 9)
    assert [stage.templates for stage in config.data.train] == [6000, 0]
    same = old["model"].keys() - {"candidates", "retrieved", "prior"}
    assert {key: config.model[key] for key in same} == {key: old["model"][key] for key in same}
    assert config.trainer.max_epochs == 5
    again = parsed(old)  # as plain values, and saved once more
    saved = yaml.safe_load(again.parser.dump(again.config, skip_link_targets=True))
    assert saved["model"] == {key: config.model[key] for key in saved["model"]}


def test_a_checkpoint_of_an_older_run_opens_and_goes_on(run_folder, values, tmp_path):
    checkpoint = torch.load(run_folder / "checkpoints" / "best.ckpt", weights_only=True)
    given = checkpoint["hyper_parameters"]
    assert given["loss"] == "table"
    given |= {"candidates": given.pop("loss"), "retrieved": given.pop("candidates")}
    torch.save(checkpoint, tmp_path / "old.ckpt")
    again = ELQModule.load_from_checkpoint(tmp_path / "old.ckpt")
    assert (again.settings.loss, again.settings.candidates) == ("table", 4)
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in checkpoint["state_dict"].items())
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(values))
    cli = parsed(["fit", "--config", str(tmp_path / "config.yaml"), "--ckpt_path", str(tmp_path / "old.ckpt")])
    assert (cli.config.fit.model.loss, cli.config.fit.model.candidates) == ("table", 4)
