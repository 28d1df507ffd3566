"""Many files in processes of this machine."""

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from filelock import FileLock

from elq.bulk import processes
from elq.bulk.outputs import parquet
from elq.bulk.processes import signals_wait
from elq.bulk.schedule import TRIES, run_shards
from elq.bulk.shards import Record, Shard, find_shards
from elq.bulk.worker import Done, Failed, Lost, Ready, Refused
from elq.commands import run
from elq.errors import ElqError
from elq.types import Candidate, Link, Question
from tests.bulk.conftest import MODEL, ROOT, SETTINGS, predicted, records, rounded, worker_at_work, write_inputs, write_long

pytestmark = pytest.mark.usefixtures("quiet")


def command(source: Path | str, output: Path, *more: str) -> list[str]:
    return [*SETTINGS, "--input", str(source), "--output", str(output), "--workers", "1", *more]


def outputs(folder: Path) -> dict[str, int]:
    """Name → time of every output."""
    found = [path for path in folder.rglob("*") if path.is_file() and "_elq" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in found}


def start(*arguments: str) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ELQ_NO_PROGRESS": "1"}
    line = [sys.executable, "-m", "elq", "bulk", *arguments]
    return subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def linked(tmp_path_factory) -> tuple[Path, Path, str, str]:
    """Inputs, what a first run made of them, and what it said. Three of the files are bad, and stop no other."""
    place = tmp_path_factory.mktemp("linked")
    source = write_inputs(place / "in")
    (source / "f.jsonl").write_text('{"text": "who sang"}\n{bad\n{"text": 3}\n{"text": "the ship titanic"}\n')
    (source / "g.jsonl").write_text('{"words": "who sang"}\n')
    (source / "h.txt.gz").write_bytes(b"\x1f\x8b damaged")
    (source / "i.txt").write_text("")
    process = start(*command(source, place / "out"))
    said = process.communicate(timeout=120)
    assert process.returncode == 2
    return source, place / "out", *said


@pytest.fixture
def copied(linked, tmp_path) -> tuple[Path, Path]:
    return tuple(shutil.copytree(folder, tmp_path / folder.name) for folder in linked[:2])


def test_every_file_becomes_one_file_with_the_links_of_predict(linked, tmp_path):
    source, output, *_ = linked
    assert sorted(outputs(output)) == ["2024/e.jsonl", *(f"{name}.jsonl" for name in "abcdfi")]
    for file in ("a.jsonl", "b.jsonl.gz", "c.txt", "d.csv", "2024/e.parquet"):
        found = records(output / f"{file.partition('.')[0]}.jsonl")
        assert rounded(found) == rounded(predicted(source / file, tmp_path))
        assert sum(len(record["links"]) for record in found) > 0
    assert not any((output / "_elq" / "unfinished").iterdir())


def test_bad_lines_are_counted_and_a_bad_file_stops_no_other(linked):
    printed, said = linked[2:]
    assert printed == ""
    assert re.search(r"2 of 9 shards could not be linked \(7 shards, 31 questions, \d+ links, 2 bad lines", said)
    assert "2 bad lines of " in said
    assert "line 2: not valid JSON" in said
    assert "no line of " in said
    assert "h.txt.gz could not be read" in said
    assert "faiss" not in said
    assert [record["text"] for record in records(linked[1] / "f.jsonl")] == ["who sang", "the ship titanic"]


def test_a_finished_shard_is_not_linked_again(copied, capsys):
    source, output = copied
    before = outputs(output)
    shutil.copy(source / "a.jsonl", source / "k.jsonl")  # new
    (source / "c.txt").write_text("who sang the queen song\n")  # changed
    (source / "f.jsonl").write_text((source / "f.jsonl").read_text().replace("sang", "sank"))  # changed, of the same size
    os.utime(source / "d.csv")  # touched only
    (output / "b.jsonl").write_text("")  # damaged
    (source / "g.jsonl").write_text('{"text": "who sang"}\n')  # corrected
    (source / "h.txt.gz").unlink()
    assert run("bulk", command(source, output)) == 0
    after = outputs(output)
    assert {name for name in after if after[name] != before.get(name)} == {f"{name}.jsonl" for name in "bcfgk"}
    assert "5 shards (4 more were finished before), 20 questions" in capsys.readouterr().out
    assert len(records(output / "b.jsonl")) == 8


@pytest.mark.parametrize("change", [["--nil"], ["--threshold=-8"], ["--candidates", "3"], ["--mentions", "2"]], ids=" ".join)
def test_other_settings_are_not_mixed(copied, change, capsys):
    before = outputs(copied[1])
    assert run("bulk", [*command(*copied), *change]) == 2
    said = capsys.readouterr().err
    assert "other settings" in said
    assert "--overwrite" in said
    assert outputs(copied[1]) == before


def test_another_model_is_not_mixed_and_overwrite_links_anew(copied, linked, tmp_path, capsys):
    """The second run writes Parquet, which has the values of the JSON lines."""
    import pyarrow.parquet as pq

    source, output = copied
    for name in ("g.jsonl", "h.txt.gz"):
        (source / name).unlink()
    other = shutil.copytree(MODEL, tmp_path / "other")
    again = [*command(source, output), "--model", str(other)]
    assert run("bulk", again) == 0  # the same model elsewhere
    assert "0 shards (7 more were finished before)" in capsys.readouterr().out
    manifest = json.loads((other / "entities" / "manifest.json").read_text())
    (other / "entities" / "manifest.json").write_text(json.dumps(manifest | {"threshold": -8.5}))
    assert run("bulk", again) == 2
    assert "made with another model or catalogue" in capsys.readouterr().err
    assert run("bulk", [*again, "--overwrite", "--format", "parquet"]) == 0
    assert sorted(outputs(output)) == ["2024/e.parquet", *(f"{name}.parquet" for name in "abcdfi")]
    assert rounded(pq.read_table(output / "c.parquet").to_pylist()) == rounded(records(linked[1] / "c.jsonl"))


def test_half_characters_do_not_stop_parquet(tmp_path):
    import pyarrow.parquet as pq

    link = Link(0, 1, "\ud800", "Q1", "é", "", -0.5, (Candidate("Q1", "é", -0.1),))
    with parquet(tmp_path / "half.parquet") as write:
        write([Question("1", "\ud800 é")], [[link]])
    [row] = pq.read_table(tmp_path / "half.parquet").to_pylist()
    assert (row["text"], row["links"][0]["mention"], row["links"][0]["candidates"][0]["title"]) == ("? é", "?", "é")


def wait_for(what, seconds: float = 60.0):
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "nothing happened for a minute"
        time.sleep(0.002)
    return found


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")
def test_a_killed_worker_and_a_killed_command_lose_nothing_and_link_nothing_twice(tmp_path, capsys):
    """The worker is killed while it links the first file, and the command while another worker links the second or third."""
    source, output = write_long(tmp_path / "in", 4, 120), tmp_path / "out"
    process = start(*command(source, output))
    os.kill(first := wait_for(lambda: worker_at_work(output)), signal.SIGKILL)
    assert "s0.jsonl" in wait_for(lambda: outputs(output))  # another worker has linked what the first one had
    second = wait_for(lambda: worker_at_work(output, but=first))
    process.kill()
    said = process.communicate(timeout=60)[1]
    assert "Traceback" not in said
    wait_for(lambda: not Path(f"/proc/{second}").exists())  # it ends with the command
    done = {name: stamp for name, stamp in outputs(output).items() if (output / "_elq" / "shards" / f"{name}.json").is_file()}
    assert len(done) < 4
    assert run("bulk", command(source, output)) == 0
    for number in range(4):
        found = records(output / f"s{number}.jsonl")
        assert [record["id"] for record in found] == [f"{number}-{n}" for n in range(120)]
        assert rounded(found) == rounded(predicted(source / f"s{number}.jsonl", tmp_path))
    assert done.items() <= outputs(output).items()
    assert f"{4 - len(done)} shards" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_sigterm_is_one_sentence(inputs, tmp_path):
    process = start(*command(inputs, tmp_path / "out"))
    wait_for((tmp_path / "out" / "_elq" / "unfinished").is_dir)
    process.terminate()
    printed, said = process.communicate(timeout=60)
    assert (process.returncode, printed) == (128 + signal.SIGTERM, "")
    assert said == "elq: stopped; the same command goes on where this one stopped\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_waits_until_a_worker_was_started(number):
    class EndedError(Exception):
        pass

    def end(*_):
        raise EndedError

    started, before = [], signal.signal(number, end)

    def start_one():
        with signals_wait():
            signal.raise_signal(number)
            started.append("whole")

    try:
        with pytest.raises(EndedError):
            start_one()
        assert started == ["whole"]
        assert signal.getsignal(number) is end
    finally:
        signal.signal(number, before)


class Script:
    """Workers that say what a script says: the messages of the first worker, of the second, …"""

    def __init__(self, *scripts: str) -> None:
        self.scripts, self.said, self.given = list(scripts), [], []

    def start(self) -> int:
        self.said.append((number := len(self.said) + len(self.given), self.scripts.pop(0) if self.scripts else "ready"))
        return number

    def give(self, worker: int, shard: Shard) -> None:
        self.given.append(shard.name)
        self.said.append((worker, "lost" if shard.name == "deadly" else shard))

    def messages(self):
        worker, word = self.said.pop(0)
        words = {"ready": Ready(), "lost": Lost("signal 9"), "refused": Refused("there is no such model")}
        record = Record(source="", size=0, mtime_ns=0, sha256="", plan="", output_size=0, questions=1, links=0, bad_lines=0)
        yield worker, words[word] if isinstance(word, str) else Done(word, record)


def test_a_shard_that_ends_its_workers_is_given_up():
    crew = Script()
    shards = [Shard(Path(name), name) for name in ("one", "deadly", "two")]
    found = [(type(result), result.shard.name) for result in run_shards(crew, shards, 2)]
    assert sorted(found, key=str) == sorted([(Done, "one"), (Done, "two"), (Failed, "deadly")], key=str)
    assert sorted(crew.given) == ["deadly"] * TRIES + ["one", "two"]


def test_workers_that_cannot_start_are_one_sentence():
    with pytest.raises(ElqError, match="3 workers ended before they could link .signal 9."):
        list(run_shards(Script(*["lost"] * 9), [Shard(Path("a"), "a"), Shard(Path("b"), "b")], 2))
    with pytest.raises(ElqError, match="there is no such model"):
        list(run_shards(Script("refused"), [Shard(Path("a"), "a")], 1))


def test_files_are_found_by_folder_pattern_and_name(inputs):
    def names(source: object) -> list[str]:
        return [shard.name for shard in find_shards(str(source), "jsonl")[0]]

    assert names(inputs) == ["2024/e.jsonl", "a.jsonl", "b.jsonl", "c.jsonl", "d.jsonl"]
    assert names(inputs / "*.jsonl*") == ["a.jsonl", "b.jsonl"]
    assert names(inputs / "**" / "*.parquet") == ["2024/e.jsonl"]
    assert names(inputs / "20*" / "*") == ["2024/e.jsonl"]
    assert names(inputs / "c.txt") == ["c.jsonl"]
    (inputs / "page.html").touch()
    assert find_shards(str(inputs), "jsonl")[1] == 1


def test_what_cannot_be_done_is_one_sentence(inputs, tmp_path, capsys):
    def said(source: object, output: Path, *more: str) -> str:
        assert run("bulk", command(source, output, *more)) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    assert "has no file that can be read" in said(tmp_path / "nowhere" / "*", tmp_path / "out")
    assert "lies in the input" in said(inputs, inputs / "out")
    assert "lies in the input" in said(inputs / "*.jsonl", inputs)
    record = inputs / "deep" / "_elq" / "shards" / "a.jsonl.json"
    record.parent.mkdir(parents=True)
    record.touch()
    shutil.copy(inputs / "a.jsonl", inputs / "deep")
    assert "lies in the input" in said(inputs / "**" / "*.jsonl", inputs / "deep")
    shutil.rmtree(inputs / "deep")
    assert "--workers is 0" in said(inputs, tmp_path / "out", "--workers", "0")
    assert "there is no question" in said(inputs / "d.csv", tmp_path / "out", "--text-column", "question")
    assert "--columns is given" in said(inputs, tmp_path / "out", "--columns", "id=x")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "a.jsonl").touch()
    assert "was not made by `elq bulk`" in said(inputs, tmp_path / "foreign")
    with FileLock(tmp_path / "foreign" / "_elq" / "lock"):
        assert "another `elq bulk` writes" in said(inputs, tmp_path / "foreign")
    shutil.copy(inputs / "a.jsonl", inputs / "a.ndjson")
    assert "would both be linked to a.jsonl" in said(inputs, tmp_path / "out")


class Hanging:
    """A job whose worker closes its pipe, but does not end: a library may hang when an interpreter ends."""

    @property
    def opening(self) -> dict[str, str]:
        for number in range(3, 256):
            with suppress(OSError):
                if stat.S_ISSOCK(os.fstat(number).st_mode):
                    os.close(number)
        time.sleep(600)
        return {}


class Broken:
    """A job whose worker fails with an error that is no ElqError before it says anything."""

    @property
    def opening(self) -> dict[str, str]:
        raise MemoryError


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")
@pytest.mark.parametrize(("job", "reason"), [(Hanging(), "signal 9"), (Broken(), "exit code 1")])
def test_a_worker_that_goes_silent_is_lost_and_not_waited_for(monkeypatch, job, reason):
    monkeypatch.setattr(processes, "ENDING", 0.5)
    crew = processes.Processes(job, {}, 2)
    try:
        worker = crew.start()
        crew.give(worker, Shard(Path("a.txt"), "a.jsonl"))
        assert list(crew.messages()) == [(worker, Lost(reason))]
        crew.give(worker, Shard(Path("a.txt"), "a.jsonl"))  # too late, and no error
    finally:
        crew.close()
