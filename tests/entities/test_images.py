"""The image table: it has the vectors of the pictures of each entity, survives changes of the folder, and leaves text alone."""

import json
import logging
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from elq.commands import run
from elq.entities.build import BuildSettings, build_entities
from elq.entities.edit import add_entities, compact_entities, remove_entities
from elq.entities.image_build import build_images, paths_of
from elq.entities.images import ImageTable, open_images
from elq.entities.manifest import MANIFEST, open_entities
from elq.errors import ElqError
from elq.linking.folder import hub_files
from elq.linking.model_folder import link_entities
from elq.types import Entity
from elq.vision.encoding import View, open_view
from elq.vision.store import FeatureStore
from tests.conftest import RECORDS, write_lines
from tests.vision.conftest import noise
from tests.vision.test_store import Mean

PICTURES = {0: ["p/0.png", "p/1.png"], 2: ["p/2.png"], 3: ["p/absent.png"], 4: ["p/0.png", "p/3.png", "p/broken.png"]}


@pytest.fixture
def catalogue(tmp_path):
    """A catalogue with pictures: row → paths as in PICTURES."""
    (tmp_path / "c" / "p").mkdir(parents=True)
    for number in range(4):
        noise(number).save(tmp_path / "c" / "p" / f"{number}.png")
    (tmp_path / "c" / "p" / "broken.png").write_bytes(b"no picture")
    records = [{**record, "images": PICTURES.get(row, [])} for row, record in enumerate(RECORDS)]
    return write_lines(tmp_path / "c" / "catalogue.jsonl", records)


@pytest.fixture
def folder(catalogue, encoder_folder, tmp_path):
    settings = BuildSettings(encoder=str(encoder_folder), precision="fp32", dtype="float32")
    build_entities(catalogue, tmp_path / "e", settings)
    return tmp_path / "e"


def add(folder, catalogue, **more):
    return build_images(folder, catalogue.parent, Mean(), store=folder.parent / "store", **more)


def table_of(folder) -> ImageTable:
    table = open_images(open_entities(folder))
    assert table is not None
    return table


def expected(catalogue, path: str):
    """The vectors of one picture by the tower alone, in float16."""
    found = Mean().encode([open_view(View(catalogue.parent / path))])
    return found.whole[0].half().float(), found.patches[0].half().float()


def check(table: ImageTable, catalogue, pictures: dict[int, list[str]], rows: int) -> None:
    """Slow: each entity has the vectors of its pictures, in the order of the catalogue, one by one."""
    for row in range(rows):
        usable = [path for path in pictures.get(row, []) if Path(path).stem.isdigit()]
        numbers = table.pictures_of(np.array([row]))[0]
        assert (numbers >= 0).sum() == len(usable)
        found, mask = table.gather(numbers)
        assert mask.tolist() == [True] * len(usable) + [False] * (len(numbers) - len(usable))
        for place, path in enumerate(usable):
            whole, patches = expected(catalogue, path)
            assert torch.equal(found.whole[place], whole)
            assert torch.equal(found.patches[place], patches)
        assert (found.whole[~mask] == 0).all()
    assert len(table) == sum(Path(path).stem.isdigit() for row in pictures for path in pictures[row])


def test_each_entity_has_the_vectors_of_its_pictures(folder, catalogue):
    built = add(folder, catalogue)
    assert built.problems.count == 2
    assert (built.facts.pictures, built.facts.entities) == (5, 3)
    table = table_of(folder)
    check(table, catalogue, PICTURES, len(RECORDS))
    assert (str(table.vectors.dtype), str(table.patches.dtype), str(table.rows.dtype)) == ("float16", "float16", "int32")
    assert table.rows.tolist() == [0, 0, 2, 4, 4]


def test_rows_of_any_shape_are_looked_up(folder, catalogue):
    add(folder, catalogue)
    table = table_of(folder)
    rows = np.array([[2, 4, 1], [0, 0, 3]])
    numbers = table.pictures_of(rows)
    assert numbers.tolist() == [[[2, -1], [3, 4], [-1, -1]], [[0, 1], [0, 1], [-1, -1]]]
    found, mask = table.gather(numbers)
    assert found.whole.shape == (2, 3, 2, 3)
    assert found.patches.shape == (2, 3, 2, 4, 3)
    assert mask.tolist() == (numbers >= 0).tolist()
    assert table.pictures_of(np.array([1, 3])).tolist() == [[-1], [-1]]
    assert table.pictures_of(np.zeros((2, 0), np.int64)).shape == (2, 0, 1)


def test_a_folder_without_pictures_is_as_before(folder, catalogue):
    before = (folder / MANIFEST).read_text()
    assert open_images(open_entities(folder)) is None
    assert "images" not in json.loads(before)
    links = open_entities(folder)
    add(folder, catalogue)
    after = json.loads((folder / MANIFEST).read_text())
    assert after.pop("images") == "images-1"
    after["files"] = {name: size for name, size in after["files"].items() if not name.startswith("images-")}
    assert after == json.loads(before)
    assert np.array_equal(open_entities(folder).table.vectors, links.table.vectors)
    assert [*open_entities(folder).catalogue] == [*links.catalogue]


def test_the_same_pictures_are_not_written_again_and_others_replace_them(folder, catalogue):
    add(folder, catalogue)
    made = (folder / "images-1" / "vectors.npy").stat().st_mtime_ns
    add(folder, catalogue)
    assert (folder / "images-1" / "vectors.npy").stat().st_mtime_ns == made
    shutil.copyfile(catalogue.parent / "p" / "3.png", catalogue.parent / "p" / "1.png")
    add(folder, catalogue)
    assert sorted(path.name for path in folder.glob("images-*")) == ["images-2"]
    check(table_of(folder), catalogue, PICTURES, len(RECORDS))


def test_changes_of_the_folder_keep_the_pictures(folder, catalogue, encoder_folder):
    add(folder, catalogue)
    add_entities(folder, [{"id": "Q900", "title": "New one"}])
    check(table_of(folder), catalogue, PICTURES, len(RECORDS) + 1)
    remove_entities(folder, [RECORDS[0]["id"], RECORDS[1]["id"]])
    left = {row: paths for row, paths in PICTURES.items() if row > 1}
    check(table_of(folder), catalogue, left, len(RECORDS) + 1)
    assert table_of(folder).rows.tolist() == [-1, -1, 2, 4, 4]
    compact_entities(folder)
    check(table_of(folder), catalogue, {row - 2: paths for row, paths in left.items()}, len(RECORDS) - 1)
    assert sorted(path.name for path in folder.glob("images-*")) == ["images-2"]
    entities = open_entities(folder)
    add(folder, catalogue)  # anew, from the catalogue that was merged
    check(table_of(folder), catalogue, {row - 2: paths for row, paths in left.items()}, len(RECORDS) - 1)
    assert entities.manifest.entities == len(RECORDS) - 1


def test_nothing_is_visible_until_everything_is_written(folder, catalogue):
    add(folder, catalogue)
    before = (folder / MANIFEST).read_bytes()
    shutil.copyfile(catalogue.parent / "p" / "3.png", catalogue.parent / "p" / "1.png")
    code = """
import os, sys
from pathlib import Path
import elq.entities.image_build as building
from tests.vision.test_store import Mean
whole = building.save_manifest
building.save_manifest = lambda *_: os.kill(os.getpid(), 9)
building.build_images(sys.argv[1], sys.argv[2], Mean(), store=sys.argv[3])
"""
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", code, str(folder), str(catalogue.parent), str(folder.parent / "store")]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(root)}, cwd=root, capture_output=True)
    assert done.returncode == -9, done.stderr
    assert (folder / MANIFEST).read_bytes() == before
    assert (folder / "images-2" / "images.json").is_file()
    open_entities(folder)
    table_of(folder)
    add(folder, catalogue)
    check(table_of(folder), catalogue, PICTURES, len(RECORDS))
    assert sorted(path.name for path in folder.glob("images-*")) == ["images-2"]


@pytest.mark.parametrize("name", ["images.json", "vectors.npy", "patches.npy", "rows.npy"])
def test_a_damaged_table_is_refused(folder, catalogue, name):
    add(folder, catalogue)
    path = folder / "images-1" / name
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    with pytest.raises(ElqError, match="has files of .* bytes, but the manifest says"):
        open_entities(folder)
    path.write_bytes(b"x" * len(data))
    with pytest.raises(ElqError, match="is not a readable image table .*elq build --images"):
        table_of(folder)
    path.unlink()
    with pytest.raises(ElqError, match="but the manifest says"):
        open_entities(folder)


def test_rows_that_the_catalogue_lacks_are_refused(folder, catalogue):
    add(folder, catalogue)
    np.save(folder / "images-1" / "rows.npy", np.array([0, 0, 2, 4, 99], np.int32))
    with pytest.raises(ElqError, match="pictures of rows that are not in the catalogue"):
        table_of(folder)


@pytest.mark.parametrize("value", ["../other", "images", "images-1/..", 3])
def test_a_manifest_with_another_place_is_refused(folder, catalogue, value):
    add(folder, catalogue)
    values = json.loads((folder / MANIFEST).read_text()) | {"images": value}
    (folder / MANIFEST).write_text(json.dumps(values))
    with pytest.raises(ElqError, match="names parts that this version of elq does not know"):
        open_entities(folder)


def test_pictures_that_cannot_be_made_are_refused(folder, catalogue):
    with pytest.raises(ElqError, match=r'no entity of .* has a picture: give the paths in a column "photo"'):
        add(folder, catalogue, column="photo")
    with pytest.raises(ElqError, match=r"none of the 7 pictures of .* can be used \(picture .*elsewhere.*does not exist\)"):
        build_images(folder, folder.parent / "elsewhere", Mean(), store=folder.parent / "store")
    with pytest.raises(ElqError, match="neither a model folder nor an entities folder"):
        build_images(folder.parent / "nothing", catalogue.parent, Mean(), store=folder.parent / "store")


@pytest.mark.parametrize(
    ("value", "paths"),
    [
        ('["a.png", "b c.png"]', ("a.png", "b c.png")),
        ("a, b.png", ("a, b.png",)),
        ("a.png|b.png", ("a.png", "b.png")),
        ("[]", ()),
        ("", ()),
    ],
)
def test_the_forms_of_the_column(value, paths):
    assert paths_of(Entity("Q1", "a", "a", data={"images": value})) == paths


def test_a_table_opens_at_once(folder, catalogue):
    add(folder, catalogue)
    entities, times = open_entities(folder), []
    for _ in range(5):
        began = time.perf_counter()
        open_images(entities)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.01


def test_a_model_folder_takes_the_pictures_along(folder, catalogue, tmp_path):
    add(folder, catalogue)
    manifest = open_entities(folder).manifest
    (tmp_path / "model").mkdir()
    link_entities(folder, tmp_path / "model", manifest)
    check(table_of(tmp_path / "model" / "entities"), catalogue, PICTURES, len(RECORDS))
    wanted = [f"entities/{name}" for name in manifest.files if name.startswith("images-")]
    assert len(wanted) == 4
    assert all(any(fnmatch(name, pattern) for pattern in hub_files()) for name in wanted)


def test_the_main_part_of_a_picture_is_one_more_picture(folder, catalogue):
    logo = Image.new("RGB", (120, 40), "white")
    logo.paste((200, 0, 0), (5, 5, 35, 35))
    logo.paste((0, 0, 0), (60, 15, 115, 25))
    logo.save(catalogue.parent / "p" / "1.png")
    plain, with_parts = add(folder, catalogue).facts, add(folder, catalogue, parts=True).facts
    assert with_parts.pictures == plain.pictures + 1
    table, one, sign = table_of(folder), table_of(folder).pictures_of(np.array([0]))[0], View(catalogue.parent / "p" / "1.png")
    expected = [open_view(view) for view in (View(catalogue.parent / "p" / "0.png"), sign, replace(sign, box=(5, 5, 35, 35)))]
    found = table.gather(one)[0].whole
    torch.testing.assert_close(found, Mean().encode(expected).whole, atol=1e-2, rtol=1e-3)


def test_the_cache_keeps_the_features_of_the_towers_that_were_used_last(folder, catalogue, tmp_path, monkeypatch):
    monkeypatch.setenv("ELQ_CACHE", str(tmp_path / "cache"))
    old = tmp_path / "cache" / "pictures" / "old"
    old.mkdir(parents=True)
    (old / "vectors.bin").write_bytes(bytes(2_000_000))
    build_images(folder, catalogue.parent, Mean())
    own = tmp_path / "cache" / "pictures" / Mean().identity[:16]
    assert old.is_dir()
    monkeypatch.setenv("ELQ_CACHE_GB", "0.001")
    build_images(folder, catalogue.parent, Mean())
    assert [path for path in own.parent.iterdir() if path.is_dir()] == [own]
    assert len(FeatureStore(own, Mean())) == 4


# --- the command


def test_the_command_makes_and_shows_the_pictures(catalogue, encoder_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ELQ_CACHE", str(tmp_path / "cache"))
    output = str(tmp_path / "made")
    command = ["--catalogue", str(catalogue), "--output", output, "--encoder", str(encoder_folder)]
    assert run("build", [*command, "--images"]) == 0
    table = table_of(Path(output))
    assert (table.facts.tower, table.facts.pictures, table.facts.width, table.facts.patches) == (
        "efficientnet_lite0",
        5,
        1280,
        49,
    )
    found, _ = table.gather(table.pictures_of(np.array([0]))[0])
    assert (found.whole[0] - found.whole[1]).abs().max() > 0.1
    capsys.readouterr()
    assert run("info", [output]) == 0
    assert "5 of 3 entities, by efficientnet_lite0 (1280 wide, 49 patches)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--image-tower", "clip"], "--image-tower is given, but only --images uses it"),
        (["--image-parts"], "--image-parts is given, but only --images uses it"),
        (["--images", "--image-tower", "nothing"], "the image tower nothing is neither efficientnet_lite0 nor a folder"),
        (["--images", "photo"], 'no entity of .* has a picture: give the paths in a column "photo"'),
    ],
)
def test_bad_options_end_with_one_sentence(catalogue, encoder_folder, tmp_path, capsys, monkeypatch, options, message):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # one of an earlier test may write into a file that is closed
    command = ["--catalogue", str(catalogue), "--output", str(tmp_path / "made"), "--encoder", str(encoder_folder)]
    assert run("build", [*command, *options]) == 2
    said = capsys.readouterr().err
    assert re.search(message, said)
    assert "Traceback" not in said
