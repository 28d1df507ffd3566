"""The starter's own data: nothing invented, nothing seen twice, as hard as it says it is."""

import json
import re
from collections import Counter, defaultdict

import pytest

from elq.commands.train import HERE
from elq.entities.catalogue_files import entity_from_record, read_entities
from elq.questions.annotated import read_questions
from elq.questions.frames import load_frames
from elq.reading.json_lines import read_jsonl
from elq.types import Question

STARTER = HERE / "starter"
SPLITS = ("train", "dev", "test")


@pytest.fixture(scope="module")
def catalogue():
    return {entity.id: entity for entity in read_entities(STARTER / "catalogue.jsonl")}


@pytest.fixture(scope="module")
def questions() -> dict[str, list[Question]]:
    return {split: read_questions(STARTER / f"{split}.jsonl") for split in SPLITS}


def bare(title: str) -> str:
    return re.sub(r"\s*\([^()]*\)$", "", title)


def folded(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"[^\w{} ]", " ", text.lower())).strip()


def frame(question: Question) -> str:
    """The question with blanks in place of its mentions."""
    text, at = "", 0
    for mention in question.mentions:
        text, at = text + question.text[at : mention.start] + "{}", mention.end
    return folded(text + question.text[at:])


def test_every_entity_exists_and_is_described_in_our_own_words(catalogue, shared):
    assert len(catalogue) >= 1_200
    found = 0
    for _, record in read_jsonl(shared / "catalogue" / "wikidata_154k.jsonl"):
        if (mine := catalogue.get(str(record["id"]))) is not None:
            theirs = entity_from_record(record)
            found += 1
            assert (mine.title, mine.label) == (theirs.title, theirs.label)
            assert folded(mine.description) != folded(theirs.description), mine
    assert found == len(catalogue)


def test_entities_stand_in_the_order_of_their_numbers(catalogue):
    """The dictionary takes the lowest, and template questions take the first for the most famous."""
    numbers = [int(identity[1:]) for identity in catalogue]
    assert numbers == sorted(numbers)


def test_entities_are_of_many_kinds_and_names_collide(catalogue):
    frames = load_frames()
    kinds = Counter(frames.kind_of(entity) for entity in catalogue.values())
    assert len([kind for kind, count in kinds.items() if count >= 3]) >= 25
    name_matches = defaultdict(set)
    for entity in catalogue.values():
        for name in (entity.label, bare(entity.title), *entity.aliases):
            name_matches[name.lower()].add(entity.id)
    assert sum(len(ids) > 1 for ids in name_matches.values()) >= 400
    for name in ("paris", "georgia", "queen", "java", "washington", "cambridge"):
        assert len(name_matches[name]) > 1, name


def test_questions_are_many_and_their_splits_have_nothing_in_common(catalogue, questions):
    assert sum(map(len, questions.values())) >= 600
    texts = Counter(q.text.lower() for qs in questions.values() for q in qs)
    assert max(texts.values()) == 1
    entities = {split: {m.entity for q in qs for m in q.mentions} for split, qs in questions.items()}
    assert all(ids <= catalogue.keys() for ids in entities.values())
    frames = {split: {frame(q) for q in qs} for split, qs in questions.items()}
    for one, other in (("train", "dev"), ("train", "test"), ("dev", "test")):
        assert not entities[one] & entities[other]
        assert not frames[one] & frames[other]
    ours = load_frames()
    tables = [*ours.single.values(), *ours.pairs.values(), ours.no_mention]
    templates = {folded("".join("{}" if i % 2 else p for i, p in enumerate(f.parts))) for table in tables for f in table}
    assert not frames["test"] & templates
    assert not frames["dev"] & templates


@pytest.mark.parametrize("split", SPLITS)
def test_questions_are_as_hard_as_they_should_be(split, catalogue, questions):
    name_matches = defaultdict(set)
    for entity in catalogue.values():
        for name in (entity.label, bare(entity.title), *entity.aliases):
            name_matches[name.lower()].add(entity.id)
    mine = questions[split]
    mentions = [(q.text[m.start : m.end].lower(), m.entity) for q in mine for m in q.mentions]
    ambiguous = sum(len(name_matches[name] | {entity}) > 1 for name, entity in mentions)
    assert ambiguous / len(mentions) >= 0.4
    assert sum(not q.mentions for q in mine) / len(mine) >= 0.1
    assert sum(len(q.mentions) > 1 for q in mine) / len(mine) >= 0.1
    for q in mine:
        assert q.text == q.text.strip()
        for m in q.mentions:
            assert q.text[m.start : m.end] == q.text[m.start : m.end].strip(" ?!")
    assert json.loads((STARTER / f"{split}.jsonl").read_text().splitlines()[0])["id"] == f"starter-{split}-1"
