"""Wikidata: its dumps and entity files become records, whatever their form; what is broken is counted or said."""

import bz2
import gzip
import json
import logging
import lzma
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elq.commands import run
from elq.entities.catalogue_files import read_entities
from elq.errors import ElqError
from elq.sources import dump
from elq.sources.convert import convert
from elq.sources.redirects import read_redirects
from elq.sources.source import Options, Skips
from elq.sources.wikidata import WikidataSource
from elq.sources.wikidata_items import ItemReader, statements
from tests.conftest import SHARED

WD = "http://www.wikidata.org/entity/"
ROOT = Path(__file__).resolve().parents[2]


def term(language, value):
    return {"language": language, "value": value}


def statement(prop, value, kind="wikibase-item", rank="normal", snaktype="value"):
    value = {"entity-type": "item", "numeric-id": int(value[1:]), "id": value} if kind == "wikibase-item" else value
    snak = {"snaktype": snaktype, "property": prop, "datatype": kind, "hash": "0"}
    snak |= {"datavalue": {"value": value, "type": "string"}} if snaktype == "value" else {}
    return {"mainsnak": snak, "type": "statement", "id": "x", "rank": rank, "qualifiers": {}, "references": []}


def item(identity="Q44578", label="Titanic", types=("Q11424",), **more):
    made = {
        "type": "item",
        "id": identity,
        "labels": {"en": term("en", label), "de": term("de", f"{label} (de)"), "fr": term("fr", "Le Titanic")},
        "descriptions": {"en": term("en", "1997 film"), "de": term("de", "Film von 1997")},
        "aliases": {"en": [term("en", "Titanic 3D"), term("en", label)], "de": [term("de", "Die Titanic")]},
        "claims": {"P31": [statement("P31", one) for one in types], "P646": [statement("P646", "/m/0dr_4", "external-id")]},
        "sitelinks": {"enwiki": {"site": "enwiki", "title": "Titanic (1997 film)", "badges": []}, "dewiki": {"title": "T"}},
        "lastrevid": 1,
    }
    return {**made, **more}


def record_of(value, **options):
    skips, others = Skips(), {}
    return ItemReader(Options(**options)).record(value, "line 1", skips, others), {
        r: n for r, (n, _) in skips.content().items()
    }


def test_an_item_becomes_a_record():
    assert record_of(item())[0] == {
        "id": "Q44578",
        "title": "Titanic (1997 film)",
        "label": "Titanic",
        "description": "1997 film",
        "aliases": ["Titanic 3D"],
        "types": ["Q11424"],
        "popularity": 2,
        "P646": "/m/0dr_4",
    }


def test_languages_are_tried_in_their_order_and_the_others_give_aliases():
    record, _ = record_of(item(), languages=("de", "en"), site="dewiki")
    assert (record["title"], record["label"], record["description"]) == ("T", "Titanic (de)", "Film von 1997")
    assert record["aliases"] == ["Titanic", "Die Titanic", "Titanic 3D"]
    assert record_of(item(), languages=("sv", "fr"))[0]["label"] == "Le Titanic"
    several = item(
        labels={"mul": term("mul", "T."), "ru": term("ru", "Титаник")}, aliases={"mul": [term("mul", "T")]}, sitelinks={}
    )
    record, _ = record_of(several)
    assert (record["title"], record["label"], record["aliases"]) == ("T.", "T.", ["T"])
    assert record_of(several, languages=("sv",))[0]["description"] == ""
    assert record_of(item(labels={"ru": term("ru", "Титаник")}, sitelinks={})) == (None, {"no label in en, mul": 1})
    assert record_of(item(labels={}))[0]["label"] == "Titanic (1997 film)"


def test_only_the_best_statements_count():
    claims = {
        "P31": [
            statement("P31", "Q1", rank="deprecated"),
            statement("P31", "Q2"),
            statement("P31", "Q3", rank="preferred"),
            statement("P31", "", kind="x", snaktype="somevalue"),
            statement("P31", "", kind="x", snaktype="novalue"),
        ],
        "P106": [{"mainsnak": {"snaktype": "value", "datavalue": {"value": {"entity-type": "item", "numeric-id": 36180}}}}],
    }
    assert record_of(item(claims=claims))[0]["types"] == ["Q3"]
    assert record_of(item(claims={"P31": claims["P31"][:2]}))[0]["types"] == ["Q2"]
    assert record_of(item(claims=claims), type_properties=("P106", "P31"))[0]["types"] == ["Q36180", "Q3"]


def test_values_of_every_datatype_are_texts():
    values = {
        "tt0120338": "tt0120338",
        '{"text": "Titanic", "language": "en"}': "Titanic",
        '{"amount": "+194", "unit": "1"}': "+194",
        '{"time": "+1997-11-01T00:00:00Z", "precision": 11}': "+1997-11-01T00:00:00Z",
        '{"latitude": 1.5, "longitude": 2}': '{"latitude": 1.5, "longitude": 2}',
        '{"id": "L1-F2", "entity-type": "form"}': "L1-F2",
        '{"new": [1]}': '{"new": [1]}',
    }
    for value, text in values.items():
        value = json.loads(value) if value.startswith("{") else value
        assert list(statements({"claims": {"P1": [statement("P1", value, "new-datatype")]}}, "P1")) == [text]
    two = item(claims={"P345": [statement("P345", "a", "x"), statement("P345", "b", "x")]})
    assert record_of(two, external_ids=("P345",))[0]["P345"] == ["a", "b"]


INTERNAL = "a disambiguation, category, template or list of Wikimedia, which --internal-pages keeps"


@pytest.mark.parametrize(
    ("value", "options", "reason"),
    [
        (item(), {"min_sitelinks": 3}, "fewer than 3 sitelinks"),
        (item(), {"has_sitelink": True, "site": "svwiki"}, "no page in svwiki"),
        (item(), {"types": ("Q5",)}, "none of the types of --types"),
        (item(), {"without_types": ("Q5", "Q11424")}, "a type of --without-types"),
        (
            item(types=["Q4167410"]),
            {},
            "a disambiguation, category, template or list of Wikimedia, which --internal-pages keeps",
        ),
        ({"type": "property", "id": "P31", "labels": {}}, {}, "a property, a lexeme or another thing than an item"),
        ({"type": "lexeme", "id": "L7", "lemmas": {}}, {}, "a property, a lexeme or another thing than an item"),
        ([1], {}, "not a JSON object"),
        ({"missing": ""}, {}, "no id"),
    ],
)
def test_items_are_left_out_and_counted(value, options, reason):
    assert record_of(value, **options) == (None, {reason: 1})


def test_filters_keep_what_they_shall():
    assert record_of(item(), min_sitelinks=2, has_sitelink=True, types=("Q5", "Q11424"), without_types=("Q5",))[0]
    assert record_of(item(types=["Q4167410"]), internal_pages=True)[0]


ITEMS = [
    item(),
    item("Q90", "Paris", ["Q515", "Q5119"], sitelinks=[]),  # an empty object is written as an array
    {"type": "property", "id": "P31", "labels": {"en": term("en", "instance of")}},
    item("Q11424", "film", [], sitelinks={}),
    item("Q515", "city\u2028", [], sitelinks={}, aliases=[]),
    item("Q4167410", "Wikimedia disambiguation page", []),
    item("Q7", "Mercury", ["Q4167410"]),
]
WANTED = ["Q44578", "Q90", "Q11424", "Q515", "Q4167410"]


def lines_of(items):
    return [json.dumps(one, ensure_ascii=False) for one in items]


def array_of(items):
    return "[\n" + ",\n".join(lines_of(items)) + "\n]\n"


FORMS = {
    "array.json": array_of(ITEMS),
    "crlf.json": "\ufeff" + array_of(ITEMS).replace("\n", "\r\n"),
    "open.json": array_of(ITEMS).replace("[\n", "[").replace("\n]\n", "]"),
    "lines.jsonl": "\n\n".join(lines_of(ITEMS)),
    "minified.json": json.dumps(ITEMS),
    "pretty.json": json.dumps(ITEMS, indent=2),
    "entities.json": json.dumps({"entities": {one["id"]: one for one in ITEMS}}),
    "entities_pretty.json": json.dumps({"entities": {one["id"]: one for one in ITEMS}, "success": 1}, indent=1),
    "by_id.json": json.dumps({one["id"]: one for one in ITEMS}),
}
PACKED = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda data: pa.compress(data, "zstd", asbytes=True),
}


def made(path, tmp_path, **options):
    convert(path, tmp_path / "c.parquet", options=Options(**options), processes=options.pop("processes", 1))
    return list(read_entities(tmp_path / "c.parquet"))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_dump_gives_the_same_records(tmp_path, form):
    path = tmp_path / form
    path.write_text(FORMS[form], encoding="utf-8")
    entities = made(path, tmp_path)
    assert [one.id for one in entities] == WANTED
    assert entities[0].types == ("film",)
    assert entities[1].types == ("city",)
    assert entities[0].data == {"P646": "/m/0dr_4"}


@pytest.mark.parametrize("suffix", PACKED)
def test_dumps_are_unpacked(tmp_path, suffix):
    path = tmp_path / f"dump.json.{suffix}"
    data = FORMS["array.json"].encode()
    path.write_bytes(PACKED[suffix](data))
    assert [one.id for one in made(path, tmp_path)] == WANTED
    halves = data[: len(data) // 2], data[len(data) // 2 :]
    path.write_bytes(b"".join(map(PACKED[suffix], halves)))  # as programs write that pack on several cores
    assert [one.id for one in made(path, tmp_path)] == WANTED


@pytest.mark.parametrize("large", [True, False])
@pytest.mark.parametrize("suffix", PACKED)
def test_a_dump_that_was_cut_off_is_said(tmp_path, suffix, large):
    path = tmp_path / f"dump.json.{suffix}"
    more = [item(f"Q{n}", os.urandom(200).hex()) for n in range(1000, 3000)]
    packed = PACKED[suffix](array_of(more if large else ITEMS).encode())
    path.write_bytes(packed[: len(packed) * 2 // 3])
    with pytest.raises(ElqError, match="could not be read after line .* cut off, so get it again") as caught:
        convert(path, tmp_path / "c.parquet", kind="wikidata")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "c.parquet").exists()


def test_broken_lines_are_counted_and_an_array_without_an_end_is_said(tmp_path, caplog):
    path = tmp_path / "dump.json"
    lines = array_of(ITEMS).split("\n")
    lines[2] = lines[2][:40]
    path.write_text("\n".join(lines)[:-200], encoding="utf-8")
    assert [one.id for one in made(path, tmp_path)] == [*WANTED[:1], *WANTED[2:]]
    assert "left out 2 records: not valid JSON (the first: line 3: " in caplog.text
    assert "an array without an end" in caplog.text


def test_a_folder_of_entity_files_is_one_source(tmp_path):
    folder = tmp_path / "entities"
    folder.mkdir()
    for one in ITEMS:
        (folder / f"{one['id']}.json").write_text(json.dumps({"entities": {one["id"]: one}}), encoding="utf-8")
    (folder / "README.md").write_text("no entities", encoding="utf-8")
    entities = made(folder, tmp_path)
    assert {one.id for one in entities} == {*WANTED}
    assert next(one.types for one in entities if one.id == "Q44578") == ("film",)


def test_types_of_records_that_are_left_out_have_labels(tmp_path):
    path = tmp_path / "dump.json"
    path.write_text(array_of(ITEMS), encoding="utf-8")
    entities = made(path, tmp_path, min_sitelinks=1)
    assert [(one.id, one.types) for one in entities] == [("Q44578", ("film",)), ("Q4167410", ())]


def of_class(identity, *parents, **more):
    return item(identity, f"class {identity}", [], claims={"P279": [statement("P279", one) for one in parents]}, **more)


CLASSES = [  # a settlement is above a city, above a big city, above a capital; Q3 is old, and now Q1549591
    of_class("Q486972"),
    of_class("Q515", "Q486972"),
    of_class("Q5119", "Q1549591"),
    item("Q64", "Berlin", ["Q5119"]),
    item("Q3055", "Town", ["Q3"]),
    item("Q44578", "Titanic", ["Q11424"]),
    item("Q1", "City", ["Q515"]),
    of_class("Q1549591", "Q515", "Q5119"),  # a circle
    item(
        "Q7", "Wrong", ["Q8"], claims={"P31": [statement("P31", "Q8")], "P279": [statement("P279", "Q515", rank="deprecated")]}
    ),
]


@pytest.mark.parametrize("form", ["dump.json", "entities.jsonl", "document.json"])
def test_types_are_followed_to_their_subclasses(tmp_path, form, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(dump, "CHUNK", 1000)
    monkeypatch.setattr(dump, "HEAD", 1000)
    (tmp_path / "r.tsv").write_text("Q3 Q1549591\n", encoding="utf-8")
    path, given = tmp_path / form, {"redirects": str(tmp_path / "r.tsv")}
    whole = json.dumps({"entities": {one["id"]: one for one in CLASSES}}, indent=1)
    lines = "".join(json.dumps(one) + "\n" for one in CLASSES)
    path.write_text({"dump.json": array_of(CLASSES), "entities.jsonl": lines}.get(form, whole), encoding="utf-8")
    cities = [("Q64", ("class Q5119",)), ("Q3055", ("class Q1549591",)), ("Q1", ("class Q515",))]
    for kept, wanted in (("Q515", cities), ("Q486972", cities), ("Q5119", cities[:2]), ("Q11424", [("Q44578", ())])):
        found = made(path, tmp_path, types=(kept,), subclasses=True, **given)
        assert [(one.id, one.types) for one in found] == wanted
    assert "4 statements about subclasses: --types are" in caplog.text
    assert [one.id for one in made(path, tmp_path, types=("Q515",), **given)] == ["Q1"]
    left = {one.id for one in made(path, tmp_path, without_types=("Q515",), subclasses=True, **given)}
    assert left == {one["id"] for one in CLASSES} - {"Q64", "Q3055", "Q1"}


def test_the_subclasses_are_read_once(tmp_path, monkeypatch):
    path, options = tmp_path / "dump.json", Options(types=("Q515",), subclasses=True)
    path.write_text(array_of(CLASSES), encoding="utf-8")
    first, again = (WikidataSource(path, options, Skips()) for _ in range(2))
    first.prepare(tmp_path)
    path.write_text(array_of([]), encoding="utf-8")  # not read any longer
    again.prepare(tmp_path)
    assert again.reader.record(item("Q64", "Berlin", ["Q5119"]), "", Skips(), {})["id"] == "Q64"
    assert again.reader.record(item("Q64", "Berlin", ["Q11424"]), "", Skips(), {}) is None


def test_subclasses_without_types_are_refused(tmp_path):
    (tmp_path / "dump.json").write_text(array_of(CLASSES), encoding="utf-8")
    with pytest.raises(ElqError, match="--subclasses is given without --types and --without-types"):
        made(tmp_path / "dump.json", tmp_path, subclasses=True)


@pytest.mark.parametrize(
    "text",
    [
        "Q1001\tQ44578\nQ1002 Q1001\n",
        "old,new\nQ1001,Q44578\nQ1002,Q44578\n",
        f"<{WD}Q1001> <http://www.w3.org/2002/07/owl#sameAs> <{WD}Q44578> .\n"
        f"<{WD}Q5> <http://schema.org/about> <{WD}Q6> .\n{WD}Q1002 owl:sameAs {WD}Q44578 .\n",
    ],
)
def test_redirects_give_the_old_ids_of_entities(tmp_path, text):
    (tmp_path / "redirects.tsv").write_text(text, encoding="utf-8")
    redirects = read_redirects(tmp_path / "redirects.tsv")
    assert [redirects.current(one) for one in ("Q1001", "Q1002", "Q5", "Q44578", "x")] == [
        "Q44578",
        "Q44578",
        "Q5",
        "Q44578",
        "x",
    ]
    path = tmp_path / "dump.json"
    path.write_text(array_of([*ITEMS, item("Q8", "Old", ["Q1002"])]), encoding="utf-8")
    entities = made(path, tmp_path, redirects=str(tmp_path / "redirects.tsv"))
    assert entities[0].data["old_ids"] == '["Q1001", "Q1002"]'
    assert "old_ids" not in entities[1].data
    assert entities[-1].types == ("Titanic",)


def test_wrong_redirects_are_refused(tmp_path):
    (tmp_path / "r.tsv").write_text("Q1 Q2\nQ2 Q3\nQ3 Q1\nQ9 Q8\n", encoding="utf-8")
    with pytest.raises(ElqError, match="lead in a circle"):
        read_redirects(tmp_path / "r.tsv")
    (tmp_path / "r.tsv").write_text("old new\n", encoding="utf-8")
    with pytest.raises(ElqError, match="has no redirects: a line must have an old and a new id"):
        read_redirects(tmp_path / "r.tsv")


@pytest.mark.parametrize("size", [1, 100, 1000])
def test_the_size_of_chunks_changes_nothing(tmp_path, monkeypatch, size):
    path = tmp_path / "dump.json"
    path.write_text(array_of(ITEMS), encoding="utf-8")
    wanted = made(path, tmp_path)
    monkeypatch.setattr(dump, "CHUNK", size)
    monkeypatch.setattr(dump, "HEAD", 100)
    chunks = list(dump.read_chunks(path, lambda done: None))
    assert b"".join(one.data for one in chunks) == path.read_bytes()
    assert len(chunks) > 3
    assert all(
        path.read_bytes().splitlines(keepends=True)[one.line - 1] == one.data.splitlines(keepends=True)[0] for one in chunks
    )
    places = list(dump.ranges_of(path))  # the same chunks, found without reading the file
    assert [dump.read_range(one).data for one in places] == [one.data for one in chunks]
    source = WikidataSource(path, Options(), Skips())
    skips = Skips()
    read = [one["id"] for place in source.ranges(0) for one in source.parse(place, skips, {})]
    assert read == [one.id for one in wanted]
    convert(path, tmp_path / "d.parquet", processes=1, kind="wikidata")
    assert list(read_entities(tmp_path / "d.parquet")) == wanted


def test_only_plain_files_with_lines_have_ranges(tmp_path):
    for name, text in FORMS.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        has_lines = name in ("array.json", "crlf.json", "open.json", "lines.jsonl", "by_id.json")
        assert dump.has_ranges(tmp_path / name) == has_lines, name
    for suffix, packed in PACKED.items():
        path = tmp_path / f"dump.json.{suffix}"
        path.write_bytes(packed(FORMS["array.json"].encode()))
        assert WikidataSource(path, Options(), Skips()).ranges(0) is None


def test_the_place_of_a_broken_line_of_a_range_is_said(tmp_path, monkeypatch, caplog):
    path, skips = tmp_path / "dump.json", Skips()
    path.write_text(array_of(ITEMS)[:-200], encoding="utf-8")
    monkeypatch.setattr(dump, "CHUNK", 1000)
    monkeypatch.setattr(dump, "HEAD", 1000)
    source = WikidataSource(path, Options(), Skips())
    places = list(source.ranges(0))
    assert "an array without an end" in caplog.text
    for place in places:
        list(source.parse(place, skips, {}))
    assert skips.first["not valid JSON"].startswith(f"line 1 behind byte {places[-1].start}: ")
    path.write_text("[", encoding="utf-8")
    with pytest.raises(ElqError, match="was shortened while it was read"):
        dump.read_range(places[-1])


CODE = """
import sys
from elq.sources import dump, pool
from elq.sources.convert import convert
dump.CHUNK = 40_000
submit, jobs = pool.ProcessPoolExecutor.submit, []
pool.ProcessPoolExecutor.submit = lambda *given: jobs.append(given) or submit(*given)
if __name__ == "__main__":
    convert(sys.argv[1], sys.argv[2], processes=2)
    print(len(jobs))
"""


def test_a_run_on_two_processes_that_was_killed_resumes(tmp_path):
    path = tmp_path / "dump.json.bz2"
    path.write_bytes(bz2.compress(array_of([item(f"Q{n}", f"name {n}") for n in range(1000, 3000)]).encode()))
    (tmp_path / "run.py").write_text(CODE, encoding="utf-8")
    command = [sys.executable, str(tmp_path / "run.py"), str(path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen([*command, str(tmp_path / "c.parquet")], env=environment, stdout=subprocess.PIPE)
    parts = tmp_path / ".c.parquet.parts"
    for _ in range(2000):
        if len(list(parts.glob("*[0-9].parquet"))) > 5 or child.poll() is not None:
            break
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=60)  # returns when the processes of the pool have ended too, which may write a last part
    left = len(list(parts.glob("*[0-9].parquet")))
    assert not (tmp_path / "c.parquet").exists()
    assert left > 5
    again, whole = (
        int(subprocess.run([*command, str(tmp_path / f"{name}.parquet")], env=environment, check=True, stdout=-1).stdout)
        for name in ("c", "whole")
    )
    assert again == whole - left
    assert (tmp_path / "c.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert pq.read_metadata(tmp_path / "c.parquet").num_rows == 2000


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["en", "value", "P31", "id", "enwiki"]), inner),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["labels", "aliases", "descriptions", "claims", "sitelinks", "id", "title", "type"]), json_values)
def test_no_form_of_an_item_ends_a_run(key, value):
    record, reasons = record_of({**item(), key: value}, types=(), external_ids=("P31",))
    assert (record is None) == bool(reasons)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"languages": ("English",)}, "--languages has 'English', but must be codes"),
        ({"languages": ()}, "--languages has no language"),
        ({"site": "https://en.wikipedia.org"}, "--site is"),
        ({"types": ("human",)}, "--types has 'human', but must be ids such as Q5"),
        ({"external_ids": ("Q5",)}, "--external-ids has 'Q5', but must be ids such as P646"),
        ({"min_sitelinks": -1}, "--min-sitelinks is -1"),
        ({"redirects": "nowhere.tsv"}, "nowhere.tsv does not exist"),
    ],
)
def test_wrong_options_are_refused(tmp_path, options, said):
    (tmp_path / "dump.json").write_text(array_of(ITEMS), encoding="utf-8")
    with pytest.raises(ElqError, match=said):
        WikidataSource(tmp_path / "dump.json", Options(**options), Skips())


def test_a_folder_without_entity_files_is_refused(tmp_path):
    with pytest.raises(ElqError, match=r"has no file that ends in \.json"):
        WikidataSource(tmp_path, Options(), Skips())


def test_a_catalogue_of_a_dump_links(tmp_path):
    from elq import Linker

    path = tmp_path / "dump.json"
    path.write_text(array_of(ITEMS), encoding="utf-8")
    convert(path, tmp_path / "c.parquet")
    [link] = Linker.from_catalogue(tmp_path / "c.parquet").link("who directed titanic?")
    assert (link.entity, link.types, link.data) == ("Q44578", ("film",), {"P646": "/m/0dr_4"})


@pytest.mark.parametrize("form", ["array.json", "lines.jsonl", "entities.json", "array.json.gz"])
def test_a_dump_where_a_catalogue_is_wanted_is_refused_before_it_is_read(tmp_path, form):
    path = tmp_path / form
    data = FORMS[form.removesuffix(".gz")].encode()
    path.write_bytes(gzip.compress(data) if form.endswith(".gz") else data)
    with pytest.raises(ElqError, match="the records of a Wikidata dump .* make one by `elq catalogue DUMP --output"):
        next(read_entities(path))


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("K36_wdlabels.jsonl", [("Q64", "Berlin", ("Berlin, Germany",))]),
        ("K37_wddump.json", [("Q1", "Thing 1", ()), ("Q2", "Thing 2", ()), ("Q3", "Thing 3", ())]),
        ("K84_struct.parquet", [("Q1", "X", ("Ex",))]),
    ],
)
def test_the_nested_records_of_users_are_read(tmp_path, name, wanted, caplog):
    if not (SHARED / "cases").is_dir():
        pytest.skip("needs the shared data folder")
    caplog.set_level(logging.INFO)
    entities = made(SHARED / "cases" / name, tmp_path)
    assert [(one.id, one.title, one.aliases) for one in entities] == wanted
    assert "is read as wikidata" in caplog.text


def test_the_command_makes_a_catalogue_and_says_mistakes_in_one_sentence(tmp_path, capsys):
    path, output = tmp_path / "dump.json", tmp_path / "c.parquet"
    path.write_text(array_of(ITEMS), encoding="utf-8")
    options = ["--languages", "de,en", "--site", "dewiki", "--min-sitelinks", "1", "--without-types", "Q5"]
    assert run("catalogue", [str(path), "--output", str(output), *options]) == 0
    assert [one.title for one in read_entities(output)] == ["T", "T"]
    for arguments, said in (
        ([str(path), "--output", str(path)], "is read by this command"),
        ([str(path), "--output", str(output), "--processes", "0"], "--processes is 0, but must be 1 or more"),
        ([str(path), "--output", str(output), "--types", "human"], "--types has 'human'"),
        ([str(path), "--output", str(output), "--types", "Q5"], "has no record that can be an entity"),
    ):
        assert run("catalogue", arguments) == 2
        assert said in capsys.readouterr().err
    assert run("predict", ["--catalogue", str(path), "who?"]) == 2
    assert "make one by `elq catalogue" in capsys.readouterr().err


def test_progress_says_how_much_was_read(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    path = tmp_path / "dump.json"
    path.write_text(array_of(ITEMS * 50), encoding="utf-8")
    monkeypatch.setattr(dump, "CHUNK", 30_000)
    monkeypatch.setattr("elq.progress.LOG_SECONDS", 0)
    monkeypatch.delenv("ELQ_NO_PROGRESS", raising=False)
    convert(path, tmp_path / "c.parquet", processes=1)
    assert f"{path}: 0 MB of 0 MB read, 0 entities, 0 minutes to go" in caplog.text
