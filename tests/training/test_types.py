"""A training with types: the head learns them, the folder and the checkpoints keep them, and a run resumes."""

import copy
import json

import pytest
import torch
from lightning import Callback

from elq import Linker
from elq.commands.train import fit
from elq.errors import ElqError
from elq.training.module import ELQModule
from elq.training.parser import ELQCLI
from elq.training.processes import Processes
from elq.training.settings import LossSettings
from elq.training.type_loss import ramp, type_loss, type_targets
from tests.conftest import RECORDS, write_lines

KINDS = {"Q90": ["capital", "city"], "Q830149": ["big city"], "Q44578": ["film"], "Q25173": ["ship"], "Q15862": ["band"]}


@pytest.fixture(scope="module")
def typed_values(values, tmp_path_factory):
    folder = tmp_path_factory.mktemp("types")
    write_lines(folder / "catalogue.jsonl", [{**one, "types": KINDS.get(one["id"], [])} for one in RECORDS])
    made = copy.deepcopy(values)
    made["data"] |= {"catalogue": str(folder / "catalogue.jsonl"), "entities": str(folder / "entities"), "types": {"least": 1}}
    made["model"] |= {"types": "goedel", "type_weight": 5.0}
    made["trainer"]["max_epochs"] = 8
    return made


@pytest.fixture(scope="module")
def typed_run(typed_values, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    folder.mkdir()
    fit(copy.deepcopy(typed_values), folder)
    return folder


def test_the_model_learns_the_types_of_its_mentions(typed_run):
    linker = Linker.from_pretrained(typed_run / "model")
    assert linker.model.types.hierarchy.names[:2] == ("city", "band")
    assert set(linker.model.types.hierarchy.names) == {"city", "band", "big city", "capital", "film", "ship"}
    [link] = linker.link("who sang the queen song", mentions=[(13, 18)])
    assert next(iter(link.type_scores)) == "band"
    [link] = linker.link("who lives in paris texas", mentions=[(13, 24)])
    assert link.type_scores["city"] >= link.type_scores["big city"] > 0.5
    losses = [line.split(",") for line in (typed_run / "metrics.csv").read_text().splitlines()]
    column = losses[0].index("type_loss")
    found = [float(line[column]) for line in losses[1:] if line[column]]
    assert found[-1] < found[0] / 3


def test_a_checkpoint_holds_its_types(typed_run):
    file = typed_run / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(file, weights_only=True)
    module = ELQModule.load_from_checkpoint(file)
    assert list(module.model.config.hierarchy.names) == list(checkpoint["hierarchy"]["names"])
    assert torch.equal(module.model.types.linear.weight, checkpoint["state_dict"]["model.types.linear.weight"])


class Break(Callback):
    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 1:
            raise RuntimeError("broken")


def test_a_resumed_run_ends_with_the_weights_of_the_unbroken_one(typed_values, tmp_path):
    """With a moving mean of the weights, whose copy of the model must have the type head too."""
    short = {**typed_values, "trainer": {**typed_values["trainer"], "max_epochs": 2}}
    short = {**short, "model": {**short["model"], "types": "weighted_lukasiewicz", "moving_mean": 0.75}}
    fit(copy.deepcopy(short), tmp_path / "whole")
    part = {**short, "trainer": {**short["trainer"], "default_root_dir": str(tmp_path / "part")}}
    cli = ELQCLI(copy.deepcopy(part), run=False)
    cli.trainer.callbacks.append(Break())
    with pytest.raises(RuntimeError, match="broken"):
        cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    last = tmp_path / "part" / "checkpoints" / "last.ckpt"
    other = copy.deepcopy(part)
    other["data"]["types"] = {"least": 1, "most": 2}
    with pytest.raises(ElqError, match="the checkpoint has other types than the catalogue gives"):
        fit({**other, "ckpt_path": str(last)}, tmp_path / "part")
    fit({**copy.deepcopy(part), "ckpt_path": str(last)}, tmp_path / "part")
    folders = [tmp_path / name / "checkpoints" / "last.ckpt" for name in ("whole", "part")]
    first, second = (torch.load(path, weights_only=True)["state_dict"] for path in folders)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert first["model.types.weight"].std() > 0


def test_the_settings_of_the_loss_are_used(typed_values, tmp_path):
    """The loss of one batch at half of the training, with weights, beside the sum of its parts."""
    values = copy.deepcopy(typed_values)
    values["model"] |= {"type_weight": 3.0, "positive_types": 2.0, "negative_types": 0.5}
    values["trainer"] |= {"default_root_dir": str(tmp_path)}
    module = ELQCLI(values, run=False)
    model, data = module.model, module.datamodule
    data.prepare_data()
    data.setup("fit")
    model._trainer = module.trainer
    module.trainer.datamodule = data
    model.setup("fit")
    model.entity_loss.prepare(data.entities, torch.device("cpu"), Processes())
    batch = next(iter(data.train_dataloader()))
    torch.nn.init.normal_(model.model.types.linear.weight, std=0.1)
    model.model.eval()
    model.log_dict = lambda *_, **__: None
    model.total_steps = 1
    vectors = model.model.mention_vectors(model.model.encode(batch.tokens), batch.mentions)
    direct = torch.from_numpy(data.typed[1].of(batch.rows.tolist()))
    targets = type_targets(direct, torch.from_numpy(data.typed[0].above()))
    loss, count = type_loss(model.model.types(vectors), *targets, positive_weight=2.0, negative_weight=0.5)
    assert count > 0
    plain = model.training_step(batch, 0)  # at the beginning, the loss of types has no weight
    model.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress.total.completed = 1
    model.trainer.fit_loop.epoch_loop.automatic_optimization.optim_progress.optimizer.step.total.completed = 1
    assert model.global_step == 1
    whole = model.training_step(batch, 0)
    torch.testing.assert_close(whole - plain, 3.0 * ramp(1.0) * loss / count, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["type_weight", "positive_types", "negative_types"])
def test_negative_weights_are_refused(name):
    with pytest.raises(ElqError, match=rf"model\.{name} is -1\.0, but must be a number of at least 0"):
        LossSettings(**{name: -1.0})


def test_a_training_without_types_is_unchanged(run_folder):
    assert "types" not in json.loads((run_folder / "model" / "config.json").read_text())
    checkpoint = torch.load(run_folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert "hierarchy" not in checkpoint
    assert not any("types" in name for name in checkpoint["state_dict"])
    assert "type_loss" not in (run_folder / "metrics.csv").read_text().splitlines()[0]
