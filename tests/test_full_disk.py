"""A disk that is full, and a folder that cannot be written to: one sentence, exit code 2, and nothing half-written.

The kernel itself refuses the writes: RLIMIT_FSIZE lets no file grow beyond a limit (EFBIG instead of ENOSPC), /dev/full never
has room, and a process without privileges meets a folder that is not its own.
"""

import ctypes
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from elq.commands import run
from elq.entities.build import BuildSettings, build_entities
from elq.entities.manifest import CATALOGUE, TABLE, open_entities
from elq.search.hnsw import HNSW_FILE
from tests.conftest import write_lines

pytestmark = pytest.mark.usefixtures("quiet")
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1  # linux/prctl.h, linux/capability.h: root may no longer write anywhere


@contextmanager
def file_limit(size: int) -> Iterator[None]:
    """No file can grow beyond ``size`` bytes."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def refused(code: int, told: str, *said: str) -> None:
    assert code == 2, told
    assert "Traceback" not in told
    last = told.strip().splitlines()[-1]
    assert last.startswith("elq: ")
    assert all(text in last for text in said), last


def changed(values: dict, **trainer) -> dict:
    return {**values, "trainer": {**values["trainer"], **trainer}}


@pytest.fixture(scope="module")
def big_catalogue(tmp_path_factory):
    records = [{"id": f"E{n}", "title": f"river {n}"} for n in range(2_000)]
    return write_lines(tmp_path_factory.mktemp("big") / "c.jsonl", records)


@pytest.fixture(scope="module")
def big_build(big_catalogue, encoder_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("big") / "e"
    settings = BuildSettings(encoder=str(encoder_folder), precision="fp32", dtype="float32", index="hnsw")
    build_entities(big_catalogue, folder, settings)
    return folder


@pytest.mark.parametrize("what", [CATALOGUE, TABLE, HNSW_FILE])
def test_a_full_disk_in_a_build(what, big_build, big_catalogue, encoder_folder, tmp_path, capsys):
    sizes = [(big_build / name).stat().st_size for name in (CATALOGUE, TABLE, HNSW_FILE)]
    assert sizes == sorted(sizes)  # each file is the first that a limit just below its size can stop
    options = ["--catalogue", str(big_catalogue), "--output", str(tmp_path / "e"), "--encoder", str(encoder_folder)]
    options += ["--precision", "fp32", "--dtype", "float32", "--index", "hnsw"]
    with file_limit((big_build / what).stat().st_size - 1):
        code = run("build", options)
    said = (what.replace(".arrow", "."), "could not be written (File too large)", "free space")
    refused(code, capsys.readouterr().err, *said)
    assert not (tmp_path / "e").exists()
    assert run("build", options) == 0  # with room, the same command goes on
    assert len(open_entities(tmp_path / "e").table) == 2_000


def test_a_full_disk_in_a_fit(values, tmp_path, capsys):
    folder = tmp_path / "run"
    (tmp_path / "config.yaml").write_text(json.dumps(changed(values, max_epochs=1, default_root_dir=str(folder))))
    with file_limit(30 * 1024):
        code = run("fit", ["--config", str(tmp_path / "config.yaml")])
    refused(code, capsys.readouterr().err, "could not be written", "free space")
    assert not (folder / "model").exists()
    assert not list(folder.rglob("*.ckpt"))  # half a checkpoint would be resumed from


def test_a_full_disk_in_an_export(run_folder, values, tmp_path, capsys):
    """The run is trained; only the model file does not fit."""
    folder = tmp_path / "run"
    shutil.copytree(run_folder / "checkpoints", folder / "checkpoints")
    (tmp_path / "config.yaml").write_text(json.dumps(changed(values, default_root_dir=str(folder))))
    size = (run_folder / "model" / "model.safetensors").stat().st_size
    options = ["--config", str(tmp_path / "config.yaml"), "--ckpt_path", str(folder / "checkpoints" / "last.ckpt")]
    with file_limit(size - 1):
        code = run("fit", options)
    refused(code, capsys.readouterr().err, "model.safetensors could not be written", "free space")
    assert not (folder / "model").exists()
    assert run("fit", options) == 0
    assert (folder / "model" / "model.safetensors").stat().st_size == size


def test_a_full_disk_in_predict(run_folder, tmp_path, capsys):
    (tmp_path / "questions.txt").write_text("who directed titanic?\n" * 300)
    options = ["--input", str(tmp_path / "questions.txt"), "--model", str(run_folder / "model")]
    code = run("predict", [*options, "--output", "/dev/full"])
    refused(code, capsys.readouterr().err, "could not be written", "free space")
    for name in ("links.jsonl", "links.txt"):
        with file_limit(2_000):
            code = run("predict", [*options, "--output", str(tmp_path / name)])
        refused(code, capsys.readouterr().err, f"{name} could not be written", "free space")
    assert list(tmp_path.glob("links*")) == []


def unprivileged(*arguments: str) -> subprocess.CompletedProcess:
    def before() -> None:
        if os.geteuid() == 0:
            ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE)

    command = [sys.executable, "-m", "elq", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, preexec_fn=before)


def test_folders_that_cannot_be_written_to(encoder_folder, catalogue_file, run_folder, tmp_path):
    mine, model = tmp_path / "mine", shutil.copytree(run_folder / "model", tmp_path / "model")
    mine.mkdir()
    for path in (mine, model, *model.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    build = ["--catalogue", str(catalogue_file), "--encoder", str(encoder_folder), "--output", str(mine / "e")]
    done = unprivileged("build", *build)
    refused(done.returncode, done.stderr, str(mine), "Permission denied")
    (tmp_path / "questions.jsonl").write_text('{"text": "who directed titanic?"}\n')
    predict = ["--model", str(model), "--input", str(tmp_path / "questions.jsonl")]
    done = unprivileged("predict", *predict, "--output", str(mine / "links.jsonl"))
    refused(done.returncode, done.stderr, str(mine), "Permission denied")
    assert list(mine.iterdir()) == []
    done = unprivileged("predict", *predict)  # a model folder is never written to
    assert done.returncode == 0, done.stderr
    assert "Q44578" in done.stdout
