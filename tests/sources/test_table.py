"""Any catalogue file becomes a checked Parquet file."""

import pytest

from elq.entities.catalogue_files import read_entities
from elq.errors import ElqError
from elq.sources.convert import convert
from elq.sources.kinds import kind_of
from tests.sources.reading import read, written


def test_a_csv_file_keeps_its_columns(tmp_path):
    rows = "code,title,aliases,price\nA1,Drill,Bosla 18|drill driver,89\nA2,,,\nA3,Saw,,12\n"
    path = written(tmp_path / "c.csv", rows)
    assert kind_of(path) == "table"
    records, skips = read(path, columns={"id": "code"})
    assert records["A1"]["aliases"] == ["Bosla 18", "drill driver"]
    assert records["A1"]["price"] == "89"
    assert skips.counts == {"with a wrong value": 1}
    assert skips.first["with a wrong value"].startswith("line 3: entity A2 has neither title nor label")


def test_the_parquet_file_is_read_as_the_file_was(tmp_path):
    path = written(tmp_path / "c.jsonl", '{"id": "Q90", "title": "Paris", "popularity": 7, "country": "France"}\n')
    convert(path, tmp_path / "c.parquet")
    assert list(read_entities(tmp_path / "c.parquet")) == list(read_entities(path))


def test_rows_that_repeat_their_ids_are_said(tmp_path, caplog):
    path = written(tmp_path / "terms.csv", "id,title\nC1,Aspirin\nC1,ASA\nC1,aspirin\n")
    with pytest.raises(AssertionError):
        read(path)
    assert "--kind mesh joins the rows of an id" in caplog.text
    assert read(path, kind="mesh")[0]["C1"]["aliases"] == ["ASA", "aspirin"]


def test_a_file_without_records_is_one_sentence(tmp_path):
    with pytest.raises(ElqError, match="has no records"):
        read(written(tmp_path / "c.csv", "id,title\n"))
