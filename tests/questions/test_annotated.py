import json

import pytest

from elq.errors import ElqError
from elq.questions.annotated import question_from_record, read_questions
from elq.types import Mention, Question


def test_reads_the_shared_format(tmp_path):
    record = {
        "id": "a",
        "text": "paris 🎬 texas",
        "mentions": [
            {"start": 0, "end": 5, "entity": "Q90"},
            {"start": 8, "end": 13, "entity": None, "out_of_catalogue": "Q1"},
        ],
        "other_entities": ["Q2"],
    }
    path = tmp_path / "q.jsonl"
    path.write_text(json.dumps(record) + "\n\n" + '{"text": "hello"}\n', encoding="utf-8")
    first, second = read_questions(path)
    assert first == Question("a", "paris 🎬 texas", (Mention(0, 5, "Q90"), Mention(8, 13, None)), ("Q2",))
    assert first.text[8:13] == "texas"
    assert second == Question("3", "hello")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({}, "text is None"),
        ({"text": 5}, "text is 5"),
        ({"text": "abc", "mentions": {}}, None),
        ({"text": "abc", "mentions": "x"}, "mentions is 'x'"),
        ({"text": "abc", "mentions": ["x"]}, "a mention is 'x'"),
        (
            {"text": "abc", "mentions": [{"start": 0, "end": 4, "entity": "Q1"}]},
            r"span \[0, 4\) is empty or outside the text of 3",
        ),
        ({"text": "abc", "mentions": [{"start": 2, "end": 2, "entity": "Q1"}]}, r"span \[2, 2\) is empty"),
        ({"text": "abc", "mentions": [{"start": -1, "end": 2, "entity": "Q1"}]}, r"span \[-1, 2\)"),
        ({"text": "abc", "mentions": [{"start": True, "end": 2, "entity": "Q1"}]}, "start True and end 2"),
        ({"text": "abc", "mentions": [{"start": 0, "end": 2, "entity": 7}]}, "entity is 7"),
        ({"text": "abc", "other_entities": [7]}, r"other_entities is \[7\]"),
    ],
)
def test_a_bad_record_is_one_sentence(record, message, tmp_path):
    if message is None:
        assert question_from_record(record, 1).mentions == ()
        return
    with pytest.raises(ElqError, match=message):
        question_from_record(record, 1)
    (tmp_path / "q.jsonl").write_text(f'{{"text": "fine"}}\n{json.dumps(record)}\n')
    with pytest.raises(ElqError, match=rf"q\.jsonl, line 2: .*{message}"):
        read_questions(tmp_path / "q.jsonl")


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "q.jsonl").write_text("\n")
    with pytest.raises(ElqError, match="contains no questions"):
        read_questions(tmp_path / "q.jsonl")
