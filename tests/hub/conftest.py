"""A small model folder, a Hub on this machine, and processes that use it."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from elq.linking.decision import Decision
from elq.model.network import ELQ
from tests.hub.server import OWNER, Hub, serving

ROOT = Path(__file__).resolve().parents[2]
# A process that runs what it is told, line by line, since huggingface_hub reads the address of the Hub when it is imported.
CLIENT = """
import contextlib, io, json, os, sys, traceback
from pathlib import Path
from huggingface_hub import constants
from elq import ElqError, Linker, push_to_hub
from elq.commands import run

TEXTS = ["who directed titanic?", "who sang the queen song in paris texas", "what is the river seine"]

def say(linker):
    print(json.dumps([[link.to_dict() for link in links] for links in linker.link(TEXTS)]))

def refused(call, *arguments, **settings):
    try:
        call(*arguments, **settings)
    except ElqError as error:
        print(error)
    else:
        print("not refused")

for line in sys.stdin:
    order = json.loads(line)
    constants.HF_HUB_CACHE = order["cache"]
    os.environ["HF_TOKEN"] = order["token"]
    printed, error = io.StringIO(), ""
    with contextlib.redirect_stdout(printed):
        try:
            exec(order["code"], {**globals(), "folder": Path(order["folder"])})
        except BaseException:
            error = traceback.format_exc()
    print(json.dumps([printed.getvalue(), error]), flush=True)
"""


@dataclass
class Client:
    """A process that runs code on this Hub, and the Hub itself."""

    hub: Hub
    process: subprocess.Popen
    place: Path

    def do(self, code: str, folder: Path | str = "", *, cache: str = "a", token: str = OWNER) -> list[str]:
        """Run code, in which ``folder`` is a path; the lines that it prints. ``cache`` is the name of a cache of the Hub."""
        order = {"code": code, "folder": str(folder), "cache": str(self.place / cache), "token": token}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        printed, error = json.loads(self.process.stdout.readline())
        assert not error, error
        return printed.splitlines()


@pytest.fixture(scope="session")
def made_model(encoder_folder, entities_folder, tokenizer, tmp_path_factory) -> Path:
    """A model folder without training, whose threshold shows links."""
    folder = tmp_path_factory.mktemp("made") / "model"
    folder.mkdir()
    torch.manual_seed(1)
    ELQ.from_encoder(encoder_folder, max_span_tokens=4).eval().save_pretrained(folder, tokenizer)
    Decision(threshold=-4.0, candidates=4, calibration=(1.0, 0.5)).save(folder)
    shutil.copytree(entities_folder, folder / "entities")
    return folder


@pytest.fixture
def model_folder(made_model, tmp_path) -> Path:
    """A copy, which a test may change."""
    return shutil.copytree(made_model, tmp_path / "model")


def environment(hub: Hub, home: Path, token: str = OWNER) -> dict[str, str]:
    """The environment of a process that uses this Hub, with the cache of the Hub in ``home``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    settings = {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "PYTHONPATH": str(ROOT)}
    return {**kept, **settings, "ELQ_NO_PROGRESS": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_TOKEN": token}


@pytest.fixture(scope="session")
def started(tmp_path_factory):
    """The Hub and the process, which all tests share."""
    with serving() as hub:
        place = tmp_path_factory.mktemp("home")
        command = [sys.executable, "-c", CLIENT]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        process = subprocess.Popen(command, env=environment(hub, place), **pipes)
        try:
            yield Client(hub, process, place)
        finally:
            process.stdin.close()
            process.wait(30)


@pytest.fixture
def client(started, tmp_path) -> Client:
    """The process with an empty Hub and empty caches."""
    started.hub.empty()
    return Client(started.hub, started.process, tmp_path)
