"""Mentions of one text help each other: the same name means the same entity, unless the context says otherwise."""

from math import exp, log

import pytest

from elq import Candidate, Entity, Link, Linker
from elq.linking.calibration import Calibration
from elq.linking.document import help_each_other
from elq.types import NIL

TEXT = "Wayne Gretzky met Janet Jones. Gretzky, Jones and Walter Gretzky won; Gretzky left the Kings."


class Catalogue:
    def by_id(self, ids):
        return {one: Entity(one, one.upper(), one, f"about {one}", types=("t",), data={"k": one}) for one in ids}


def link(at: int, mention: str, shares: dict[str, float]) -> Link:
    start = TEXT.index(mention, at)
    candidates = tuple(Candidate(one, one.upper(), log(p)) for one, p in shares.items())
    best = candidates[0]
    return Link(start, start + len(mention), mention, best.entity, best.title, "", best.score - 0.5, candidates, -0.5, 0.9)


LINKS = [
    link(0, "Wayne Gretzky", {"wayne": 0.9, "walter": 0.05}),
    link(31, "Gretzky", {"brent": 0.5, "wayne": 0.3}),
    link(50, "Walter Gretzky", {"walter": 0.8, "wayne": 0.1}),
    link(70, "Gretzky", {"brent": 0.6, "keith": 0.2, "wayne": 0.1}),
    link(70, "Kings", {"kings": 0.9}),
]


def test_a_later_part_of_a_name_takes_the_candidates_of_the_earlier_name():
    found = help_each_other(LINKS, Catalogue(), same=0.5, part=0.5)
    assert [one.entity for one in found] == ["wayne", "wayne", "walter", "walter", "kings"]
    assert (found[0], found[2], found[4]) == (LINKS[0], LINKS[2], LINKS[4])
    shares = {one.entity: exp(one.score) for one in found[1].candidates}
    assert shares == pytest.approx({"wayne": 0.6, "brent": 0.25})  # as many candidates as before
    assert (found[1].title, found[1].description, found[1].types, found[1].data) == (
        "WAYNE",
        "about wayne",
        ("t",),
        {"k": "wayne"},
    )
    assert found[1].score == pytest.approx(-0.5 + log(0.6))
    assert found[1].probability is None
    sure = help_each_other(LINKS, Catalogue(), calibration=Calibration(0.5, 0.7))[1]
    assert sure.probability == Calibration(0.5, 0.7).probability(-0.5, sure.score + 0.5)


def test_a_context_that_says_otherwise_wins():
    sure = [LINKS[0], link(31, "Gretzky", {"brent": 0.98, "wayne": 0.01})]
    assert [one.entity for one in help_each_other(sure, Catalogue(), part=0.4)] == ["wayne", "brent"]


def test_the_same_name_means_the_same_entity_in_any_order():
    same = [LINKS[1], link(70, "Gretzky", {"wayne": 0.7, "brent": 0.2})]
    for links in (same, same[::-1]):
        assert {one.entity for one in help_each_other(links, Catalogue(), same=0.5)} == {"wayne"}
    assert help_each_other(same, Catalogue(), same=0.0, part=0.0) == same


def test_a_link_to_nil_stays_and_helps_none():
    nil = Link(0, 13, "Wayne Gretzky", NIL, "", "", -0.1, (Candidate("wayne", "", -3.0),))
    assert help_each_other([nil, LINKS[1]], Catalogue()) == [nil, LINKS[1]]
    assert help_each_other([], Catalogue()) == []


def test_the_linker_does_it_on_request(run_folder, monkeypatch):
    linker = Linker.from_pretrained(run_folder / "model")
    text, spans = "the ship titanic and titanic, the paris of texas", [(9, 16), (21, 28), (34, 39)]
    alone, helped = linker.link(text, mentions=spans), linker.link(text, mentions=spans, document=True)
    assert [*helped] == help_each_other(alone, linker.entities.catalogue, calibration=linker.calibration)
    assert [one.score for one in helped] != [one.score for one in alone]
    assert helped[2] == alone[2]
    found = linker.link([text, text], threshold=-12.0)
    assert linker.link([text, text], threshold=-12.0, document=True) == [
        help_each_other(one, linker.entities.catalogue, calibration=linker.calibration) for one in found
    ]
