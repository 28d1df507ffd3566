"""Concepts: says which links are generic nouns, such as "ski", "high school" and "vice president".

Some question sets annotate generic nouns as entities, and others do not, so the user says whether they are links: ``keep`` or
``drop``. A link is one of a generic noun if its words are ordinary words of the text, without a capital letter, and its entity
is a concept. An entity is a concept if its label has no capital letter, as Wikidata writes the names of concepts, or if it has
one of the types below. In a catalogue that writes most labels without capital letters, only the types count.
"""

from collections.abc import MutableMapping
from itertools import islice
from weakref import WeakKeyDictionary

from elq.entities.catalogue import Catalogue
from elq.errors import ElqError
from elq.linking.inputs import CONCEPTS, DROP, KEEP, shown
from elq.types import Entity

__all__ = ["CONCEPTS", "DROP", "KEEP", "check_concepts", "is_cased", "is_concept", "is_lower", "ordinary"]
TYPES = frozenset(  # names of types in Wikidata; of the entities that have one, more than two thirds have such a label
    "academic discipline|academic major|activity|art form|art genre|branch of philosophy|branch of science|corporate title|"
    "economic branch|film genre|filmmaking occupation|genre|industry|job|literary form|literary genre|media professional|"
    "music genre|musical form|musical profession|occupation|profession|specialty|symptom|team sport|television genre|"
    "theatrical genre|type of sport".split("|")
)
SAMPLE, MOST_LOWER = 1000, 0.5  # first labels of a catalogue, and the largest share without capitals of one that uses them
_CASED: MutableMapping[Catalogue, bool] = WeakKeyDictionary()


def check_concepts(concepts: object) -> str:
    """What becomes of links of generic nouns. Raises ElqError if it is neither ``keep`` nor ``drop``."""
    if concepts not in CONCEPTS:
        raise ElqError(f"concepts is {shown(concepts)}, but must be keep or drop: give one of them")
    return str(concepts)


def is_lower(text: str) -> bool:
    """Whether a text has letters that have a capital form, and none of them is a capital.

    >>> is_lower("high school"), is_lower("High School"), is_lower("1984"), is_lower("北京")
    (True, False, False, False)
    """
    return text.islower()


def ordinary(text: str, start: int, end: int) -> bool:
    """Whether the characters [start, end) of a text are ordinary words: without a capital, except at the beginning of the text.

    >>> ordinary("Ski resorts", 0, 3), ordinary("who is Art", 7, 10), ordinary("what is art", 8, 11)
    (True, False, True)
    """
    mention = text[start:end]
    if not text[:start].strip():
        mention = mention[:1].lower() + mention[1:]
    return is_lower(mention)


def is_cased(catalogue: Catalogue) -> bool:
    """Whether the labels of a catalogue tell names from concepts: at most half of its first labels have no capital letter."""
    if catalogue not in _CASED:
        labels = [entity.label for entity in islice(catalogue, SAMPLE)]
        _CASED[catalogue] = sum(map(is_lower, labels)) <= MOST_LOWER * len(labels)
    return _CASED[catalogue]


def is_concept(entity: Entity, *, cased: bool = True) -> bool:
    """Whether an entity is a concept.

    Args:
        entity: its record.
        cased: whether the labels of its catalogue tell names from concepts, see :func:`is_cased`.

    >>> is_concept(Entity("Q9826", "High school (North America)", "high school")), is_concept(Entity("Q57912", "Ski", "Ski"))
    (True, False)
    """
    return (cased and is_lower(entity.label)) or not TYPES.isdisjoint(entity.types)
