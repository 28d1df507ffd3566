import gzip
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
        (
            {"text": "abc", "mentions": [{"start": 0, "end": 2, "entity": ["Q7"]}]},
            r"entity is \['Q7'\], but must",
        ),
        ({"text": "abc", "mentions": [{"start": 0, "end": 2, "entity": True}]}, "entity is True"),
        ({"text": "abc", "mentions": [{"start": 0, "end": 2, "entity": " "}]}, "entity is ' '"),
        ({"text": "abc", "mentions": [{"start": 0, "end": 2}]}, r"a mention has no entity \(its keys are start, end\)"),
        ({"text": "abc", "other_entities": [7.5]}, r"other_entities is \[7\.5\]"),
        ({"text": "abc", "id": ["x"]}, r"id is \['x'\], but must be a string or a whole number"),
        ({"txt": "abc", "id": 1}, r"text is None \(the keys are txt, id\), but must be a string"),
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


def test_ids_are_read_as_in_a_catalogue():
    mention = {"start": 0, "end": 2}
    records = [
        {"id": 7, "text": "abc", "mentions": [{**mention, "entity": 8}], "other_entities": [9, " Q1 "]},
        {"id": None, "text": "abc", "mentions": [{**mention, "entity": " Q2 "}]},
    ]
    first, second = (question_from_record(record, number) for number, record in enumerate(records, 1))
    assert first == Question("7", "abc", (Mention(0, 2, "8"),), ("9", "Q1"))
    assert second == Question("2", "abc", (Mention(0, 2, "Q2"),))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_questions_may_be_packed_an_array_or_have_a_byte_order_mark(encoding, tmp_path):
    records = [{"id": "a", "text": "déjà", "mentions": [{"start": 0, "end": 4, "entity": None}]}, {"id": "b", "text": "x"}]
    lines, array = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), json.dumps(records, indent=2)
    expected = [question_from_record(record, 0) for record in records]
    for name, text in (("q.jsonl", lines), ("q.data", lines), ("q.json", array), ("q.json", lines)):
        (tmp_path / name).write_bytes(text.encode(encoding))
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(text.encode(encoding)))
        assert read_questions(tmp_path / name) == read_questions(tmp_path / f"{name}.gz") == expected


def test_what_is_no_file_of_questions_is_one_sentence(tmp_path):
    with pytest.raises(ElqError, match="is a folder, but must be a file"):
        read_questions(tmp_path)
    (tmp_path / "q.csv").write_text("text\nwho\n")
    with pytest.raises(ElqError, match=r"q\.csv is a table, but annotated questions need lists of mentions"):
        read_questions(tmp_path / "q.csv")
    (tmp_path / "q.json").write_text('[{"text": "a"}, "b"]')
    with pytest.raises(ElqError, match=r"q\.json, record 2: the question is 'b', but must be an object"):
        read_questions(tmp_path / "q.json")
