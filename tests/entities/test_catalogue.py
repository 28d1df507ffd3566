import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from elq.entities.catalogue import Catalogue, write_catalogue
from elq.entities.catalogue_files import entity_from_record, read_entities
from elq.errors import ElqError
from elq.types import Entity
from tests.conftest import RECORDS, write_lines


def test_write_then_read_is_the_identity(tmp_path):
    entities = [entity_from_record(record) for record in RECORDS]
    digest = write_catalogue(entities, tmp_path / "c.arrow")
    catalogue = Catalogue(tmp_path / "c.arrow")
    assert list(catalogue) == entities
    assert [catalogue[row] for row in range(len(catalogue))] == entities
    assert catalogue.rows(["Q116", "nobody", "Q90"]).tolist() == [5, -1, 0]
    assert catalogue.rows([]).tolist() == []
    assert catalogue.sha256 == digest == write_catalogue(catalogue, tmp_path / "again.arrow")
    with pytest.raises(IndexError, match="row 7"):
        catalogue[7]


def test_many_chunks_keep_the_order(tmp_path, monkeypatch):
    monkeypatch.setattr("elq.entities.catalogue.CHUNK", 3)
    entities = [Entity(f"E{n}", f"name {n}", f"name {n}") for n in range(10)]
    write_catalogue(entities, tmp_path / "c.arrow")
    assert list(Catalogue(tmp_path / "c.arrow")) == entities
    assert Catalogue(tmp_path / "c.arrow").rows(["E9", "E3"]).tolist() == [9, 3]


@pytest.mark.parametrize("rows", [[], [9], [-1, 3, 4, 3, 0], range(10)])
def test_rows_of_many_chunks(rows, tmp_path, monkeypatch):
    monkeypatch.setattr("elq.entities.catalogue.CHUNK", 3)
    entities = [Entity(f"E{n}", f"name {n}", f"name {n}", data={"n": str(n)}) for n in range(10)]
    for first in (0, 6):
        write_catalogue(entities[first : first + 6], tmp_path / f"{first}.arrow")
    catalogue, known = Catalogue(tmp_path / "0.arrow", tmp_path / "6.arrow"), sorted({row for row in rows if row >= 0})
    assert catalogue.records(rows) == {row: entities[row] for row in known}
    assert [*catalogue.records(rows)] == known
    assert catalogue.titles(rows) == {row: (entities[row].id, entities[row].title) for row in known}
    for ask in (catalogue.records, catalogue.titles):
        with pytest.raises(IndexError, match="row 10"):
            ask([10, 11])


def test_the_hash_sees_content_and_order(tmp_path):
    entities = [entity_from_record(record) for record in RECORDS]
    hashes = {
        write_catalogue(changed, tmp_path / "c.arrow")
        for changed in (entities, entities[::-1], [replace(entities[0], description="x"), *entities[1:]], entities[:-1])
    }
    assert len(hashes) == 4


def test_jsonl_csv_and_parquet_give_the_same_entities(tmp_path):
    expected = [entity_from_record(record) for record in RECORDS]
    write_lines(tmp_path / "c.jsonl", RECORDS)
    flat = [{**r, "aliases": "|".join(r.get("aliases", [])), "types": "|".join(r.get("types", []))} for r in RECORDS]
    columns = {"id": "qid", "title": "name"}
    header = ["qid", "name", "label", "description", "aliases", "types", "popularity"]
    rows = [[r["id"], r["title"], *(r.get(key, "") for key in header[2:])] for r in flat]
    quoted = "\n".join(",".join(json.dumps(str(cell)) for cell in row) for row in [header, *rows])
    (tmp_path / "c.csv").write_text(quoted + "\n")
    whole = [{"aliases": [], "types": [], "popularity": 0, **record} for record in RECORDS]
    pq.write_table(pa.Table.from_pylist(whole), tmp_path / "c.parquet")
    assert list(read_entities(tmp_path / "c.jsonl")) == expected
    assert list(read_entities(tmp_path / "c.csv", columns)) == expected
    assert list(read_entities(tmp_path / "c.parquet")) == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"title": "x"}', r"line 2: the record has no id \(its columns: title\)"),
        (b'{"id": "Q2"}', "line 2: entity Q2 has neither title nor label"),
        (b'{"id": "Q2", "title": ["x"]}', r"line 2: title is \['x'\], but must be a string"),
        (b'{"id": "Q2", "title": "x", "aliases": [1]}', r"line 2: aliases is \[1\], but must be a list of strings"),
        (b'{"id": "Q2", "title": "x", "popularity": -1}', "line 2: popularity is -1, but must be a whole number"),
        (b'{"id": "Q2", "title": "x", "popularity": Infinity}', "line 2: popularity is inf"),
        (b'{"id": "Q2", "title": "x", "popularity": 1e30}', r"line 2: popularity is 1e\+30"),
        (b'{"id": "Q2", "title": "\\ud83d"}', r"line 2: title is '\\ud83d', which contains half of a character"),
        (b'{"id": "Q2", "title": "x", "aliases": ["\\ud83d"]}', "line 2: aliases is .* half of a character"),
        (b'{"id": "Q2", "title": "x"', "line 2: not valid JSON"),
        (b'["Q2"]', "line 2: the line is a list, but must be a JSON object"),
        (b'{"id": "Q2", "title": "\xff"}', r"line 2: byte 23 \(0xff\) is not UTF-8"),
        (b'{"id": "Q1", "title": "x"}', r"bad\.jsonl, line 2: the id 'Q1' is that of line 1 too: remove the repeated records"),
    ],
)
def test_a_bad_record_is_named_by_file_and_line(line, message, tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_bytes(b'{"id": "Q1", "title": "one"}\n' + line + b"\n")
    with pytest.raises(ElqError, match=message):
        write_catalogue(read_entities(path), tmp_path / "c.arrow")
    assert [file.name for file in tmp_path.iterdir()] == ["bad.jsonl"]  # nothing half-written


def test_csv_values_stay_as_they_are_written(tmp_path):
    (tmp_path / "c.csv").write_text("id,title,aliases,popularity\n007,Null,NA|None,12\n08,1.50,,\n")
    first, second = read_entities(tmp_path / "c.csv")
    assert first == Entity("007", "Null", "Null", aliases=("NA", "None"), popularity=12)
    assert second == Entity("08", "1.50", "1.50")


def test_bad_sources(tmp_path):
    with pytest.raises(ElqError, match="does not exist"):
        list(read_entities(tmp_path / "none.csv"))
    with pytest.raises(ElqError, match=r"must end in one of \.jsonl, \.csv, \.parquet"):
        list(read_entities(tmp_path / "none.xml"))
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(ElqError, match="no records"):
        write_catalogue(read_entities(tmp_path / "empty.jsonl"), tmp_path / "c.arrow")
    (tmp_path / "bad.parquet").write_bytes(b"nonsense")
    with pytest.raises(ElqError, match="could not be read as parquet"):
        list(read_entities(tmp_path / "bad.parquet"))
    (tmp_path / "bad.csv").write_text("id,title,popularity\n1,one,\n2,two,many\n")
    with pytest.raises(ElqError, match=r"bad\.csv, line 3: popularity is 'many'"):
        list(read_entities(tmp_path / "bad.csv"))
    with pytest.raises(ElqError, match="names the field 'name'"):
        list(read_entities(tmp_path / "bad.csv", {"name": "title"}))
    (tmp_path / "c.arrow").write_bytes(b"nonsense")
    with pytest.raises(ElqError, match="not a readable catalogue"):
        Catalogue(tmp_path / "c.arrow")


@pytest.mark.data
def test_the_shared_catalogue_is_read_whole(shared, tmp_path):
    source = shared / "catalogue" / "wikidata_154k.jsonl"
    write_catalogue(read_entities(source), tmp_path / "c.arrow")
    catalogue = Catalogue(tmp_path / "c.arrow")
    with source.open(encoding="utf-8") as lines:
        for row, line in enumerate(lines):
            if row % 10_007 == 0:
                assert catalogue[row] == entity_from_record(json.loads(line))
    assert len(catalogue) == row + 1 == 154_212


def test_a_csv_row_with_more_values_than_columns_is_refused_unless_they_are_empty(tmp_path):
    (tmp_path / "c.csv").write_text("id,title,description\nQ1,Paris,capital of France,\n\nQ2,Rome,capital of Italy,,\n")
    assert [(one.id, one.title, one.description) for one in read_entities(tmp_path / "c.csv")] == [
        ("Q1", "Paris", "capital of France"),
        ("Q2", "Rome", "capital of Italy"),
    ]
    (tmp_path / "c.csv").write_text("id,title,description\nQ1,Paris,capital, of France\n")
    with pytest.raises(ElqError, match=r"c\.csv, line 2: the row has 4 fields, but the header names 3 columns"):
        list(read_entities(tmp_path / "c.csv"))


def test_a_csv_file_may_have_a_byte_order_mark_and_must_be_csv(tmp_path):
    (tmp_path / "c.csv").write_bytes("\ufeffid,title\nNA,Namibia\n".encode())
    assert [one.id for one in read_entities(tmp_path / "c.csv")] == ["NA"]
    for broken in (b'id,title\nQ1,"He said \\"hi\\""\n', b'id,title\nQ1,"open\n'):
        (tmp_path / "c.csv").write_bytes(broken)
        with pytest.raises(ElqError, match=r"c\.csv could not be read as csv after record 0 \(line 2: .*\): correct the file"):
            list(read_entities(tmp_path / "c.csv"))


def test_the_types_are_counted_without_removed_entities(tmp_path):
    types = (("film", "drama"), ("ship",), ("film",), (), ("only here",))
    entities = [Entity(f"e{row}", "a", "a", types=own) for row, own in enumerate(types)]
    write_catalogue(entities, tmp_path / "catalogue")
    counts = Catalogue(tmp_path / "catalogue", removed=frozenset({2, 4})).type_counts()
    assert [*counts.items()] == [("drama", 1), ("film", 1), ("ship", 1)]
    assert [*Catalogue(tmp_path / "catalogue").type_counts()] == ["film", "drama", "only here", "ship"]
