"""Many files, and a build, on a Ray cluster of two cores."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from elq.bulk.cluster import connected, environment
from elq.commands import run
from elq.commands.console import missing_extra
from elq.entities.manifest import TABLE
from elq.errors import ElqError
from tests.bulk.conftest import SETTINGS, kill_when, predicted, records, rounded, task_at_work, worker_at_work, write_long
from tests.conftest import write_lines

pytestmark = [
    pytest.mark.usefixtures("quiet"),
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="the processes of Ray are found in /proc"),
]


def test_a_killed_actor_loses_nothing_and_links_nothing_twice(cluster, tmp_path, capsys):
    source, output = write_long(tmp_path / "in", 4, 120), tmp_path / "out"
    killer, killed = kill_when(lambda: worker_at_work(output))
    command = [*SETTINGS, "--input", str(source), "--output", str(output), "--ray"]
    assert run("bulk", command) == 0
    killer.join()
    assert killed
    for number in range(4):
        found = records(output / f"s{number}.jsonl")
        assert [record["id"] for record in found] == [f"{number}-{n}" for n in range(120)]
    assert rounded(records(output / "s1.jsonl")) == rounded(predicted(source / "s1.jsonl", tmp_path))
    assert "4 shards, 480 questions" in capsys.readouterr().out
    assert run("bulk", command[:-1]) == 0  # without Ray: everything is finished
    assert "0 shards (4 more were finished before)" in capsys.readouterr().out


def test_a_build_on_a_cluster_makes_the_files_of_a_local_one(cluster, encoder_folder, tmp_path):
    lines = [{"id": f"E{n}", "title": f"{['river', 'city', 'film'][n % 3]} {n}"} for n in range(9_000)]  # two parts
    source = write_lines(tmp_path / "c.jsonl", lines)
    command = ["--catalogue", str(source), "--encoder", str(encoder_folder), "--precision", "fp32"]
    markers = tmp_path / ".ray.building" / "parts"
    killer, killed = kill_when(lambda: task_at_work("_run") if markers.is_dir() else None)
    assert run("build", [*command, "--output", str(tmp_path / "ray"), "--ray", "--workers", "2"]) == 0
    killer.join()
    assert killed
    assert run("build", [*command, "--output", str(tmp_path / "local")]) == 0
    names = sorted(path.name for path in (tmp_path / "local").iterdir())
    assert sorted(path.name for path in (tmp_path / "ray").iterdir()) == names
    for name in names:
        ours, theirs = tmp_path / "ray" / name, tmp_path / "local" / name
        if name == TABLE:  # another number of threads may change the last bit
            np.testing.assert_allclose(np.load(ours), np.load(theirs), atol=1e-3)
        else:
            assert ours.read_bytes() == theirs.read_bytes(), name
    assert sorted(path.name for path in tmp_path.glob(".*")) == [".local.lock", ".ray.lock"]


def test_workers_get_the_variables_of_elq_and_of_openmp(monkeypatch):
    monkeypatch.setenv("ELQ_CACHE", "/data/cache")
    monkeypatch.setenv("ELQ_TOKEN", "secret")
    variables = environment()["env_vars"]
    assert variables["ELQ_CACHE"] == "/data/cache"
    assert {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "ELQ_NO_PROGRESS"} <= set(variables)
    assert "secret" not in variables.values()


def test_wrong_options_are_one_sentence(tmp_path, capsys):
    build = ["--catalogue", str(tmp_path / "c.jsonl"), "--output", str(tmp_path / "e")]
    assert run("build", [*build, "--workers", "2"]) == 2
    assert "only --ray uses it" in capsys.readouterr().err
    assert run("build", [*build, "--ray", "--workers", "0"]) == 2
    assert "--workers is 0" in capsys.readouterr().err
    said = missing_extra(ModuleNotFoundError(name="ray.exceptions"))
    assert said == "this command needs ray, which is not installed: pip install 'elq[ray]'"


def test_an_address_where_nothing_answers_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(is_initialized=lambda: False))
    with pytest.raises(ElqError, match="--ray 127.0.0.1:1: nothing answers there"), connected("127.0.0.1:1"):
        pass
