"""Tests of the number of threads, on files as Linux writes them, and of the variables that the command sets."""

import math
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

import elq
from elq.errors import ElqError
from elq.threads import SLEEPING, available_threads, compute_with, cores, cpu_quota, prepare, set_threads

ROOT = Path(__file__).parents[1]


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


GROUP = "sys/fs/cgroup"


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, math.inf),
        ({"proc/self/cgroup": "0::/\n", f"{GROUP}/cpu.max": "150000 100000\n"}, 1.5),
        ({"proc/self/cgroup": "0::/\n", f"{GROUP}/cpu.max": "max 100000\n"}, math.inf),
        ({f"{GROUP}/cpu.max": "50000 100000\n"}, 0.5),  # /proc hidden
        ({"proc/self/cgroup": "0::/a/b\n", f"{GROUP}/a/b/cpu.max": "max 100000\n", f"{GROUP}/a/cpu.max": "300000 100000"}, 3),
        ({"proc/self/cgroup": "0::/a/b\n", f"{GROUP}/a/b/cpu.max": "200000 100000", f"{GROUP}/a/cpu.max": "300000 100000"}, 2),
        ({"proc/self/cgroup": "0::/a\n", f"{GROUP}/cpu.max": "not a number\n", f"{GROUP}/a/cpu.max": "0 0"}, math.inf),
        (
            {
                "proc/self/cgroup": "7:memory:/x\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/x\n",
                f"{GROUP}/cpu,cpuacct/cpu.cfs_quota_us": "250000\n",
                f"{GROUP}/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
                f"{GROUP}/memory/cpu.max": "100000 100000\n",
            },
            2.5,
        ),
        (
            {
                "proc/self/cgroup": "4:cpuacct,cpu:/a\n",
                f"{GROUP}/cpu/a/cpu.cfs_quota_us": "-1\n",
                f"{GROUP}/cpu/a/cpu.cfs_period_us": "100000\n",
                f"{GROUP}/cpu/cpu.cfs_quota_us": "400000\n",
                f"{GROUP}/cpu/cpu.cfs_period_us": "100000\n",
            },
            4,
        ),
    ],
)
def test_the_quota_of_a_container(files, quota, tmp_path):
    assert cpu_quota(write(tmp_path, files)) == quota


@pytest.mark.parametrize(("quota", "threads"), [("1000 100000", 1), ("100000 100000", 1), ("max 100000", cores())])
def test_no_more_threads_than_the_quota_and_never_none(quota, threads, tmp_path):
    assert available_threads(write(tmp_path, {f"{GROUP}/cpu.max": quota})) == threads


def test_what_the_user_has_set_stays(tmp_path):
    free, limited = tmp_path / "free", write(tmp_path / "limited", {f"{GROUP}/cpu.max": "10000 100000"})
    environment: dict[str, str] = {}
    prepare(environment, free)
    assert environment == SLEEPING
    active = {"OMP_WAIT_POLICY": "ACTIVE"}
    prepare(active, free)
    assert active == {"OMP_WAIT_POLICY": "ACTIVE"}
    if cores() > 1:
        environment = {"OMP_NUM_THREADS": "7"}
        prepare(environment, limited)
        assert environment == {**SLEEPING, "OMP_NUM_THREADS": "7", "RAYON_NUM_THREADS": "1"}


@pytest.mark.parametrize("program", [["-m", "elq"], ["-m", "elq.cli"], [str(ROOT / "predict.py")]])
def test_the_programs_set_the_variables_before_torch_is_loaded(program, tmp_path):
    """The module of the subcommand is replaced by one that says what it sees."""
    show = "import os, sys\nprint(os.environ.get('OMP_WAIT_POLICY'), 'torch' in sys.modules)\nmain = lambda arguments: 0\n"
    hook = "import sys\nclass Finder:\n def find_spec(self, name, path=None, target=None):\n"
    hook += "  if name == 'elq.commands.predict':\n   from importlib.util import spec_from_file_location\n"
    hook += f"   return spec_from_file_location(name, {str(tmp_path / 'show.py')!r})\nsys.meta_path.insert(0, Finder())\n"
    (tmp_path / "show.py").write_text(show)
    (tmp_path / "sitecustomize.py").write_text(hook)
    environment = {name: value for name, value in os.environ.items() if name not in SLEEPING}
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), str(ROOT)])
    arguments = program if program[0] != "-m" else [*program, "predict"]
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split() == ["PASSIVE", "False"]


def test_threads_of_every_library(monkeypatch):
    import faiss

    before, of_faiss = torch.get_num_threads(), faiss.omp_get_max_threads()
    monkeypatch.setenv("RAYON_NUM_THREADS", "5")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")
    try:
        assert elq.set_threads(1) == 1
        assert (torch.get_num_threads(), faiss.omp_get_max_threads()) == (1, 1)
        assert (os.environ["RAYON_NUM_THREADS"], os.environ["TOKENIZERS_PARALLELISM"]) == ("1", "false")
        most = available_threads()
        assert set_threads() == set_threads(10_000) == torch.get_num_threads() == faiss.omp_get_max_threads() == most
        assert ("TOKENIZERS_PARALLELISM" in os.environ) == (most == 1)
    finally:
        torch.set_num_threads(before)
        faiss.omp_set_num_threads(of_faiss)


@pytest.mark.parametrize("number", [0, -1, 1.0, True, "2"])
def test_a_wrong_number_of_threads(number):
    with pytest.raises(ElqError, match="must be a whole number of at least 1"):
        set_threads(number)


def test_a_thread_with_threads_of_its_own_changes_no_other():
    """torch keeps the last number that it was told for all threads that compute for the first time later."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with ThreadPoolExecutor(1, initializer=compute_with, initargs=(1,)) as own, ThreadPoolExecutor(1) as later:
            assert own.submit(str).result() == ""
            torch.set_num_threads(2)
            assert own.submit(torch.get_num_threads).result() == 1
            assert later.submit(torch.get_num_threads).result() == 2
            assert torch.get_num_threads() == 2
        with ThreadPoolExecutor(1, initializer=compute_with, initargs=(1,)) as own, ThreadPoolExecutor(1) as later:
            assert own.submit(torch.get_num_threads).result() == 1
            assert later.submit(torch.get_num_threads).result() == 2
    finally:
        torch.set_num_threads(before)


def test_threads_that_begin_together_change_no_other(monkeypatch):
    """The second begins while the first has told torch its number, and tells the number of the others after the first."""
    before, real = torch.get_num_threads(), torch.set_num_threads
    told, first_told, second_told, first_ended = [], *(threading.Event() for _ in range(3))

    def in_turns(number):
        real(number)
        told.append(number)
        if told == [1]:
            first_told.set()
            second_told.wait(0.5)
        elif told == [1, 1]:
            second_told.set()
            first_ended.wait(0.5)

    def begin():
        compute_with(1)
        first_ended.set()

    real(2)
    monkeypatch.setattr(torch, "set_num_threads", in_turns)
    try:
        first, second = threading.Thread(target=begin), threading.Thread(target=compute_with, args=(1,))
        first.start()
        assert first_told.wait(10)
        second.start()
        first.join()
        second.join()
        with ThreadPoolExecutor(1) as later:
            assert later.submit(torch.get_num_threads).result() == 2
    finally:
        real(before)
