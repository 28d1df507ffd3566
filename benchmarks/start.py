"""Measures how long commands take to start, and how much of it is elq's own work; it is not part of the tests.

    python benchmarks/start.py --model runs/webqsp/latest/model --model elq/general
    python benchmarks/start.py --root . --root ../before      # two clones, by turns

Every turn runs each command once in each clone, one after the other, so that slow changes of the machine reach all alike. The
first turn is not counted, since it fills the caches of the disk. "Own" is the time of a command in a process that has imported
every module of other packages before. A predict includes the end of the process.
"""

import argparse
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).parents[1]
QUESTION = "who directed titanic?"
BLANK = "the process of Python"
IMPORTED = """
import runpy, sys
sys.argv = ["elq", *sys.argv[1:]]
from elq.commands import run
run(sys.argv[1], sys.argv[2:])
others = [name for name, module in list(sys.modules.items()) if getattr(module, "__spec__", None)]
print(*(name for name in others if name.partition(".")[0] not in ("elq", "__main__")), file=sys.stderr)
"""
OWN = """
import sys, time
from importlib import import_module
for name in open(sys.argv.pop(1)).read().split():
    try:
        import_module(name)
    except Exception:
        pass
began = time.perf_counter()
from elq.commands import run
run(sys.argv[1], sys.argv[2:])
print(time.perf_counter() - began, file=sys.stderr)
"""
CATALOGUE = """
import sys, time
from elq import Linker
Linker.from_catalogue(sys.argv[1]).link("who directed titanic?")
"""


def environment(root: Path, cache: Path) -> dict[str, str]:
    sleeping = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "10000"}
    return {**os.environ, **sleeping, "PYTHONPATH": str(root.resolve()), "HF_HUB_OFFLINE": "1", "ELQ_CACHE": str(cache)}


def timed(arguments: Sequence[str], root: Path, cache: Path) -> tuple[float, float]:
    """The seconds and the processor seconds of one process."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], env=environment(root, cache), cwd=root, capture_output=True, text=True)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stderr)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def own_work(arguments: Sequence[str], root: Path, cache: Path) -> tuple[float, float]:
    """The seconds of a command where all other packages are imported before; twice, since nothing else is measured."""
    settings = {"env": environment(root, cache), "cwd": root, "capture_output": True, "text": True, "check": True}
    listed = cache / f"modules-{abs(hash((root, *arguments)))}"
    if not listed.exists():
        done = subprocess.run([sys.executable, "-c", IMPORTED, *arguments], **settings)  # type: ignore[call-overload]
        listed.write_text(done.stderr.splitlines()[-1])
    done = subprocess.run([sys.executable, "-c", OWN, str(listed), *arguments], **settings)  # type: ignore[call-overload]
    seconds = float(done.stderr.splitlines()[-1])
    return seconds, seconds


def first_answer(model: str, root: Path, cache: Path) -> tuple[float, float]:
    """The seconds from the start of a server to its first answer; twice."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "elq", "serve", "--model", model, "--port", str(port)]
    body = json.dumps({"question": QUESTION}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/link", body, {"Content-Type": "application/json"})
    began = time.perf_counter()
    server = subprocess.Popen(
        command, env=environment(root, cache), cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while server.poll() is None:
            try:
                urllib.request.urlopen(request, timeout=60).read()
                break
            except OSError:
                time.sleep(0.01)
        seconds = time.perf_counter() - began
    finally:
        server.terminate()
        server.wait()
    return seconds, seconds


def commands(
    models: Sequence[str], every: bool, catalogue: Path, serve: bool
) -> dict[str, Callable[[Path, Path], tuple[float, float]]]:
    """What is measured: name → a function of a clone and a cache folder that gives seconds and processor seconds."""
    made: dict[str, Callable[[Path, Path], tuple[float, float]]] = {}

    def add(name: str, *arguments: str) -> None:
        made[name] = lambda root, cache: timed(arguments, root, cache)

    add(BLANK, "-c", "pass")
    add("import elq", "-c", "import elq")
    add("elq --version", "-m", "elq", "--version")
    add("elq --help", "-m", "elq", "--help")
    from elq.commands import COMMANDS

    for name in [each for each in COMMANDS if every or each == "predict"]:
        add(f"elq {name} --help", "-m", "elq", name, "--help")
    add("import torch", "-c", "import torch")
    for model in models:
        arguments = ("predict", "--model", model, QUESTION)
        add(f"predict, {model}", "-m", "elq", *arguments)
        made[f"own work of predict, {model}"] = lambda root, cache, arguments=arguments: own_work(arguments, root, cache)  # type: ignore[misc]
        if serve:
            made[f"first answer of serve, {model}"] = lambda root, cache, model=model: first_answer(model, root, cache)  # type: ignore[misc]
    add("from_catalogue, 300 records, kept", "-c", CATALOGUE, str(catalogue))

    def new(root: Path, _: Path) -> tuple[float, float]:
        with tempfile.TemporaryDirectory() as empty:
            return timed(("-c", CATALOGUE, str(catalogue)), root, Path(empty))

    made["from_catalogue, 300 records, new"] = new
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description="how long commands take to start")
    parser.add_argument("--root", type=Path, action="append", help="a clone; several are measured by turns")
    parser.add_argument("--model", action="append", help="a model folder, or elq/general (the default)")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--only", help="measure only what has this in its name")
    parser.add_argument("--every", action="store_true", help="measure the --help of every command")
    parser.add_argument("--serve", action="store_true", help="measure the first answer of a server too")
    given = parser.parse_args()
    roots = given.root or [ROOT]
    with tempfile.TemporaryDirectory() as folder:
        catalogue = Path(folder) / "300.jsonl"
        with (ROOT / "elq" / "starter" / "catalogue.jsonl").open(encoding="utf-8") as lines:
            catalogue.write_text("".join(islice(lines, 300)), encoding="utf-8")
        chosen = commands(given.model or ["elq/general"], given.every, catalogue, given.serve)
        chosen = {name: run for name, run in chosen.items() if not given.only or given.only in name}
        caches = {root: Path(folder) / str(number) for number, root in enumerate(roots)}
        for cache in caches.values():
            cache.mkdir()
        found: dict[tuple[str, Path], list[tuple[float, float]]] = {(name, root): [] for name in chosen for root in roots}
        for _ in range(1 + given.turns):
            for (name, root), seconds in found.items():
                seconds.append(chosen[name](root, caches[root]))
    print("load average", *(f"{one:.1f}" for one in os.getloadavg()), "| medians of", given.turns)
    for (name, root), seconds in found.items():
        wall, cpu = (statistics.median(column) for column in zip(*seconds[1:], strict=True))
        print(f"{name:45} {root!s:30} {1000 * wall:8.0f} ms {1000 * cpu:8.0f} ms CPU")


if __name__ == "__main__":
    main()
