"""WikiMEL, RichpediaMEL, VPWiki and WikiDiverse: their records become texts with mentions, pictures and boxes."""

import hashlib
import json
import logging

import pytest

from elq import ElqError, Mention
from elq.commands.question_sources import read_annotated
from elq.exchange.question_formats import guessed_format, read_given

MAYOR = {"sentence": "Mayor Charles Smith with Rogers", "imgPath": "7.jpg"}
WIKIMEL = [
    {"id": "7-0", **MAYOR, "mentions": "Charles Smith", "answer": "Q1"},
    {"id": "7-1", **MAYOR, "mentions": "rogers", "answer": "nil"},
    {
        "id": "8-0",
        "sentence": "Two men",
        "mentions": ["men", "Two", "dog"],
        "answer": ["Q2", "Q3", "Q4"],
        "entities": ["M", "T", "D"],
    },
]
DIVERSE = [
    [
        "The Lions versus the Packers (2007).",
        "https://upload.example.org/commons/0/06/Lions_Running%20Play.jpg",
        "sports",
        [
            ["Lions", "Organization", 4, 9, "https://en.wikipedia.org/wiki/Detroit_Lions"],
            ["Packers", "Organization", 21, 28, ""],
        ],
    ],
    ["Nothing", "", "disaster", []],
]


def test_melbench_names_become_spans_and_pictures_are_found_beside_the_file(tmp_path, caplog):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "7.jpg").write_bytes(b"x")
    file = tmp_path / "train.json"
    file.write_text(json.dumps(WIKIMEL))
    assert guessed_format(file) == "melbench"
    with caplog.at_level(logging.WARNING):
        first, second, third = read_given(file, "melbench")
    assert first.mentions == (Mention(6, 19, "Q1"),)
    assert first.image == second.image == str(tmp_path / "images" / "7.jpg")
    assert second.mentions == (Mention(25, 31, None),)
    assert (third.image, third.mentions) == (None, (Mention(4, 7, "Q2"), Mention(0, 3, "Q3")))
    assert "1 of 5 names do not stand in their sentences" in caplog.text
    assert [one.id for one in (first, second, third)] == ["7-0", "7-1", "8-0"]


def test_an_object_by_id_and_lines_are_read_as_the_array(tmp_path):
    array, by_id, lines = (tmp_path / name for name in ("a.json", "b.json", "c.jsonl"))
    array.write_text(json.dumps(WIKIMEL))
    by_id.write_text(json.dumps({one["id"]: {k: v for k, v in one.items() if k != "id"} for one in WIKIMEL}))
    lines.write_text("".join(json.dumps(one) + "\n" for one in WIKIMEL))
    assert read_annotated(str(array)) == read_annotated(str(by_id)) == read_annotated(str(lines))


def test_a_box_of_vpwiki_is_meant_where_the_sentence_does_not_name_the_entity(tmp_path):
    folder = tmp_path / "pictures"
    record = {"id": 4, "sentence": "The final", "mentions": "Lin Dan", "imgPath": "4.jpg", "answer": "Q9", "box": [1, 2, 3, 4]}
    file = tmp_path / "a.json"
    file.write_text(json.dumps([record, {**record, "mentions": "final"}]))
    boxed, named = read_given(file, "melbench", pictures=folder)
    assert (boxed.mentions, boxed.box, boxed.box_entity) == ((), (1.0, 2.0, 3.0, 4.0), "Q9")
    assert boxed.image == str(folder / "4.jpg")  # it is missing, which is said where pictures are opened
    assert (named.mentions, named.box, named.box_entity) == ((Mention(4, 9, "Q9"),), (1.0, 2.0, 3.0, 4.0), None)


@pytest.mark.parametrize("how", ["address", "unquoted", "digest"])
def test_wikidiverse_has_titles_worlds_and_pictures_by_the_end_of_their_address(how, tmp_path):
    name = "Lions_Running%20Play.jpg"
    digest = hashlib.md5(name.encode()).hexdigest() + ".jpg"
    stored = {"address": name, "unquoted": "Lions_Running Play.jpg", "digest": digest}[how]
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / stored).write_bytes(b"x")
    file = tmp_path / "train.json"
    file.write_text(json.dumps(DIVERSE))
    assert guessed_format(file) == "wikidiverse"
    first, second = read_given(file, "wikidiverse", pictures=tmp_path / "p")
    assert first.mentions == (Mention(4, 9, "Detroit Lions"), Mention(21, 28, None))
    assert (first.image, first.world, second.image) == (str(tmp_path / "p" / stored), "sports", None)


@pytest.mark.parametrize(
    ("form", "record", "said"),
    [
        ("melbench", {"text": "x"}, "no text as .sentence."),
        ("melbench", [1], "no text as .sentence."),
        ("melbench", {**WIKIMEL[0], "answer": {}}, "answer is {}"),
        ("melbench", {**WIKIMEL[0], "box": [1, 2]}, "box is"),
        ("wikidiverse", {"a": 1}, "the record is not"),
        ("wikidiverse", ["x", "y", "z"], "the record is not"),
        ("wikidiverse", ["x", "y", "z", [["x", "T", 0, 9, ""]]], "outside the text"),
        ("wikidiverse", ["x", "y", "z", [["x", "T"]]], "a mention is"),
    ],
)
def test_a_bad_record_is_one_sentence_with_its_place(form, record, said, tmp_path):
    file = tmp_path / "a.json"
    file.write_text(json.dumps([record]))
    with pytest.raises(ElqError, match=rf"a\.json, record 1: .*{said}"):
        read_given(file, form)


def test_a_path_that_is_too_long_is_a_missing_picture(tmp_path):
    file = tmp_path / "long.json"
    file.write_text(json.dumps([{**WIKIMEL[0], "imgPath": "a" * 300}]))
    [found] = read_given(file, "melbench")
    assert found.image == str(tmp_path / ("a" * 300))
