"""Several processes train the same weights as one process with the whole batch (gloo, on the CPU)."""

import copy
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from elq.errors import ElqError
from elq.training.module import ELQModule
from tests.recorder import recorded

HERE = Path(__file__).parents[1]
WAYS = {
    "table": {"loss": "table"},
    "sharded table": {"loss": "table", "table_sharding": True},
    "sampled, no hard negatives": {"loss": "sampled", "hard_negatives": 0},
    "sampled": {"loss": "sampled", "hard_negatives": 2},
    "released, in-batch": {"loss": "released", "hard_negatives": 0, "score_mode": "elq"},
    "released": {"loss": "released", "hard_negatives": 2, "score_mode": "elq"},
}


@pytest.fixture(scope="module")
def steady(values, tmp_path_factory) -> dict:
    """A run without dropout, because processes draw it differently. With 9 questions, one process has none in a batch."""
    folder = tmp_path_factory.mktemp("steady")
    encoder = Path(shutil.copytree(values["model"]["encoder"], folder / "encoder"))
    config = json.loads((encoder / "config.json").read_text())
    (encoder / "config.json").write_text(
        json.dumps({**config, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0})
    )
    lines = Path(values["data"]["dev"]).read_text().splitlines(keepends=True)
    (folder / "train.jsonl").write_text("".join(lines + lines[2:3]))
    data = {
        **values["data"],
        "entities": str(folder / "entities"),
        "build": {"precision": "fp32", "encoder": values["model"]["encoder"]},
        "train": [{"epochs": 3, "sources": [{"file": str(folder / "train.jsonl")}]}],
    }
    trainer = {**values["trainer"], "max_epochs": 3}
    return {**values, "model": {**values["model"], "encoder": str(encoder)}, "data": data, "trainer": trainer}


@pytest.fixture(scope="module")
def on_two_processes(steady, tmp_path_factory) -> dict[str, dict]:
    """Every way of training, on two processes with half of each batch. They start only once, because starting takes long."""
    folder = tmp_path_factory.mktemp("shared")
    settings = {"devices": 2, "strategy": "ddp"}
    runs = {way: changed(steady, folder / way, batch_size=2, model=WAYS[way], trainer=settings) for way in WAYS}
    (folder / "runs.json").write_text(json.dumps(runs))
    command = [sys.executable, "-m", "tests.recorder", str(folder / "runs.json"), str(folder / "recorded.pt")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=HERE.parent)
    assert done.returncode == 0, done.stderr
    return torch.load(folder / "recorded.pt", weights_only=True)


def changed(values: dict, folder: Path, *, batch_size: int, model: dict, trainer: dict) -> dict:
    values = copy.deepcopy(values)  # the training parser changes what it is given
    values["model"] |= model
    values["data"]["batch_size"] = batch_size
    values["trainer"] |= {**trainer, "default_root_dir": str(folder)}
    return values


def largest_difference(first, second) -> float:
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        return max(largest_difference(first[key], second[key]) for key in first)
    return float((torch.as_tensor(first) - torch.as_tensor(second)).abs().max())


@pytest.mark.parametrize("way", WAYS)
def test_two_processes_train_as_one_with_the_whole_batch(way, on_two_processes, steady, tmp_path):
    model = {**WAYS[way], "table_sharding": False}
    alone, shared = recorded(changed(steady, tmp_path, batch_size=4, model=model, trainer={})), on_two_processes[way]
    assert len(alone["losses"]) == 9
    found = {what: largest_difference(alone[what], shared[what]) for what in ("gradients", "losses", "scores", "weights")}
    print(f"{way}: " + ", ".join(f"{what} {value:.1e}" for what, value in found.items()))
    assert all(value < 1e-5 for value in found.values()), found


@pytest.fixture
def cluster(values, tmp_path, monkeypatch):
    """docs/train.sbatch with an srun that starts the tasks as processes here, with the variables of SLURM."""
    (tmp_path / "bin").mkdir()
    srun = tmp_path / "bin" / "srun"
    srun.write_text(
        f"#!{sys.executable}\n"
        "import os, subprocess, sys\n"
        "tasks = [subprocess.Popen(sys.argv[1:], env={**os.environ, 'SLURM_PROCID': n, 'SLURM_LOCALID': n}) for n in '01']\n"
        "sys.exit(max(task.wait() for task in tasks))\n"
    )
    srun.chmod(0o755)
    for name, value in {"JOB_NAME": "elq", "NTASKS": 2, "NTASKS_PER_NODE": 2, "NNODES": 1, "NODEID": 0}.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(HERE.parent))
    data = values["data"]
    overrides = [
        "+experiment=own_data",
        *(f"data.{key}={data[key]}" for key in ("catalogue", "entities", "dev")),
        f"data.train=[{{epochs: 6, sources: [{{file: {data['dev']}, repeat: 20}}]}}]",
        *("+data.build.precision=fp32", "data.batch_size=4", f"model.encoder={values['model']['encoder']}"),
        *("trainer.max_epochs=6", "trainer.accelerator=cpu", "trainer.precision=32-true", "+model.candidates=4"),
    ]

    def start(job: int) -> subprocess.Popen:
        monkeypatch.setenv("SLURM_JOB_ID", str(job))
        command = ["bash", str(HERE.parent / "docs" / "train.sbatch"), *overrides]
        return subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)

    return start


def test_a_pre_empted_cluster_job_goes_on_and_ends_as_the_unbroken_one(cluster, tmp_path):
    unbroken = cluster(7001)
    told, _ = unbroken.communicate(timeout=200)
    assert unbroken.returncode == 0, told.decode()
    checkpoints = [tmp_path / "runs" / "slurm" / job / "checkpoints" / "last.ckpt" for job in ("7001", "7002")]
    pre_empted = cluster(7002)
    while not checkpoints[1].is_file() and pre_empted.poll() is None:
        time.sleep(0.01)
    os.killpg(pre_empted.pid, signal.SIGKILL)
    told, _ = pre_empted.communicate()
    assert torch.load(checkpoints[1], weights_only=True)["epoch"] < 5, told.decode()
    again = cluster(7002)
    told, _ = again.communicate(timeout=200)
    assert again.returncode == 0, told.decode()
    first, second = (torch.load(path, weights_only=True) for path in checkpoints)
    assert first["epoch"] == second["epoch"] == 5
    assert largest_difference(first["state_dict"], second["state_dict"]) == 0
    logs = [(tmp_path / "runs" / "slurm" / "7002" / name).read_text().splitlines() for name in ("metrics.1.csv", "metrics.csv")]
    epochs = [int(dict(zip(log[0].split(","), log[1].split(","), strict=True))["epoch"]) for log in logs]
    assert epochs[0] == 0
    assert epochs[1] > 0  # not from the beginning


def test_sharding_is_refused_where_there_is_no_table_to_shard():
    with pytest.raises(ElqError, match=r"table_sharding needs model\.loss to be table, not sampled"):
        ELQModule(loss="sampled", table_sharding=True)
