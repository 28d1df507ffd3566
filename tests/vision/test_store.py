"""The feature store: what was stored comes back, whoever is killed, and whoever writes beside."""

import gc
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from elq.errors import ElqError
from elq.vision.encoding import BATCH, CHUNK, View, encode_pictures, open_view
from elq.vision.pictures import content_key
from elq.vision.problems import Problems
from elq.vision.store import KEYS, VECTORS, FeatureStore
from elq.vision.tower import ImageTower, PictureVectors
from tests.vision.conftest import noise

ROOT = Path(__file__).resolve().parents[2]


class Mean(ImageTower):
    """A small tower that can be computed by hand: a patch is the mean colour of a quarter, and the whole is that of all."""

    name, identity, width, patches = "mean", "1" * 64, 3, 4

    def __init__(self) -> None:
        self.encoded = 0

    def encode(self, pictures):
        self.encoded += len(pictures)
        cells = [np.asarray(picture.resize((2, 2), Image.Resampling.BOX), np.float32) for picture in pictures]
        cells = torch.from_numpy(np.stack(cells)).reshape(-1, 4, 3)
        return PictureVectors(cells.mean(1), cells)


def vectors_of(count, seed=0):
    drawn = torch.randn(count, 5, 3, generator=torch.Generator().manual_seed(seed)).half().float()
    return PictureVectors(drawn[:, 0], drawn[:, 1:])


def keys_of(numbers):
    return [bytes([number]) * 32 for number in numbers]


def test_what_was_added_comes_back_in_any_order(tmp_path):
    store, found = FeatureStore(tmp_path / "a", Mean()), vectors_of(4)
    assert store.rows(keys_of([1, 2])).tolist() == [-1, -1]
    store.add(keys_of([1, 2]), PictureVectors(found.whole[:2], found.patches[:2]))
    store.add(keys_of([3, 4]), PictureVectors(found.whole[2:], found.patches[2:]))
    for opened in (store, FeatureStore(tmp_path / "a", Mean())):
        rows = opened.rows(keys_of([4, 1, 9, 3, 4]))
        assert rows.tolist() == [3, 0, -1, 2, 3]
        taken = opened.vectors(rows[rows >= 0])
        assert torch.equal(taken.whole, found.whole[[3, 0, 2, 3]])
        assert torch.equal(taken.patches, found.patches[[3, 0, 2, 3]])
        assert taken.whole.dtype == torch.float32
        assert len(opened) == 4
        assert opened.values.shape == (4, 5, 3)
        for rows in ([-1], [4]):
            with pytest.raises(IndexError):
                opened.vectors(np.array(rows))
    assert store.vectors(np.array([], np.int64)).patches.shape == (0, 4, 3)


def test_a_key_keeps_its_vectors(tmp_path):
    store = FeatureStore(tmp_path, Mean())
    store.add(keys_of([1]), vectors_of(1, seed=1))
    store.add(keys_of([2, 1, 2]), vectors_of(3, seed=2))
    assert len(store) == 2
    assert torch.equal(store.vectors(store.rows(keys_of([1]))).whole, vectors_of(1, seed=1).whole)


def test_what_another_process_added_is_seen(tmp_path):
    one, other = FeatureStore(tmp_path, Mean()), FeatureStore(tmp_path, Mean())
    one.add(keys_of([1]), vectors_of(1, seed=1))
    assert other.rows(keys_of([1])).tolist() == [-1]
    other.add(keys_of([2, 1]), vectors_of(2, seed=2))  # one of them is there already
    one.refresh()
    for store in (one, other):
        assert store.rows(keys_of([1, 2])).tolist() == [0, 1]
        assert torch.equal(store.vectors(np.array([0])).whole, vectors_of(1, seed=1).whole)


@pytest.mark.parametrize("left", [(0, 7), (13, 7), (30, 0), (95, 31)])
def test_what_a_killed_process_left_is_cut_off(tmp_path, left):
    store = FeatureStore(tmp_path, Mean())
    store.add(keys_of([1, 2]), vectors_of(2, seed=1))
    for name, count in zip((VECTORS, KEYS), left, strict=True):  # bytes of a row that was not finished
        with (tmp_path / name).open("ab") as stream:
            stream.write(b"x" * count)
    store = FeatureStore(tmp_path, Mean())
    assert len(store) == 2
    store.add(keys_of([3]), vectors_of(1, seed=3))
    for opened in (store, FeatureStore(tmp_path, Mean())):
        assert opened.rows(keys_of([1, 2, 3])).tolist() == [0, 1, 2]
        assert torch.equal(opened.vectors(np.array([1])).whole, vectors_of(2, seed=1).whole[1:])
        assert torch.equal(opened.vectors(np.array([2])).whole, vectors_of(1, seed=3).whole)
    assert (tmp_path / KEYS).stat().st_size == 96


def test_the_vectors_are_on_the_disk_before_their_keys(tmp_path, monkeypatch):
    store = FeatureStore(tmp_path, Mean())
    monkeypatch.setattr(os, "fsync", lambda number: order.append(str(Path(f"/proc/self/fd/{number}").readlink())))
    order: list[str] = []
    store.add(keys_of([1]), vectors_of(1))
    assert [Path(name).name for name in order] == [VECTORS, KEYS]


@pytest.mark.parametrize("change", [{"identity": "2" * 64}, {"width": 6}, {"patches": 9}])
def test_the_store_of_another_tower_is_refused(tmp_path, change):
    FeatureStore(tmp_path, Mean())
    other = Mean()
    for name, value in change.items():
        setattr(other, name, value)
    with pytest.raises(ElqError, match="give another folder for each tower"):
        FeatureStore(tmp_path, other)


def test_a_damaged_folder_is_refused(tmp_path):
    store = FeatureStore(tmp_path, Mean())
    (tmp_path / "about.json").write_text("{}")
    with pytest.raises(ElqError, match="about.json is damaged: delete the folder"):
        FeatureStore(tmp_path, Mean())
    store.add(keys_of([1]), vectors_of(1))
    (tmp_path / "about.json").unlink()
    with pytest.raises(ElqError, match="but no about.json: delete the folder"):
        FeatureStore(tmp_path, Mean())
    (tmp_path / "file").touch()
    with pytest.raises(ElqError, match="could not be written"):
        FeatureStore(tmp_path / "file", Mean())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 70_000.0])
def test_numbers_that_float16_lacks_are_refused(tmp_path, value):
    store, found = FeatureStore(tmp_path, Mean()), vectors_of(1)
    found.patches[0, 2, 1] = value
    with pytest.raises(ElqError, match="image tower mean gave NaN, or numbers too large for float16"):
        store.add(keys_of([1]), found)
    assert len(FeatureStore(tmp_path, Mean())) == 0


# --- encoding through the store


def folder_of_pictures(folder: Path, count: int) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        noise(number).save(path)
    return paths


def test_the_rows_are_those_of_the_pictures(tmp_path):
    paths, problems, tower = folder_of_pictures(tmp_path / "pictures", 3), Problems(), Mean()
    (tmp_path / "broken").write_bytes(b"no picture")
    box = (0, 0, 20, 30)
    views = [
        View(paths[0]),
        None,
        View(str(paths[1])),
        View(tmp_path / "absent"),
        View(paths[0], box),
        View(paths[0], box, True),
    ]
    views += [
        View(tmp_path / "broken"),
        View(paths[0].read_bytes()),
        View(noise(2)),
        View(tmp_path / "broken"),
        View(paths[2], (900, 1, 901, 2)),
    ]
    store = FeatureStore(tmp_path / "store", tower)
    rows = encode_pictures(views, store, problems=problems)
    assert (rows < 0).tolist() == [False, True, False, True, False, False, True, False, False, True, True]
    assert rows[0] == rows[7]  # the same content
    assert len({*rows[rows >= 0].tolist()}) == 5 == tower.encoded
    assert problems.count == 4
    assert [str(problem.source) for problem in problems.found].count(str(tmp_path / "broken")) == 2
    for row, view in zip(rows, views, strict=True):
        if row >= 0:
            expected = Mean().encode([open_view(view)])
            torch.testing.assert_close(store.vectors(np.array([row])).whole, expected.whole, atol=0.2, rtol=1e-3)
    again = encode_pictures(views, FeatureStore(tmp_path / "store", tower))
    assert again.tolist() == rows.tolist()
    assert tower.encoded == 5  # nothing was encoded again


def test_few_opened_pictures_are_in_memory_at_once(tmp_path):
    alive = []

    class Counting(Mean):
        def encode(self, pictures):
            alive.append(sum(type(one) is Image.Image for one in gc.get_objects()))
            return super().encode(pictures)

    paths = folder_of_pictures(tmp_path / "pictures", CHUNK)
    gc.collect()
    before = sum(type(one) is Image.Image for one in gc.get_objects())
    encode_pictures([View(path) for path in paths], FeatureStore(tmp_path / "store", Counting()))
    assert len(alive) == CHUNK // BATCH
    assert max(alive) - before <= 3 * BATCH


def test_the_picture_of_many_mentions_is_read_once(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr("elq.vision.encoding.content_key", lambda *what: read.append(what) or content_key(*what))
    opened, [path], problems = noise(1), folder_of_pictures(tmp_path / "pictures", 1), Problems()
    views = [View(opened), View(path), View(path, (0, 0, 9, 9)), View(tmp_path / "absent")] * 5
    rows = encode_pictures(views, FeatureStore(tmp_path / "store", Mean()), problems=problems)
    assert len(read) == 3
    assert rows.tolist() == rows[:4].tolist() * 5
    assert problems.count == 5  # each mention lacks its picture


def test_what_is_no_whole_picture_is_reported(tmp_path):
    stream, problems = io.BytesIO(), Problems()
    noise(3).resize((300, 300)).save(stream, "JPEG")
    damaged = Image.open(io.BytesIO(stream.getvalue()[:2000]))  # Pillow reads the pixels later
    store = FeatureStore(tmp_path, Mean())
    assert encode_pictures([View(damaged)], store, problems=problems).tolist() == [-1]
    assert "is damaged" in str(problems.found[0])
    for wrong in (np.zeros((9, 9, 3), np.uint8), bytearray(stream.getvalue()), ["a.png"]):
        with pytest.raises(ElqError, match=f"of the type {type(wrong).__name__}, but must be a path, bytes"):
            encode_pictures([View(wrong)], store)


def test_no_pictures_at_all(tmp_path):
    assert encode_pictures([], FeatureStore(tmp_path, Mean())).tolist() == []
    assert encode_pictures([None], FeatureStore(tmp_path, Mean())).tolist() == [-1]


WORK = """
import sys, time
from pathlib import Path
from elq.vision.encoding import View, encode_pictures
from elq.vision.store import FeatureStore
from tests.vision.test_store import Mean

class Slow(Mean):
    def encode(self, pictures):
        time.sleep(float(sys.argv[3]) * len(pictures))
        return super().encode(pictures)

views = [View(path) for path in sorted(Path(sys.argv[1]).iterdir())]
views = views[::-1] if len(sys.argv) > 4 else views
encode_pictures(views, FeatureStore(sys.argv[2], Slow()))
"""


def start(pictures: Path, store: Path, seconds: float, *more: str) -> subprocess.Popen:
    command = [sys.executable, "-c", WORK, str(pictures), str(store), str(seconds), *more]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=ROOT)


def test_two_processes_that_write_at_once_make_a_whole_store(tmp_path):
    paths = folder_of_pictures(tmp_path / "pictures", 3 * CHUNK)
    both = [start(tmp_path / "pictures", tmp_path / "store", 0.001, *more) for more in ((), ("backwards",))]
    assert [process.wait(120) for process in both] == [0, 0]
    check(tmp_path / "store", paths)
    assert (tmp_path / "store" / KEYS).stat().st_size == len(paths) * 32


def test_a_process_that_is_killed_leaves_a_store_that_goes_on(tmp_path):
    paths = folder_of_pictures(tmp_path / "pictures", 4 * CHUNK)
    process = start(tmp_path / "pictures", tmp_path / "store", 0.005)
    until = time.monotonic() + 60
    while len(keys_in(tmp_path / "store")) < CHUNK * 32:
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(FeatureStore(tmp_path / "store", Mean()))
    assert CHUNK <= done < len(paths)
    tower = Mean()
    encode_pictures([View(path) for path in paths], FeatureStore(tmp_path / "store", tower))
    assert tower.encoded == len(paths) - done
    check(tmp_path / "store", paths)


def keys_in(folder: Path) -> bytes:
    path = folder / KEYS
    return path.read_bytes() if path.is_file() else b""


def check(folder: Path, paths: list[Path]) -> None:
    """The store has the vectors of every picture."""
    store, tower = FeatureStore(folder, Mean()), Mean()
    rows = encode_pictures([View(path) for path in paths], store)
    assert sorted(rows.tolist()) == list(range(len(paths)))
    expected = tower.encode([open_view(View(path)) for path in paths])
    assert torch.equal(store.vectors(rows).whole, expected.whole.half().float())
    assert torch.equal(store.vectors(rows).patches, expected.patches.half().float())
    assert json.loads((folder / "about.json").read_text())["tower"] == "mean"
