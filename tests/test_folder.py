import json
import shutil

import numpy as np
import pytest

from elq.catalogue import write_catalogue
from elq.errors import ElqError
from elq.folder import CATALOGUE, MANIFEST, TABLE, Manifest, open_entities
from elq.types import Entity


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
    assert manifest.threshold is None


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


def test_another_catalogue_or_table_is_refused(folder):
    write_catalogue([Entity("Q1", "One", "One")], folder / CATALOGUE)
    with pytest.raises(ElqError, match="rows is 1, but the manifest says 7"):
        open_entities(folder)


def test_another_table_is_refused(folder):
    np.save(folder / TABLE, np.zeros((9, 32), np.float16))
    with pytest.raises(ElqError, match=r"table\.npy rows is 9, but the manifest says 7"):
        open_entities(folder)


def test_a_catalogue_of_the_same_size_with_other_content_is_refused(folder):
    write_catalogue([Entity(f"Q{n}", "One", "One") for n in range(7)], folder / CATALOGUE)
    with pytest.raises(ElqError, match=r"catalogue\.arrow content is"):
        open_entities(folder)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"index": "flat"}, "has index 'flat', but must have one of exact, hnsw"),
        ({"score_mode": "x"}, "has score_mode 'x'"),
        ({"metric": "l2"}, "has metric 'l2'"),
        ({"format": 99}, "has format 99"),
        ({"threshold": float("nan")}, "threshold NaN"),
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
