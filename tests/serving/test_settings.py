"""The settings of a server: flags, environment variables, and what is refused."""

import argparse
import os
import subprocess
import sys
from dataclasses import fields

import pytest

from elq.errors import ElqError
from elq.serving.catalogues import catalogues_of
from elq.serving.server import listening
from elq.serving.settings import Settings, add_flags, read_settings
from tests.test_packaging import ROOT

OTHER = {"port": "9", "timeout": "2.5", "tracing": "true", "model": "a=x", "catalogue": "b=y", "concepts": "drop"}


def flags(*arguments: str) -> dict:
    parser = argparse.ArgumentParser()
    add_flags(parser)
    return vars(parser.parse_args(arguments))


@pytest.mark.parametrize("name", [each.name for each in fields(Settings)])
def test_every_setting_is_a_flag_and_an_environment_variable_and_the_flag_wins(name):
    flag, text = (
        f"--{name.replace('_', '-')}",
        OTHER.get(name, "7" if type(getattr(Settings(), name)) in (int, float) else "::1"),
    )
    given = [flag] if name == "tracing" else [flag, text]
    by_flag = getattr(read_settings(flags(*given), {}), name)
    by_variable = getattr(read_settings(flags(), {f"ELQ_{name.upper()}": text}), name)
    assert by_flag == by_variable != getattr(Settings(), name)
    against = "false" if name == "tracing" else text * 2
    assert getattr(read_settings(flags(*given), {f"ELQ_{name.upper()}": against}), name) == by_flag


def test_what_becomes_of_generic_nouns_is_keep_or_drop_and_opens_the_linkers():
    assert read_settings(flags("--concepts", "drop"), {}).opening["concepts"] == "drop"
    assert "concepts" not in Settings().opening  # as each model says
    with pytest.raises(ElqError, match=r"--concepts \(ELQ_CONCEPTS\) is 'some', but must be keep or drop"):
        read_settings(flags("--concepts", "some"), {})


def test_several_catalogues_keep_their_order_and_the_first_is_that_of_link():
    settings = read_settings(flags("--catalogue", "b=b.csv", "--catalogue", "c.csv", "--model", "a=one"), {})
    found = catalogues_of(settings)
    assert [(one.name, one.model, one.file) for one in found.values()] == [
        *(("a", "one", None), ("b", None, "b.csv"), ("default", None, "c.csv"))
    ]
    assert list(catalogues_of(Settings())) == ["default"]
    assert read_settings({}, {"ELQ_MODEL": "a=one,b=two"}).model == ("a=one", "b=two")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"host": "0.0.0.0"}, "no token is set: set ELQ_TOKEN"),
        ({"host": "example.org"}, "no token is set"),
        ({"host": "::"}, "no token is set"),
        ({"token": "two words"}, "take letters and digits"),
        ({"port": "http"}, r"--port \(ELQ_PORT\) is 'http', but must be a whole number"),
        ({"port": "70000"}, "from 0 to 65535"),
        ({"timeout": "0"}, "from 0.01"),
        ({"timeout": "nan"}, "must be a number"),
        ({"max_queue": "0"}, "at least 1"),
        ({"max_body": "1.5"}, "must be a whole number"),
        ({"tracing": "perhaps"}, "true or false"),
    ],
)
def test_wrong_settings_are_one_sentence(given, words):
    with pytest.raises(ElqError, match=words):
        read_settings(given, {})


def test_names_that_are_given_twice_are_refused():
    for settings in (Settings(model=("a=x", "a=y")), Settings(model=("x",), catalogue=("y",))):
        with pytest.raises(ElqError, match="the name"):
            catalogues_of(settings)


def test_a_public_address_needs_a_token_only():
    assert read_settings({"host": "0.0.0.0"}, {"ELQ_TOKEN": "secret"}).host == "0.0.0.0"
    assert "secret" not in repr(read_settings({}, {"ELQ_TOKEN": "secret"}))


@pytest.mark.parametrize(("arguments", "words"), [(["--model", "/nothing"], "/nothing"), (["--host", "192.0.2.1"], "token")])
def test_the_command_ends_with_one_sentence_and_code_2(arguments, words):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "elq", "serve", "--port", "0", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_host_that_cannot_exist_is_one_sentence():
    with pytest.raises(ElqError, match="the server cannot listen at ü..b, port 8080"):
        listening(Settings(host="ü..b", token="secret"))
