"""A model says with which code it was trained."""

import json
import subprocess

import elq
from elq.training.provenance import commit_of


def git(folder, *arguments):
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    return subprocess.run(
        ["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_the_commit_of_a_checkout_and_whether_its_code_was_changed(tmp_path):
    assert commit_of(tmp_path) is None
    git(tmp_path, "init")
    assert commit_of(tmp_path) is None  # there is no commit yet
    (tmp_path / "train.py").write_text("a = 1\n")
    git(tmp_path, "add", "train.py")
    git(tmp_path, "commit", "-m", "first")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert commit_of(tmp_path) == commit
    (tmp_path / "notes.txt").write_text("not code")
    assert commit_of(tmp_path) == commit
    (tmp_path / "train.py").write_text("a = 2\n")
    assert commit_of(tmp_path) == f"{commit}+changes"


def test_a_run_and_its_model_say_the_version(run_folder):
    for folder in (run_folder, run_folder / "model"):
        made = json.loads((folder / "metrics.json").read_text())["made_with"]
        assert made["elq"] == elq.__version__
        assert made["experiment"] is None  # the run was not started by `elq train`
