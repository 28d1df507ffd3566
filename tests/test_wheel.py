"""The built wheel, in an empty venv."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BIN = "Scripts" if os.name == "nt" else "bin"


@pytest.fixture(scope="module")
def venv(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    [wheel] = folder.glob("elq-*.whl")
    pip = [folder / "venv" / BIN / "python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(pip, check=True)
    return folder / "venv"


def elq(venv: Path, *arguments: str, **environment: str) -> str:
    command = [venv / BIN / "elq", *arguments]
    env = {**os.environ, **environment}
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=venv, env=env).stdout


def test_the_command_is_there(venv):
    assert "predict" in elq(venv, "--help")
    assert elq(venv, "--version").strip() == "0.1.0"


def test_conf_and_frames_travel_in_the_wheel(venv):
    [package] = [*venv.glob("lib/python*/site-packages/elq"), *venv.glob("Lib/site-packages/elq")]  # the second on Windows
    for name in (
        "conf/train.yaml",
        "conf/experiment/webqsp.yaml",
        *(f"questions/template_sentences/{language}.yaml" for language in ("de", "en", "es", "fr", "zh")),
        "report/page.html",
        *(f"serving/page/{name}" for name in ("index.html", "page.css", "page.js", "icon.svg")),
        "py.typed",
    ):
        assert (package / name).is_file(), name
    # the libraries of this environment beside the installed wheel: its own conf/ must be the one that is composed
    composed = elq(venv, "train", "+experiment=webqsp", "--cfg", "job", PYTHONPATH=sysconfig.get_paths()["purelib"])
    assert "${public:webqsp_train}" in composed
    assert str(package / "conf") in elq(venv, "train", "--info", "searchpath", PYTHONPATH=sysconfig.get_paths()["purelib"])
