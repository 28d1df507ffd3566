"""Facts: what one public file says about one entity, and how the facts of several files become one record."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from elq.types import Entity

PAGES = ("Wikimedia list", "Wikimedia disambiguation", "Wikimedia glossary")  # so are pages described that are no entities
QID = re.compile(r"Q[1-9][0-9]*")
LONGEST_NAME = 80  # characters: longer aliases are chemical formulas and full styles of kings


@dataclass(frozen=True)
class Facts:
    """What one file says about one entity; what it does not say is empty.

    Args:
        id: the Wikidata id, such as Q42.
        title: the title of the Wikipedia article, which tells namesakes apart.
        label: the name in Wikidata.
        description: a few words about the entity.
        aliases: other names.
        types: the names of what it is an instance of.
        popularity: page views of the Wikipedia article; 0: unknown.
    """

    id: str
    title: str = ""
    label: str = ""
    description: str = ""
    aliases: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    popularity: int = 0


def _first(values: Iterable[str]) -> str:
    return next((value for value in values if value), "")


def _other_names(facts: list[Facts], label: str) -> tuple[str, ...]:
    names = {name.strip() for one in facts for name in (*one.aliases, one.label)} - {"", label}
    return tuple(sorted(name for name in names if len(name) <= LONGEST_NAME and not QID.fullmatch(name)))


def merged(facts: list[Facts], most_types: int = 5) -> Entity | None:
    """The record of one entity from the facts of several files.

    It is None if no file has a description, since then there is nothing to tell the entity from its namesakes, if its label is
    only an id, or if it is a page of Wikipedia and no entity.

    A field has the value of the first file that says it. Aliases are those of all files, with the other files' labels.

    Args:
        facts: the facts, those of the most trusted file first.
        most_types: the number of types that are kept.

    >>> nut = merged([Facts("Q1", label="Nut", description="a nut"), Facts("Q1", "Nut (food)", "nut", types=("food",))])
    >>> nut.title, nut.label, nut.description, nut.aliases, nut.types
    ('Nut (food)', 'Nut', 'a nut', ('nut',), ('food',))
    """
    label, description = _first(one.label for one in facts), _first(one.description for one in facts)
    title = _first(one.title for one in facts) or label
    if not description or not title or description.startswith(PAGES) or QID.fullmatch(label):
        return None
    types = next((one.types for one in facts if one.types), ())
    return Entity(
        facts[0].id,
        title,
        label or title,
        description,
        _other_names(facts, label),
        tuple(dict.fromkeys(types))[:most_types],
        max(one.popularity for one in facts),
    )
