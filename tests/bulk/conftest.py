"""Files of questions in every format, and one Ray cluster for all tests."""

import csv
import gzip
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import QUESTIONS, write_lines

ROOT = Path(__file__).resolve().parents[2]
MODEL = str(ROOT / "tests" / "data" / "format4" / "model")
SETTINGS = ["--model", MODEL, "--threshold=-9"]
TEXTS = [text for text, _, _ in QUESTIONS]


def write_inputs(folder: Path) -> Path:
    """Five input files, one of them in a subfolder."""
    import pyarrow as pa
    import pyarrow.parquet

    (folder / "2024").mkdir(parents=True)
    write_lines(folder / "a.jsonl", [{"id": f"a{n}", "text": text} for n, text in enumerate(TEXTS)])
    with gzip.open(folder / "b.jsonl.gz", "wt") as packed:
        packed.writelines(json.dumps({"id": f"b{n}", "question": text}) + "\n" for n, text in enumerate(TEXTS[::-1]))
    (folder / "c.txt").write_text("\n".join(TEXTS[2:]) + "\n", encoding="utf-8")
    with (folder / "d.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("id", "text"), *((f"d{n}", text) for n, text in enumerate(TEXTS[:5]))])
    pyarrow.parquet.write_table(pa.table({"id": ["e1", "e2"], "text": TEXTS[:2]}), folder / "2024" / "e.parquet")
    (folder / "_SUCCESS").touch()
    return folder


def write_long(folder: Path, shards: int, questions: int) -> Path:
    """Files that take long enough for a worker to be killed while it links."""
    folder.mkdir()
    for number in range(shards):
        records = [{"id": f"{number}-{n}", "text": f"{TEXTS[n % len(TEXTS)]} {n}"} for n in range(questions)]
        write_lines(folder / f"s{number}.jsonl", records)
    return folder


def records(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def rounded(value: object) -> object:
    """A record whose numbers may differ in the last digits, as they do with another number of threads."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return round(value, 3) if isinstance(value, float) else value


def predicted(source: Path, folder: Path) -> list[dict]:
    """What `elq predict` writes for one file."""
    from elq.commands import run

    output = folder / f"{source.name}.predicted.jsonl"
    assert run("predict", [*SETTINGS, "--input", str(source), "--output", str(output)]) == 0
    return records(output)


def worker_at_work(output: Path, but: int | None = None) -> int | None:
    """A process that is writing an output, but not that one; its number stands in the name of the unfinished file."""
    found = [int(path.name.split(".")[-2]) for path in (output / "_elq" / "unfinished").glob("*.*.*")]
    return next((number for number in found if number != but), None)


def kill_when(find) -> tuple[threading.Thread, list[int]]:
    """Kill the process that ``find`` returns, as soon as it returns one."""
    killed: list[int] = []

    def look() -> None:
        end = time.monotonic() + 120
        while not killed and time.monotonic() < end:
            if (found := find()) is not None and found != os.getpid():
                os.kill(found, signal.SIGKILL)
                killed.append(found)
            time.sleep(0.002)

    thread = threading.Thread(target=look)
    thread.start()
    return thread, killed


def task_at_work(name: str) -> int | None:
    """A process of this test's cluster that runs a task with this name; Ray writes the name into its command line."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            ours = f"ELQ_BULK_TESTS={os.getpid()}".encode() in (place / "environ").read_bytes()
            if ours and (place / "cmdline").read_bytes().startswith(f"ray::{name}".encode()):
                return int(place.name)
        except OSError:  # it has ended
            continue
    return None


@pytest.fixture
def inputs(tmp_path) -> Path:
    return write_inputs(tmp_path / "in")


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """A Ray cluster of two cores in this process. The value is what `--ray` gets."""
    if sys.platform == "win32":
        pytest.skip("Ray is tried on Linux and macOS only")
    ray = pytest.importorskip("ray")
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    python_path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**quiet, "PYTHONPATH": python_path, "ELQ_BULK_TESTS": str(os.getpid())}.items():
            patch.setenv(name, value)
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        yield ""
        ray.shutdown()
