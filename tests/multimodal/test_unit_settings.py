"""Every setting of a unit changes something: its scores, its loss, or its parameters."""

from dataclasses import fields

import pytest
import torch

from elq.multimodal.units.kinds import UNITS, make_unit, settings_of
from tests.multimodal.made import SIZES, features

M, K = 6, 5
OTHER = {
    **{"hidden": 4, "scale": 3.0, "margin": 7.0, "text_alone": True, "temperature": 0.7, "contrast": 2.0, "cosine": False},
    **{"learned": False, "back": True, "letters": 9, "letter_width": 3, "entity_pictures": False, "layers": 1},
    "entity_patches": True,
    **{"readout": "text", "prompts": 2, "alignment": 0.9},
}
# What a unit has no use for, although its base class has the setting; loss_weight is the network's, and tested there.
NOT_READ = {
    "text": {"hidden"},
    "ghmfc": {"text_alone"},
    "fbmel": {"text_alone", "margin"},
    "hq": {"scale", "margin"},
    "drin": {"margin"},
    "cross": {"margin"},
}


def effect(name, **settings):
    """What a unit with some settings does: the shapes of its parameters, its scores and its loss."""
    torch.manual_seed(0)
    unit = make_unit(name, SIZES, settings_of(name, **settings)).eval()
    mentions, entities = features(M, pictures=2), features(M, K, pictures=2, seed=1)
    said = unit(mentions, entities)
    gold = torch.where(said.valid.any(-1), said.valid.int().argmax(-1), -1)
    shapes = {key: value.shape for key, value in unit.named_parameters()}
    return shapes, said.scores.tolist(), unit.loss(mentions, entities, gold).item()


@pytest.mark.parametrize("name", UNITS)
def test_every_setting_changes_something(name):
    read = {each.name for each in fields(UNITS[name].settings_class)} - {"loss_weight"} - NOT_READ.get(name, set())
    plain = effect(name)
    assert {setting for setting in read if effect(name, **{setting: OTHER[setting]}) != plain} == read
