"""Mentions of one text: the candidates of a mention that has a name of another one also count for it.

A text names its people and places in full once, and later by a part of the name. Each mention has its own probabilities of its
candidates. They are mixed with those of the mention before it whose name contains its words ("Wayne Gretzky" before "Gretzky"),
or else with those of all mentions of the same name. So the same name means the same entity, unless its context says otherwise.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from elq.linking.calibration import AnyCalibration
from elq.names.words import folded
from elq.types import NIL, Candidate, Entity, Link

SAME, PART = 0.5, 0.4  # share of the other mentions in the probabilities: those of the same name, and of a longer one


class Records(Protocol):
    """What is needed of a catalogue."""

    def by_id(self, ids: list[str]) -> dict[str, Entity]:
        """Id → record."""


class LinksGiven(Protocol):
    """What links given mentions: a linker, a baseline or a bi-encoder."""

    @property
    def link(self) -> Callable[..., Sequence[Sequence[Link]]]:
        """Called with texts, ``mentions`` and ``candidates``, it gives one link for each mention, in the given order."""


def helpers(names: Sequence[str]) -> list[tuple[list[int], bool]]:
    """For each mention of a text, the mentions that help it, and whether their names are longer than its own.

    The nearest mention before it whose name begins or ends with its words helps; if there is none, all others of the same name.

    Args:
        names: the folded names of the mentions, in the order of the text.

    >>> helpers(["wayne gretzky", "gretzky", "janet jones", "gretzky", "janet"])
    [([], False), ([0], True), ([], False), ([0], True), ([2], True)]
    """
    found: list[tuple[list[int], bool]] = []
    for place, name in enumerate(names):
        longer = [other for other in range(place) if name and names[other] != name and _is_part(name, names[other])]
        same = [other for other in range(len(names)) if other != place and name and names[other] == name]
        found.append((longer[-1:], True) if longer else (same, False))
    return found


def _is_part(name: str, whole: str) -> bool:
    return whole.startswith(f"{name} ") or whole.endswith(f" {name}")


def mixed(own: Mapping[str, float], others: Sequence[Mapping[str, float]], share: float) -> dict[str, float]:
    """The probabilities of a mention's candidates, mixed with the mean of those of others, the highest first.

    >>> mixed({"a": 0.5, "b": 0.25}, [{"b": 0.75}, {"b": 0.25, "c": 0.5}], 0.5)
    {'b': 0.375, 'a': 0.25, 'c': 0.125}
    """
    ids = dict.fromkeys((*own, *(one for other in others for one in other)))
    means = {one: sum(other.get(one, 0.0) for other in others) / len(others) for one in ids}
    made = {one: (1 - share) * own.get(one, 0.0) + share * means[one] for one in ids}
    return dict(sorted(made.items(), key=lambda pair: -pair[1]))


def help_each_other(
    links: Sequence[Link],
    catalogue: Records,
    *,
    calibration: AnyCalibration | None = None,
    same: float = SAME,
    part: float = PART,
) -> list[Link]:
    """The links of one text, where mentions with the name of another one take its candidates into account.

    Args:
        links: the links, with their candidates.
        catalogue: the records of the entities.
        calibration: gives the new links a probability; None: they have none.
        same, part: the share of the other mentions in the probabilities; 0 changes nothing.

    Returns:
        The links in the same order, as many as before. A link to NIL stays as it is, and helps none.
    """
    order = sorted(range(len(links)), key=lambda place: (links[place].start, links[place].end))
    able = [place for place in order if links[place].entity != NIL and links[place].candidates]
    own = [{one.entity: math.exp(one.score) for one in links[place].candidates} for place in able]
    titles = {one.entity: one.title for place in able for one in links[place].candidates}
    made: dict[int, list[Candidate]] = {}
    for number, (others, longer) in enumerate(helpers([folded(links[place].mention) for place in able])):
        share = part if longer else same
        if others and share > 0:
            found = mixed(own[number], [own[other] for other in others], share)
            chosen = [(one, p) for one, p in found.items() if p > 0][: len(own[number])]
            made[able[number]] = [Candidate(one, titles[one], math.log(p)) for one, p in chosen]
    records = catalogue.by_id([one[0].entity for one in made.values()])
    return [
        _changed(link, made[place], records[made[place][0].entity], calibration) if place in made else link
        for place, link in enumerate(links)
    ]


def _changed(link: Link, candidates: list[Candidate], entity: Entity, calibration: AnyCalibration | None) -> Link:
    """A link with other candidates."""
    best = candidates[0].score
    return replace(
        link,
        entity=entity.id,
        title=entity.title,
        description=entity.description,
        types=entity.types,
        data=dict(entity.data),
        score=link.mention_score + best,
        candidates=tuple(candidates),
        probability=None if calibration is None else calibration.probability(link.mention_score, best),
    )


class Together:
    """A linker of given mentions in which the mentions of one text help each other.

    Args:
        linker: any object with ``link(texts, mentions=…)`` whose links have candidates.
        catalogue: the records of its entities.
    """

    def __init__(self, linker: LinksGiven, catalogue: Records) -> None:
        self.linker, self.catalogue = linker, catalogue

    def link(self, texts: Sequence[str], **how: Any) -> list[list[Link]]:
        """The links of each text; the arguments are those of the linker."""
        return [help_each_other(of_text, self.catalogue) for of_text in self.linker.link(texts, **how)]
