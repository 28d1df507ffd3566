"""Type data: the types that a model learns, from the records of its catalogue."""

import logging
from dataclasses import dataclass

from elq.entities.catalogue import Catalogue
from elq.entities.hierarchy import BY_NAME, FLAT, Hierarchy, RowTypes, make_hierarchy, parents_by_name, read_parents
from elq.errors import ElqError

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)  # no slots: the training parser reads its __dict__
class TypeSettings:
    """Which types of the catalogue are learned, and which of them are below others.

    Args:
        hierarchy: ``names`` (a type is below another one if its English name says so, such as "city of Japan" below "city"),
            ``flat`` (no type is below another one), or a file with the columns ``child`` and ``parent``, such as the statements
            "subclass of" (P279) of Wikidata with the words of the catalogue.
        least: the number of entities that a type must have, with those of the types below it.
        most: the number of types that are learned, those with the most entities.
    """

    hierarchy: str = BY_NAME
    least: int = 20
    most: int = 500

    def __post_init__(self) -> None:
        for name in ("least", "most"):
            if (value := getattr(self, name)) < 1:
                raise ElqError(f"data.types.{name} is {value}, but must be at least 1: give a larger number")

    @property
    def file(self) -> str | None:
        """The file of the hierarchy; None if it needs no file."""
        return None if self.hierarchy in (BY_NAME, FLAT) else self.hierarchy


def types_of(catalogue: Catalogue, settings: TypeSettings) -> tuple[Hierarchy, RowTypes]:
    """The types that are learned, and those of them that each row of a catalogue has.

    Raises:
        ElqError: the file of the hierarchy is bad, or no type has enough entities.
    """
    if settings.file is not None:
        parents = read_parents(settings.file)
    else:
        parents = parents_by_name(catalogue.type_counts()) if settings.hierarchy == BY_NAME else {}
    hierarchy = make_hierarchy(catalogue.all_types(), parents, least=settings.least, most=settings.most)
    roots = hierarchy.parents.count(-1)
    log.info("types: %d, of which %d are below another one (data.types)", len(hierarchy), len(hierarchy) - roots)
    return hierarchy, RowTypes(catalogue.all_types(), hierarchy)
