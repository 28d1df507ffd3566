"""The test questions in five languages: exact offsets, known entities, and the shares that their README states."""

from itertools import chain
from pathlib import Path

import pytest

from elq.entities.catalogue_files import read_entities
from elq.names.surface import names_of
from elq.names.words import folded
from elq.questions.annotated import read_questions

TEST = Path(__file__).parents[1] / "data" / "languages"
DEVELOPMENT = Path(__file__).parents[2] / "benchmarks" / "languages" / "development"
LANGUAGES = ("en", "de", "es", "fr", "zh")


@pytest.mark.parametrize("language", LANGUAGES)
def test_test_questions(language):
    known = {entity.id: entity for entity in read_entities(TEST / "catalogue.jsonl")}
    questions = read_questions(TEST / f"questions_{language}.jsonl")
    mentions = [len(question.mentions) for question in questions]
    assert len(known) >= 300
    assert (len(questions), mentions.count(0), max(mentions)) == (60, 12, 2)
    assert sum(count == 2 for count in mentions) >= 4
    linked, absent = 0, []
    for question in questions:
        for mention in question.mentions:
            text = question.text[mention.start : mention.end]
            around = question.text[: mention.start][-1:] + question.text[mention.end :][:1]
            assert text == text.strip()
            assert language == "zh" or not any(map(str.isalnum, around)), text
            if mention.entity is None:
                absent.append(folded(text))
            else:
                linked += folded(text) in map(folded, names_of(known[mention.entity]))
    assert len(absent) >= 5
    assert not set(absent) & set(chain.from_iterable(map(folded, names_of(entity)) for entity in known.values()))
    assert linked >= 40, "nearly all mentions are names of their entity"


def test_development_questions_are_about_other_entities():
    ids = [{entity.id for entity in read_entities(folder / "catalogue.jsonl")} for folder in (TEST, DEVELOPMENT)]
    assert not ids[0] & ids[1]
    for language in LANGUAGES:
        test, questions = (read_questions(folder / f"questions_{language}.jsonl") for folder in (TEST, DEVELOPMENT))
        assert not {question.text for question in test} & {question.text for question in questions}
        assert {mention.entity for question in questions for mention in question.mentions} <= {None, *ids[1]}
