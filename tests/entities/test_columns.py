"""Catalogue files as people have them: delimiters, encodings, lists in cells, other names of columns, and mistakes."""

import bz2
import gzip
import hashlib
import json
import logging
import lzma

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from elq.entities.catalogue import SCHEMA, WITHOUT_DATA, Catalogue, write_catalogue
from elq.entities.catalogue_files import SAMPLE, read_entities
from elq.entities.cells import Splitting, splitting_of
from elq.errors import ElqError
from elq.types import Entity
from tests.conftest import RECORDS, write_lines

PLAIN = "id,title,description,aliases,types\nE1,Port Alder,town,Alder|PA,town\nNA,Null,None,,\n"
READ = [
    Entity("E1", "Port Alder", "Port Alder", "town", ("Alder", "PA"), ("town",)),
    Entity("NA", "Null", "Null", "None"),
]


@pytest.fixture(autouse=True)
def _all_levels(caplog):
    caplog.set_level(logging.INFO)


def read(folder, name, content, columns=None):
    content = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(content)
    return list(read_entities(folder / name, columns))


@pytest.mark.parametrize("name", ["c.csv", "c.CSV", "c.tsv", "c.TSV"])
@pytest.mark.parametrize(("delimiter", "words"), [(",", ""), (";", "a semicolon"), ("\t", "a tab")])
def test_the_delimiter_is_found_and_said(name, delimiter, words, tmp_path, caplog):
    assert read(tmp_path, name, PLAIN.replace(",", delimiter)) == READ
    assert f"the values are divided by {words}" in caplog.text if words else "divided" not in caplog.text


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("id|title\nE1|Lake, Upper; the\n", "Lake, Upper; the"),
        ('id;title;"aliases, types"\nE1;Lake, Upper;a,b\n', "Lake, Upper"),
        ("id;title;area, km\nE1;Lake;7,5\n", "Lake"),
        ("sep=;\nid;title\nE1;Lake\n", "Lake"),
        ("id,title\rE1,Lake\r", "Lake"),
        ('id,title\r\nE1,"Lake\r\nUpper"\r\n', "Lake\r\nUpper"),
        (" id , title \nE1,Lake\n", "Lake"),
        ("ID;Title\nE1;Lake\n", "Lake"),
        (",id,title,\n0,E1,Lake,\n\n,,,\n", "Lake"),
        ('id, title\nE1, "Lake, Upper"\n', "Lake, Upper"),
    ],
)
def test_tables_of_many_programs_are_read(text, title, tmp_path):
    assert [(one.id, one.title) for one in read(tmp_path, "c.csv", text)] == [("E1", title)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,title\nE1,a\nE2,b, c\n", "line 3: the row has 3 fields, but the header names 2 columns"),
        ("id,title,title\nE1,a,b\n", "line 1: the header names the column 'title' twice"),
        ('id,title\nE1,a\nE2,"say \\"hi\\""\n', r'after record 1 \(line 3: .*write "" for a quote'),
        (
            b"id,title\nE1,caf\xe9\n",
            r"line 2: byte 6 \(0xe9\) is not UTF-8: save the file as UTF-8 \(if it is 'é'",
        ),
        ("id,title\n".encode("utf-16-le"), "line 1: every second byte is zero, as in UTF-16 without its mark"),
        ("E1,Lake\nE2,Sea\n", "has no column title or label .its columns: E1, Lake.: .* the first row of a table must have"),
        (b"PK\x03\x04stuff", "is a zip file or a spreadsheet: unpack it"),
        ("id,title\n", "c.csv has no records, but a linker needs at least one entity"),
        ("id,title\nE1,a\nE2,b\nE1,c\nE2,d\n", r"line 4: the id 'E1' is that of line 2 too \(2 ids occur more than once\)"),
        ("id,title\nE1,a\n ,b\n", r"line 3: the record has no id"),
    ],
)
def test_a_bad_table_is_one_sentence_with_the_line(text, message, tmp_path):
    with pytest.raises(ElqError, match=message):
        read(tmp_path, "c.csv", text)


def test_rows_that_lack_values_are_counted(tmp_path, caplog):
    assert read(tmp_path, "c.csv", PLAIN + "E3,Lake\n")[2] == Entity("E3", "Lake", "Lake")
    assert "rows with fewer fields than the header: 1, the first one in line 4" in caplog.text


@pytest.mark.parametrize("pack", [lambda x: x, gzip.compress, bz2.compress, lzma.compress], ids=["plain", "gz", "bz2", "xz"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_packed_files_and_byte_order_marks(pack, encoding, tmp_path):
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in RECORDS)
    write_lines(tmp_path / "plain.jsonl", RECORDS)
    expected = list(read_entities(tmp_path / "plain.jsonl"))
    suffix = {gzip.compress: ".gz", bz2.compress: ".BZ2", lzma.compress: ".xz"}.get(pack, "")
    forms = {
        "c.csv": PLAIN,
        "c.JSONL": lines,
        "c.ndjson": lines,
        "c.json": json.dumps(RECORDS, indent=1),
        "d.json": json.dumps({record["id"]: {key: record[key] for key in record if key != "id"} for record in RECORDS}),
        "e.json": json.dumps({"version": 1, "entities": RECORDS}),
        "f.json": lines,
    }
    for name, text in forms.items():
        assert read(tmp_path, name + suffix, pack(text.encode(encoding))) == (READ if "csv" in name else expected)


def test_a_damaged_or_cut_file_is_one_sentence(tmp_path):
    packed = gzip.compress("".join(f'{{"id": "E{n}", "title": "name {n * n}"}}\n' for n in range(5_000)).encode())
    with pytest.raises(ElqError, match=r"c\.jsonl\.gz could not be read after line \d+ .*: the file is damaged or incomplete"):
        read(tmp_path, "c.jsonl.gz", packed[: len(packed) // 2])
    with pytest.raises(ElqError, match=r"c\.json: not valid JSON \(.*line 1 column"):
        read(tmp_path, "c.json", '[{"id": 1, "title": "a"}')
    with pytest.raises(ElqError, match=r"c\.json, record 2 is 'E2', but must be an object"):
        read(tmp_path, "c.json", '[{"id": 1, "title": "a"}, "E2"]')
    with pytest.raises(ElqError, match=r"line 1: .*one JSON array must have a name that ends in \.json"):
        read(tmp_path, "c.jsonl", '[\n{"id": 1, "title": "a"}]')
    with pytest.raises(ElqError, match="is a folder, but must be a file"):
        list(read_entities(tmp_path))


@pytest.mark.parametrize(
    ("cells", "items"),
    [
        (["a|b", "c"], [("a", "b"), ("c",)]),
        (['["a", "b"]', "c"], [("a", "b"), ("c",)]),
        (["['Bob\\'s', \"Al's\"]", "[]"], [("Bob's", "Al's"), ()]),
        (["['a' 'b']", "[sic]"], [("a", "b"), ("[sic]",)]),
        (["a; b;c", "Tom &amp; Jerry"], [("a", "b", "c"), ("Tom &amp; Jerry",)]),
        (["a\nb", "c"], [("a", "b"), ("c",)]),
        (["Obama, Barry, Barack H.", "City of Light, Paname"], [("Obama", "Barry", "Barack H."), ("City of Light", "Paname")]),
        (
            ["NYC,Big Apple,New York", "Chi-Town,Windy City", "LA"],
            [("NYC", "Big Apple", "New York"), ("Chi-Town", "Windy City"), ("LA",)],
        ),
        (["10,000 Lakes", "Steins;Gate"], [("10,000 Lakes",), ("Steins;Gate",)]),
        (["Paris, Texas", "Paris", "Rome"], [("Paris, Texas",), ("Paris",), ("Rome",)]),
        (
            ["Erie, Ohio, USA", "Troy, Ohio, USA", "York, Utah, USA"],
            [("Erie, Ohio, USA",), ("Troy, Ohio, USA",), ("York, Utah, USA",)],
        ),
    ],
)
def test_lists_in_cells_are_split_where_that_is_clear(cells, items, tmp_path, caplog):
    records = [{"id": f"E{n}", "title": f"name {n}", "aliases": cell} for n, cell in enumerate(cells)]
    write_lines(tmp_path / "c.jsonl", records)
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "c.parquet")
    quoted = "".join(
        ",".join('"' + str(value).replace('"', '""') + '"' for value in record.values()) + "\n" for record in records
    )
    (tmp_path / "c.csv").write_text("id,title,aliases\n" + quoted)
    for name in ("c.jsonl", "c.parquet", "c.csv"):
        caplog.clear()
        assert [one.aliases for one in read_entities(tmp_path / name)] == items
        documented = any("|" in cell for cell in cells)
        assert ("aliases: the cell" in caplog.text) != documented


@pytest.mark.parametrize(
    ("field", "column", "cells", "expected"),
    [
        ("aliases", "aka", ["Paris, Texas", "Rome"], Splitting("", "Paris, Texas", doubtful=True)),
        ("aliases", "itemAltLabel", ["Paris, Texas", "Rome"], Splitting(",", "Paris, Texas")),
        ("types", "types", ["book, novel", "town"], Splitting(",", "book, novel")),
        ("types", "types", ["person|writer", "book, novel"], Splitting("", "book, novel", doubtful=True)),
        (
            "types",
            "types",
            ["district of the city of Ulm, Germany"],
            Splitting("", "district of the city of Ulm, Germany", doubtful=True),
        ),
        ("aliases", "aka", ["Steins;Gate", "x"], Splitting("", "Steins;Gate", doubtful=True)),
        ("aliases", "aka", ["x"], None),
    ],
)
def test_a_doubtful_cell_is_shown_and_stays_whole(field, column, cells, expected):
    assert splitting_of(field, column, cells) == expected


def test_a_doubtful_cell_is_a_warning(tmp_path, caplog):
    read(tmp_path, "c.csv", 'id,title,aliases\nE1,Paris,"Paris, Texas"\nE2,Rome,Roma\n')
    assert [r.getMessage() for r in caplog.records if r.levelname == "WARNING"] == [
        "aliases: the cell 'Paris, Texas' is read as one item; if it has several, write \"|\" between the items of every cell"
    ]


def test_a_mapped_column_that_is_not_there_is_refused_with_those_of_the_file(tmp_path):
    for columns in ({"aliases": "aka"}, {"title": "nosuch"}):
        pair = "=".join(*columns.items())
        with pytest.raises(
            ElqError, match=rf"columns has {pair}, but .*c\.csv has no such column: its columns are id, title, desc"
        ):
            read(tmp_path, "c.csv", PLAIN, columns)


def test_a_column_with_a_similar_name_is_named(tmp_path, caplog):
    with pytest.raises(ElqError, match=r"has no column id: .* give --columns id=item,title=itemLabel,aliases=itemAltLabel, or"):
        read(tmp_path, "c.csv", "item,itemLabel,itemAltLabel\nQ1,a,b\n")
    with pytest.raises(ElqError, match=r"has no column title: .* give --columns title=name"):
        read(tmp_path, "c.csv", "id,name\nQ1,a\n")
    read(tmp_path, "c.csv", "id,title,synonyms,desc\nQ1,a,b,c\n")
    assert "has no column aliases, but a column synonyms: if that is the same, give --columns aliases=synonyms" in caplog.text
    assert "has no column description, but a column desc" in caplog.text


def test_fill_rates_and_further_columns_are_said_and_kept(tmp_path, caplog):
    text = "id,title,price,url,types\nE1,Kettle,12.50,http://x/1,\nE2,Fan,,http://x/2,appliance\n"
    entities = read(tmp_path, "c.csv", text)
    assert "read 2 records: title 2, description 0 of 2, aliases 0 of 2, types 1" in caplog.text
    assert "further columns, kept as data of each entity: price, url" in caplog.text
    assert [dict(one.data) for one in entities] == [{"price": "12.50", "url": "http://x/1"}, {"url": "http://x/2"}]
    records = [{"id": "E1", "title": "a", "data": {"url": "u"}, "price": 12.5, "new": True, "tags": ["x"], "no": None}]
    write_lines(tmp_path / "c.jsonl", records)
    assert dict(next(read_entities(tmp_path / "c.jsonl")).data) == {"url": "u", "price": "12.5", "new": "true", "tags": '["x"]'}
    write_catalogue(entities, tmp_path / "c.arrow")
    catalogue = Catalogue(tmp_path / "c.arrow")
    assert [*catalogue] == [catalogue[0], catalogue[1]] == [*catalogue.records([0, 1]).values()] == entities


def test_an_older_catalogue_without_data_opens_and_has_the_same_hash(tmp_path):
    entities = [Entity("E1", "a", "a"), Entity("E2", "b", "b", aliases=("c",))]
    digest = write_catalogue(entities, tmp_path / "new.arrow")
    with pa.ipc.open_file(tmp_path / "new.arrow") as new, pa.ipc.new_file(tmp_path / "old.arrow", WITHOUT_DATA) as old:
        old.write_table(new.read_all().drop_columns("data"))
    assert [*Catalogue(tmp_path / "old.arrow")] == entities
    lines = '["E1","a","a","",[],[],0]["E2","b","b","",["c"],[],0]'
    assert digest == hashlib.sha256(lines.encode()).hexdigest()
    assert write_catalogue([Entity("E1", "a", "a", data={"x": "y"}), entities[1]], tmp_path / "more.arrow") != digest
    assert SCHEMA.names[:-1] == WITHOUT_DATA.names


def test_what_is_probably_a_mistake_is_a_warning(tmp_path, caplog):
    read(tmp_path, "c.jsonl", '{"id": 1, "name": "a", "label": "SKILL"}\n{"id": 2, "name": "b", "label": "SKILL"}\n')
    assert "all 2 titles are 'SKILL': name the column that has the names by --columns title=COLUMN" in caplog.text
    read(tmp_path, "c.csv", "id,title,name\n1,Q42,a\n2,http://x/y,b\n3,Rome,c\n")
    assert "2 of 3 titles look like ids or numbers: name the column" in caplog.text
    read(tmp_path, "c.csv", "id,title\nhttp://wd/Q9,Q9\n2,Oslo\n3,Rome\n")
    assert "the title 'Q9' of http://wd/Q9 looks like an id" in caplog.text
    caplog.clear()
    read(tmp_path, "c.csv", PLAIN)
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []


def test_ids_are_texts_or_whole_numbers_or_all_made_from_the_lines(tmp_path, caplog):
    lines = '{"id": 7, "title": "a"}\n{"id": " E2 ", "title": "b"}\n'
    assert [one.id for one in read(tmp_path, "c.jsonl", lines)] == ["7", "E2"]
    for bad in ('["x"]', "{}", "1.5", "true"):
        with pytest.raises(ElqError, match=r"c\.jsonl, line 3: id is .*, but must be a string or a whole number"):
            read(tmp_path, "c.jsonl", f'{lines}{{"id": {bad}, "title": "c"}}\n')
    with pytest.raises(ElqError, match=r"c\.jsonl, line 3: the record has no id"):
        read(tmp_path, "c.jsonl", lines + '{"id": null, "title": "c"}\n')
    assert "so the ids are" not in caplog.text
    assert [one.id for one in read(tmp_path, "c.jsonl", '\n{"title": "a"}\n{"id": null, "title": "b"}\n')] == ["2", "3"]
    assert "no record has an id, so the ids are the numbers of the lines" in caplog.text


def test_an_id_that_comes_after_the_sample_is_seen_too(tmp_path):
    write_lines(tmp_path / "c.jsonl", [{"id": n, "title": f"name {n}"} for n in [*range(SAMPLE + 5), 3]])
    with pytest.raises(ElqError, match=f"line {SAMPLE + 6}: the id '3' is that of line 4 too"):
        list(read_entities(tmp_path / "c.jsonl"))


def test_null_in_a_list_is_no_item(tmp_path):
    assert read(tmp_path, "c.jsonl", '{"id": 1, "title": "a", "aliases": [null, "b"]}\n')[0].aliases == ("b",)


def test_wikidata_s_nested_records_are_recognised(tmp_path):
    value = {"language": "en", "value": "Berlin"}
    for record in (
        {"id": "Q64", "labels": {"en": value}, "descriptions": {}, "aliases": {}},
        {"id": "Q64", "title": "x", "aliases": [value]},
        {"id": "Q64", "title": "x", "aliases": {"en": [value]}},
    ):
        with pytest.raises(ElqError, match="has the records of a Wikidata dump .* make one by `elq catalogue"):
            read(tmp_path, "c.json", json.dumps([record]))


def test_underscores_of_wiki_titles_come_off(tmp_path, caplog):
    titles = [one.title for one in read(tmp_path, "c.csv", "id,title\n1,Titanic_(1997_film)\n2,New_York_City\n3,Paris\n")]
    assert titles == ["Titanic (1997 film)", "New York City", "Paris"]
    assert "\"_\" in names is read as a blank, as in 'Titanic_(1997_film)'" in caplog.text
    titles = [one.title for one in read(tmp_path, "c.csv", "id,title\n1,Titanic_(1997_film)\n2,read_csv\n3,St. Louis\n")]
    assert titles == ["Titanic (1997 film)", "read_csv", "St. Louis"]
