"""Laws of the template questions, which are made from a catalogue only."""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from elq.entities.catalogue import Catalogue, write_catalogue
from elq.entities.catalogue_files import read_entities
from elq.errors import ElqError
from elq.questions.frames import ROOT, load_frames
from elq.questions.knobs import Knobs
from elq.questions.templates import Author, template_questions, usable_names
from elq.types import Entity, Question

SHARED = Path(__file__).parents[3] / "shared" / "catalogue" / "wikidata_154k.jsonl"
RECORDS = [
    Entity("Q1", "Paris", "Paris", "capital of France", ("City of Light", "Lutetia", "♁♁♁", "PA", "AND"), ("city",)),
    Entity("Q2", "İstanbul", "İstanbul", "city in Turkey", ("Constantinople",), ("metropolis",)),
    Entity("Q3", "Marie Curie", "Marie Curie", "Polish and French physicist and chemist", ("Madame Curie",), ("human",)),
    Entity("Q4", "Arsenal F.C.", "Arsenal", "association football club in London, England", ("The Gunners",)),
    Entity("Q5", "Thierry Henry", "Thierry Henry", "French association football player", ("Titi Henry",), ("human",)),
    Entity("Q6", "Titanic (1997 film)", "Titanic (1997 film)", "1997 film by James Cameron", (), ("film",)),
    Entity("Q7", "Emma Thompson", "Emma Thompson", "British actress", (), ("human",)),
    Entity("Q8", "entropy", "entropy", "", (), ()),
    Entity("Q9", "Paris, Texas", "Paris", "city in Texas, United States", (), ("city of the United States",)),
]
PLAIN = {"no_mention": 0.0, "two_mentions": 0.0, "alias": 0.0, "lower_case": 0.0, "misspelling": 0.0, "namesake": 0.0}


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    path = tmp_path_factory.mktemp("bootstrap") / "catalogue.arrow"
    write_catalogue(RECORDS, path)
    return Catalogue(path)


def made(catalogue: Catalogue, count: int = 400, **knobs: float) -> list[Question]:
    return list(template_questions(catalogue, count, **{**PLAIN, **knobs}))


def mentioned(questions: list[Question]) -> Iterator[tuple[str, str]]:
    """The text and the entity of every mention."""
    for question in questions:
        for mention in question.mentions:
            assert mention.entity is not None
            yield question.text[mention.start : mention.end], mention.entity


def names_of(entity: str) -> list[str]:
    return usable_names(next(record for record in RECORDS if record.id == entity))


def one_edit_apart(left: str, right: str) -> bool:
    """Whether one letter is inserted, dropped, replaced or swapped with its neighbour."""
    same = next((place for place, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
    a, b = left[same:], right[same:]
    return a != b and (a[1:] == b or a == b[1:] or a[1:] == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:]))


def write_frames(path: Path, content: object) -> Path:
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def test_spans_hold_exactly_a_name_of_the_entity(catalogue: Catalogue) -> None:
    questions = made(catalogue, no_mention=0.1, two_mentions=0.5, alias=0.5, namesake=1.0)
    for surface, entity in mentioned(questions):
        assert surface in names_of(entity)
    assert [question.id for question in questions] == [f"template-{number}" for number in range(400)]


def test_offsets_survive_lower_casing_that_changes_the_length(catalogue: Catalogue) -> None:
    assert len("İstanbul".lower()) == len("İstanbul") + 1
    questions = made(catalogue, lower_case=1.0, two_mentions=0.5)
    spans = [(question.text, mention) for question in questions for mention in question.mentions if mention.entity == "Q2"]
    assert any(mention.end < len(text) - 3 for text, mention in spans)  # the longer name stands before other text
    for surface, entity in mentioned(questions):
        assert surface in [name.lower() for name in names_of(entity)]


def test_two_mentions_are_two_entities_in_reading_order_and_do_not_overlap(catalogue: Catalogue) -> None:
    pairs = [question.mentions for question in made(catalogue, two_mentions=1.0) if len(question.mentions) > 1]
    assert len(pairs) > 350
    for left, right in pairs:
        assert left.end < right.start
        assert left.entity != right.entity


def test_same_seed_same_questions_and_a_longer_run_begins_alike(catalogue: Catalogue) -> None:
    long = list(template_questions(catalogue, 60, seed=3))
    assert long[:25] == list(template_questions(catalogue, 25, seed=3))
    assert long != list(template_questions(catalogue, 60, seed=4))


def test_questions_do_not_depend_on_the_hash_seed(catalogue: Catalogue, tmp_path: Path) -> None:
    write_catalogue(RECORDS, tmp_path / "c.arrow")
    code = (
        "from elq.questions.templates import template_questions; from elq.entities.catalogue import Catalogue\n"
        f"print([q.text for q in template_questions(Catalogue({str(tmp_path / 'c.arrow')!r}), 40)])"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True, text=True
        )
        for seed in ("1", "2")
    ]
    assert runs[0].stdout == runs[1].stdout == f"{[q.text for q in template_questions(catalogue, 40)]}\n"


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 0, 0), (0.3, 80, 160), (1.0, 400, 400)])
def test_no_mention_and_two_mentions_are_shares(catalogue: Catalogue, share: float, low: int, high: int) -> None:
    assert low <= sum(not question.mentions for question in made(catalogue, no_mention=share)) <= high
    doubles = sum(len(question.mentions) == 2 for question in made(catalogue, two_mentions=share))
    assert low * 0.6 <= doubles <= high  # a small catalogue sometimes has no second entity that fits


def test_alias_knob_and_which_aliases_are_never_used(catalogue: Catalogue) -> None:
    labels = {name for name, _ in mentioned(made(catalogue))}
    both = {name for name, _ in mentioned(made(catalogue, alias=1.0))}
    assert labels == {"Paris", "İstanbul", "Marie Curie", "Arsenal", "Thierry Henry", "Titanic", "Emma Thompson", "entropy"}
    aliases = {"City of Light", "Lutetia", "Constantinople", "Madame Curie", "The Gunners", "Titi Henry"}
    assert both == aliases | {"Titanic", "Emma Thompson", "entropy"}  # these have none


def test_lower_case_knob(catalogue: Catalogue) -> None:
    assert all(question.text == question.text.lower() for question in made(catalogue, lower_case=1.0))
    asked = [question.text for question in made(catalogue) if question.text.startswith(("Wh", "How", "Tell", "Name"))]
    assert len(asked) > 200


def test_misspelling_is_one_edit_of_a_long_name(catalogue: Catalogue) -> None:
    wrong = list(mentioned(made(catalogue, misspelling=1.0, lower_case=1.0, two_mentions=0.3)))
    for surface, entity in wrong:
        name = names_of(entity)[0].lower()
        assert one_edit_apart(surface, name)
        assert surface[0] == name[0]
        assert surface == surface.strip()
    kinds = Counter(len(surface) - len(names_of(entity)[0].lower()) for surface, entity in wrong)
    assert set(kinds) == {-1, 0, 1}


def test_short_names_are_spelt_right(tmp_path: Path) -> None:
    write_catalogue([Entity("Q1", "Rome", "Rome")], tmp_path / "c.arrow")
    assert {name for name, _ in mentioned(made(Catalogue(tmp_path / "c.arrow"), misspelling=1.0))} == {"Rome"}


def test_possessives_follow_the_name_and_lie_outside_the_span(tmp_path: Path) -> None:
    write_catalogue([Entity("Q1", "Paris", "Paris"), Entity("Q2", "Rome", "Rome")], tmp_path / "c.arrow")
    content = {"replace": True, "kinds": {ROOT: {"frames": ["{entity}'s mayor"]}}, "no_mention": ["hello"]}
    frames, places = write_frames(tmp_path / "own.yaml", content), Catalogue(tmp_path / "c.arrow")
    for share, expected in [(0.0, {"Paris' mayor", "Rome's mayor"}), (1.0, {"Paris mayor", "Romes mayor"})]:
        questions = list(template_questions(places, 50, frames=frames, **{**PLAIN, "bare_possessive": share}))
        assert {question.text for question in questions} == expected
        assert {name for name, _ in mentioned(questions)} == {"Paris", "Rome"}


def test_question_mark_knob(catalogue: Catalogue) -> None:
    assert not any(question.text.endswith("?") for question in made(catalogue, question_mark=0.0))
    marked = made(catalogue, question_mark=1.0)
    assert 200 < sum(question.text.endswith("?") for question in marked) < 400  # "name a …" never asks
    assert not any(question.text.startswith(("Tell", "Name", "Give")) for question in marked if question.text.endswith("?"))


def test_a_shared_name_means_the_first_row(catalogue: Catalogue) -> None:
    assert {entity for name, entity in mentioned(made(catalogue)) if name == "Paris"} == {"Q1"}
    some = Counter(entity for name, entity in mentioned(made(catalogue, 3000, namesake=0.2, fame=0.0)) if name == "Paris")
    assert 0.1 < some["Q9"] / some["Q1"] < 0.3
    equal = Counter(entity for name, entity in mentioned(made(catalogue, 3000, namesake=1.0, fame=0.0)) if name == "Paris")
    assert 0.8 < equal["Q9"] / equal["Q1"] < 1.25


def test_a_clue_says_which_of_several_entities_a_name_means(catalogue: Catalogue) -> None:
    questions = made(catalogue, clue=1.0)
    own = {"Q1": {"capital", "city", "in France"}, "Q9": {"city", "city of the united states", "in Texas"}}
    seen = Counter[str]()
    for question in questions:
        [mention] = question.mentions
        assert question.text[mention.start : mention.end] == "Paris"
        assert question.partial  # "Texas" may be a name too
        beside = f"{question.text[: mention.start]}|{question.text[mention.end :]}"
        seen[mention.entity or ""] += 1
        assert any(
            f"the {clue} |" in beside or f"| the {clue}" in beside or f"| {clue}" in beside for clue in own[mention.entity]
        )
    assert seen["Q9"] > 100 < seen["Q1"]
    some = made(catalogue, clue=0.3)
    assert 80 < sum(question.partial for question in some) < 160
    assert {entity for _, entity in mentioned([q for q in some if not q.partial])} > {"Q1", "Q4"}
    lower = made(catalogue, clue=1.0, lower_case=1.0)
    assert all(question.text == question.text.lower() for question in lower)
    unique = list(template_questions(catalogue, 50, clue=1.0, without={"Q9"}))
    assert not any(question.partial for question in unique)  # no name is shared any more


def test_a_surname_is_a_shared_name_of_people(tmp_path: Path) -> None:
    people = [
        Entity("Q1", "Ada Moss", "Ada Moss", "British astronaut", (), ("human",)),
        Entity("Q2", "Bo Moss", "Bo Moss", "Swedish tennis player", (), ("human",)),
        Entity("Q3", "Moss", "Moss", "city in Norway", (), ("city",)),
    ]
    write_catalogue(people, tmp_path / "c.arrow")
    questions = list(template_questions(Catalogue(tmp_path / "c.arrow"), 200, **PLAIN, clue=1.0))
    found = Counter(mentioned(questions))
    assert {*found} == {("Moss", "Q1"), ("Moss", "Q2")}
    assert any("tennis player" in question.text for question in questions)


def test_fame_prefers_the_first_rows(tmp_path: Path) -> None:
    write_catalogue([Entity(f"Q{row}", f"Thing {row}", f"Thing {row}") for row in range(100)], tmp_path / "c.arrow")
    things = Catalogue(tmp_path / "c.arrow")
    for fame, low, high in [(0.0, 0.2, 0.3), (1.0, 0.45, 0.55)]:  # P(first quarter) is 1/4, or √(1/4) under 1/√row
        early = [int(entity[1:]) < 25 for _, entity in mentioned(made(things, 2000, fame=fame))]
        assert low < sum(early) / len(early) < high


def test_articles_fit_the_name(tmp_path: Path) -> None:
    write_catalogue([Entity("Q1", "actor", "actor"), Entity("Q2", "baker", "baker")], tmp_path / "c.arrow")
    content = {"replace": True, "kinds": {ROOT: {"frames": ["Name a {entity}"]}}, "no_mention": ["hello"]}
    frames = write_frames(tmp_path / "own.yaml", content)
    texts = {question.text for question in template_questions(Catalogue(tmp_path / "c.arrow"), 40, frames=frames, **PLAIN)}
    assert texts == {"Name an actor", "Name a baker"}


def test_a_users_file_may_replace_ours(catalogue: Catalogue, tmp_path: Path) -> None:
    alone = {"replace": True, "kinds": {ROOT: {"frames": ["Say {entity}"]}}, "no_mention": ["Ahoy"]}
    questions = template_questions(catalogue, 50, frames=write_frames(tmp_path / "own.yaml", alone), **PLAIN)
    assert all(question.text.startswith("Say ") for question in questions)


def test_bad_values_are_refused_at_once(catalogue: Catalogue) -> None:
    for count in (0, -5):
        with pytest.raises(ElqError, match=rf"count is {count}.*at least 1"):
            template_questions(catalogue, count)
    for knob in ("no_mention", "alias", "fame", "namesake", "clue"):
        for value in (-0.1, 1.5, float("nan")):
            with pytest.raises(ElqError, match=rf"{knob} is {value}.*0 to 1"):
                template_questions(catalogue, 1, **{knob: value})
    with pytest.raises(ElqError, match="add up to"):
        template_questions(catalogue, 1, no_mention=0.6, two_mentions=0.6)


@pytest.mark.data
@pytest.mark.skipif(not SHARED.is_file(), reason="the shared data folder is not here")
def test_the_real_catalogue(tmp_path: Path) -> None:
    write_catalogue(read_entities(SHARED), tmp_path / "c.arrow")
    catalogue, start = Catalogue(tmp_path / "c.arrow"), time.perf_counter()
    questions = list(template_questions(catalogue, 5000, misspelling=0.0))
    assert time.perf_counter() - start < 15
    frames, kinds = load_frames(), Counter[str]()
    ids = [mention.entity or "" for question in questions for mention in question.mentions]
    records = dict(zip(ids, (catalogue[int(row)] for row in catalogue.rows(ids)), strict=True))
    for surface, entity in mentioned(questions):
        assert surface.lower() in [name.lower() for name in usable_names(records[entity])]
        kinds[frames.kind_of(records[entity])] += 1
    assert kinds[ROOT] / kinds.total() < 0.05
    assert len({question.text for question in questions}) > 4800


def test_part_of_a_name_is_what_others_do_not_share(tmp_path):
    names = [
        "London Heathrow Airport",
        "Heathrow Creek",
        "Schiphol Airport",
        "Paris",
        "Paris (Texas)",
        "The Airport",
        "O'Hare Airport",
    ]
    plain = [Entity(f"E{n}", name, name) for n, name in enumerate([*names, *(f"City{n} Airport" for n in range(30))])]
    write_catalogue(plain, tmp_path / "c.arrow")
    catalogue = Catalogue(tmp_path / "c.arrow")
    author = Author(catalogue, load_frames(), Knobs(name_part=1.0), 0, ())
    assert author.common == {"airport"}
    parts = {name: {author.part_of(name) for _ in range(50)} for name in names}
    assert parts["London Heathrow Airport"] == {"London Heathrow", "Heathrow"}
    assert parts["Schiphol Airport"] == {"Schiphol"}
    assert parts["O'Hare Airport"] == {"O'Hare"}
    assert parts["The Airport"] == {"The Airport"}  # nothing of its own
    assert parts["Paris (Texas)"] == {"Paris (Texas)"}  # that part is another entity's name
    questions = list(template_questions(catalogue, 300, name_part=0.0))
    assert questions == list(template_questions(catalogue, 300))  # no draw is spent where nobody asks for parts
    mentions = {q.text[m.start : m.end].lower() for q in template_questions(catalogue, 300, name_part=1.0) for m in q.mentions}
    assert "schiphol" in mentions
    assert "schiphol airport" not in mentions
