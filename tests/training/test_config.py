"""Every YAML file composes, passes the training parser, and means the same at both entry points."""

from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir

from elq.commands import run
from elq.commands.tasks import cli_of, task_of
from elq.commands.train import CONF, plain_values
from elq.encoding import e5
from elq.errors import ElqError
from elq.training.parser import ELQCLI

EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
TRAINERS = sorted(path.stem for path in (CONF / "trainer").glob("*.yaml"))


def composed(*overrides: str) -> dict:
    if "+experiment=own_catalogue" in overrides and not any("data.catalogue" in override for override in overrides):
        overrides = (*overrides, "data.catalogue=c.jsonl")  # which the experiment asks for
    if "+experiment=crossencoder" in overrides:
        overrides = (*overrides, "data.behind=elq/general")  # which the experiment asks for
    with initialize_config_dir(str(CONF), version_base="1.3"):
        values = plain_values(compose("train", list(overrides)))
    values.pop("ckpt_path")
    if values["task"] == "linker":
        values.pop("task")  # as `elq train` does
    return values


def parsed(values) -> ELQCLI:
    """Plain values after the training parser has read them; nothing is built or trained."""

    class Parsed(cli_of(values.get("task", "linker") if isinstance(values, dict) else task_of(values))):
        def instantiate_classes(self) -> None:
            pass

        def add_instantiators(self) -> None:
            pass

        def _run_subcommand(self, subcommand: str) -> None:
            pass

        def _set_seed(self) -> None:
            pass

    return Parsed(values, run=not isinstance(values, dict))


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_both_doors_give_the_same_config(experiment, tmp_path):
    values = composed(f"+experiment={experiment}")
    first = parsed(values)
    saved = tmp_path / "config.yaml"
    saved.write_text(first.parser.dump(first.config, skip_link_targets=True))
    second = parsed(["fit", "--config", str(saved)])
    mine, theirs = (yaml.safe_load(cli.parser.dump(cli.config)) for cli in (first, second))
    theirs = theirs["fit"]
    theirs.pop("ckpt_path", None), theirs.pop("weights_only", None), theirs.pop("verbose", None)
    assert mine == theirs
    assert set(values) <= {"seed_everything", "trainer", "model", "data", "checkpoint", "early_stopping", "task"}


@pytest.mark.parametrize("experiment", sorted({*EXPERIMENTS} - {"crossencoder", "image_tower", "multimodal"}))  # without stages
def test_epochs_are_the_sum_of_the_stages(experiment):
    config = parsed(composed(f"+experiment={experiment}")).config
    assert config.trainer.max_epochs == sum(stage.epochs for stage in config.data.train)
    assert parsed(composed(f"+experiment={experiment}", "+trainer.max_epochs=77")).config.trainer.max_epochs == 77


@pytest.mark.parametrize("trainer", TRAINERS)
def test_every_trainer_parses(trainer):
    parsed(composed("+experiment=webqsp", f"trainer={trainer}"))


@pytest.mark.parametrize("experiment", ["general", "own_data", "starter", "webqsp"])
def test_an_experiment_takes_the_multilingual_encoder(experiment):
    values = composed(f"+experiment={experiment}", "model=multilingual")
    assert values["model"]["encoder"] == e5.NAME
    assert values["model"]["frozen_words"] is True
    parsed(values)


def test_an_experiment_keeps_the_checkpoint_and_the_data_have_the_model_s_settings(encoder_folder):
    overrides = ("model.max_span_tokens=7", "seed_everything=5", f"model.encoder={encoder_folder}")
    cli = ELQCLI(composed("+experiment=webqsp", *overrides), run=False)
    assert (cli.config.checkpoint.monitor, cli.config.checkpoint.mode) == ("dev_f1", "max")
    assert cli.datamodule.settings is cli.model.settings
    assert cli.datamodule.settings.max_span_tokens == 7
    assert cli.config.data.seed == 5
    assert cli.datamodule.encoder == cli.config.model.encoder == str(encoder_folder)


def test_the_options_of_an_index_come_through_both_doors(tmp_path):
    values = composed("+experiment=own_data", "+data.build={index: hnsw, index_options: {links: 48, ef_search: 256}}")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(values))
    for way in (values, ["fit", "--config", str(tmp_path / "config.yaml")]):
        config = parsed(way).config
        build = config.get("fit", config).data.build
        assert (build.index, build.index_options) == ("hnsw", {"links": 48, "ef_search": 256})


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "{index: hnsw, index_options: {knots: 1}}",
            "index_options names 'knots', which is unknown: the hnsw index has links=32",
        ),
        ("{index: ivf}", "index is 'ivf', but must be one of exact, hnsw"),
    ],
)
def test_what_a_settings_class_refuses_is_one_sentence(override, message, tmp_path, capsys):
    (tmp_path / "c.jsonl").write_text('{"id": "E1", "title": "One"}\n')
    overrides = ["+experiment=own_catalogue", f"data.catalogue={tmp_path / 'c.jsonl'}", f"+data.build={override}"]
    assert run("train", [*overrides, f"hydra.run.dir={tmp_path / 'run'}"]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith(f"elq: {message}")


@pytest.mark.parametrize("override", ["+model.surprise=1", "+model.lr_heads=fast", "+data.train.0.surprise=1"])
def test_an_unknown_key_or_a_wrong_type_is_one_sentence_through_both_doors(override, tmp_path):
    values = composed("+experiment=webqsp", override)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(values))
    for way in (values, ["fit", "--config", str(tmp_path / "config.yaml")]):
        with pytest.raises(ElqError, match=r"(surprise|lr_heads).*`elq fit --help_all` lists the settings"):
            parsed(way)


def test_no_experiment_is_one_sentence_that_names_them():
    with pytest.raises(ElqError, match=r"data\.train has no value: choose an experiment .*own_data, starter, webqsp"):
        composed()


def test_yaml_holds_values_only():
    for path in Path(CONF).rglob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        assert "_target_" not in text
        assert "class_path" not in text
