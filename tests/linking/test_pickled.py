"""A linker can be pickled, and links the same in other processes, however they are started."""

import copy
import multiprocessing
import os
import pickle
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from elq import ElqError, Linker
from elq.entities.edit import add_entities, compact_entities
from elq.linking.decision import Decision
from elq.linking.pickled import SETTINGS
from elq.training.export import export_folder
from tests.conftest import QUESTIONS, write_lines

TEXTS = [text for text, _, _ in QUESTIONS]


@pytest.fixture
def folder(model, tokenizer, entities, entities_folder, tmp_path) -> Path:
    """A model folder of its own."""
    export_folder(tmp_path / "m", model, tokenizer, entities, entities_folder, Decision(threshold=-6.0, candidates=3))
    return tmp_path / "m"


def places(answers) -> list:
    return [[(link.start, link.end, link.entity, round(link.score, 3)) for link in links] for links in answers]


def one_by_one(linker: Linker, texts: list[str]) -> tuple[int, list]:
    return os.getpid(), places([linker.link(text) for text in texts])


def test_a_pickled_linker_is_small_and_links_the_same(folder):
    linker = Linker.from_pretrained(folder)
    linker.threshold, linker.batch_size = -8.0, 3
    data = pickle.dumps(linker)
    assert len(data) < 2000
    made = pickle.loads(data)
    assert places(made.link(TEXTS)) == places(linker.link(TEXTS))
    assert any(made.link(TEXTS))
    for name in (*SETTINGS, "score_mode", "device", "folders"):
        assert getattr(made, name) == getattr(linker, name), name
    again = pickle.loads(pickle.dumps(made))
    assert again.model is made.model  # a process keeps one network
    assert again is not made
    assert copy.copy(linker).model is linker.model
    assert places(copy.deepcopy(linker).link(TEXTS)) == places(linker.link(TEXTS))


def test_a_changed_folder_is_opened_again(folder, encoder_folder, tmp_path):
    data = pickle.dumps(Linker.from_pretrained(folder))
    first = pickle.loads(data)
    more = write_lines(tmp_path / "more.jsonl", [{"id": "Q1", "title": "Wrote", "label": "wrote"}])
    add_entities(folder, more, encoder=str(encoder_folder))
    assert pickle.loads(data).entities.manifest.entities == first.entities.manifest.entities + 1
    linker = Linker.from_pretrained(folder)
    compact_entities(folder)
    assert linker.reload()  # the base stands in a folder inside the entities folder from now on
    assert not linker.reload()
    assert linker.entities.folder == folder / "entities"
    assert places(pickle.loads(pickle.dumps(linker)).link(TEXTS)) == places(linker.link(TEXTS))


def test_a_relative_path_is_found_from_another_working_folder(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder.parent)
    linker = Linker.from_pretrained("m")
    monkeypatch.chdir("/")
    assert pickle.loads(pickle.dumps(linker)).folders == (folder, folder / "entities")


def test_what_cannot_be_pickled_or_opened_again_is_said_in_one_sentence(folder, model, tokenizer, entities):
    own = Linker(model, tokenizer, entities, threshold=-6.0)
    with pytest.raises(ElqError, match=r"made of parts in memory, so it cannot be pickled: open a model folder with Linker\."):
        pickle.dumps(own)
    assert copy.copy(own).link(TEXTS[0]) == own.link(TEXTS[0])
    data = pickle.dumps(Linker.from_pretrained(folder))
    folder.rename(folder.with_name("moved"))
    with pytest.raises(ElqError, match="pickled when its files were in .*m, but they are not there now: open it again"):
        pickle.loads(data)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_that_get_the_linker_link_the_same(method, folder):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    linker = Linker.from_pretrained(folder)
    expected = places(linker.link([text])[0] for text in TEXTS)
    assert any(expected)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        assert places(pool.map(linker.link, TEXTS)) == expected  # the linker goes with every task
        pid, found = pool.submit(one_by_one, linker, TEXTS).result(timeout=120)
    assert found == expected
    assert pid != os.getpid()


def test_a_linker_over_a_catalogue_finds_its_entities_in_the_cache(folder, encoder_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("ELQ_CACHE", str(tmp_path / "cache"))
    linker = Linker.from_catalogue([{"id": "1", "title": "Paris"}], model=folder, encoder=encoder_folder)
    other = linker.with_catalogue([{"id": "2", "title": "Paris"}])
    for one, entity in ((linker, "1"), (other, "2")):
        made = pickle.loads(pickle.dumps(one))
        assert {link.entity for link in made.link("what is paris", threshold=-9.0)} == {entity}
        assert made.entities.folder.is_relative_to(tmp_path / "cache")
