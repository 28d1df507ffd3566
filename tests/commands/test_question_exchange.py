"""`elq questions` and `elq evaluate` with the formats of other programs."""

import json
from pathlib import Path

import pytest

from elq import Mention, Question
from elq.commands import run
from elq.exchange.nif import read_nif_file
from elq.questions.annotated import read_questions
from tests.conftest import write_lines

RECORDS = [
    {"id": "a b", "text": '🎬 who directed "titanic"?\n', "mentions": [{"start": 16, "end": 23, "entity": "Q44578"}]},
    {
        "id": "2",
        "text": "paris e\u0301 \\ zork",
        "mentions": [{"start": 11, "end": 15, "entity": None}, {"start": 0, "end": 5, "entity": 'B "2"'}],
    },
    {"id": "3", "text": "nothing", "mentions": [], "other_entities": ["Q5"]},
]


@pytest.fixture
def annotated(tmp_path) -> Path:
    return write_lines(tmp_path / "q.jsonl", RECORDS)


def made(file: Path, output: Path, *options: str) -> Path:
    assert run("questions", [str(file), "--output", str(output), *options]) == 0
    return output


@pytest.mark.parametrize("suffix", ["ttl", "nt"])
@pytest.mark.parametrize("options", [(), ("--entity-prefix", "http://example.org/kb#")])
def test_annotated_questions_become_nif_and_back(annotated, tmp_path, suffix, options, caplog):
    nif = made(annotated, tmp_path / f"q.{suffix}", *options)
    assert "1 entities without a mention (other_entities) cannot be written in this format" in caplog.text
    back = read_questions(made(nif, tmp_path / "back.jsonl", *options))
    expected = [
        Question(one.id, one.text, tuple(sorted(one.mentions, key=lambda m: m.start))) for one in read_questions(annotated)
    ]
    assert back == expected
    assert b"http://example.org/kb#Q44578" in nif.read_bytes() or not options


def test_annotated_questions_become_a_benchmark_of_elevant(annotated, tmp_path):
    lines = made(annotated, tmp_path / "q.elevant.jsonl").read_text(encoding="utf-8").splitlines()
    first, second, third = map(json.loads, lines)
    assert first == {
        "text": RECORDS[0]["text"],
        "title": "a b",
        "labels": [{"entity_reference": "Q44578", "start_char": 16, "end_char": 23}],
    }
    assert [one["entity_reference"] for one in second["labels"]] == ['B "2"', None]
    assert third["labels"] == []
    prefixed = made(annotated, tmp_path / "p.elevant.jsonl", "--entity-prefix", "http://example.org/kb/").read_text()
    assert '"http://example.org/kb/B%20%222%22"' in prefixed


def test_other_entities_and_half_characters_are_kept_in_our_format(tmp_path):
    (tmp_path / "q.jsonl").write_text(json.dumps({**RECORDS[2], "text": "\ud800"}))
    assert read_questions(made(tmp_path / "q.jsonl", tmp_path / "r.jsonl")) == read_questions(tmp_path / "q.jsonl")


def test_a_data_set_with_entities_of_dbpedia(tmp_path, caplog):
    (tmp_path / "kore.ttl").write_text(
        "@prefix nif: <http://persistence.uni-leipzig.org/nlp2rdf/ontologies/nif-core#> .\n"
        '<http://d/1#char=0,> nif:isString "Heidi and Seal" . <http://d/1#char=0,5> nif:referenceContext <http://d/1#char=0,> ;'
        "<http://www.w3.org/2005/11/its/rdf#taIdentRef> <http://dbpedia.org/resource/Heidi_Klum> ."
    )
    [question] = read_questions(made(tmp_path / "kore.ttl", tmp_path / "kept.jsonl"))
    assert question.mentions == (Mention(0, 5, "http://dbpedia.org/resource/Heidi_Klum"),)
    assert "1 of 1 mentions have an entity without the prefix, such as http://dbpedia.org/resource/Heidi_Klum" in caplog.text
    prefix = ("--entity-prefix", "http://dbpedia.org/resource/")
    assert read_questions(made(tmp_path / "kore.ttl", tmp_path / "cut.jsonl", *prefix))[0].mentions == (
        Mention(0, 5, "Heidi_Klum"),
    )


def test_evaluate_measures_on_nif_as_on_json_lines(tmp_path, question_file, folder):
    nif = made(question_file, tmp_path / "q.ttl")
    assert len(read_nif_file(nif)) > 5
    measured = []
    for file in (question_file, nif):
        output = tmp_path / f"{file.suffix}.json"
        arguments = ["--questions", str(file), "--model", folder, "--output", str(output), "--threshold", "-6"]
        assert run("evaluate", arguments) == 0
        measured.append(json.loads(output.read_text())["model"])
    assert measured[0] == measured[1]
    assert measured[0]["strong_micro_f1"] > 0


@pytest.fixture(scope="module")
def folder() -> str:
    return str(Path(__file__).parents[1] / "data" / "format4" / "model")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["q.json"], "the name of q.json does not say what it is: give --format qald, lcquad, annotated, nif"),
        (["q.json", "--format", "qald"], "--format qald is given, but no catalogue, whose names are looked for"),
        (["q.ttl", "--catalogue", "c.csv"], "--catalogue is given, but only QALD and LC-QuAD need one, not nif"),
        (["q.ttl", "--entity-prefix", "<"], "the entity prefix is '<', but must be the beginning of an IRI"),
        (["none.ttl"], "none.ttl does not exist: give the path of a file in NIF"),
    ],
)
def test_mistakes_are_one_sentence(options, said, tmp_path, capsys):
    assert run("questions", [*options, "--output", str(tmp_path / "made.jsonl")]) == 2
    assert said in capsys.readouterr().err
