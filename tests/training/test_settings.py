"""The settings are declared only once: the groups, the parser's keys and help, and config.json agree."""

from dataclasses import asdict, fields

import pytest

from elq.errors import ElqError
from elq.model.config import ELQConfig, NetworkSettings
from elq.training.settings import GROUPS, ModelSettings
from tests.training.test_config import parsed


def test_the_groups_share_no_name_and_make_up_the_model_s_settings():
    names = [field.name for group in GROUPS for field in fields(group)]
    assert sorted(names) == sorted({field.name for field in fields(ModelSettings)})


def test_the_parser_s_keys_and_defaults_are_those_of_the_settings(values):
    model = parsed({**values, "model": {}}).config.model
    defaults = asdict(ModelSettings())
    assert set(model.keys()) == {"encoder", *defaults}
    assert {key: model[key] for key in defaults} == {**defaults, "prior": list(model.prior)}


def test_config_json_stays_flat():
    names = {field.name for field in fields(NetworkSettings)}
    assert asdict(ELQConfig(encoder={})).keys() == {"encoder", "format", "hierarchy", *names}
    assert ModelSettings(prior=["qid"], nil=True).network() == {**asdict(NetworkSettings()), "prior": ("qid",), "nil": True}


def test_settings_that_do_not_fit_each_other_are_one_sentence():
    for odd in ({"loss": "released"}, {"table_sharding": True}):
        with pytest.raises(ElqError, match=r"model\.names=\w+ and model\.nil=\w+ do not work with"):
            ModelSettings(nil=True, **odd)
    with pytest.raises(ElqError, match="max_span_tokens is 0"):
        ModelSettings(max_span_tokens=0)
    assert [ModelSettings(score_mode=mode).longest_question for mode in ("elq", "table")] == [32, None]


def test_a_decision_that_no_folder_could_have_is_refused_before_the_training():
    for settings, message in (({"threshold": float("nan")}, "threshold is nan"), ({"candidates": 0}, "candidates is 0, but")):
        with pytest.raises(ElqError, match=message):
            ModelSettings(**settings)


def test_name_dropout_is_a_share_and_needs_names():
    assert ModelSettings(names=True, name_dropout=0.2).name_dropout == 0.2
    for settings, message in (
        ({"names": True, "name_dropout": 1.0}, r"model\.name_dropout is 1\.0, but must be at least 0 and below 1"),
        ({"name_dropout": 0.1}, r"model\.name_dropout is 0\.1, but model\.names is false"),
    ):
        with pytest.raises(ElqError, match=message):
            ModelSettings(**settings)
