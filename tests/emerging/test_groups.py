"""Groups of mentions by their names and vectors."""

import math

import numpy as np
import pytest

from elq.emerging.groups import Context, Grouper, GroupSettings, name_of, parts_of
from elq.errors import ElqError

EAST, NORTH, WEST = np.array([1.0, 0.0]), np.array([0.0, 1.0]), np.array([-1.0, 0.0])


def at(degrees: float) -> np.ndarray:
    return np.array([math.cos(math.radians(degrees)), math.sin(math.radians(degrees))])


def mention(form: str, before: str = "with ") -> Context:
    return Context(f"{before}{form}.", len(before), len(before) + len(form))


def grouped(*mentions, **settings):
    grouper = Grouper(GroupSettings(**{"same_name": 0.75, "part": 0.7, **settings}))
    for form, vector in mentions:
        grouper.add(mention(form), vector)
    return [(group.label, group.aliases, group.mentions) for group in grouper.groups()]


def test_mentions_of_one_folded_name_are_a_group():
    found = grouped(("Zoë Ball", EAST), ("ZOE BALL", EAST), ("Mo", EAST), ("Zoë Ball's", 3 * EAST), ("Zoë  Ball", EAST))
    assert found == [("Zoë Ball", (), 4), ("Mo", (), 1)]


def test_the_label_is_the_most_frequent_form_and_of_equal_ones_that_with_capitals():
    assert grouped(("jo do", EAST), ("Jo Do", EAST)) == [("Jo Do", (), 2)]
    assert grouped(("jo do", EAST), ("Jo Do", EAST), ("jo do", EAST)) == [("jo do", (), 3)]


def test_mentions_of_one_name_with_other_vectors_are_apart():
    same = [("Lee", EAST), ("Lee", NORTH), ("Lee", at(20)), ("Lee", at(80))]
    assert grouped(*same) == [("Lee", (), 2), ("Lee", (), 2)]
    assert grouped(*same, same_name=-1) == [("Lee", (), 4)]
    assert grouped(*same, same_name=0.99) == [("Lee", (), 1)] * 4


def test_the_vector_is_compared_with_the_mean_of_the_group():
    """62° is 62° and 22° from the first two mentions, and 42° from their mean."""
    mentions = [("Lee", at(0)), ("Lee", at(40)), ("Lee", at(62))]
    assert grouped(*mentions, same_name=math.cos(math.radians(43))) == [("Lee", (), 3)]
    assert grouped(*mentions, same_name=math.cos(math.radians(41))) == [("Lee", (), 2), ("Lee", (), 1)]


def test_a_part_of_a_name_joins_the_nearest_longer_name_that_is_near_enough():
    janet, wayne = ("Janet Gretzky", EAST), ("Wayne Gretzky", NORTH)
    assert grouped(janet, wayne, ("Gretzky", at(10))) == [("Janet Gretzky", ("Gretzky",), 2), ("Wayne Gretzky", (), 1)]
    assert grouped(janet, wayne, ("Gretzky", at(80))) == [("Wayne Gretzky", ("Gretzky",), 2), ("Janet Gretzky", (), 1)]
    assert grouped(janet, wayne, ("Gretzky", at(-60))) == [
        ("Janet Gretzky", (), 1),
        ("Wayne Gretzky", (), 1),
        ("Gretzky", (), 1),
    ]
    assert grouped(janet, ("Gretzky", EAST), part=2) == [("Janet Gretzky", (), 1), ("Gretzky", (), 1)]
    assert grouped(janet, ("net", EAST), ("Janet G", EAST)) == [("Janet Gretzky", (), 1), ("net", (), 1), ("Janet G", (), 1)]


def test_names_that_are_parts_of_each_other_end_in_one_group():
    found = grouped(
        ("Ceaușescu", EAST), ("Nicolae Ceaușescu", EAST), ("President Nicolae Ceaușescu", EAST), ("Ceaușescu", EAST)
    )
    assert found == [("President Nicolae Ceaușescu", ("Ceaușescu", "Nicolae Ceaușescu"), 4)]


def test_the_most_frequent_come_first_and_of_these_the_most_alike():
    found = grouped(("a b", at(0)), ("a b", at(30)), ("c d", EAST), ("c d", EAST), ("e f", EAST), *[("g h", WEST)] * 3)
    assert found == [("g h", (), 3), ("c d", (), 2), ("a b", (), 2), ("e f", (), 1)]


def test_agreement_is_the_norm_of_the_mean_and_contexts_are_the_first_ones():
    grouper = Grouper(GroupSettings(contexts=2))
    contexts = [mention("Lee", before) for before in ("one ", "two ", "three ")]
    for context, degrees in zip(contexts, (0, 20, 30), strict=True):
        grouper.add(context, 5 * at(degrees))
    [group] = grouper.groups()
    assert group.contexts == tuple(contexts[:2])
    assert group.agreement == pytest.approx(np.linalg.norm(np.mean([at(0), at(20), at(30)], axis=0)))
    assert grouper.groups() == [group]  # asking twice changes nothing


def test_a_mention_without_words_is_passed_over():
    assert grouped(("?!", EAST)) == []
    assert name_of("’s") == ("s",)


def test_parts_are_beginnings_and_ends_that_can_be_names():
    assert [*parts_of(("the", "old", "man"))] == [("man",), ("the", "old"), ("old", "man")]
    assert [*parts_of(("cher",))] == []


@pytest.mark.parametrize(("name", "value"), [("same_name", 3.0), ("part", float("nan")), ("contexts", -1)])
def test_wrong_settings_are_refused(name, value):
    with pytest.raises(ElqError, match=name):
        GroupSettings(**{name: value})
