import contextlib
import json
import pickle
import random
import shutil
from pathlib import Path

import faiss
import numpy as np
import pytest
import torch

from elq.entities.catalogue import write_catalogue
from elq.entities.manifest import CATALOGUE, MANIFEST, TABLE, Manifest, file_sizes, open_entities
from elq.errors import ElqError
from elq.linking.decision import Decision
from elq.linking.folder import all_files
from elq.linking.linker import Linker
from elq.search.hnsw import HNSW_FILE
from elq.search.kinds import INDEX_KINDS, build_index, open_index
from elq.search.table import EntityTable
from elq.types import Entity
from tests.soak.fuzz_folder import Payload, attempt, damage, make_folder


@pytest.fixture
def folder(entities_folder, tmp_path):
    return shutil.copytree(entities_folder, tmp_path / "entities")


def change(folder, **values):
    path = folder / MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_save_then_load_is_the_identity(folder):
    manifest = Manifest.load(folder)
    manifest.save(folder)
    assert Manifest.load(folder) == manifest
    assert manifest.entities == 7
    assert manifest.width == 32


def test_a_mismatch_names_both_values(folder):
    change(folder, entities=8)
    with pytest.raises(ElqError, match=r"catalogue\.arrow rows is 7, but the manifest says 8"):
        open_entities(folder)
    change(folder, entities=7, width=33)
    with pytest.raises(ElqError, match="width is 32, but the manifest says 33"):
        open_entities(folder)
    change(folder, width=32, dtype="float32")
    with pytest.raises(ElqError, match="dtype is float16, but the manifest says float32"):
        open_entities(folder)


def test_another_catalogue_is_refused(folder):
    write_catalogue([Entity("Q1", "One", "One")], folder / CATALOGUE)
    change(folder, files=file_sizes(folder))  # so that the sizes give nothing away
    with pytest.raises(ElqError, match="rows is 1, but the manifest says 7"):
        open_entities(folder)


def test_another_table_is_refused(folder):
    np.save(folder / TABLE, np.zeros((9, 32), np.float16))
    change(folder, files=file_sizes(folder))
    with pytest.raises(ElqError, match=r"table\.npy rows is 9, but the manifest says 7"):
        open_entities(folder)


def test_a_catalogue_of_the_same_size_with_other_content_is_refused(folder):
    write_catalogue([Entity(f"Q{n}", "One", "One") for n in range(7)], folder / CATALOGUE)
    change(folder, files=file_sizes(folder))
    with pytest.raises(ElqError, match=r"catalogue\.arrow content is"):
        open_entities(folder)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"index": "flat"}, "has index 'flat', but must have one of exact, hnsw"),
        ({"metric": "l2"}, "has metric 'l2'"),
        ({"format": 99}, "has format 99"),
        ({"prior": 5}, "has the prior 5, but it must be a list of features"),
        ({"prior": ["fame"]}, "the feature 'fame'"),
        ({"surprise": 1}, "not a manifest"),
    ],
)
def test_bad_manifests(folder, values, message):
    change(folder, **values)
    with pytest.raises(ElqError, match=message):
        open_entities(folder)


def test_missing_and_broken_manifests(folder):
    (folder / MANIFEST).write_text("{")
    with pytest.raises(ElqError, match="is not a manifest"):
        open_entities(folder)
    (folder / MANIFEST).unlink()
    with pytest.raises(ElqError, match=r"has no manifest\.json"):
        open_entities(folder)


def test_a_folder_whose_files_have_other_sizes_than_the_manifest_says_is_refused(folder):
    with (folder / TABLE).open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(ElqError, match=r"has files of .*, but the manifest says .*: make the entities folder again"):
        open_entities(folder)


@pytest.fixture
def model_folder(run_folder, tmp_path):
    return shutil.copytree(run_folder / "model", tmp_path / "model")


@pytest.mark.parametrize("name", [name for name in all_files() if not name.endswith(".faiss")])
def test_a_link_out_of_the_folder_is_refused(name, model_folder, tmp_path):
    (model_folder / name).replace(tmp_path / "elsewhere")
    (model_folder / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ElqError, match=r"is a link to .*/elsewhere, outside the folder"):
        Linker.from_pretrained(model_folder)


def test_links_inside_a_folder_and_in_the_cache_of_the_hub_are_followed(model_folder, tmp_path):
    (model_folder / "config.json").replace(model_folder / "one.json")
    (model_folder / "config.json").symlink_to("one.json")
    Linker.from_pretrained(model_folder)
    snapshot = tmp_path / "models--me--mine" / "snapshots" / "abc"
    (snapshot / "entities").mkdir(parents=True)
    (snapshot.parent.parent / "blobs").mkdir()
    for name in all_files():
        if (model_folder / name).is_file():
            blob = snapshot.parent.parent / "blobs" / name.replace("/", "_")
            shutil.copy(model_folder / name, blob)
            (snapshot / name).symlink_to(blob)
    assert Linker.from_pretrained(snapshot).link("who directed titanic?")


@pytest.mark.parametrize("name", all_files())
@pytest.mark.parametrize("write", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_a_pickle_is_refused_and_nothing_in_it_runs(name, write, model_folder, tmp_path):
    write(Payload(tmp_path / "trap"), model_folder / name)
    with contextlib.suppress(ElqError):  # index.faiss is not read: the index is exact
        assert Linker.from_pretrained(model_folder).link("") == []
        assert name.endswith(".faiss")
    assert not (tmp_path / "trap").exists()


def test_damaged_folders_are_refused_or_work(tmp_path):
    """A short version of the long test in tests/soak/fuzz_folder.py."""
    random.seed(1)
    good = make_folder(tmp_path)
    assert attempt(good) == "works"
    outcomes = set()
    for _ in range(60):
        shutil.rmtree(tmp_path / "case", ignore_errors=True)
        what = damage(Path(shutil.copytree(good, tmp_path / "case")), tmp_path / "trap")
        outcome = attempt(tmp_path / "case")
        assert outcome in ("works", "refused"), f"{what}: {outcome}"
        outcomes.add(outcome)
    assert outcomes == {"works", "refused"}
    assert not (tmp_path / "trap").exists()


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("kind", [kind for kind in INDEX_KINDS if kind != "remote"])  # which needs a server
def test_nan_or_inf_in_a_table_is_named_with_its_row(kind, value, tmp_path):
    vectors = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32)
    build_index(kind, EntityTable(vectors)).save(tmp_path)
    query = torch.from_numpy(vectors[[7]]).abs()
    vectors[7] = value
    index = open_index(kind, EntityTable(vectors), tmp_path)
    with pytest.raises(ElqError, match="the score of row 7 of the entity table is"):
        index.search(query, 50)


@pytest.mark.parametrize("part", ["neighbors", "offsets", "levels", "cum_nneighbor_per_level"])
def test_a_graph_that_leads_out_of_its_vectors_is_refused(part, tmp_path):
    vectors = np.random.default_rng(0).standard_normal((200, 8)).astype(np.float32)
    index = faiss.IndexHNSWFlat(8, 4, faiss.METRIC_INNER_PRODUCT)
    index.add(vectors)
    faiss.write_index(index, str(tmp_path / HNSW_FILE))
    assert len(open_index("hnsw", EntityTable(vectors), tmp_path).search(torch.from_numpy(vectors[:1]), 5)[1][0]) == 5
    values = getattr(index.hnsw, part)
    faiss.rev_swig_ptr(values.data(), values.size())[1] = 201
    faiss.write_index(index, str(tmp_path / HNSW_FILE))
    with pytest.raises(ElqError, match="index.faiss"):
        open_index("hnsw", EntityTable(vectors), tmp_path)


def test_a_graph_that_links_to_an_entity_below_its_layer_is_refused(tmp_path):
    vectors = np.random.default_rng(0).standard_normal((200, 8)).astype(np.float32)
    index = faiss.IndexHNSWFlat(8, 4, faiss.METRIC_INNER_PRODUCT)
    index.add(vectors)
    parts = (getattr(index.hnsw, name) for name in ("neighbors", "offsets", "levels", "cum_nneighbor_per_level"))
    neighbors, offsets, levels, slots = (faiss.rev_swig_ptr(part.data(), part.size()) for part in parts)
    above, below = int(np.argmax(levels > 1)), int(np.argmax(levels == 1))
    neighbors[int(offsets[above]) + int(slots[1])] = below  # faiss would read the links that it has on layer 1: none of its own
    faiss.write_index(index, str(tmp_path / HNSW_FILE))
    with pytest.raises(ElqError, match="a graph with links to places outside its 200 vectors"):
        open_index("hnsw", EntityTable(vectors), tmp_path)


def test_a_file_of_a_later_format_is_refused_for_its_format_not_for_its_keys(folder, tmp_path):
    change(folder, format=99, news=1)
    with pytest.raises(ElqError, match="has format 99, but this version of elq reads formats 3 to 5"):
        open_entities(folder)
    (tmp_path / "decision.json").write_text('{"threshold": -1.0, "format": 99, "news": 1}')
    with pytest.raises(ElqError, match="has the format 99, but this version of elq reads format 5 only"):
        Decision.load(tmp_path)


def test_a_bad_decision_of_an_earlier_version_names_the_file_that_holds_it(folder):
    change(folder, format=3, threshold="x", score_mode="candidates", candidates=10)
    with pytest.raises(ElqError, match=r"entities/manifest\.json, of an earlier version: .*threshold 'x'"):
        Decision.load(folder.parent)
