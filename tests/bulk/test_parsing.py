"""A dump on a Ray cluster gives the catalogue of one machine, byte for byte, also after workers or the command were killed."""

import gzip
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from elq.bulk import parsing
from elq.bulk.parsing import Parser, Task
from elq.commands import run
from elq.files import write_json
from elq.sources import dump
from elq.sources.convert import PLAN
from elq.sources.source import Options, Skips
from elq.sources.wikidata import WikidataSource
from tests.bulk.conftest import ROOT, kill_when, task_at_work
from tests.sources.test_wikidata import array_of, item

pytestmark = pytest.mark.usefixtures("quiet")
on_proc = pytest.mark.skipif(not Path("/proc").is_dir(), reason="the processes of Ray are found in /proc")
ITEMS = [item(f"Q{n}", f"name {n}", [f"Q{n % 7 + 1000}"]) for n in range(1000, 3000)]


def write_source(form: str, folder: Path) -> Path:
    text, path = array_of(ITEMS), folder / "dump.json"
    if form == "plain":
        path.write_text(text, encoding="utf-8")
    elif form == "packed":
        path = folder / "dump.json.gz"
        path.write_bytes(gzip.compress(text.encode()))
    else:  # a dump that was split, and single entities
        path = folder / "dump"
        path.mkdir()
        lines = text.splitlines(keepends=True)
        for number in range(3):
            packed = gzip.compress("".join(lines[number * 600 : (number + 1) * 600]).encode())
            (path / f"part-{number}.json.gz").write_bytes(packed)
        (path / "part-3.json").write_text("".join(lines[1800:]), encoding="utf-8")
        for number in range(5):
            entity = item(f"Q{number + 1}", f"class {number}")
            (path / f"Q{number}.json").write_text(json.dumps({"entities": {entity["id"]: entity}}), encoding="utf-8")
    return path


@pytest.mark.parametrize("form", ["plain", "packed", "folder"])
def test_the_catalogue_is_that_of_one_process(cluster, tmp_path, monkeypatch, form):
    source, local, ray = write_source(form, tmp_path), tmp_path / "local.parquet", tmp_path / "ray.parquet"
    assert run("catalogue", [str(source), "--output", str(local), "--processes", "1"]) == 0
    monkeypatch.setattr(dump, "CHUNK", 200_000)  # in this process, which divides the source
    tasks = list(parsing.tasks_of(WikidataSource(source, Options(), Skips())))
    kinds = {"places" if one.places else "range" if one.read else "chunk" for one in tasks}
    assert kinds == {"plain": {"range"}, "packed": {"chunk"}, "folder": {"places", "range"}}[form]
    assert len(tasks) > 3 or form == "folder"
    assert run("catalogue", [str(source), "--output", str(ray), "--ray"]) == 0
    assert ray.read_bytes() == local.read_bytes()
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


@on_proc
def test_a_killed_worker_loses_nothing(cluster, tmp_path, monkeypatch):
    source, local, ray = write_source("plain", tmp_path), tmp_path / "local.parquet", tmp_path / "ray.parquet"
    assert run("catalogue", [str(source), "--output", str(local), "--processes", "1"]) == 0
    monkeypatch.setattr(dump, "CHUNK", 500_000)
    killer, killed = kill_when(lambda: task_at_work("_parse"))
    assert run("catalogue", [str(source), "--output", str(ray), "--ray"]) == 0
    killer.join()
    assert killed
    assert ray.read_bytes() == local.read_bytes()


CODE = """
import sys
from elq.commands import run
from elq.sources import dump
dump.CHUNK = 100_000
sys.exit(run("catalogue", sys.argv[1:]))
"""


def test_a_killed_command_resumes(cluster, tmp_path, monkeypatch, caplog):
    import ray

    source, output = write_source("plain", tmp_path), tmp_path / "c.parquet"
    command = [str(source), "--output", str(output)]
    address = ray.get_runtime_context().gcs_address
    child = subprocess.Popen([sys.executable, "-c", CODE, *command, "--ray", address], env={**os.environ}, cwd=ROOT)
    parts = tmp_path / ".c.parquet.parts"
    while len(list(parts.glob("*[0-9].parquet"))) < 3 and child.poll() is None:
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert not output.exists()
    done = {int(one.stem) for one in parts.glob("*[0-9].parquet")}
    made: list[int] = []
    answered = parsing._answered
    monkeypatch.setattr(parsing, "_answered", lambda *given: made.extend(found := answered(*given)) or found)
    monkeypatch.setattr(dump, "CHUNK", 100_000)
    caplog.set_level(logging.INFO)
    assert run("catalogue", [*command, "--ray"]) == 0
    assert "finished parts of an earlier run are used again" in caplog.text
    assert len(done) >= 3
    assert made
    assert not done & {*made}
    assert run("catalogue", [str(source), "--output", str(tmp_path / "whole.parquet"), "--processes", "1"]) == 0
    assert output.read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_files_that_are_done_are_not_read_again(tmp_path):
    write_json(tmp_path / PLAN, {"a": 1})
    source = WikidataSource(write_source("folder", tmp_path), Options(), Skips())
    (task, *_) = parsing.tasks_of(source)
    assert len(task.places) == 9
    assert task.finished(tmp_path) is None
    answer = Parser(tmp_path, {"a": 1})(source, task)
    assert (answer.sentence, answer.entities, len(answer.numbers)) == ("", 2005, 9)
    assert task.finished(tmp_path) == answer.numbers


def test_a_machine_that_sees_other_files_is_refused(tmp_path):
    source = WikidataSource(write_source("plain", tmp_path), Options(), Skips())
    (task,) = parsing.tasks_of(source)
    write_json(tmp_path / PLAN, {"a": 1})
    assert Parser(tmp_path, {"a": 1})(source, task).sentence == ""
    for parser, given, said in (
        (Parser(tmp_path, {"a": 2}), task, f"does not see {tmp_path}: give a source and an --output on a file system that"),
        (Parser(tmp_path, {"a": 1}), Task(number=0, read=((source.path, 7),)), f"does not see {source.path} with its 7 bytes"),
        (Parser(tmp_path, {"a": 1}, "0.0"), task, "and the command has 0.0: install the same version everywhere"),
    ):
        assert said in parser(source, given).sentence


def test_a_damaged_file_and_other_kinds_are_one_sentence(cluster, tmp_path, capsys):
    folder = tmp_path / "dump"
    folder.mkdir()
    (folder / "a.json").write_text(array_of(ITEMS[:9]), encoding="utf-8")
    packed = gzip.compress(array_of([item(f"Q{n}", os.urandom(200).hex()) for n in range(1000, 3000)]).encode())
    (folder / "b.json.gz").write_bytes(packed[: len(packed) * 2 // 3])
    assert run("catalogue", [str(folder), "--output", str(tmp_path / "c.parquet"), "--ray"]) == 2
    assert "could not be read after line" in capsys.readouterr().err
    (tmp_path / "c.csv").write_text("id,title\nQ1,one\n", encoding="utf-8")
    assert run("catalogue", [str(tmp_path / "c.csv"), "--output", str(tmp_path / "c.parquet"), "--ray"]) == 2
    assert "leave out --ray" in capsys.readouterr().err
