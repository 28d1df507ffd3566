"""Laws of swapped questions: copies of annotated questions with other entities of the same kind."""

import pytest

from elq.entities.catalogue import Catalogue, write_catalogue
from elq.questions.frames import load_frames
from elq.questions.knobs import Knobs
from elq.questions.swapped import swapped
from elq.questions.templates import Author, usable_names
from elq.types import Entity, Mention, Question

FILMS = ("Titanic", "Alien", "Jaws", "Heat", "Rocky", "Shrek")
SINGERS = ("Adele", "Madonna", "Shakira", "Rihanna", "Björk", "Mika")
RECORDS = [
    *(Entity(f"F{n}", f"{name} (film)", name, "film", (f"{name} the film",), ("film",)) for n, name in enumerate(FILMS)),
    *(Entity(f"S{n}", name, name, "singer", (), ("human",)) for n, name in enumerate(SINGERS)),
    Entity("N", "entropy", "entropy"),
    Entity("P", "Ganges", "Ganges", "river"),
    Entity("P2", "Ganges (other)", "Ganges", "river"),
    Entity("G", "film genre of crime", "heist", "film"),
]


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    path = tmp_path_factory.mktemp("swapped") / "catalogue.arrow"
    write_catalogue(RECORDS, path)
    return Catalogue(path)


def author(catalogue: Catalogue, seed: int = 0) -> Author:
    return Author(catalogue, load_frames(), Knobs(), seed, ())


def asked(text: str, *mentions: tuple[str, str | None], **values: object) -> Question:
    """A question whose mentions are given by their words."""
    found = [Mention(start := text.index(words), start + len(words), entity) for words, entity in mentions]
    return Question("q", text, tuple(found), **values)  # type: ignore[arg-type]


def around(question: Question) -> list[str]:
    """The words around the mentions."""
    ends = [0, *(m.end for m in question.mentions)]
    return [question.text[a:b] for a, b in zip(ends, [*(m.start for m in question.mentions), len(question.text)], strict=True)]


def test_the_words_around_stay_and_the_names_are_those_of_other_entities_of_the_kind(catalogue: Catalogue) -> None:
    question = asked("Did Adele sing in Titanic, or in İstanbul?", ("Adele", "S0"), ("Titanic", "F0"))
    records, drawn = {entity.id: entity for entity in RECORDS}, set()
    for seed in range(30):
        for copy in swapped([question] * 3, author(catalogue, seed)):
            assert around(copy) == around(question)
            assert [m.entity[0] for m in copy.mentions if m.entity] in (["S", "F"], ["S", "G"])
            for m in copy.mentions:
                assert copy.text[m.start : m.end] in usable_names(records[str(m.entity)])
                assert m.entity not in ("S0", "F0")
            drawn |= {m.entity for m in copy.mentions}
    assert len(drawn) > 8


def test_names_are_small_where_they_were_small(catalogue: Catalogue) -> None:
    [small] = swapped([asked("who sang hello, adele?", ("adele", "S0"))], author(catalogue, 1))
    assert small.text.islower()
    [large] = swapped([asked("who sang hello, Adele?", ("Adele", "S0"))], author(catalogue, 1))
    assert large.text.lower() == small.text
    assert not large.text.islower()
    [mixed] = swapped([asked("Who sang hello, adele, Adele?", ("adele", "S0"), ("Adele", "S0"))], author(catalogue, 1))
    assert mixed.text.startswith("Who sang hello, adele, ")  # a word in small letters where others have capitals is no name
    assert mixed.mentions[0] == Mention(16, 21, "S0")


@pytest.mark.parametrize(
    "question",
    [
        asked("what is entropy", ("entropy", "N")),  # no kind
        asked("who is the deep blue sea singer", ("the deep blue sea singer", "S0")),  # no name
        asked("who is adele", ("adele", None)),  # not in the catalogue
        asked("Which heist is in London", ("heist", "G")),  # an ordinary word
        asked("is the ganges long", ("ganges", "P")),  # the only other one has the same name
        asked("who is adele in alien", ("adele in alien", None), ("alien", "F1")),  # mentions that overlap
        asked("how are you"),
    ],
)
def test_what_cannot_be_swapped_has_no_copy(catalogue: Catalogue, question: Question) -> None:
    assert swapped([question] * 5, author(catalogue)) == []


def test_other_mentions_stay_at_their_words(catalogue: Catalogue) -> None:
    question = asked("did xyz meet adele in entropy", ("xyz", None), ("adele", "S0"), ("entropy", "N"), partial=True)
    for copy in swapped([question] * 9, author(catalogue)):
        assert [copy.text[m.start : m.end] for m in copy.mentions][::2] == ["xyz", "entropy"]
        assert [m.entity for m in copy.mentions][::2] == [None, "N"]
        assert copy.partial


def test_further_entities_of_the_question_are_not_those_of_the_copy(catalogue: Catalogue) -> None:
    [copy] = swapped([asked("did adele meet him", ("adele", "S0"), other_entities=("F1",))], author(catalogue))
    assert copy.other_entities == ()


def test_the_seed_decides(catalogue: Catalogue) -> None:
    questions = [asked("did adele meet him", ("adele", "S0"))] * 9
    assert swapped(questions, author(catalogue)) == swapped(questions, author(catalogue))
    assert swapped(questions, author(catalogue)) != swapped(questions, author(catalogue, 1))
