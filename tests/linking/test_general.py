"""Any catalogue, at once: the model in the package, and the catalogues that are opened with it."""

import hashlib
import json
import os

import numpy as np
import pyarrow as pa
import pytest

from elq import Entity, Linker
from elq.commands import run
from elq.encoding.pretrained import GENERAL, WEIGHTS
from elq.entities.build import BuildSettings, build_entities
from elq.entities.edit import add_entities
from elq.entities.manifest import MANIFEST
from elq.errors import ElqError
from elq.evaluation.evaluate import evaluate
from elq.linking.general import STARTER, records_of, write_records
from elq.questions.annotated import read_questions
from tests.conftest import write_lines

RECORDS = [
    {"id": "A1", "title": "Cordless drill 18 V", "description": "drill with two batteries", "aliases": ["CD18"], "price": 129},
    {"id": "A2", "title": "Folding ladder", "description": "aluminium ladder with 8 steps"},
    {"id": "A3", "title": "Garden hose", "description": "rubber hose of 20 m", "types": ["hose"]},
]
QUESTIONS = ["is the folding ladder in stock?", "price of the cd18", "how do i boil an egg", "garden hose or folding ladder"]
EXPECTED = [["A2"], ["A1"], [], ["A3", "A2"]]
MOST_BYTES = 40_000_000


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.getbasetemp() / "general_cache"  # one for all tests of this file
    monkeypatch.setenv("ELQ_CACHE", str(folder))
    return folder


def linked(linker):
    return [[link.entity for link in links] for links in linker.link(QUESTIONS)]


def sources(tmp_path):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    keys = ("id", "title", "description", "aliases", "types")
    entities = [
        Entity(
            *(record["id"], record["title"], record["title"], record["description"]), aliases=tuple(record.get("aliases", ()))
        )
        for record in RECORDS
    ]
    return {
        "file": write_lines(tmp_path / "tools.jsonl", RECORDS),
        "text path": str(write_lines(tmp_path / "tools.jsonl", RECORDS)),
        "dictionaries": RECORDS,
        "generator": (record for record in RECORDS),
        "entities": entities,
        "frame": pandas.DataFrame(RECORDS),
        "arrow": pa.Table.from_pylist([{key: record.get(key) for key in keys} for record in RECORDS]),
    }


def test_every_source_is_linked_alike_without_training(tmp_path):
    for name, source in sources(tmp_path).items():
        assert linked(Linker.from_catalogue(source)) == EXPECTED, name


def test_the_second_time_nothing_is_encoded(tmp_path, cache, monkeypatch):
    file = write_lines(tmp_path / "tools.jsonl", RECORDS)
    first = Linker.from_catalogue(file)
    made = first.entities.catalogue.folder
    assert made.parent == cache / "catalogues"

    def fail(*_arguments, **_settings):
        raise AssertionError("the catalogue was built again")

    monkeypatch.setattr("elq.linking.general.build_entities", fail)
    assert linked(Linker.from_catalogue(file)) == EXPECTED
    assert Linker.from_catalogue(file).entities.catalogue.folder == made
    write_lines(file, RECORDS[:2])
    with pytest.raises(AssertionError, match="built again"):
        Linker.from_catalogue(file)


def test_a_damaged_folder_of_the_cache_is_made_again(tmp_path):
    file = write_lines(tmp_path / "tools.jsonl", RECORDS[:2])
    made = Linker.from_catalogue(file).entities.catalogue.folder
    damaged = next(path for path in made.iterdir() if path.name.startswith("names"))
    damaged.write_bytes(damaged.read_bytes()[:100])
    assert [link.entity for link in Linker.from_catalogue(file).link("is the folding ladder in stock?")] == ["A2"]


def test_columns_name_the_fields(tmp_path):
    file = tmp_path / "tools.csv"
    file.write_text("sku,name\n" + "".join(f"{record['id']},{record['title']}\n" for record in RECORDS))
    linker = Linker.from_catalogue(file, columns={"id": "sku", "title": "name"})
    assert [link.entity for link in linker.link("is the folding ladder in stock?")] == ["A2"]


def test_another_catalogue_for_the_same_model(tmp_path):
    linker = Linker.from_catalogue(RECORDS)
    other = linker.with_catalogue([{"id": "B", "title": "Garden gnome", "aliases": ["folding ladder"]}])
    assert other.model is linker.model
    assert (other.threshold, other.candidates, other.calibration) == (linker.threshold, linker.candidates, linker.calibration)
    assert [link.entity for link in other.link("is the folding ladder in stock?")] == ["B"]
    assert linked(linker) == EXPECTED
    assert linked(other.with_catalogue(RECORDS)) == EXPECTED


def test_a_catalogue_for_a_trained_model(run_folder, catalogue_file, encoder_folder):
    trained = Linker.from_pretrained(run_folder / "model")
    again = Linker.from_catalogue(catalogue_file, model=run_folder / "model", encoder=encoder_folder)
    texts = ["who directed titanic?", "what river is in paris", "xyz"]
    assert again.link(texts, threshold=-9) == trained.link(texts, threshold=-9)
    assert again.threshold == trained.threshold


def test_without_a_place_for_the_cache_it_still_links(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ELQ_CACHE", str(tmp_path / "file" / "below"))
    assert linked(Linker.from_catalogue(RECORDS)) == EXPECTED
    assert "set ELQ_CACHE to a folder that can be written to" in caplog.text


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("/nowhere.csv", "catalogue /nowhere.csv does not exist"),
        (5, "the catalogue is int, but must be the path of a file"),
        (b"abc", "the catalogue is bytes, but must be"),
        ({"id": "1"}, "the catalogue is dict, but must be"),
        ([{"id": "1", "title": "x"}, 5], "record 2 of the catalogue is 5, but must be a dictionary or an Entity"),
        ([{"title": "x", "id": ""}, {"id": "2", "title": "y"}], "id"),
        ([], "no records"),
    ],
)
def test_a_bad_source_is_one_sentence(source, said):
    with pytest.raises(ElqError, match=said) as error:
        Linker.from_catalogue(source)
    assert "\n" not in str(error.value)


def test_records_keep_text_and_lose_only_what_is_empty(tmp_path):
    write_records([{"id": 7, "title": "NaN", "aliases": None, "price": float("nan"), "tags": {"b", "a"}}], tmp_path / "r.jsonl")
    assert json.loads((tmp_path / "r.jsonl").read_text()) == {"id": 7, "title": "NaN", "tags": ["a", "b"]}
    assert [*records_of(pa.table({"id": ["1"]}))] == [{"id": "1"}]


def test_the_files_of_the_package_are_those_that_were_measured():
    facts = json.loads((WEIGHTS / "facts.json").read_text())
    for name, expected in facts["sha256"].items():
        assert hashlib.sha256((WEIGHTS / name).read_bytes()).hexdigest() == expected
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) <= MOST_BYTES


def test_the_figures_of_the_starter_hold():
    facts = json.loads((WEIGHTS / "facts.json").read_text())
    linker = Linker.from_pretrained(GENERAL)
    questions = read_questions(STARTER.parent / "test.jsonl", linker.entities.catalogue)
    found = evaluate(linker, questions)
    for name, value in facts["starter"].items():
        assert found[name] == pytest.approx(value, abs=0.01), name
    assert os.environ["ELQ_CACHE"] in str(linker.entities.catalogue.folder)


def test_explain_and_info_of_the_model_in_the_package(tmp_path, capsys):
    file = write_lines(tmp_path / "towns.jsonl", RECORDS)
    assert run("explain", [GENERAL, QUESTIONS[0], "--catalogue", str(file)]) == 0
    assert RECORDS[1]["title"] in capsys.readouterr().out
    assert run("info", [GENERAL]) == 0
    said = capsys.readouterr().out
    assert f"{WEIGHTS}: " in said
    assert "threshold γ" in said
    assert "catalogue sha256" not in said


def test_a_folder_of_earlier_weights_is_still_changed(tmp_path):
    file = write_lines(tmp_path / "towns.jsonl", RECORDS)
    build_entities(file, folder := tmp_path / "entities", BuildSettings(encoder=GENERAL))
    values = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**values, "encoder_sha256": "0" * 64}))
    assert add_entities(folder, [{"id": "new", "title": "Rome"}]).entities == len(RECORDS) + 1
    vectors = np.load(next(folder.rglob("table.npy")), mmap_mode="r+")
    vectors[:] = vectors[::-1].copy()  # these vectors were made by something else
    vectors.flush()
    with pytest.raises(ElqError, match="gives other vectors than the table has"):
        add_entities(folder, [{"id": "newer", "title": "Oslo"}])
