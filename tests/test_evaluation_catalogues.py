"""The evaluation catalogues can be read, and the annotation of their questions is sound."""

from collections import Counter
from pathlib import Path

import pytest

from elq.entities.catalogue_files import read_entities
from elq.questions.annotated import read_questions

FOLDER = Path(__file__).parent / "data" / "catalogues"
FILES = ("hospital.jsonl", "shop.csv", "transit.csv")


@pytest.fixture(params=FILES)
def catalogue(request):
    return FOLDER / request.param


@pytest.fixture
def questions(catalogue):
    return read_questions(catalogue.with_name(f"{catalogue.stem}_questions.jsonl"))


def test_every_catalogue_of_the_folder_is_tested():
    assert {path.name for path in FOLDER.iterdir() if not path.stem.endswith("_questions")} == {*FILES, "README.md"}


def test_a_catalogue_has_enough_records_with_unique_ids(catalogue):
    entities = list(read_entities(catalogue))
    assert len(entities) >= 100
    assert max(Counter(entity.id for entity in entities).values()) == 1
    assert any(entity.aliases for entity in entities)
    assert any(entity.description for entity in entities)


def test_some_names_belong_to_two_entities(catalogue):
    labels = Counter(entity.label.lower() for entity in read_entities(catalogue))
    assert sum(count > 1 for count in labels.values()) >= 2


def test_questions_with_and_without_mentions_are_many_and_different(questions):
    assert sum(bool(question.mentions) for question in questions) >= 60
    assert sum(not question.mentions for question in questions) >= 40
    assert max(Counter(question.text.lower() for question in questions).values()) == 1
    assert max(Counter(question.id for question in questions).values()) == 1


def test_every_mention_is_a_clean_span_of_an_entity_of_the_catalogue(catalogue, questions):
    ids = {entity.id for entity in read_entities(catalogue)}
    for question in questions:
        assert question.text == question.text.strip()
        end = 0
        for mention in sorted(question.mentions, key=lambda mention: mention.start):
            assert end <= mention.start < mention.end <= len(question.text), question
            end = mention.end
            span = question.text[mention.start : mention.end]
            assert span == span.strip(), question
            assert mention.entity in ids, question
