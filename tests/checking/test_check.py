"""The check of a catalogue counts each kind of doubt, and says what should be added first."""

import json

import pytest

from elq.checking.advice import lines_of, report_of
from elq.checking.check import check_catalogue
from elq.checking.findings import KINDS
from elq.commands import catalogue
from elq.errors import ElqError
from tests.sources.reading import written

GOOD = {"title": "Paris", "description": "capital of France", "aliases": ["City of Light"], "types": ["city"]}
DOUBTS = {  # kind of finding → records that give it
    "bad records": [{"id": ["x"], "title": "a"}, {"id": "a"}, {"id": "b", "title": 1.5}],
    "duplicate ids": [{"id": "Q1", "title": "one"}, {"id": "Q1", "title": "two"}],
    "all titles equal": [{"id": "Q1", "title": "SKILL", "label": "a"}, {"id": "Q2", "title": "SKILL", "label": "b"}],
    "titles like ids": [{"id": "Q1", "title": "Q5612"}, {"id": "Q2", "title": "http://example.org/x"}],
    "wrong encoding": [{"id": "Q1", "title": "CafÃ©"}, {"id": "Q2", "title": "x", "description": "a \ufffd b"}],
    "markup": [{"id": "Q1", "title": "<b>Paris</b>"}, {"id": "Q2", "title": "Tom &amp; Jerry"}],
    "unsplit lists": [{"id": "Q1", "title": "Paris", "aliases": ["Lutetia; Paname; City of Light"]}],
    "no difference": [{"id": "Q1", "title": "Paris", "description": "a"}, {"id": "Q2", "title": "paris", "description": "a"}],
    "function words": [{"id": "Q1", "title": "Italy", "aliases": ["it"]}, {"id": "Q2", "title": "C"}],
    "numbers": [{"id": "Q1", "title": "Airplane", "aliases": ["747"]}],
    "long for a mention": [
        {"id": "Q1", "title": "The town of Our Lady the Queen of the Angels of the Little Portion"},
        {"id": "Q2", "title": "XK-2938-AB-1234-77"},
    ],
    "long names": [{"id": "Q1", "title": "word " * 30}],
    "long descriptions": [{"id": "Q1", "title": "a thing", "description": "word " * 300}],
    "many aliases": [{"id": "Q1", "title": "a thing", "aliases": [f"thing {n}" for n in range(60)]}],
    "empty items": [{"id": "Q1", "title": "a thing", "aliases": ["", "x y", " "]}],
    "description is the title": [{"id": "Q1", "title": "A thing", "description": "a thing"}],
}


def report(tmp_path, records, **options):
    path = written(tmp_path / "c.jsonl", "".join(json.dumps(record) + "\n" for record in records))
    return report_of(check_catalogue(path, **options), str(path))


def test_nothing_is_doubtful_in_a_good_catalogue(tmp_path):
    found = report(tmp_path, [{"id": "Q90", **GOOD}])
    assert found["findings"] == []
    assert found["add_first"] == []
    assert found["filled"] == {"description": 1, "aliases": 1, "types": 1, "popularity": 0}


def test_every_kind_has_an_example_here():
    assert DOUBTS.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", DOUBTS)
def test_each_kind_of_doubt_is_found_once_and_said(tmp_path, kind):
    found = report(tmp_path, [{"id": "Q90", **GOOD}, *DOUBTS[kind]] if kind != "all titles equal" else DOUBTS[kind])
    [one] = [finding for finding in found["findings"] if finding["kind"] == kind]
    assert one["count"] == {"duplicate ids": 1, "no difference": 1, "empty items": 2}.get(kind, len(DOUBTS[kind]))
    assert 1 <= len(one["examples"]) <= 3
    assert f"{one['what']}: {one['count']}" in "\n".join(lines_of(found))


def test_places_and_ids_of_repeated_records(tmp_path):
    found = report(tmp_path, DOUBTS["duplicate ids"])
    assert found["findings"][0]["examples"] == ["Q1 (line 1 and line 2)"]


def test_the_ambiguity_of_names(tmp_path):
    records = [{"id": f"Q{n}", "title": "Springfield", "description": str(n)} for n in range(3)]
    records += [{"id": "Q7", "title": "Paris"}, {"id": "Q8", "title": "Paris (film)"}, {"id": "Q9", "title": "Rome"}]
    names = report(tmp_path, records)["names"]
    assert names["different"] == 4  # "paris film" is a name too
    assert (names["of_one_entity"], names["of_two_entities"], names["of_more_entities"]) == (2, 1, 1)
    assert names["most_ambiguous"] == [["springfield", 3], ["paris", 2]]


def test_scripts_and_languages_of_names(tmp_path):
    titles = ["The Lord of the Rings", "Krieg und Frieden", "Das Boot", "Титаник", "東京", "東京タワー", "서울", "1984"]
    names = report(tmp_path, [{"id": f"Q{n}", "title": title} for n, title in enumerate(titles)])["names"]
    assert names["scripts"] == {
        "Latin": 3,
        "Cyrillic": 1,
        "Chinese characters": 1,
        "Japanese": 1,
        "Korean": 1,
        "no letters": 1,
    }
    assert names["languages"] == {"German": 2, "English": 1}


def test_what_should_be_added_first(tmp_path):
    bare = [{"id": "a", "title": "Paris"}, {"id": "b", "title": "Paris"}, {"id": "c", "title": "Rome"}]
    advice = report(tmp_path, bare)["add_first"]
    assert [text.split()[0].rstrip(",:") for text in advice] == [
        "descriptions",
        "popularity",
        "descriptions",
        "aliases",
        "types",
    ]
    assert "of 2 entities that share a name" in advice[0]
    famous = [{**GOOD, "id": f"Q{n}", "description": str(n)} for n in range(3)]
    assert report(tmp_path, famous)["add_first"] == []  # a Wikidata id says how famous an entity is


def test_the_command_prints_sentences_or_json(tmp_path, capsys):
    path = written(tmp_path / "c.csv", "code,name\n1,Paris\n2,Paris\n")
    catalogue.main(["check", str(path), "--columns", "id=code,title=name"])
    text = capsys.readouterr().out
    assert "c.csv: 2 records" in text
    assert "the most ambiguous: 'paris' (2 entities)" in text
    catalogue.main(["check", str(path), "--columns", "id=code,title=name", "--json"])
    assert json.loads(capsys.readouterr().out)["records"] == 2


def test_a_file_that_cannot_be_checked_is_one_sentence(tmp_path):
    with pytest.raises(ElqError, match="has no records"):
        check_catalogue(written(tmp_path / "c.jsonl", ""))
    with pytest.raises(ElqError, match="does not exist"):
        check_catalogue(tmp_path / "none.jsonl")
    with pytest.raises(ElqError, match="must end in one of"):
        check_catalogue(tmp_path / "dump.ttl")
