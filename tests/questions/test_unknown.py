"""Laws of unknown names: their parts are in the catalogue, and they are not."""

import random
from pathlib import Path

import pytest

from elq.entities.catalogue import Catalogue, write_catalogue
from elq.entities.catalogue_files import read_entities
from elq.names.words import folded
from elq.questions.templates import template_questions, usable_names
from elq.questions.unknown import Unknown
from elq.types import Entity, Question

SHARED = Path(__file__).parents[3] / "shared" / "catalogue" / "wikidata_154k.jsonl"
RECORDS = [
    Entity("Q1", "Ada Moss", "Ada Moss", "British astronaut", ("Betty Moss",), ("human",)),
    Entity("Q2", "Cleo Reed", "Cleo Reed", "Swedish tennis player", (), ("human",)),
    Entity("Q3", "Dora Frost", "Dora Frost", "singer", (), ("human",)),
    Entity("Q4", "Cléo Moss (film)", "Cléo Moss (film)", "film", (), ("film",)),
    Entity("Q5", "Bea Young", "Bea Young", "Irish actress", (), ("human",)),
    Entity("Q6", "Hastings", "Hastings", "town in England", (), ("town",)),
    Entity("Q7", "Leeds", "Leeds", "city in England", (), ("city",)),
    Entity("Q8", "York", "York", "city in England", (), ("city",)),
    Entity("Q9", "Battle of Hastings", "Battle of Hastings", "battle", ("Battle of York",), ("battle",)),
    Entity("Q10", "Leeds Bridge", "Leeds Bridge", "bridge in England", (), ("bridge",)),
]
PEOPLE = {"Dora Moss", "Ada Reed", "Bea Reed", "Dora Reed", "Ada Frost", "Bea Frost", "Cleo Frost"}
PEOPLE |= {"Ada Young", "Cleo Young", "Dora Young"}
THINGS = {"Battle of Leeds", "Hastings Bridge", "York Bridge"}


def made(folder: Path, records: list[Entity] = RECORDS, count: int = 400, **choices: object) -> list[Question]:
    write_catalogue(records, folder / "c.arrow")
    knobs = {"lower_case": 0.0, "no_mention": 0.0, "two_mentions": 0.0, "bare_possessive": 0.0, "unknown": 1.0}
    return list(template_questions(Catalogue(folder / "c.arrow"), count, **{**knobs, **choices}))


def names(questions: list[Question]) -> set[str]:
    return {q.text[m.start : m.end] for q in questions for m in q.mentions if m.entity is None}


def test_unknown_names_have_the_parts_of_two_names_and_are_in_no_record(tmp_path):
    """Not Cleo Moss, which is a film, nor Bea Moss, who may be Betty Moss, nor the Battle of York, which is an alias."""
    questions = made(tmp_path)
    assert names(questions) == PEOPLE | THINGS
    assert all(len(q.mentions) == 1 and q.mentions[0].entity is None and not q.partial for q in questions)
    assert names(made(tmp_path, misspelling=1.0)) == PEOPLE | THINGS  # one wrong letter could make a name of the catalogue
    assert any("play" in q.text or "team" in q.text for q in questions)  # sentences that fit the person of the surname
    lower = made(tmp_path, lower_case=1.0)
    assert names(lower) == {name.lower() for name in PEOPLE | THINGS}


def test_the_knob_is_a_share_and_the_seed_decides(tmp_path):
    some = made(tmp_path, count=1000, unknown=0.2)
    assert 150 < sum(q.mentions[0].entity is None for q in some) < 250
    assert some == made(tmp_path, count=1000, unknown=0.2) != made(tmp_path, count=1000, unknown=0.2, seed=1)
    both = made(tmp_path, count=1000, unknown=0.5, clue=0.5)  # nobody shares a name here, so there is no clue
    assert 400 < sum(q.mentions[0].entity is None for q in both) < 600
    assert not names(made(tmp_path, unknown=0.0))


def test_entities_that_no_question_may_be_about_give_no_part(tmp_path):
    left = names(made(tmp_path, without={"Q3", "Q10"}))
    assert left == {name for name in PEOPLE | THINGS if "Dora" not in name and "Frost" not in name and "Bridge" not in name}


def test_a_catalogue_without_people_and_places_has_other_questions(tmp_path):
    questions = made(tmp_path, [Entity("Q1", "entropy", "entropy"), Entity("Q2", "Ada Moss", "Ada Moss", types=("human",))])
    assert not names(questions)
    assert {m.entity for q in questions for m in q.mentions} == {"Q1", "Q2"}
    assert Unknown([], []).draw(random.Random(0)) is None


@pytest.mark.data
@pytest.mark.skipif(not SHARED.is_file(), reason="the shared data folder is not here")
def test_the_real_catalogue_has_none_of_them_and_a_hard_negative_for_each(tmp_path):
    records = list(read_entities(SHARED))
    known = {folded(name) for record in records for name in usable_names(record)}
    parts = {word for name in known for word in name.split()}
    found = names(made(tmp_path, records, count=3000))
    assert len(found) > 2500
    for name in found:
        assert folded(name) not in known
        assert parts.issuperset(folded(name).split())
