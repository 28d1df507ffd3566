"""Examples: the questions that the page shows for a catalogue."""

import re
from collections.abc import Iterator

from elq.entities.catalogue import Catalogue
from elq.types import Entity

MOST = 6  # examples of a catalogue
LONGEST = 40  # characters of a title in an example
LOOKED_AT = 60  # rows of a catalogue from which titles are taken
LATIN = re.compile(r"[\x20-\u024f]+")
# Questions in pairs with the same words and other entities, and the entities that they need. Context decides.
PAIRS = (
    ("who directed titanic?", "Q44578"),
    ("how deep does the titanic lie", "Q25173"),
    ("how many programmers use java", "Q251"),
    ("how many people live in java", "Q3757"),
    ("is tbilisi in georgia", "Q230"),
    ("which us state is georgia next to", "Q1428"),
)


def examples_of(catalogue: Catalogue) -> list[str]:
    """At most ``MOST`` questions for a catalogue.

    A catalogue with the entities of our own questions, such as the starter, gets these. Another one gets questions that are
    made of its titles.
    """
    rows = catalogue.rows([entity for _, entity in PAIRS]).tolist()
    known = [question for (question, _), row in zip(PAIRS, rows, strict=True) if row >= 0]
    return known if len(known) == len(PAIRS) else [*_of_titles(catalogue)][:MOST]


def _of_titles(catalogue: Catalogue) -> Iterator[str]:
    """Questions with titles from all parts of a catalogue; short titles, each once."""
    step = max(1, len(catalogue) // LOOKED_AT)
    rows = [row for row in range(0, len(catalogue), step) if row not in catalogue.removed]
    names: dict[str, None] = {}
    for entity in catalogue.records(rows[:LOOKED_AT]).values():
        if (name := _name(entity)) and len(name) <= LONGEST:
            names.setdefault(name)
    spread = max(1, len(names) // MOST)
    for place, name in enumerate([*names][::spread]):
        yield _question(name, place)


def _name(entity: Entity) -> str:
    return " ".join((entity.label or entity.title).split())


def _question(name: str, place: int) -> str:
    """A question with a name; the name alone if it is not written in Latin letters.

    >>> _question("Garden hose", 0), _question("Garden hose", 1), _question("園芸ホース", 0)
    ('what is garden hose?', 'tell me about Garden hose', '園芸ホース')
    """
    if not LATIN.fullmatch(name):
        return name
    return f"what is {name[:1].lower()}{name[1:]}?" if place % 2 == 0 else f"tell me about {name}"
