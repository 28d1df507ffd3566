"""Unknown names: template questions with a name of two known parts that together name nothing in the catalogue.

"Jack Osbourne" has the surname of Ozzy Osbourne, and "Singapore Zoo" begins like Singapore. A model that sees parts of names in
template questions links such names to the entity of the part. Here they are mentions without an entity (NIL).
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from elq.names.words import folded
from elq.questions.namesakes import LEAST_LETTERS, surname

TRIES = 20  # draws after which a question gets no unknown name
FAME = 3  # the larger, the more famous are the places that are put into names: most places of a catalogue are known to few
Item = TypeVar("Item")
OF = " of "  # before the place in "Battle of Hastings"


def first_name(label: str) -> str | None:
    """The first word of the name of a person that has two words, both of which are names.

    >>> first_name("Michael Jordan"), first_name("Sade"), first_name("Michael B. Jordan"), first_name("J. Cole")
    ('Michael', None, None, None)
    """
    first, _, _ = label.partition(" ")
    named = surname(label) is not None and label.count(" ") == 1
    return first if named and first.isalpha() and first.istitle() and len(first) >= LEAST_LETTERS else None


def named_after(label: str) -> Iterator[tuple[str, str, str]]:
    """The ways to cut a label into a text, a possible place, and a text: a place stands first, or last behind "of".

    >>> list(named_after("Battle of Hastings")), list(named_after("Sydney Opera House"))
    ([('Battle of ', 'Hastings', '')], [('', 'Sydney', ' Opera House'), ('', 'Sydney Opera', ' House')])
    """
    head, of, last = label.rpartition(OF)
    if of:
        yield head + of, last, ""
        return
    words = label.split(" ")
    for count in range(1, len(words)):
        yield "", " ".join(words[:count]), " " + " ".join(words[count:])


class Unknown:
    """Makes names that no entity of a catalogue has from the names that it has.

    Args:
        entities: the row, the names (the label first) and the kinds of each entity, from its own to the highest; without the
            entities that no question may be about.
        known: all names of the catalogue.
        person: the kind of people. Their surname gets the first name of somebody else.
        place: the kind of places. One in the name of something is replaced by another.
        things: the kinds whose names may have a place in them.
    """

    def __init__(
        self,
        entities: Iterable[tuple[int, list[str], list[str]]],
        known: Iterable[str],
        *,
        person: str = "person",
        place: str = "location",
        things: frozenset[str] = frozenset(("building", "event", "organisation")),
    ) -> None:
        self.people: list[tuple[int, str]] = []  # row, surname
        self.firsts: list[str] = []
        self.initials: defaultdict[str, set[str]] = defaultdict(set)  # folded surname → initials of the names that it has
        self.places: list[str] = []
        labels: list[tuple[int, str]] = []  # of things
        for row, names, kinds in entities:
            if person in kinds and place not in kinds:
                self._add_person(row, names)
            elif place in kinds and "building" not in kinds and _is_plain(names[0]):
                self.places.append(names[0])
            elif not things.isdisjoint(kinds):
                labels.append((row, names[0]))
        there = {*self.places}
        self.things = [
            (row, before, behind)
            for row, label in labels
            for before, place_name, behind in named_after(label)
            if place_name in there
        ]
        self.known = {folded(name) for name in known if " " in name}

    def _add_person(self, row: int, names: list[str]) -> None:
        last = surname(names[0])
        if last is None:
            return
        self.people.append((row, last))
        self.initials[folded(last)] |= {word[0] for name in names for word in folded(name).split()}
        if (first := first_name(names[0])) is not None:
            self.firsts.append(first)

    def draw(self, draws: random.Random) -> tuple[int, str] | None:
        """Draw a row, and a name that has a part of the name of this entity and belongs to no entity; None if none is found.

        People and things have the same probability, and earlier rows are somewhat likelier.
        """
        for _ in range(TRIES):
            of_people = draws.random() < 0.5
            found = self._person(draws) if of_people else self._thing(draws)
            if found is not None and folded(found[1]) not in self.known:
                return found
        return None

    def _person(self, draws: random.Random) -> tuple[int, str] | None:
        """A surname with a first name of somebody else, whose initial no name of a person with this surname has.

        So "Mike Jordan", which may be Michael Jordan, is not drawn.
        """
        if not self.people or not self.firsts:
            return None
        (row, last), first = _early(self.people, draws), _early(self.firsts, draws)
        return None if folded(first)[0] in self.initials[folded(last)] else (row, f"{first} {last}")

    def _thing(self, draws: random.Random) -> tuple[int, str] | None:
        """The name of something with another place in it."""
        if not self.things:
            return None
        row, before, behind = _early(self.things, draws)
        return row, f"{before}{self.places[int(draws.random() ** FAME * len(self.places))]}{behind}"


def _is_plain(name: str) -> bool:
    """Whether the name of a place may stand in the name of something: at most two words of letters, the first a name.

    >>> [_is_plain(name) for name in ("Hastings", "New York", "Paris, Texas", "Isle of Man", "sea")]
    [True, True, False, False, False]
    """
    words = name.split(" ")
    return len(words) <= 2 and all(word.isalpha() and word.istitle() for word in words) and len(name) >= LEAST_LETTERS


def _early(items: Sequence[Item], draws: random.Random) -> Item:
    """Draw an item; earlier ones are somewhat likelier."""
    return items[int(draws.random() ** draws.choice((1, 2)) * len(items))]
