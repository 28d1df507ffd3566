"""What a link tells about its entity, how it prints, and how it becomes JSON."""

import json
from dataclasses import replace

import pytest

from elq import Candidate, Linker
from elq.linking.decoding import Known
from elq.questions.predicted import as_json, read_predictions
from elq.types import NIL, Entity, Link, Question
from tests.conftest import QUESTIONS, RECORDS

TEXTS = [text for text, _, _ in QUESTIONS]
LINK = Link(13, 20, "titanic", "Q44578", "Titanic (1997 film)", "film", -0.04, (Candidate("Q44578", "T", -0.1),), -0.03, 0.958)


@pytest.fixture
def linker(model, tokenizer, entities) -> Linker:
    return Linker(model, tokenizer, entities, threshold=-9.0, candidates=3)


def test_a_link_has_the_types_and_the_description_of_its_record(linker):
    records, seen = {record["id"]: record for record in RECORDS}, set()
    for text in TEXTS:
        for link in [*linker.link(text), *linker.link(text, mentions=[(0, 3)])]:
            record = records[link.entity]
            assert (link.title, link.description) == (record["title"], record["description"])
            assert link.types == tuple(record.get("types", ()))
            assert link.data == {}
            seen.add(link.types)
    assert len(seen) > 2


def test_a_link_has_the_further_columns_of_a_record_that_has_them(linker):
    class Wide:
        """A catalogue whose records have further data."""

        def records(self, rows):
            data = {"url": "https://x.y/1", "price": "7"}
            return {row: Entity("Q1", "One", "One", types=("film",), data=data) for row in rows if row >= 0}

        def titles(self, rows):
            return {row: ("Q1", "One") for row in rows if row >= 0}

    scored = linker.score([TEXTS[0]], threshold=-9.0).spans
    link = Known(Wide(), scored, [0]).link(TEXTS[0], (0, 3), 0, float(scored.joint[0]), None)
    assert (link.data, link.types) == ({"url": "https://x.y/1", "price": "7"}, ("film",))
    assert json.loads(json.dumps(link.to_dict()))["data"] == {"url": "https://x.y/1", "price": "7"}
    assert len({link, replace(link, data={})}) == 2  # links can be hashed


def test_to_dict_is_json_and_holds_every_field(linker):
    for links in linker.link(TEXTS):
        for link in links:
            value = json.loads(json.dumps(link.to_dict()))
            assert set(value) == set(Link.__dataclass_fields__)
            assert value["candidates"] == [{"entity": c.entity, "title": c.title, "score": c.score} for c in link.candidates]
            plain = {**value, "types": tuple(value["types"]), "candidates": tuple(Candidate(**c) for c in value["candidates"])}
            assert Link(**plain) == link


def test_links_and_candidates_print_on_one_short_line():
    assert repr(LINK) == "Link(Q44578 'Titanic (1997 film)' at 13:20 'titanic', p .96)"
    assert str([replace(LINK, probability=None)]) == "[Link(Q44578 'Titanic (1997 film)' at 13:20 'titanic', score -0.04)]"
    assert repr(LINK.candidates[0]) == "Candidate(Q44578 'T', p .90)"
    assert repr(replace(LINK, entity=NIL, title="", probability=None)) == "Link(NIL '' at 13:20 'titanic', score -0.04)"
    assert repr(replace(LINK, probability=1.0)).endswith("p 1.00)")


def test_json_lines_hold_the_description_and_files_without_it_are_still_read(tmp_path):
    line = as_json(Question("1", "who directed titanic?"), [LINK])
    assert json.loads(line)["links"][0]["description"] == "film"
    old = json.loads(line)
    del old["links"][0]["description"]
    for text, description in ((line, "film"), (json.dumps(old), "")):
        (tmp_path / "links.jsonl").write_text(text + "\n")
        assert read_predictions(tmp_path / "links.jsonl")[1] == [[replace(LINK, description=description)]]
