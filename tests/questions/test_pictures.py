"""Pictures of questions: the keys of a record, their mistakes, and pictures that do not exist."""

import json
import logging

import pytest

from elq.errors import ElqError
from elq.questions.annotated import question_from_record, read_questions
from elq.questions.records import annotated_record, record_of
from elq.types import Question
from tests.conftest import write_lines

BOXED = {"text": "the winner", "image": "p/a.png", "box": [1, 2, 30, 40], "entity": "Q5"}


def test_a_path_is_relative_to_the_question_file(tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a.png").write_bytes(b"x")
    other = tmp_path / "other.png"
    other.write_bytes(b"x")
    file = tmp_path / "questions.jsonl"
    write_lines(file, [BOXED, {"text": "an absolute path", "image": str(other)}, {"text": "no picture"}])
    boxed, absolute, none = read_questions(file)
    assert boxed.image == str(tmp_path / "p" / "a.png")
    assert (boxed.box, boxed.box_entity) == ((1.0, 2.0, 30.0, 40.0), "Q5")
    assert (absolute.image, absolute.box, absolute.box_entity) == (str(other), None, None)
    assert none == Question("3", "no picture")


def test_old_records_are_read_as_before():
    record = {"text": "who is ada?", "mentions": [{"start": 7, "end": 10, "entity": "Q7259"}], "entity": "ignored"}
    question = question_from_record(record, 4)
    assert (question.image, question.box, question.box_entity) == (None, None, None)
    assert "image" not in repr(question)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"image": 7}, "image is 7, but must be the path"),
        ({"image": " "}, "image is ' '"),
        ({"image": "a\0b"}, "image is"),
        ({"image": None}, "there is no picture"),
        ({"box": [1, 2, 3]}, "box is"),
        ({"box": [30, 2, 1, 40]}, "box is"),
        ({"box": "all"}, "box is"),
        ({"box": [0, 0, 10**400, 4]}, "box is"),
        ({"box": [0, 0, float("nan"), 4]}, "box is"),
        ({"entity": ["Q5"]}, "entity is"),
        ({"entity": " "}, "entity is"),
    ],
)
def test_a_bad_path_or_box_is_one_sentence_with_the_line(change, said, tmp_path):
    file = tmp_path / "questions.jsonl"
    file.write_text(json.dumps({**BOXED, **change}) + "\n")
    with pytest.raises(ElqError, match=f"questions.jsonl, line 1: .*{said}"):
        read_questions(file)


def test_a_missing_picture_counts_as_none_and_is_counted(tmp_path, caplog):
    (tmp_path / "a.png").write_bytes(b"x")
    file = tmp_path / "questions.jsonl"
    texts = [{"text": "one", "image": "a.png"}, {"text": "two", "image": "b.png"}, {**BOXED, "image": "c.png"}]
    texts += [{"text": "four"}]
    write_lines(file, texts)
    with caplog.at_level(logging.WARNING):
        found = read_questions(file)
    assert [one.image is None for one in found] == [False, True, True, True]
    assert found[2].box_entity == "Q5"
    assert "2 of 3 pictures do not exist, such as" in caplog.text


def test_a_picture_whose_path_is_too_long_is_missing(tmp_path):
    file = tmp_path / "questions.jsonl"
    write_lines(file, [{"text": "who?", "image": "data:image/png;base64," + "A" * 5000}])
    assert read_questions(file)[0].image is None


def test_an_annotated_record_keeps_the_picture(tmp_path):
    question = question_from_record(BOXED, 1, tmp_path)
    again = question_from_record(annotated_record(question), 1)
    assert again == question
    assert "image" not in record_of(Question("1", "x"))
    assert "image" not in annotated_record(Question("1", "x"))
