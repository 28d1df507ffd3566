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

import pytest

from elq.build import BuildSettings, build_entities
from elq.folder import CATALOGUE, TABLE, open_entities
from elq.index import HNSW_FILE
from tests.conftest import write_lines

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1  # linux/prctl.h, linux/capability.h: root may no longer write anywhere


def elq(*arguments: str, limit: int = resource.RLIM_INFINITY, unprivileged: bool = False) -> subprocess.CompletedProcess:
    def before() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        if unprivileged and os.geteuid() == 0:
            ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE)

    command = [sys.executable, "-m", "elq", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, preexec_fn=before)


def refused(done: subprocess.CompletedProcess, *said: str) -> None:
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
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
def test_a_full_disk_in_a_build(what, big_build, big_catalogue, encoder_folder, tmp_path):
    sizes = [(big_build / name).stat().st_size for name in (CATALOGUE, TABLE, HNSW_FILE)]
    assert sizes == sorted(sizes)  # each file is the first that a limit just below its size can stop
    options = ["--catalogue", str(big_catalogue), "--output", str(tmp_path / "e"), "--encoder", str(encoder_folder)]
    options += ["--precision", "fp32", "--dtype", "float32", "--index", "hnsw"]
    full = elq("build", *options, limit=(big_build / what).stat().st_size - 1)
    refused(full, what.replace(".arrow", "."), "could not be written (File too large)", "free space")
    assert not (tmp_path / "e").exists()
    done = elq("build", *options)  # with room, the same command goes on
    assert done.returncode == 0, done.stderr
    assert len(open_entities(tmp_path / "e").table) == 2_000


def test_a_full_disk_in_a_fit(values, tmp_path):
    run = tmp_path / "run"
    (tmp_path / "config.yaml").write_text(json.dumps(changed(values, max_epochs=1, default_root_dir=str(run))))
    done = elq("fit", "--config", str(tmp_path / "config.yaml"), limit=30 * 1024)
    refused(done, "could not be written", "free space")
    assert not (run / "model").exists()
    assert not list(run.rglob("*.ckpt"))  # half a checkpoint would be resumed from


def test_a_full_disk_in_an_export(run_folder, values, tmp_path):
    """The run is trained; only the model file does not fit."""
    run = tmp_path / "run"
    shutil.copytree(run_folder / "checkpoints", run / "checkpoints")
    (tmp_path / "config.yaml").write_text(json.dumps(changed(values, default_root_dir=str(run))))
    size = (run_folder / "model" / "model.safetensors").stat().st_size
    options = ["--config", str(tmp_path / "config.yaml"), "--ckpt_path", str(run / "checkpoints" / "last.ckpt")]
    refused(elq("fit", *options, limit=size - 1), "could not be written", "free space")
    assert not (run / "model").exists()
    assert elq("fit", *options).returncode == 0
    assert (run / "model" / "model.safetensors").stat().st_size == size


def test_a_full_disk_in_predict(run_folder, tmp_path):
    (tmp_path / "questions.txt").write_text("who directed titanic?\n" * 300)
    options = ["--input", str(tmp_path / "questions.txt"), "--model", str(run_folder / "model"), "--format", "jsonl"]
    refused(elq("predict", *options, "--output", "/dev/full"), "could not be written", "free space")
    refused(elq("predict", *options, "--output", str(tmp_path / "links.jsonl"), limit=2_000), "links.jsonl could not be")
    assert not (tmp_path / "links.jsonl").exists()
    refused(elq("predict", *options, "--output", str(tmp_path / "links.txt"), limit=2_000), "links.txt could not be written")
    assert sorted(path.name for path in tmp_path.glob("links*")) == []


def test_a_folder_that_cannot_be_written_to(encoder_folder, catalogue_file, run_folder, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    mine.chmod(0o555)
    build = ["--catalogue", str(catalogue_file), "--encoder", str(encoder_folder), "--output", str(mine / "e")]
    refused(elq("build", *build, unprivileged=True), str(mine), "Permission denied")
    (tmp_path / "questions.jsonl").write_text('{"text": "who directed titanic?"}\n')
    predict = ["--model", str(run_folder / "model"), "--input", str(tmp_path / "questions.jsonl")]
    for output in ("links.jsonl", "links.txt"):
        refused(elq("predict", *predict, "--output", str(mine / output), unprivileged=True), str(mine), "Permission denied")
    assert list(mine.iterdir()) == []


def test_a_model_folder_is_never_written_to(run_folder, tmp_path):
    model = shutil.copytree(run_folder / "model", tmp_path / "model")
    for path in [model, *model.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    done = elq("predict", "who directed titanic?", "--model", str(model), unprivileged=True)
    assert done.returncode == 0, done.stderr
    assert "Q44578" in done.stdout
