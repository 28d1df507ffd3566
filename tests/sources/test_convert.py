"""A catalogue is made of any source: bad records are counted, columns are kept, and a run that was killed resumes."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from elq.entities.catalogue_files import read_entities
from elq.errors import ElqError
from elq.sources import kinds, pool
from elq.sources.convert import convert
from elq.sources.source import Options, Source

ROOT = Path(__file__).resolve().parents[2]


class Lines(Source):
    """One record a line: id, title, types and one further column, with tabs between them. Types are ids."""

    uses = frozenset({"columns"})
    linked = True
    parallel = True

    def records(self):
        for chunk in self.chunks():
            yield from self.parse(chunk, self.skips, {})

    def chunks(self):
        with self.path.open(encoding="utf-8") as stream:
            while lines := [line for _, line in zip(range(100), stream, strict=False)]:
                self.done += sum(map(len, lines))
                yield lines

    def parse(self, chunk, skips, others):
        for line in chunk:
            if "SLOW" in os.environ:
                time.sleep(0.002)
            identity, title, types, *more = line.rstrip("\n").split("\t")
            if title.startswith("class"):
                others[identity] = title
                skips.add("a class", identity)
            else:
                yield {
                    "id": identity,
                    "title": title,
                    "types": types.split(),
                    "year" if more else "no": more[0] if more else "",
                }


@pytest.fixture(autouse=True)
def kind(monkeypatch):
    monkeypatch.setitem(kinds.KINDS, "lines", "tests.sources.test_convert:Lines")


def written(path, count=1000):
    lines = [f"Q{n}\tname {n}\tC{n % 3} C9\t{n}\n" for n in range(count)] + [
        "C0\tclass 0\t\n",
        "C1\tclass 1\t\n",
        "C2\ta kind\t\n",
    ]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def test_records_become_a_catalogue_with_all_columns(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    source = written(tmp_path / "a.txt")
    assert convert(source, tmp_path / "c.parquet", kind="lines", processes=1) == 1001
    entities = list(read_entities(tmp_path / "c.parquet"))
    assert entities[4].types == ("class 1",)
    assert entities[5].types == ("a kind",)
    assert entities[4].data == {"year": "4"}
    assert "left out 2 records: a class (the first: C0)" in caplog.text
    assert "1 of 4 types are left out" in caplog.text
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_bad_records_are_counted(tmp_path, caplog):
    source = tmp_path / "a.txt"
    source.write_text("Q1\tone\t\nQ2\t\t\nNIL\tnothing\t\nQ1\tagain\t\n\tno id\t\n", encoding="utf-8")
    assert convert(source, tmp_path / "c.parquet", kind="lines") == 1
    assert "left out 1 record: no title or label (the first: Q2)" in caplog.text
    assert "left out 2 records: a wrong value (the first: NIL: an entity has the id NIL" in caplog.text
    assert "left out 1 record: the id of an earlier record (the first: Q1)" in caplog.text


def test_a_source_without_a_good_record_makes_no_file(tmp_path):
    source = tmp_path / "a.txt"
    source.write_text("Q2\t\t\n", encoding="utf-8")
    with pytest.raises(ElqError, match="has no record that can be an entity"):
        convert(source, tmp_path / "c.parquet", kind="lines")
    assert not (tmp_path / "c.parquet").exists()


def test_processes_give_the_same_file(tmp_path):
    source = written(tmp_path / "a.txt")
    for number in (1, 2):
        convert(source, tmp_path / f"{number}.parquet", kind="lines", processes=number)
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()


CODE = """
import sys
from elq.sources import kinds
from elq.sources.convert import convert
kinds.KINDS["lines"] = "tests.sources.test_convert:Lines"
if __name__ == "__main__":
    convert(sys.argv[1], sys.argv[2], kind="lines", processes=int(sys.argv[3]))
"""


@pytest.mark.parametrize("processes", [1, 2])
def test_a_killed_run_resumes(tmp_path, monkeypatch, processes, caplog):
    source = written(tmp_path / "a.txt", 3000)
    (tmp_path / "run.py").write_text(CODE, encoding="utf-8")
    arguments = [sys.executable, str(tmp_path / "run.py"), str(source), str(tmp_path / "c.parquet"), str(processes)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SLOW": "1"}
    child = subprocess.Popen(arguments, env=environment)
    parts = tmp_path / ".c.parquet.parts"
    for _ in range(600):
        if len(list(parts.glob("*.parquet"))) > 4:
            break
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not (tmp_path / "c.parquet").exists()
    left = len(list(parts.glob("*[0-9].parquet")))
    assert 4 < left < 30
    parsed = []
    monkeypatch.setattr(pool, "write_part", lambda *given, real=pool.write_part: parsed.append(given[1]) or real(*given))
    caplog.set_level(logging.INFO)
    convert(source, tmp_path / "c.parquet", kind="lines", processes=1)
    assert "finished parts of an earlier run are used again" in caplog.text
    assert len(parsed) <= 31 - left
    convert(source, tmp_path / "whole.parquet", kind="lines", processes=1)
    assert (tmp_path / "c.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_parts_of_other_options_are_not_used(tmp_path, monkeypatch):
    source = written(tmp_path / "a.txt")
    monkeypatch.setattr("elq.sources.convert.merge_parts", lambda *_, **__: (_ for _ in ()).throw(ElqError("stopped")))
    with pytest.raises(ElqError, match="stopped"):
        convert(source, tmp_path / "c.parquet", kind="lines", processes=1)
    monkeypatch.undo()
    monkeypatch.setitem(kinds.KINDS, "lines", "tests.sources.test_convert:Lines")
    parsed = []
    monkeypatch.setattr(pool, "write_part", lambda *given, real=pool.write_part: parsed.append(given[1]) or real(*given))
    convert(source, tmp_path / "c.parquet", kind="lines", options=Options(columns={"id": "x"}), processes=1)
    assert len(parsed) == 11


def test_an_option_of_another_kind_is_refused(tmp_path):
    with pytest.raises(ElqError, match="--min-sitelinks is not an option of the kind lines, whose options are --columns"):
        convert(written(tmp_path / "a.txt"), tmp_path / "c.parquet", kind="lines", options=Options(min_sitelinks=2))


def test_wrong_paths_are_refused(tmp_path):
    with pytest.raises(ElqError, match="does not exist"):
        convert(tmp_path / "no.txt", tmp_path / "c.parquet")
    with pytest.raises(ElqError, match=r"must end in \.parquet"):
        convert(written(tmp_path / "a.txt"), tmp_path / "c.jsonl")
    with pytest.raises(ElqError, match="--kind is 'x', but the kinds are wikidata"):
        convert(written(tmp_path / "a.txt"), tmp_path / "c.parquet", kind="x")
    (tmp_path / "b.bin").write_text("hello", encoding="utf-8")
    with pytest.raises(ElqError, match="give --kind"):
        convert(tmp_path / "b.bin", tmp_path / "c.parquet")


def test_row_groups_are_joined(tmp_path, monkeypatch):
    monkeypatch.setattr("elq.sources.merge.GROUP", 300)
    convert(written(tmp_path / "a.txt"), tmp_path / "c.parquet", kind="lines", processes=1)
    file = pq.ParquetFile(tmp_path / "c.parquet")
    assert [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)] == [300, 300, 300, 101]
    assert [entity.id for entity in read_entities(tmp_path / "c.parquet")][:1000] == [f"Q{n}" for n in range(1000)]
