"""Every form in which people have questions, for `elq predict --input`."""

import gzip
import io
import json
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from elq.errors import ElqError
from elq.questions.inputs import check_input, read_input

TEXTS = ["who directed titanic?", "", "wo liegt Łódź, genau?"]


def texts(path, **options):
    check_input(str(path), options.get("text_column"))
    return [question.text for question in read_input(str(path), **options)]


FORMS = {
    "q.txt": "\n".join(TEXTS),
    "q": "\r\n".join(TEXTS) + "\r\n",
    "q.jsonl": "".join(json.dumps({"question": text}) + "\n\n" for text in TEXTS),
    "q.NDJSON": "".join(json.dumps({"text": text, "id": None}) + "\n" for text in TEXTS),
    "q.json": json.dumps(TEXTS, indent=1),
    "r.json": json.dumps([{"id": number, "text": text} for number, text in enumerate(TEXTS)]),
    "s.json": json.dumps({"version": 2, "questions": TEXTS}),
    "q.csv": "id,Question\n" + "".join(f'{number},"{text}"\n' for number, text in enumerate(TEXTS)),
    "q.TSV": "text\tid\n" + "".join(f"{text}\t{number}\n" for number, text in enumerate(TEXTS)),
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_form_gives_the_texts_in_their_order(name, encoding, tmp_path):
    content = FORMS[name].encode(encoding)
    (tmp_path / name).write_bytes(content)
    assert texts(tmp_path / name) == TEXTS
    packed = tmp_path / (f"{name}.gz" if "." in name else "p.txt.gz")
    packed.write_bytes(gzip.compress(content))
    assert texts(packed) == TEXTS


def test_ids_are_those_of_the_records_or_the_numbers_of_the_lines(tmp_path):
    for name, expected in (("q.csv", ["0", "1", "2"]), ("q.txt", ["1", "2", "3"]), ("q.jsonl", ["1", "3", "5"])):
        (tmp_path / name).write_text(FORMS[name], encoding="utf-8")
        assert [question.id for question in read_input(str(tmp_path / name))] == expected


def test_a_parquet_table_may_have_null(tmp_path):
    pq.write_table(pa.table({"question": ["a", None], "n": [1, 2]}), tmp_path / "q.parquet")
    assert texts(tmp_path / "q.parquet") == ["a", ""]


def test_another_column_is_named(tmp_path):
    (tmp_path / "q.csv").write_text("utterance,n\nwhy,1\n")
    assert texts(tmp_path / "q.csv", text_column="utterance") == ["why"]
    (tmp_path / "q.jsonl").write_text('{"utterance": "why", "text": "no"}\n')
    assert texts(tmp_path / "q.jsonl", text_column="utterance") == ["why"]
    for column, message in ((None, "no text or question among utterance, n: .*--text-column COLUMN"), ("Q", "no Q among utt")):
        with pytest.raises(ElqError, match=rf"q\.csv, line 2: there is {message}"):
            check_input(str(tmp_path / "q.csv"), column)
    (tmp_path / "q.txt").write_text("why\n")
    with pytest.raises(ElqError, match="one question a line and no columns: leave out --text-column"):
        check_input(str(tmp_path / "q.txt"), "utterance")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('one\n\n{"text": "two"}\n[sic] three\n', ["one", "", "two", "[sic] three"]),
        ('[\n "one",\n {"text": "two"}\n]\n', ["one", "two"]),
        ('[{"question": "one"}]', ["one"]),
        ("\ufeffone\n", ["one"]),
        ("", []),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_standard_input_may_be_text_objects_or_an_array(content, expected, pack, monkeypatch):
    stream = io.TextIOWrapper(io.BufferedReader(io.BytesIO(pack(content.encode()))))
    monkeypatch.setattr(sys, "stdin", stream)
    assert texts("-") == expected


def test_anything_else_is_one_sentence(tmp_path):
    for name in ("q.xlsx", "q.pdf"):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(ElqError, match=r"ends in \.\w+, but must be a \.jsonl, \.json, \.csv, .*: convert the file"):
            check_input(str(tmp_path / name))
    with pytest.raises(ElqError, match="is a folder, but must be a file"):
        check_input(str(tmp_path))
    (tmp_path / "q.json").write_text('["a", 5, {"txt": "b"}]')
    with pytest.raises(ElqError, match=r"q\.json, record 2 is 5, but must be a text"):
        texts(tmp_path / "q.json")
    assert texts(tmp_path / "q.json", skip_bad_lines=True) == ["a"]
