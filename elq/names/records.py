"""The names in a record: how they are folded, what of them is a code or a part of a title, and how famous the entity is."""

from collections.abc import Iterable

from elq.names.surface import names_of, without_brackets
from elq.names.words import folded
from elq.types import QID, Entity

MOST_LETTERS = 3  # the longest code of an entity, such as VA for Virginia


def fame_of(entity: Entity) -> float:
    """A number by which entities with the same name are ordered, lowest first: the number in the Wikidata id, else infinity."""
    match = QID.fullmatch(entity.id)
    return int(match[1]) if match else float("inf")


def keys_of(entity: Entity) -> list[str]:
    """The folded names of an entity, each once."""
    return [key for key in dict.fromkeys(map(folded, names_of(entity))) if key]


def codes_of(keys: Iterable[str]) -> list[str]:
    """The names that are short enough to be a code of an entity."""
    return [key for key in keys if len(key) <= MOST_LETTERS]


def divided(entity: Entity) -> tuple[str, str] | None:
    """The two parts of a title with a comma, such as "hampton" and "virginia"; None for another title."""
    title = without_brackets(entity.title)
    if ", " not in title:
        return None
    part, whole = map(folded, title.rsplit(", ", 1))
    return (part, whole) if part and whole else None
