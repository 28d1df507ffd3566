"""Slices: values by hand on the tiny catalogue, and the law that the slices of a group contain every item once."""

from dataclasses import replace

import pytest

from elq.evaluation.counting import gold_entities
from elq.evaluation.evaluate import Observed, measure
from elq.names.dictionary import Dictionary
from elq.report import slices
from elq.report.slices import Group, all_groups, range_of
from elq.types import Link, Mention, Question

GOLD = [
    ("Q90", "paris"),
    ("Q830149", "paris"),
    ("Q44578", "titanic"),
    ("Q25173", "titanic"),
    ("Q1471", "seine"),
    ("Q15862", "xyz"),
]


@pytest.fixture
def observed() -> Observed:
    """A question for each of GOLD, one with three mentions (one null), one without; every second link is right."""
    questions = [
        Question(str(n), f"who is {name}", (Mention(7, 7 + len(name), entity),)) for n, (entity, name) in enumerate(GOLD)
    ]
    text = "paris, seine and the queen or so they say in the long dark nights"
    mentions = (Mention(0, 5, "Q90"), Mention(7, 12, None), Mention(21, 26, "Q116"))
    questions += [Question("many", text, mentions), Question("none", "why")]
    links = [
        [Link(m.start, m.end, "", m.entity if n % 2 == 0 else "Q116", "", "", -0.5) for n, m in enumerate(question.mentions)]
        for question in questions
    ]
    links[1] = [Link(7, 12, "", "Q90", "", "", -0.5)]
    ranks = [[n % 3 for m in question.mentions if m.entity is not None] for n, question in enumerate(questions)]
    return Observed(questions, links, ranks)


@pytest.fixture
def groups(observed, entities) -> dict[str, Group]:
    training = [Question("t", "paris", (Mention(0, 5, "Q90"),), ("Q44578",))]
    return {group.title: group for group in all_groups(observed, entities.catalogue, Dictionary(entities.catalogue), training)}


def sizes(group: Group) -> dict[str, tuple[int, int]]:
    return {part.name: (part.questions, part.mentions) for part in group.slices}


def test_by_hand(groups):
    found = {title.partition(":")[0]: sizes(group) for title, group in groups.items()}
    assert found["Entity type"] == {"band": (1, 1), "city": (1, 1), "ship": (1, 1), "(no type)": (4, 5)}
    assert found["Popularity of the gold entity"] == {"unknown": (6, 7), "quarter 1: 7": (1, 1)}
    assert found["Ambiguity"] == {"0": (1, 1), "1": (1, 1), "2–3": (5, 6)}
    assert found["Gold entity in the training questions"] == {"seen": (3, 3), "unseen": (5, 5)}
    assert found["Length of the question in words"] == {"1–4": (7, 6), "12 or more": (1, 2)}
    assert found["Number of gold mentions"] == {"0": (1, 0), "1": (6, 6), "3": (1, 2)}


def test_links_without_ranks_have_no_disambiguation(observed, entities):
    catalogue = entities.catalogue
    groups = all_groups(replace(observed, ranks=None), catalogue, Dictionary(catalogue), None)
    assert {measure for group in groups for measure in group.measures} == {"recall", "precision", "f1", "false_links"}
    assert all(part.ratios.keys() == {*group.measures} for group in groups for part in group.slices)


def test_slices_of_a_group_share_out_all_questions_or_all_mentions(groups, observed):
    metrics = measure(observed)
    of_mentions = {"recall": metrics["strong_micro_recall"], "disambiguation": metrics["disambiguation_accuracy"]}
    of_questions = {quality: metrics[f"set_all_micro_{quality}"] for quality in ("precision", "recall", "f1")}
    pairs = zip(observed.questions, observed.links, strict=True)
    wrong = [link for question, links in pairs for link in links if link.entity not in gold_entities(question)]
    assert wrong
    of_questions["false_links"] = len(wrong) / len(observed.questions)
    for group in groups.values():
        if "disambiguation" in group.measures:
            whole = of_mentions
            assert sum(part.mentions for part in group.slices) == metrics["gold_mentions"]
        else:
            whole = of_questions
            assert sum(part.questions for part in group.slices) == metrics["questions"]
        for name in group.measures:
            tops, bottoms = (sum(part.ratios[name][side].sum() for part in group.slices) for side in (0, 1))
            assert tops / bottoms == pytest.approx(whole[name]), (group.title, name)


def test_quarters_of_popularity_are_of_equal_size(observed, entities):

    fame = {"Q90": 900, "Q830149": 20, "Q44578": 500, "Q25173": 400, "Q1471": 30, "Q15862": 0, "Q116": 1000}
    gold = [
        [(mention, replace(entity, popularity=fame[entity.id])) for mention, entity in one]
        for one in slices.gold_records(observed.questions, entities.catalogue)
    ]
    found = sizes(slices.popularity_slices(observed, gold))
    assert found == {
        "unknown": (1, 1),
        "quarter 1: 20–30": (2, 2),
        "quarter 2: 400–500": (2, 2),
        "quarter 3: 900": (2, 2),
        "quarter 4: 1,000": (1, 1),
    }


def test_beyond_the_most_frequent_types_the_others_are_one_slice(observed, entities, monkeypatch):
    monkeypatch.setattr(slices, "MOST_TYPES", 1)
    gold = slices.gold_records(observed.questions, entities.catalogue)
    assert sizes(slices.type_slices(observed, gold)) == {"band": (1, 1), "(another type)": (2, 2), "(no type)": (4, 5)}


def test_seen_and_unseen_need_training_questions(observed, entities):
    titles = [group.title for group in all_groups(observed, entities.catalogue, Dictionary(entities.catalogue))]
    assert "Gold entity in the training questions" not in titles
    assert len(titles) == 5


@pytest.mark.parametrize(
    ("number", "name"), [(0, "3–4"), (3, "3–4"), (4, "3–4"), (5, "5"), (6, "6 or more"), (99, "6 or more")]
)
def test_every_number_is_in_one_range(number, name):
    assert range_of(number, ((3, 4), (5, 5), (6, None))) == name
