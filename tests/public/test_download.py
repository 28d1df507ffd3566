"""Public sets, from a web server on this machine that has small files in the same layouts, written for this test."""

import csv
import hashlib
import json
import logging
from pathlib import Path

import pytest

from elq.commands import run
from elq.downloads import SUMS
from elq.entities.catalogue_files import read_entities
from elq.errors import ElqError
from elq.public import download as module
from elq.public import fetching, sources
from elq.public.download import download
from elq.public.sources import SETS
from elq.questions.annotated import read_questions
from elq.transfer import Patience
from tests.web import serving

HASTE = Patience(timeout=5.0, pauses=(0.0, 0.001))


def lines(*records: object) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


PLACE = {"description": "Town in Ohio", "id": "Q9", "label": "Oz", "instance_of": ["town"], "wikipedia_title": "Oz, Ohio"}
NEW = {"id": "Q2", "label": "Titanic", "description": "1997 film", "page_views": 70, "instance_of": ["film", "film"]}
OLD = {"id": "Q2", "label": "Titanic (film)", "description": "a film", "page_views": 90, "types": ["drama"], "wikipedia": "No"}
MAP = {
    "/m/1": {
        "alternatives": ["Lake Erie's City", "Q4"],
        "description": "city in Ohio",
        "label": "Cleveland",
        "wikidata_id": "Q4",
        "wikipedia": "https://en.wikipedia.org/wiki/Cleveland,_Oh%C3%AFo",
    },
    "/m/2": {"alternatives": [], "description": None, "label": "Nowhere", "wikidata_id": "Q8", "wikipedia": None},
}
EVENT = {"qid": "Q5", "title": "Ada is born", "subtitle": "Writer", "wikipediaSlug": "Ada_(writer)", "pageViews": 7}
MENTION = {"candidates": ["Q6"], "candidate_titles": ["Nut (fruit)"], "candidate_descriptions": ["dry fruit"]}
ROWS = [{"item": "http://www.wikidata.org/entity/Q5", "itemLabel": "Ada Ash"}]


def webqsp(number: int, text: str, entities: list, main: str | None, start: int, end: int) -> dict:
    record = {"question_id": f"WebQTrn-{number}", "utterance": text, "entities": entities, "main_entity": main}
    return {**record, "main_entity_pos": [start, end]}


WEBQSP = [
    webqsp(12, "where is oz?", ["Q9", "Q4", None, "Q2"], "Q9", 9, 11),
    webqsp(3, "who is bob?", ["Q77"], "Q77", 7, 10),
    webqsp(5, "who is c.j.?", ["Q9"], "Q9", -1, 11),
    webqsp(6, "who is eve?", [None], None, 7, 10),
    webqsp(7, "what is a nut?", ["Q6"], "Q6", 10, 13),
    webqsp(8, "what is in neither split?", ["Q6"], "Q6", 10, 13),
]
MINTAKA = [
    {
        "id": "m1",
        "question": "Is the second Titanic about Bob of Oz?",
        "questionEntity": [
            {"name": "Q9", "entityType": "entity", "mention": "Oz", "span": [35, 37]},
            {"name": "Q77", "entityType": "entity", "mention": "Bob of Oz", "span": [28, 37]},
            {"name": 2, "entityType": "ordinal", "mention": "second", "span": [7, 13]},
            {"name": "Q2", "entityType": "entity", "mention": "Titanic", "span": [14, 21]},
            {"name": None, "entityType": "entity", "mention": "Is", "span": [0, 2]},
        ],
    },
    {"id": "m2", "question": "Why?", "questionEntity": []},
    {"id": "m3", "question": "Ada?", "questionEntity": [{"name": "Q5", "entityType": "entity", "span": [0, 3]}]},
]
TRAIN = "Q2\tP1\tQ1\twho made titanic\nQ9\tP1\tQ1\tWhere is Oz ?\nQ6\tP1\tQ1\twhat is a filbert\nQ77\tP1\tQ1\tbob?\n"
VALID = "Q6\tP1\tQ1\tis a nut (fruit) good\nQ9\tP1\tQ1\twhere is oz\n"
FILES = {  # set, layout, path → content
    ("catalogue", "freebase_map", "map.json"): json.dumps(MAP),
    ("catalogue", "label_tables", "x/entity_labels_en.txt"): "Q4\tThe Cleveland\nQ7\tBoston\n",
    ("catalogue", "label_tables", "x/entity_wikidata_descriptions_en.txt"): "Q7\tcapital of Massachusetts\n",
    ("catalogue", "label_tables", "x/entity_aliases_en.txt"): 'Q7\t"The ""Hub"", Boston, Massachusetts, Beantown"\n',
    ("catalogue", "cards", "new.json"): lines(NEW),
    ("catalogue", "cards", "old.json"): lines(OLD),
    ("catalogue", "query_rows", "rows with blank.json"): json.dumps(ROWS),
    ("catalogue", "decks", "deck.json"): json.dumps([EVENT]),
    ("catalogue", "places", "items0.json"): lines(PLACE),
    ("catalogue", "trials", "trials.js"): f"const x = {json.dumps([{'mentions': [MENTION]}])}\nconst y = []\n",
    ("catalogue", "type_names", "entity2types.json"): json.dumps({"Q6": ["Q100", "Q101"]}),
    ("catalogue", "type_names", "types.json"): json.dumps({"Q100": {"label": "food"}}),
    ("webqsp", "webqsp", "webqsp.train.entities.json"): json.dumps(WEBQSP),
    ("webqsp", "webqsp", "webqsp.train.ids.json"): json.dumps([f"WebQTrn-{n}" for n in (12, 3, 5, 6)]),
    ("webqsp", "webqsp", "webqsp.dev.ids.json"): json.dumps(["WebQTrn-7"]),
    ("simplequestions", "simplequestions", "wd_train.txt"): TRAIN,
    ("simplequestions", "simplequestions", "wd_valid.txt"): VALID,
    ("mintaka", "mintaka", "mintaka_train.json"): json.dumps(MINTAKA),
}
PATH = "mirror/one/two/c0ffee/map.json"
BLOBS = "mirror/repos/one/two/git/blobs/"


@pytest.fixture
def web(monkeypatch, tmp_path):
    """A server with these files, and a list of them instead of the real one."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    listed = tmp_path / "sources.tsv"
    with listed.open("w", newline="") as stream, serving() as made:
        writer = csv.writer(stream, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None, lineterminator="\n")
        writer.writerow(["set", "layout", "repo", "commit", "path", "blob", "size", "licence"])
        for (part, layout, path), content in FILES.items():
            body, licence = content.encode(), "none stated; Wikidata CC0" if layout == "places" else "MIT"
            blob = hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
            size = "" if part == "mintaka" else len(body)
            writer.writerow([part, layout, "one/two", "c0ffee", path, blob, size, licence])
            made.files[f"mirror/one/two/c0ffee/{path.replace(' ', '%20')}"] = body
        stream.flush()
        monkeypatch.setattr(sources, "LIST", listed)
        monkeypatch.setattr(module, "Patience", lambda: HASTE)
        yield made


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_set_has_a_catalogue_and_questions(web, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    made = download("webqsp", tmp_path / "out", mirror=web.url)
    assert [path.name for path in made] == [
        *("catalogue.jsonl", "webqsp_train.jsonl", "webqsp_dev.jsonl"),
        *("simplequestions_dev.jsonl", "simplequestions_train.jsonl", "mintaka_train.jsonl", "mintaka_1000.jsonl"),
    ]
    keys = ("id", "title", "label", "description", "aliases", "types", "popularity")
    expected = [
        ("Q2", "No", "Titanic", "1997 film", ["Titanic (film)"], ["film"], 90),
        ("Q4", "Cleveland, Ohïo", "Cleveland", "city in Ohio", ["Lake Erie's City", "The Cleveland"], [], 0),
        ("Q5", "Ada (writer)", "Ada Ash", "Writer", ["Ada"], [], 7),
        ("Q6", "Nut (fruit)", "Nut", "dry fruit", [], ["food"], 0),
        ("Q7", "Boston", "Boston", "capital of Massachusetts", ["Beantown", "Boston, Massachusetts", 'The "Hub"'], [], 0),
        ("Q9", "Oz, Ohio", "Oz", "Town in Ohio", [], ["town"], 0),
    ]
    assert read(tmp_path / "out" / "catalogue.jsonl") == [dict(zip(keys, values, strict=True)) for values in expected]
    assert len([*read_entities(tmp_path / "out" / "catalogue.jsonl")]) == 6
    assert all(read_questions(path) for path in made if path.name != "catalogue.jsonl")
    assert "one/two: none stated; Wikidata CC0" in caplog.text
    assert "facts of Wikidata (CC0)" in caplog.text


def test_webqsp_questions_have_their_order_their_nil_and_their_further_entities(web, tmp_path):
    download("webqsp", tmp_path, mirror=web.url)
    nil = {"start": 7, "end": 10, "entity": None, "out_of_catalogue": "Q77"}
    assert read(tmp_path / "webqsp_train.jsonl") == [
        {"id": "WebQTrn-3", "text": "who is bob?", "mentions": [nil], "other_entities": []},
        {
            "id": "WebQTrn-12",
            "text": "where is oz?",
            "mentions": [{"start": 9, "end": 11, "entity": "Q9"}],
            "other_entities": ["Q2", "Q4"],
        },
    ]
    assert [question["id"] for question in read(tmp_path / "webqsp_dev.jsonl")] == ["WebQTrn-7"]


def test_simplequestions_have_silver_spans_and_no_text_in_both_splits(web, tmp_path):
    download("simplequestions", tmp_path, mirror=web.url)
    assert [(q["id"], q["text"], q["mentions"]) for q in read(tmp_path / "simplequestions_dev.jsonl")] == [
        ("sq-valid-0", "is a nut (fruit) good", [{"start": 5, "end": 8, "entity": "Q6"}]),
        ("sq-valid-1", "where is oz", [{"start": 9, "end": 11, "entity": "Q9"}]),
    ]
    assert [(q["id"], q["mentions"]) for q in read(tmp_path / "simplequestions_train.jsonl")] == [
        ("sq-train-0", [{"start": 9, "end": 16, "entity": "Q2"}])
    ]
    assert not (tmp_path / "webqsp_train.jsonl").exists()


def test_mintaka_mentions_do_not_overlap(web, tmp_path, monkeypatch):
    monkeypatch.setattr("elq.public.mintaka.FEW", 1)
    download("mintaka", tmp_path, mirror=web.url)
    bob = {"start": 28, "end": 37, "entity": None, "out_of_catalogue": "Q77"}
    assert read(tmp_path / "mintaka_train.jsonl") == [
        {"id": "m1", "text": MINTAKA[0]["question"], "mentions": [{"start": 14, "end": 21, "entity": "Q2"}, bob]},
        {"id": "m3", "text": "Ada?", "mentions": [{"start": 0, "end": 3, "entity": "Q5"}]},
    ]
    assert [question["id"] for question in read(tmp_path / "mintaka_1.jsonl")] == ["m1"]


def test_a_second_call_fetches_nothing_and_makes_the_same_files(web, tmp_path):
    first = download("webqsp", tmp_path, mirror=web.url)
    assert len(web.asked) == len(FILES)
    assert download("webqsp", tmp_path, mirror=web.url) == first
    assert len(web.asked) == len(FILES)
    assert {line.split()[1] for line in (tmp_path / SUMS).read_text().splitlines()} == {path.name for path in first}


def test_a_cut_connection_resumes_where_it_was(web, tmp_path):
    web.cuts[PATH] = 40
    download("simplequestions", tmp_path, mirror=web.url)
    assert [ranged for path, ranged in web.asked if path == PATH] == [None, "bytes=40-"]


def test_a_call_that_failed_goes_on_with_the_files_that_are_missing(web, tmp_path):
    body = web.files.pop(PATH)
    with pytest.raises(ElqError, match=r"map\.json answered 404"):
        download("simplequestions", tmp_path, mirror=web.url)
    assert not (tmp_path / "catalogue.jsonl").exists()
    web.files[PATH] = body
    there = {path.name for path in (tmp_path / "sources").rglob("*.*") if not path.name.startswith(".")}
    web.asked.clear()
    download("simplequestions", tmp_path, mirror=web.url)
    assert not {path.rpartition("/")[2] for path, _ in web.asked} & there


def test_a_wrong_content_is_refused_and_asked_for_again(web, tmp_path):
    body = web.files[PATH]
    web.files[PATH] = body.replace(b"Cleveland", b"Clevelant")
    with pytest.raises(ElqError) as caught:
        download("simplequestions", tmp_path, mirror=web.url)
    assert "git blob id" in str(caught.value)
    assert "another --mirror" in str(caught.value)
    assert not [*(tmp_path / "sources").rglob("*map.json*")]
    web.files[PATH] = body
    download("simplequestions", tmp_path, mirror=web.url)


def test_a_file_that_was_damaged_on_the_disk_is_fetched_again(web, tmp_path):
    download("simplequestions", tmp_path, mirror=web.url)
    damaged = tmp_path / "sources" / "one/two/c0ffee/map.json"
    damaged.write_bytes(b"{}")
    web.asked.clear()
    download("simplequestions", tmp_path, mirror=web.url)
    assert [path for path, _ in web.asked] == [PATH]
    assert damaged.read_bytes() == web.files[PATH]


def test_where_a_path_is_gone_the_blob_id_is_asked_for(web, tmp_path):
    body = web.files.pop(PATH)
    web.files[BLOBS + fetching.blob_id(body)] = body
    download("simplequestions", tmp_path, mirror=web.url)
    assert len(read(tmp_path / "catalogue.jsonl")) == 6


def test_the_users_own_files_are_not_replaced(web, tmp_path):
    (tmp_path / "catalogue.jsonl").write_text("mine")
    with pytest.raises(ElqError, match="was not put there by"):
        download("simplequestions", tmp_path, mirror=web.url)
    assert (tmp_path / "catalogue.jsonl").read_text() == "mine"
    assert web.asked == []


def test_the_command_says_how_to_train(web, tmp_path, caplog, monkeypatch, capsys):
    caplog.set_level(logging.INFO)
    monkeypatch.chdir(tmp_path)
    assert run("download", ["webqsp", "--mirror", web.url]) == 0
    assert "to train on these files: python train.py +experiment=webqsp" in caplog.text
    assert (tmp_path / "runs/public/mintaka_1000.jsonl").is_file()
    assert run("download", ["webqsp", "--mirror", web.url, "--output", "my data"]) == 0
    assert "ELQ_DATA='my data' python train.py +experiment=webqsp" in caplog.text
    assert run("download", ["webqsp", "--mirror", web.url, "--only", "x"]) == 2
    assert run("download", ["webqsp", "--mirror", "ftp://x"]) == 2
    assert run("download", ["webqspp"]) == 2
    told = capsys.readouterr().err
    assert "--only is for the files of the released ELQ" in told
    assert "--mirror is 'ftp://x'" in told
    assert "choose one of webqsp, simplequestions, mintaka, elq-wiki-large" in told


def test_the_list_has_no_test_split_and_every_file_a_checksum_and_a_licence():
    rows = [source for part in ("catalogue", *SETS["webqsp"]) for source in sources.sources(part)]
    assert len(rows) == len({source.place for source in rows}) > 300
    assert all(len(source.blob) == 40 and len(source.commit) == 40 and source.licence for source in rows)
    assert not [source.path for source in rows if source.set != "catalogue" and "test" in source.path.lower()]


def test_the_experiment_trains_on_what_was_downloaded(web, tmp_path, encoder_folder, monkeypatch):
    """The whole way with the tiny encoder: download, entities folder, one epoch, exported model."""
    monkeypatch.chdir(tmp_path)
    assert run("download", ["webqsp", "--mirror", web.url]) == 0
    small = ["trainer.precision=32-true", "trainer.max_epochs=2", "trainer.limit_train_batches=2", "data.train.0.templates=20"]
    arguments = ["+experiment=webqsp", f"model.encoder={encoder_folder}", "hydra.run.dir=run", *small]
    assert run("train", arguments) == 0
    assert (tmp_path / "run" / "model").is_dir()
    questions = ["--questions", "runs/public/webqsp_dev.jsonl"]
    assert run("evaluate", ["--model", "run/model", *questions, "--baseline", "dictionary"]) == 0
