"""Laws of the frames: which kind an entity has, and what a user's file may contain."""

import time
from collections import Counter
from pathlib import Path

import pytest
import yaml

from elq.errors import ElqError
from elq.questions.frames import OWN_FRAMES, ROOT, head_phrases, load_frames
from elq.types import Entity
from tests.questions.test_templates import RECORDS


def write_frames(path: Path, content: object) -> Path:
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        (RECORDS[0], "settlement"),
        (RECORDS[2], "thinker"),
        (RECORDS[4], "athlete"),
        (RECORDS[6], "actor"),
        (RECORDS[8], "settlement"),
        (RECORDS[7], ROOT),
        (Entity("Q1", "x", "x", "episode of Star Trek"), "series"),
        (Entity("Q1", "x", "x", "who knows", types=("human",)), "person"),
        (Entity("Q1", "x", "x", "state in East Asia", types=("sovereign state",)), "country"),
        (Entity("Q1", "x", "x", types=("districts of the Czech Republic",)), "region"),
        (Entity("Q1", "x", "x", "superhero", types=("tv show",)), "series"),
        (Entity("Q1", "x", "x", "Book by an actor in a film about a city"), "book"),
    ],
)
def test_kind_comes_from_the_head_of_description_and_types(record: Entity, kind: str) -> None:
    assert load_frames().kind_of(record) == kind


def test_own_frames_are_many_and_no_keyword_is_out_of_reach() -> None:
    frames = load_frames()
    assert sum(map(len, frames.single.values())) >= 1000
    assert len(frames.no_mention) >= 100
    assert all(len(frames.single[kind]) >= 10 for kind in frames.parents)
    assert all(head_phrases(word) == (word,) for word in frames.keywords)
    content = yaml.safe_load(OWN_FRAMES.read_text(encoding="utf-8"))
    words = Counter(word for section in content["kinds"].values() for word in section["types"])
    assert max(words.values()) == 1  # a word in two kinds would silently go to the later one


def test_a_users_file_extends_ours(tmp_path: Path) -> None:
    content = {
        "kinds": {"boat": {"types": ["steam boat"], "parent": "product", "frames": "How fast sails {entity}?"}},
        "no_mention": ["Ahoy"],
    }
    ours, more = load_frames(), load_frames(write_frames(tmp_path / "more.yaml", content))
    assert set(more.parents) - set(ours.parents) == {"boat"}
    assert more.lineage("boat") == ["boat", "product", ROOT]
    assert len(more.no_mention) == len(ours.no_mention) + 1
    assert more.kind_of(Entity("Q1", "x", "x", "old steam boat by Fulton")) == "boat"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"kinds": {"film": {"frames": ["Who directed it?"]}}}, "{entity} once"),
        ({"kinds": {"film": {"frames": ["{entity} and {entity}"]}}}, "{entity} once"),
        ({"kinds": {"film": {"frames": ["{entity} by {director}"]}}}, "director"),
        ({"kinds": {"film": {"frames": ["{entity} by {other:vegetables}"]}}}, "vegetables"),
        ({"kinds": {"film": {"frames": ["{entity} by {"]}}}, "braces"),
        ({"kinds": {"film": {"frames": [3]}}}, "list of strings"),
        ({"kinds": {"film": {"keywords": ["movie"]}}}, "keywords"),
        ({"kinds": {"film": {"parent": "nothing"}}}, "nothing"),
        ({"kinds": {"work": {"parent": "film"}}}, "its own child"),
        ({"kinds": ["film"]}, "must be a mapping"),
        ({"no_mention": ["who is {entity}"]}, "no_mention"),
        ({"replace": True, "kinds": {ROOT: {"frames": []}}, "no_mention": ["hello"]}, ROOT),
        ({"frames": []}, "kinds, no_mention, replace"),
        (["film"], "must be a mapping"),
    ],
)
def test_bad_frames_are_named_with_their_file(tmp_path: Path, content: object, says: str) -> None:
    with pytest.raises(ElqError) as caught:
        load_frames(write_frames(tmp_path / "bad.yaml", content))
    assert "bad.yaml" in str(caught.value)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_yaml_are_named(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("kinds: [", encoding="utf-8")
    (tmp_path / "latin.yaml").write_bytes(b"no_mention: [caf\xe9]")
    for name in ("bad.yaml", "latin.yaml", "none.yaml"):
        with pytest.raises(ElqError, match=name):
            load_frames(tmp_path / name)


def test_a_long_description_takes_no_long_time_and_its_end_counts():
    frames = load_frames()
    began = time.process_time()
    for words in (100_000, 200_000):
        assert frames.kind_of(Entity("Q1", "x", "x", "grey " * words + "river")) == frames.kind_of(
            Entity("Q1", "x", "x", "river")
        )
        assert frames.kind_of(Entity("Q1", "x", "x", "grey " * words)) == ROOT
    assert time.process_time() - began < 10  # it took hours when every end of a text was tried


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_a_keyword_of_any_number_of_words_is_found(size, tmp_path):
    keyword = " ".join(["very", "old", "steam", "boat"][-size:])
    more = load_frames(
        write_frames(tmp_path / "f.yaml", {"kinds": {"boat": {"types": [keyword], "frames": ["sail {entity}"]}}})
    )
    assert more.kind_of(Entity("Q1", "x", "x", f"one more {keyword}s of the river")) == "boat"
