"""A large question file is read from the disk, and gives the same batches as one in memory."""

import gzip
import pickle

import pytest

from elq.errors import ElqError
from elq.names.dictionary import Dictionary
from elq.questions.annotated import read_questions
from elq.questions.silver import with_silver
from elq.training import stored
from elq.training.data import QuestionData
from elq.training.stages import Source, Stage
from elq.training.stored import StoredQuestions, Together, is_large
from elq.types import Question
from tests.conftest import write_lines
from tests.training.test_data import data  # noqa: F401


@pytest.fixture
def file(tmp_path, question_file):
    path = tmp_path / "large.jsonl"
    lines = question_file.read_text(encoding="utf-8").splitlines()
    path.write_text("\n\n".join([*lines, '{"text": "wo liegt Köln ☃?"}']), encoding="utf-8")
    return path


@pytest.fixture
def all_large(monkeypatch):
    monkeypatch.setattr(stored, "LARGE", 1)


def test_stored_questions_are_those_of_the_file(file, entities):
    kept = StoredQuestions(file, entities.catalogue)
    expected = read_questions(file)
    assert len(kept) == len(expected)
    assert list(kept) == expected
    assert kept[2:5] == expected[2:5]
    assert kept[-1] == expected[-1]
    assert [*kept.sizes] == [len(question.text) for question in expected]
    copy = pickle.loads(pickle.dumps({**kept.__getstate__(), "catalogue": None}))
    assert copy["_stream"] is None
    assert kept.first == {m.entity: q.id for q in reversed(expected) for m in reversed(q.mentions) if m.entity is not None}


def test_silver_mentions_and_left_out_questions(tmp_path, entities):
    path = tmp_path / "q.jsonl"
    records = [
        {"text": "who sang queen in paris", "mentions": [], "other_entities": ["Q90"]},
        {"text": "left out", "mentions": []},
        {"text": "nothing"},
    ]
    write_lines(path, records)
    dictionary = Dictionary(entities.catalogue)
    kept = StoredQuestions(path, entities.catalogue, silver=dictionary, without=frozenset({"left out"}))
    [first, last] = kept
    [silver] = with_silver(read_questions(path)[:1], dictionary)
    assert first.mentions == silver.mentions
    assert first.partial
    assert last.partial
    assert last.id == "3"
    assert kept.first == {"Q90": "1"}


def test_a_training_has_the_same_batches(data, question_file, monkeypatch):  # noqa: F811
    def batches():
        made: QuestionData = data(train=[Stage(sources=[Source(str(question_file), repeat=2)], templates=5)], batch_size=4)
        made.prepare_data()
        made.setup("fit")
        assert any(isinstance(part, StoredQuestions) for part in made._training[0].parts) == is_large(question_file)
        return [(batch.questions, batch.rows.tolist()) for batch in made.train_dataloader()]

    whole = batches()
    monkeypatch.setattr(stored, "LARGE", 1)
    assert batches() == whole


def test_an_entity_that_the_catalogue_lacks_is_named(data, tmp_path, all_large):  # noqa: F811
    path = tmp_path / "q.jsonl"
    write_lines(path, [{"text": "queen", "mentions": [{"start": 0, "end": 5, "entity": "Q404"}]}])
    made = data(train=[Stage(sources=[Source(str(path))])])
    made.prepare_data()
    with pytest.raises(ElqError, match="question 1 has the entity Q404, which is not in the catalogue"):
        made.setup("fit")


def test_bad_and_empty_files_are_one_sentence(tmp_path, entities):
    path = tmp_path / "q.jsonl"
    path.write_text('{"text": "a"}\n{"text": 1}\n')
    with pytest.raises(ElqError, match="line 2: text is 1"):
        StoredQuestions(path, entities.catalogue)
    path.write_text("\n")
    with pytest.raises(ElqError, match="contains no questions"):
        StoredQuestions(path, entities.catalogue)


def test_only_large_json_lines_without_compression_are_stored(tmp_path, all_large):
    assert not is_large(tmp_path / "none.jsonl")
    contents = {
        "a.jsonl": b'{"text": "a"}\n',
        "b.json": b"[]",
        "c.jsonl": gzip.compress(b'{"text": "a"}'),
        "d.jsonl": b"\xef\xbb\xbf{}",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    assert [name for name in contents if is_large(tmp_path / name)] == ["a.jsonl"]


def test_sequences_of_questions_are_one():
    questions = [Question(str(n), "a" * n) for n in range(5)]
    together = Together([[], questions[:1], [], questions[1:], questions])
    assert [*together] == questions * 2
    assert together[3:6] == [questions[3], questions[4], questions[0]]
    assert [*together.sizes] == [0, 1, 2, 3, 4] * 2
    assert len(Together([])) == 0
    with pytest.raises(IndexError):
        together[10]


def test_a_large_file_has_no_copies_with_other_entities(data, question_file, all_large):  # noqa: F811
    made = data(train=[Stage(sources=[Source(str(question_file), swapped=1)])])
    made.prepare_data()
    with pytest.raises(
        ElqError, match=r"swapped of .* is 1, but the questions of a large file .* have no copies: leave it out, or give a part"
    ):
        made.setup("fit")
