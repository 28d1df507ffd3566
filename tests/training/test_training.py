"""The whole way once, with small data: raw files → build → fit → γ → exported folder → links, through both entry points."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from lightning import Callback

from elq import Linker
from elq.commands import run
from elq.commands.train import fit
from elq.entities.catalogue import Catalogue
from elq.entities.manifest import open_entities
from elq.errors import ElqError
from elq.evaluation.evaluate import evaluate
from elq.linking.decision import Decision
from elq.linking.folder import ENTITIES
from elq.questions.annotated import read_questions
from elq.tensors import Batch, Spans, TokenBatch
from elq.training.entity_loss import make_entity_loss
from elq.training.losses import table_loss
from elq.training.module import ELQModule
from elq.training.parser import ELQCLI
from elq.training.processes import Processes
from elq.training.settings import LossSettings


def test_a_tiny_run_learns_its_questions_and_exports_them(run_folder, question_file):
    metrics = json.loads((run_folder / "metrics.json").read_text())
    assert metrics["model"]["set_in_catalogue_micro_f1"] > 0.9
    assert metrics["model"]["main_entity_recall"] > 0.9
    linker = Linker.from_pretrained(run_folder / "model")
    assert evaluate(linker, read_questions(question_file)) == metrics["model"]  # the folder gives the same numbers
    decision = Decision.load(run_folder / "model")
    assert decision.threshold == metrics["threshold"] == linker.threshold
    assert decision.candidates == 4
    assert {link.entity for link in linker.link("who directed titanic?")} == {"Q44578"}
    assert (run_folder.parent / "latest" / "model" / "config.json").is_file()


def test_the_best_epoch_is_exported_by_dev_score(run_folder):
    """The first ELQ chose by F1 on the training set, and saved the last epoch."""
    lines = (run_folder / "metrics.csv").read_text().splitlines()
    column = lines[0].split(",").index("dev_f1")
    scores = [float(line.split(",")[column]) for line in lines[1:] if line.split(",")[column]]
    checkpoint = torch.load(run_folder / "checkpoints" / "best.ckpt", weights_only=True)
    best = checkpoint["callbacks"][next(key for key in checkpoint["callbacks"] if key.startswith("ModelCheckpoint"))]
    assert best["monitor"] == "dev_f1"
    assert float(best["best_model_score"]) == pytest.approx(max(scores), abs=1e-6)
    exported = Linker.from_pretrained(run_folder / "model").model.state_dict()
    for key, value in exported.items():
        assert torch.equal(value, checkpoint["state_dict"][f"model.{key}"])


def test_a_checkpoint_holds_plain_values_and_no_table(run_folder):
    checkpoint = torch.load(run_folder / "checkpoints" / "last.ckpt", weights_only=True)  # refuses anything but data
    assert checkpoint["hyper_parameters"]["lr_heads"] == 2e-2
    assert not any("table" in key for key in checkpoint["state_dict"])
    again = ELQModule.load_from_checkpoint(run_folder / "checkpoints" / "last.ckpt")
    assert again.model.config.max_span_tokens == 3


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return Linker.from_pretrained(folder / "model").model.state_dict()


def test_the_saved_config_gives_the_same_run_through_the_other_door(run_folder, tmp_path):
    config = ["--config", str(run_folder / "config.yaml"), "--trainer.default_root_dir", str(tmp_path)]
    subprocess.run([sys.executable, "-m", "elq.cli", "fit", *config], check=True, capture_output=True)
    metrics = [json.loads((folder / "metrics.json").read_text()) for folder in (run_folder, tmp_path)]
    for one in metrics:
        one["made_with"].pop("commit")  # a file may have been edited between the two runs
    assert metrics[0] == metrics[1]
    first, second = weights(run_folder), weights(tmp_path)
    assert all(torch.equal(first[key], second[key]) for key in first)
    configs = [yaml.safe_load((folder / "config.yaml").read_text()) for folder in (run_folder, tmp_path)]
    for made in configs:
        made["trainer"].pop("default_root_dir")
        for key in ("ckpt_path", "weights_only"):
            made.pop(key, None)
    assert configs[0] == configs[1]


class Break(Callback):
    """Ends a run in the middle of its third epoch."""

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if trainer.current_epoch == 2 and batch_idx == 3:
            raise RuntimeError("broken")


class Weights(Callback):
    """Keeps the weights after each step."""

    def __init__(self):
        self.steps = []

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.steps.append({name: value.clone() for name, value in module.model.state_dict().items()})


def test_averaged_weights_are_the_moving_mean_of_the_steps(values, tmp_path):
    values = {**values, "model": {**values["model"], "frozen_words": True, "moving_mean": 0.75}}
    trainer = {**values["trainer"], "max_epochs": 2, "default_root_dir": str(tmp_path / "run")}
    cli = ELQCLI({**values, "trainer": trainer}, run=False)
    cli.trainer.callbacks.append(kept := Weights())
    before = cli.model.model.encoder.state_dict()
    words = next(name for name in before if "word_embeddings" in name)
    before = before[words].clone()
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    saved = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    for name, mean in kept.steps[0].items():
        for step in kept.steps[1:]:
            mean = 0.75 * mean + 0.25 * step[name]
        torch.testing.assert_close(saved[f"model.{name}"], mean, rtol=1e-4, atol=1e-6)
    assert len(kept.steps) > 6
    assert torch.equal(saved[f"model.encoder.{words}"], before)  # frozen in every bit
    moved = [name for name, last in kept.steps[-1].items() if not torch.equal(saved[f"model.{name}"], last)]
    assert len(moved) > 10  # the mean is not the last step


@pytest.mark.parametrize("moving_mean", [0.0, 0.75])
def test_a_resumed_fit_ends_with_the_weights_of_the_unbroken_one(values, tmp_path, moving_mean):
    short = {**values, "trainer": {**values["trainer"], "max_epochs": 4}}
    short = {**short, "model": {**values["model"], "moving_mean": moving_mean}}
    fit(short, tmp_path / "whole")
    part = {**short, "trainer": {**short["trainer"], "default_root_dir": str(tmp_path / "part")}}
    cli = ELQCLI(part, run=False)
    cli.trainer.callbacks.append(Break())
    with pytest.raises(RuntimeError, match="broken"):
        cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    fit({**part, "ckpt_path": str(tmp_path / "part" / "checkpoints" / "last.ckpt")}, tmp_path / "part")
    folders = [tmp_path / name / "checkpoints" / "last.ckpt" for name in ("whole", "part")]
    first, second = (torch.load(path, weights_only=True)["state_dict"] for path in folders)
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_resumed_run_goes_on_in_its_own_folder_and_keeps_its_best_epoch_and_log(run_folder, values, tmp_path):
    """In another folder, Lightning loses the best score so far, and a worse epoch would be exported."""
    run = tmp_path / "run"
    fit({**values, "trainer": {**values["trainer"], "max_epochs": 12}}, run)
    best = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    assert "\n1.0,1.0,1.0," in (run / "metrics.csv").read_text()  # so that no further epoch is better
    more = {**values, "trainer": {**values["trainer"], "max_epochs": 14}, "ckpt_path": str(run / "checkpoints" / "last.ckpt")}
    fit(more, tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()
    exported = weights(run)
    assert all(torch.equal(exported[key], best[f"model.{key}"]) for key in exported)
    assert (run / "metrics.1.csv").read_text().count("\n") > 6
    assert (run / "metrics.csv").is_file()


def test_two_processes_train_evaluate_and_export(run_folder, tmp_path):
    """One Lightning process per device (gloo): only process 0 measures the exported folder, and no process waits forever."""
    command = [sys.executable, "-m", "elq.cli", "fit", "--config", str(run_folder / "config.yaml")]
    options = ["--trainer.default_root_dir", str(tmp_path), "--trainer.devices", "2", "--trainer.strategy", "ddp"]
    done = subprocess.run([*command, *options, "--trainer.max_epochs", "3"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["model"]["questions"] == 8
    assert Linker.from_pretrained(tmp_path / "model").threshold == metrics["threshold"]


def test_a_finished_run_is_not_overwritten_by_elq_fit(run_folder, capsys):
    assert run("fit", ["--config", str(run_folder / "config.yaml")]) == 2
    assert "holds a finished run" in capsys.readouterr().err


def test_validating_leaves_the_run_folder_as_it_is(run_folder):
    before = {path: path.read_bytes() for path in run_folder.glob("*.*") if path.is_file()}
    checkpoint = ["--ckpt_path", str(run_folder / "checkpoints" / "best.ckpt")]
    config = yaml.safe_load((run_folder / "config.yaml").read_text())
    config = {key: value for key, value in config.items() if key not in ("ckpt_path", "weights_only")}
    (run_folder / "validate.yml").write_text(yaml.safe_dump(config))
    assert run("validate", ["--config", str(run_folder / "validate.yml"), *checkpoint]) == 0
    (run_folder / "validate.yml").unlink()
    assert {path: path.read_bytes() for path in run_folder.glob("*.*") if path.is_file()} == before


def test_any_seed_will_do(values, tmp_path):
    fit({**values, "seed_everything": 4_294_967_295, "trainer": {**values["trainer"], "max_epochs": 1}}, tmp_path / "run")


def test_early_stopping_waits_for_the_last_stage(values, tmp_path, question_file):
    stages = [
        {"epochs": 4, "sources": [{"file": str(question_file)}]},
        {"epochs": 6, "sources": [{"file": str(question_file)}]},
    ]
    still = {**values["model"], "lr_encoder": 0.0, "lr_heads": 0.0}  # nothing ever gets better
    still = {**values, "model": still, "data": {**values["data"], "train": stages}, "early_stopping": {"patience": 1}}
    fit({**still, "trainer": {**values["trainer"], "max_epochs": 10}}, tmp_path / "run")
    epoch = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)["epoch"]
    assert epoch == 5  # the first epoch of the last stage sets its mark, the second is no better


@pytest.mark.parametrize(
    ("trainer", "steps"),
    [
        ({}, 2 + 11 * 16),
        ({"accumulate_grad_batches": 4}, 1 + 11 * 4),
        ({"limit_train_batches": 3}, 2 + 11 * 3),
        ({"max_steps": 9}, 9),
    ],
)
def test_the_schedule_counts_the_steps_of_every_stage(trainer, steps, values, tmp_path):
    settings = {**values["trainer"], **trainer, "default_root_dir": str(tmp_path)}
    cli = ELQCLI({**values, "trainer": settings}, run=False)
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    assert cli.model.optimizer_steps() == steps == cli.trainer.global_step
    schedule = cli.trainer.lr_scheduler_configs[0].scheduler
    assert [schedule.lr_lambdas[0](step) for step in (0, 1, steps)] == [0.5, 1.0, 0.0]


@pytest.mark.parametrize(
    "change",
    [
        {"loss": "sampled", "hard_negatives": 1},
        {"loss": "sampled", "hard_negatives": 0},
        {"mention_weight": 1.0},
        {"projection": False},
        {"unit_norm": False},
        {"scale": 5.0},
        {"frozen_words": True},
        {"names": True},
        {"lr_encoder": 0.0},
        {"lr_heads": 1e-4},
        {"weight_decay": 0.5},
        {"warmup_steps": 9},
        {"score_mode": "table"},
        {"score_mode": "elq"},
        {"score_mode": "elq", "question_tokens": 5},
        {"loss": "released"},
        {"threshold": -0.125},
        {"names": True, "loss": "sampled"},
        {"nil": True},
    ],
)
def test_every_model_setting_changes_the_run(change, values, run_folder, tmp_path):
    short = {**values, "trainer": {**values["trainer"], "max_epochs": 2}}
    fit(short, tmp_path / "plain")
    fit({**short, "model": {**short["model"], **change}}, tmp_path / "changed")
    plain, changed = weights(tmp_path / "plain"), weights(tmp_path / "changed")
    scores = [json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("plain", "changed")]
    differs = plain.keys() != changed.keys() or any(not torch.equal(plain[key], changed[key]) for key in plain)
    assert differs or scores[0]["threshold"] != scores[1]["threshold"]


def test_sampled_candidates_bound_the_table_loss_from_below(run_folder):
    """A softmax over fewer entities can only have a smaller loss. Over all entities, both losses are equal."""
    torch.manual_seed(0)
    entities = open_entities(run_folder / "model" / ENTITIES)
    table = entities.table
    vectors, gold, spans = torch.randn(3, table.width), torch.tensor([0, 4, 4]), Spans(torch.arange(3), *torch.ones(2, 3))
    batch = Batch(TokenBatch(*torch.zeros(3, 1, 1), ()), spans, gold, ())
    exact, mentions = table_loss(vectors, gold, table.tensor())

    def sampled(hard_negatives):
        loss = make_entity_loss(LossSettings(loss="sampled", hard_negatives=hard_negatives))
        loss.prepare(entities, torch.device("cpu"), Processes())
        return loss(vectors, batch)

    assert sampled(2)[0] < exact
    torch.testing.assert_close(sampled(len(table)), (exact, mentions))


def test_bad_training_input(values, tmp_path):
    with pytest.raises(ElqError, match="data files are missing"):
        fit({**values, "data": {**values["data"], "dev": "none.jsonl"}}, tmp_path)
    with pytest.raises(ElqError, match=r"model\.loss is 'some'"):
        fit({**values, "model": {**values["model"], "loss": "some"}}, tmp_path)
    with pytest.raises(ElqError, match="score mode 'x' is unknown"):
        fit({**values, "model": {**values["model"], "score_mode": "x"}}, tmp_path)
    for odd in ({"score_mode": "elq"}, {"loss": "released"}, {"table_sharding": True}):
        with pytest.raises(ElqError, match="names"):
            fit({**values, "model": {**values["model"], **odd, "names": True}}, tmp_path)
    with pytest.raises(ElqError, match=r"ckpt_path none\.ckpt does not exist"):
        fit({**values, "ckpt_path": "none.ckpt"}, tmp_path)
    if not torch.cuda.is_available():
        with pytest.raises(ElqError, match=r"this trainer cannot run here .*trainer=cpu"):
            fit({**values, "trainer": {**values["trainer"], "accelerator": "gpu"}}, tmp_path)
    with pytest.raises(ElqError, match=r"trainer\.max_epochs is -1"):
        fit({**values, "trainer": {**values["trainer"], "max_epochs": -1}}, tmp_path)


def test_the_catalogue_in_the_model_folder_is_the_one_trained_on(run_folder, catalogue_file):
    titles = [json.loads(line)["title"] for line in catalogue_file.read_text().splitlines()]
    assert [entity.title for entity in Catalogue(run_folder / "model" / ENTITIES / "catalogue.arrow")] == titles
