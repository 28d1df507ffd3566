"""Name dropout: a step in which all names are hidden is a step without a bonus, and without the setting nothing changes."""

import copy

import pytest
import torch

from elq.training.parser import ELQCLI
from elq.training.processes import Processes

pytestmark = pytest.mark.usefixtures("quiet")


def step_of(values: dict, folder, *, bonus: float = 1.0, **settings: object) -> float:
    """The loss of one batch, with all bonuses multiplied by a number."""
    own = copy.deepcopy(values)
    own["model"] |= {"names": True, "loss": "sampled", "hard_negatives": 2, **settings}
    own["trainer"] |= {"default_root_dir": str(folder)}
    made = ELQCLI(own, run=False)
    module, data = made.model, made.datamodule
    data.prepare_data()
    data.setup("fit")
    module._trainer = made.trainer
    made.trainer.datamodule = data
    module.setup("fit")
    module.entity_loss.prepare(data.entities, torch.device("cpu"), Processes())
    batch = next(iter(data.train_dataloader()))
    assert batch.name_matches is not None
    assert (batch.name_matches.rows >= 0).any()
    module.log_dict = lambda *_, **__: None
    module.model.eval()
    with torch.no_grad():
        module.model.name_bonus.weight *= bonus
        torch.manual_seed(0)
        return float(module.training_step(batch, 0))


def test_hidden_names_are_names_without_a_bonus(values, tmp_path):
    plain = step_of(values, tmp_path)
    hidden = step_of(values, tmp_path, name_dropout=1 - 1e-9)
    assert hidden == pytest.approx(step_of(values, tmp_path, bonus=0.0), abs=1e-6)
    assert hidden != pytest.approx(plain, abs=1e-3)
    assert step_of(values, tmp_path, name_dropout=0.0) == plain
