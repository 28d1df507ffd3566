"""Files of QALD and LC-QuAD, in their layouts, with questions of our own."""

import gzip
import json
import logging
from pathlib import Path

import pytest

from elq.commands import run
from elq.errors import ElqError
from elq.questions.annotated import read_questions
from elq.questions.kgqa import read_kgqa
from elq.questions.silver import dictionary_of
from elq.questions.sparql import names
from elq.types import Entity
from tests.conftest import write_lines

WD = "PREFIX wd: <http://www.wikidata.org/entity/> PREFIX wdt: <http://www.wikidata.org/prop/direct/> "
RECORDS = [
    {"id": "Q44578", "title": "Titanic (1997 film)", "label": "Titanic"},
    {"id": "Q4", "title": "Köln", "aliases": ["Cologne"]},
    {"id": "Q5", "title": "human"},
    {"id": "Paris,_Texas", "title": "Paris, Texas", "label": "Paris"},
    {"id": "http://example.org/thing/7", "title": "Garden hose"},
]


def asked(number: object, query: object, **texts: str) -> dict:
    question = [{"language": language, "string": text, "keywords": "a, b"} for language, text in texts.items()]
    return {"id": number, "question": question, "query": {"sparql": query}, "answers": []}


QALD = {
    "dataset": {"id": "ours"},
    "questions": [
        asked(
            "1",
            f"{WD} SELECT ?x {{ wd:Q44578 wdt:P57 ?x. ?x wdt:P31 wd:Q5. }}",
            en="Who directed Titanic?",
            de="Wer drehte Titanic?",
        ),
        asked(2, "SELECT ?x { <http://www.wikidata.org/entity/Q4> ?p ?x }", de="Wie alt ist Köln?", en="How old is it?"),
        asked("3", f"{WD} ASK {{ wd:Q99 wdt:P1 wd:Q4 }}", en="Is Bob from Cologne?"),
        asked("4", "", en="Out of scope?"),
        asked("5", f"{WD} SELECT ?x {{ ?x wdt:P1 ?y }}", en="What is there?"),
        asked(["6"], f"{WD} SELECT ?x {{ ?x wdt:P1 wd:Q5 }}", en="Which human has an id that is a list?"),
        {"id": "7", "question": "broken", "query": None},
        None,
        3,
    ],
}
LCQUAD = [
    {
        "_id": "8",
        "corrected_question": "Who lives in Paris ?",
        "sparql_query": "SELECT ?u WHERE { ?u <http://dbpedia.org/ontology/home> <http://dbpedia.org/resource/Paris,_Texas> }",
    },
    {"uid": 9, "question": "Is a garden hose long?", "sparql_wikidata": "ask { <http://example.org/thing/7> wdt:P1 wd:Q77 }"},
    {"uid": 10, "question": None, "sparql_wikidata": "select ?x { wd:Q4 wdt:P1 ?x }"},
    {
        "uid": 11,
        "question": "Which film?",
        "sparql_wikidata": "select ?x { ?x wdt:P1 \"wd:Q44578\" . filter(contains(?x,'wd:Q4')) }",
    },
]


@pytest.fixture
def catalogue(tmp_path) -> Path:
    return write_lines(tmp_path / "catalogue.jsonl", RECORDS)


def saved(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def turned(tmp_path: Path, catalogue: Path, content: object, *options: str) -> list[dict]:
    file, output = saved(tmp_path / "raw.json", content), tmp_path / "made.jsonl"
    assert run("questions", [str(file), *options, "--catalogue", str(catalogue), "--output", str(output)]) == 0
    assert read_questions(output)
    return [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]


def silver(start: int, end: int, entity: str) -> dict:
    return {"start": start, "end": end, "entity": entity, "silver": True}


def test_qald_in_two_languages(tmp_path, catalogue, caplog):
    caplog.set_level(logging.INFO)
    assert turned(tmp_path, catalogue, QALD, "--format", "qald") == [
        {"id": "1", "text": "Who directed Titanic?", "mentions": [silver(13, 20, "Q44578")], "other_entities": ["Q5"]},
        {"id": "2", "text": "How old is it?", "mentions": [], "other_entities": ["Q4"]},
        {"id": "3", "text": "Is Bob from Cologne?", "mentions": [silver(12, 19, "Q4")], "other_entities": ["Q99"]},
        {"id": "6", "text": "Which human has an id that is a list?", "mentions": [silver(6, 11, "Q5")], "other_entities": []},
    ]
    assert "4 questions; of 6 entities, 3 have a silver mention, 2 have no name in the text" in caplog.text
    assert "1 are not in the catalogue" in caplog.text
    assert "5 records were skipped" in caplog.text
    for reason in ("no object: 2", "no question in 'en': 1", "no SPARQL query: 1", "no entity in the query: 1"):
        assert reason in caplog.text
    german = turned(tmp_path, catalogue, QALD, "--format", "qald", "--language", "de")
    assert [(one["text"], one["mentions"]) for one in german] == [
        ("Wer drehte Titanic?", [silver(11, 18, "Q44578")]),
        ("Wie alt ist Köln?", [silver(12, 16, "Q4")]),
    ]


def test_lcquad_of_both_versions_and_ids_of_other_kinds(tmp_path, catalogue):
    assert turned(tmp_path, catalogue, LCQUAD, "--format", "lcquad") == [
        {"id": "8", "text": "Who lives in Paris ?", "mentions": [silver(13, 18, "Paris,_Texas")], "other_entities": []},
        {
            "id": "9",
            "text": "Is a garden hose long?",
            "mentions": [silver(5, 16, "http://example.org/thing/7")],
            "other_entities": ["Q77"],
        },
    ]


def test_a_compressed_file(tmp_path):
    path = tmp_path / "qald.json.gz"
    path.write_bytes(gzip.compress(json.dumps(QALD).encode()))
    assert [question.id for question, _ in read_kgqa(path, "qald").questions] == ["1", "2", "3", "6"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("select * { ?x wdt:P1 wd:Q1.wd:Q2 wdt:P1 ?x.?x wdt:P2 wd:Q3.}", ["Q1", "Q2", "Q3"]),
        ("select * { wd:Q1 wdt:P1/wdt:P2* wd:Q2 . }", ["Q1", "Q2"]),
        ("ASK{wd:Q1 wdt:P1 wd:Q1;wdt:P2 wd:Q3}", ["Q1", "Q3"]),
        ("select * { wd:P31 ?p wd:Q0 , wd:Q10 }", ["Q10"]),
        ("prefix e: <http://www.wikidata.org/entity/> select * { e:Q1 ?p ?o }", ["Q1"]),
        ("select * { dbr:O'Hara_(singer) ?p ?o . dbr:St._Louis a ?c }", ["O'Hara_(singer)", "St._Louis"]),
        ("select * { <http://dbpedia.org/resource/Caf%C3%A9> ?p 'it''s' }", ["Caf%C3%A9"]),
        ("select * { ns:m.0abc ns:type.object.name ?x }", ["m.0abc"]),
        ('select * { ?x rdfs:label "a \\" wd:Q5"@en ; wdt:P1 wd:Q6 }', ["Q6"]),
        ("", []),
    ],
)
def test_the_entities_of_a_query(query, expected):
    assert [name.forms[0] for name in names(query) if name.entity] == expected


def test_an_address_is_the_id_that_the_catalogue_has():
    [name] = names("ASK { <http://dbpedia.org/resource/Caf%C3%A9> ?p ?o }")
    assert name.forms[:2] == ("Caf%C3%A9", "Café")


def test_mistakes_are_one_sentence(tmp_path, catalogue, capsys):
    file, output = saved(tmp_path / "raw.json", QALD), tmp_path / "made.jsonl"
    common = ["--catalogue", str(catalogue), "--output"]
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(QALD)[:300])
    for arguments, said in (
        ([str(file), "--format", "lcquad", "--language", "de", *common, str(output)], "LC-QuAD has only English"),
        ([str(file), "--format", "lcquad", *common, str(output)], "has no question of the format lcquad"),
        ([str(file), "--format", "qald", "--language", "fr", *common, str(output)], "no question in 'fr': 7"),
        ([str(broken), "--format", "qald", *common, str(output)], "not valid JSON"),
        ([str(tmp_path / "none.json"), "--format", "qald", *common, str(output)], "does not exist"),
        ([str(file), "--format", "qald", *common, str(file)], "is read by this command"),
        ([str(file), "--format", "qald", *common, str(catalogue)], "is read by this command"),
        ([str(file), "--format", "csv", *common, str(output)], "invalid choice: 'csv'"),
    ):
        assert run("questions", arguments) == 2
        told = capsys.readouterr().err
        assert said in told
        assert told.count("\n") == 1
        assert not output.exists()


def test_a_dictionary_of_no_records_is_refused():
    with pytest.raises(ElqError, match="no records"), dictionary_of([]):
        pass
    with dictionary_of([Entity("a", "Anna", "Anna")]) as dictionary:
        assert dictionary.spans_of("is anna here", 0) == [(3, 7)]
