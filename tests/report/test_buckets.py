"""Buckets: cases by hand, and a slow oracle that checks the definition of every bucket for every item."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elq.evaluation.counting import count
from elq.report.buckets import BUCKETS, Error, bears, errors_of, examples, strongly_right, with_near_misses
from elq.types import Entity, Link, Mention, Question
from tests.evaluation.test_counting import link, links, question, questions

NAMESAKES = {("Q1", "the"), ("Q2", "quick"), ("Q3", "quick"), ("Q2", "the")}


def same_name(entity: str, name: str) -> bool:
    return (entity, name) in NAMESAKES


def buckets(gold: Question, found: list[Link]) -> list[tuple[str, bool]]:
    return [(error.bucket, error.lost) for error in errors_of(gold, found, same_name)]


ONE, NIL = question((4, 9, "Q2")), question((4, 9, None))
LOST, WRONG = True, False
BY_HAND = {  # question "the quick brown fox jumps", links, (bucket, lost)
    "right": (ONE, [link(4, 9, "Q2")], []),
    "missed": (ONE, [], [("missed", LOST)]),
    "missed, and spurious": (ONE, [link(0, 3, "Q2")], [("missed", LOST), ("spurious", WRONG)]),
    "boundary": (ONE, [link(0, 9, "Q2")], [("boundary", LOST), ("boundary", WRONG)]),
    "same name": (ONE, [link(4, 9, "Q3")], [("same_name", LOST), ("same_name", WRONG)]),
    "other name": (ONE, [link(4, 9, "Q1")], [("other_name", LOST), ("other_name", WRONG)]),
    "nil": (NIL, [link(4, 9, "Q1")], [("nil", WRONG)]),
    "nil without a link is no error": (NIL, [], []),
    "two links on one mention": (
        question((4, 19, "Q2")),
        [link(4, 9, "Q1"), link(10, 19, "Q2")],
        [("boundary", LOST), ("boundary", WRONG), ("other_name", WRONG)],
    ),
    "a link that is right for another mention does not count as over this one": (
        question((0, 9, "Q1"), (4, 9, "Q2")),
        [link(0, 9, "Q1")],
        [("missed", LOST)],
    ),
    "the same entity comes before the larger overlap": (
        question((0, 9, "Q2"), (10, 15, "Q1")),
        [link(4, 15, "Q2")],
        [("boundary", LOST), ("other_name", LOST), ("boundary", WRONG)],
    ),
    "the larger overlap is the nearer one": (
        question((4, 9, None), (10, 25, "Q2")),
        [link(6, 20, "Q1")],
        [("other_name", LOST), ("other_name", WRONG)],
    ),
    "a link that overlaps only a mention which another link has found": (
        ONE,
        [link(4, 9, "Q2"), link(6, 15, "Q1")],
        [("spurious", WRONG)],
    ),
    "of a mention twice, one is found": (question((4, 9, "Q2"), (4, 9, "Q2")), [link(4, 9, "Q2")], [("missed", LOST)]),
}


@pytest.mark.parametrize("case", BY_HAND)
def test_by_hand(case):
    gold, found, expected = BY_HAND[case]
    assert sorted(buckets(gold, found)) == sorted(expected)


def slow_buckets(gold: Question, found: list[Link]) -> list[tuple[str, bool, int]]:
    """(bucket, lost, place) for every item; exactly one definition must be true of each item."""
    linkable, open_links, open_golds = [m for m in gold.mentions if m.entity is not None], [*found], [*gold.mentions]
    for mention in linkable:  # what is right goes, pair by pair
        for one in open_links:
            if (mention.start, mention.end, mention.entity) == (one.start, one.end, one.entity):
                open_links.remove(one)
                open_golds.remove(mention)
                break

    def common(mention: Mention, one: Link) -> int:
        return len(set(range(mention.start, mention.end)) & set(range(one.start, one.end)))

    def verdicts(entity: str | None, near: list, other: str, mention: Mention | None, one: Link | None) -> list[str]:
        over = [x for x in near if common(mention or x, one or x) > 0]
        if not over:
            return [other]
        if entity is not None and any(x.entity == entity for x in over):
            return ["boundary"]
        most = max(common(mention or x, one or x) for x in over)
        nearest = next(x for x in over if common(mention or x, one or x) == most)
        its_mention, its_link = mention or nearest, one or nearest
        name = gold.text[its_mention.start : its_mention.end]
        tests = {
            "nil": its_mention.entity is None,
            "same_name": its_mention.entity is not None and same_name(its_link.entity, name),
            "other_name": its_mention.entity is not None and not same_name(its_link.entity, name),
        }
        return [bucket for bucket, holds in tests.items() if holds]

    made = []
    for place, mention in enumerate(m for m in open_golds if m.entity is not None):
        [bucket] = verdicts(mention.entity, open_links, "missed", mention, None)
        made.append((bucket, LOST, place))
    for place, one in enumerate(open_links):
        [bucket] = verdicts(one.entity, open_golds, "spurious", None, one)
        made.append((bucket, WRONG, place))
    return made


def linked(gold: Question) -> st.SearchStrategy[tuple[Question, list[Link]]]:
    """The question with some links, many of them right."""
    right = [link(m.start, m.end, m.entity) for m in gold.mentions if m.entity is not None]
    return st.tuples(st.just(gold), st.lists(links | st.sampled_from(right) if right else links, max_size=5))


@given(questions.flatmap(linked))
@settings(max_examples=500, deadline=None)
def test_every_lost_mention_and_every_wrong_link_is_counted_once(pair):
    gold, found = pair
    errors = errors_of(gold, found, same_name)
    counts = count(gold, found)["strong"]
    assert sum(error.lost for error in errors) == counts.gold - counts.correct
    assert sum(not error.lost for error in errors) == counts.predicted - counts.correct
    assert {error.bucket for error in errors} <= BUCKETS.keys()
    flags = strongly_right(gold, found)
    assert [sum(flags[0]), sum(flags[1])] == [counts.correct] * 2
    linkable = [mention for mention in gold.mentions if mention.entity is not None]
    lost = [mention for mention, right in zip(linkable, flags[0], strict=True) if not right]
    wrong = [one for one, right in zip(found, flags[1], strict=True) if not right]
    assert [error.mention for error in errors if error.lost] == lost  # the very items, each once
    assert [error.link for error in errors if not error.lost] == wrong


@given(questions.flatmap(linked))
@settings(max_examples=500, deadline=None)
def test_buckets_are_those_of_their_definitions(pair):
    gold, found = pair
    assert sorted(buckets(gold, found)) == sorted((bucket, lost) for bucket, lost, _ in slow_buckets(gold, found))


def test_a_name_is_a_title_without_brackets_a_label_or_an_alias():
    entity = Entity("Q44578", "Titanic (1997 film)", "Titanic", aliases=("The Ship of Dreams",))
    for name in ("titanic", "Titanic (1997 film)", "TITANIC 1997 film", "the ship  of dreams"):
        assert bears(entity, name)
    for name in ("titan", "ship of dreams", "", "it"):
        assert not bears(entity, name)
    assert bears(Entity("Q44578", "Titanic (1997 film)", "Titanic (1997 film)"), "titanic")
    assert not bears(Entity("Q668", "India", "India", aliases=("IN",)), "in")  # a function word names nobody


def test_a_missed_mention_is_shown_with_the_best_link_below_the_threshold():
    missed = Error("missed", LOST, ONE, ONE.mentions[0], None)
    below = {ONE: [link(4, 9, "Q1", -7.0), link(5, 9, "Q3", -6.0), link(10, 15, "Q2", -5.0)]}
    spurious = Error("spurious", WRONG, ONE, None, link(16, 19, "Q1"))
    assert with_near_misses([missed, spurious], below) == [missed._replace(link=below[ONE][1]), spurious]
    assert with_near_misses([missed], {}) == [missed]


def test_examples_are_few_the_most_certain_and_none_twice():
    gold, found = question((4, 9, "Q2"), (10, 15, "Q1")), [link(4, 9, "Q3", -2.0)]
    low, high = errors_of(gold, found, same_name), errors_of(ONE, [link(4, 9, "Q3", -1.0)], same_name)
    shown = examples(low + high, 15)
    assert [(error.bucket, error.link and error.link.score) for error in shown] == [
        ("same_name", -1.0),
        ("same_name", -2.0),
        ("missed", None),
    ]
    assert examples(low + high, 1) == shown[:1]
