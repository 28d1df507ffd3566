"""Datasets as questions: folders, and the cache of the library as it is without a connection."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict, load_dataset

from elq import ElqError
from elq.commands import run
from elq.commands.question_sources import open_source
from elq.exchange.hub_datasets import open_dataset, parts_of

MODEL = str(Path(__file__).parents[1] / "data" / "format4" / "model")
TRAIN = {"id": ["a", "b"], "question": ["who directed titanic?", None], "answers": [["x"], []]}
TEST = {"id": ["c"], "question": ["what is the capital of france"], "answers": [["y"]]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A dataset of two splits, as save_to_disk writes it."""
    made = tmp_path_factory.mktemp("datasets") / "saved"
    DatasetDict({"train": Dataset.from_dict(TRAIN), "test": Dataset.from_dict(TEST)}).save_to_disk(made)
    return made


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    """A cache in which the dataset user/Questions lies as if it had come from the Hub, in the configurations en and de."""
    root = tmp_path_factory.mktemp("cache")
    for config, text in (("en", "who directed titanic?"), ("de", "wer")):
        (root / "rows.json").write_text(json.dumps({"text": text}))
        load_dataset("json", config, data_files={"test": str(root / "rows.json")}, cache_dir=str(root))
        [made] = (root / "json").glob("*/*/*/dataset_info.json")
        target = root / "user___questions" / config / "0.0.0" / made.parent.name
        shutil.copytree(made.parent, target)
        (target / "json-test.arrow").rename(target / "questions-test.arrow")
        about = json.loads(made.read_text()) | {"dataset_name": "questions", "config_name": config}
        (target / "dataset_info.json").write_text(json.dumps(about))
        shutil.rmtree(root / "json")
    return root


def test_the_parts_of_a_source(folder, monkeypatch):
    assert parts_of("hf:squad") == ("squad", None, None)
    assert parts_of("hf:user/name:test") == ("user/name", None, "test")
    assert parts_of("hf:user/name:en:test") == ("user/name", "en", "test")
    assert parts_of(f"hf:{folder}") == (str(folder), None, None)
    assert parts_of(f"hf:{folder}:test") == (str(folder), None, "test")
    for wrong in ("hf:", "hf:a:b:c:d", "hf:a:", "hf::b"):
        with pytest.raises(ElqError, match=r"the dataset is 'hf:.*', but must be hf:NAME, hf:NAME:SPLIT, hf:NAME:CONFIG:SPLIT"):
            parts_of(wrong)


def test_a_saved_folder_is_read(folder):
    found = [*open_source(f"hf:{folder}:train")]
    assert [(one.id, one.text) for one in found] == [("a", "who directed titanic?"), ("b", "")]
    assert [one.text for one in open_source(f"hf:{folder}:test")] == TEST["question"]
    assert [one.text for one in open_source(f"hf:{folder}:train", "id")] == ["a", "b"]
    assert [one.text for one in open_source(f"hf:{folder / 'test'}")] == TEST["question"]


def test_what_cannot_be_opened_is_one_sentence(folder, tmp_path, monkeypatch):
    with pytest.raises(ElqError, match="has the splits train, test, but no split is given: give one of them, as hf:.*:train"):
        open_dataset(f"hf:{folder}")
    with pytest.raises(ElqError, match="has the splits train, test, but there is no split dev"):
        open_dataset(f"hf:{folder}:dev")
    with pytest.raises(ElqError, match="is one dataset without splits, but the split dev is asked for"):
        open_dataset(f"hf:{folder / 'test'}:dev")
    with pytest.raises(ElqError, match="there is no utterance among id, question: name the column or key"):
        open_source(f"hf:{folder}:test", "utterance")
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(ElqError, match="could not be opened .*: give the name of one on the Hub or in the cache"):
        open_dataset(f"hf:{tmp_path}")


def test_a_folder_of_files_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "test.csv").write_text("text\nwho?\n")
    assert [one.text for one in open_source(f"hf:{tmp_path / 'files'}:test")] == ["who?"]


def test_a_dataset_of_the_cache_is_read_offline(cache, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", cache)
    assert [one.text for one in open_source("hf:user/Questions:en:test")] == ["who directed titanic?"]
    assert [one.text for one in open_source("hf:user/Questions:de:test")] == ["wer"]
    with pytest.raises(
        ElqError, match=r"hf:user/Questions:test could not be opened \(ValueError: There are multiple .*: de, en "
    ):
        open_dataset("hf:user/Questions:test")
    with pytest.raises(ElqError, match="the dataset hf:user/other could not be opened") as caught:
        open_dataset("hf:user/other")
    assert "\n" not in str(caught.value)


def test_the_command_links_a_dataset(folder, tmp_path):
    output = tmp_path / "links.csv"
    assert run("predict", ["--input", f"hf:{folder}:test", "--output", str(output), "--model", MODEL]) == 0
    assert output.read_text().splitlines()[1].startswith("c,what is the capital of france,")


@pytest.mark.parametrize(("library", "extra"), [("datasets", "datasets"), ("rdflib", "nif")])
def test_without_a_library_its_extra_is_named(library, extra, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, library, None)
    (tmp_path / "q.ttl").write_text("")
    source = f"hf:{folder}:test" if library == "datasets" else str(tmp_path / "q.ttl")
    assert run("predict", ["--input", source]) == 2
    assert f"this command needs {library}, which is not installed: pip install 'elq[{extra}]'" in capsys.readouterr().err
