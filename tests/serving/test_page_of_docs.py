"""What docs/serving.md and the README say about the server: their requests are sent, and every flag is explained."""

import json
import re
import shutil
import subprocess
from dataclasses import fields

import pytest

from elq.serving.settings import Settings
from tests.test_packaging import ROOT

PAGE = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^curl .*$", PAGE + README, re.MULTILINE)


def test_there_are_requests():
    assert len(COMMANDS) >= 4


@pytest.mark.parametrize("command", COMMANDS)
def test_a_request_of_the_page_is_answered(server, command):
    if shutil.which("curl") is None:
        pytest.skip("curl is not here")
    assert "http://127.0.0.1:8080/" in command
    version = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    if tuple(map(int, version.split(".")[:2])) < (7, 82):
        pytest.skip(f"curl {version} has no --json")
    done = subprocess.run(
        command.replace("http://127.0.0.1:8080", server.url), shell=True, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "results" in json.loads(done.stdout)


def test_every_flag_is_on_the_page():
    missing = [each.name for each in fields(Settings) if f"`--{each.name.replace('_', '-')}" not in PAGE]
    assert missing == ["feedback"]  # of the page `/`
