"""Gold entities: questions whose mentions are given, and how the entities that a file names become ids of a catalogue.

Files of other programs name an entity by an id of their own, by its title in Wikipedia, or by both. An id counts if the
catalogue has it; else the title counts, if an entity of the catalogue has it. What is not found is counted, and the user is
told.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from elq.types import Entity, Mention, Question

if TYPE_CHECKING:
    from elq.entities.catalogue import Catalogue

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GivenQuestion(Question):
    """A text with given mentions: ``given`` are their characters [start, end), ``world`` is the part of the data it is from."""

    given: tuple[tuple[int, int], ...] = ()
    world: str = ""


@dataclass(frozen=True, slots=True)
class Gold:
    """What a file says about the entity of a mention: its possible ids and titles, the best first. With neither, it is NIL."""

    ids: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Annotated:
    """A text with its mentions, characters [start, end) and gold entity, as a file has them."""

    id: str
    text: str
    mentions: tuple[tuple[int, int, Gold], ...]
    world: str = ""
    image: str | None = None  # the path of its picture
    box: tuple[float, float, float, float] | None = None  # the part of the picture that is meant
    box_gold: Gold | None = None  # the entity in the box, where no mention names it


class Answer(NamedTuple):
    """The id of a gold entity, and how it was found: "id", "title", "several" (of that title), "lacking" or "none" (NIL)."""

    entity: str | None
    way: str


NOTHING = Answer(None, "none")


def title_of(text: str) -> str:
    """A title as Wikipedia shows it: blanks instead of underscores, and a capital as its first letter.

    >>> title_of("alice_Springs")
    'Alice Springs'
    """
    title = " ".join(text.replace("_", " ").split())
    return title[:1].upper() + title[1:]


def questions_of(read: Iterable[Annotated], source: str, catalogue: "Catalogue | None" = None) -> list[GivenQuestion]:
    """The questions of a file, with the ids of a catalogue. The log says how the entities were found.

    Args:
        read: what a reader has read.
        source: the name of the file, for the log.
        catalogue: the catalogue; without one, the first id of an entity is its id, or its first title if it has none.
    """
    texts = list(read)
    golds = [gold for one in texts for *_, gold in one.mentions]
    golds += [one.box_gold for one in texts if one.box_gold is not None]
    answers = _named(golds) if catalogue is None else found_in(catalogue, golds)
    if catalogue is not None:
        _tell(source, golds, answers)
    return [
        GivenQuestion(
            one.id,
            one.text,
            tuple(Mention(start, end, answers[gold].entity) for start, end, gold in one.mentions),
            image=one.image,
            box=one.box,
            box_entity=None if one.box_gold is None else answers[one.box_gold].entity,
            given=tuple((start, end) for start, end, _ in one.mentions),
            world=one.world,
        )
        for one in texts
    ]


def _named(golds: Iterable[Gold]) -> dict[Gold, Answer]:
    return {gold: Answer(next(iter((*gold.ids, *gold.titles)), None), "id") for gold in golds}


def found_in(catalogue: "Catalogue", golds: Iterable[Gold]) -> dict[Gold, Answer]:
    """The entity of a catalogue that each gold entity is.

    A number is no good id by itself, since other files number their entities too: it counts if the entity with this id has the
    title that the file gives, or if the file gives none.
    """
    different = [*dict.fromkeys(golds)]
    by_id = catalogue.by_id(one for gold in different for one in gold.ids)
    forms = {form for gold in different for title in gold.titles for form in (title, title_of(title))}
    by_title: dict[str, list[str]] = {}
    for entity, title in catalogue.titles(catalogue.titled(forms)).values():
        by_title.setdefault(title, []).append(entity)
    return {gold: _answer(gold, by_id, by_title) for gold in different}


def _answer(gold: Gold, by_id: Mapping[str, Entity], by_title: Mapping[str, Sequence[str]]) -> Answer:
    for one in gold.ids:
        if (entity := by_id.get(one)) is not None and (not one.isdecimal() or not gold.titles or _agrees(entity, gold.titles)):
            return Answer(one, "id")
    for title in gold.titles:
        if entities := by_title.get(title) or by_title.get(title_of(title)):
            return Answer(entities[0], "title" if len(entities) == 1 else "several")
    return Answer(None, "lacking") if gold.ids or gold.titles else NOTHING


def _agrees(entity: Entity, titles: Sequence[str]) -> bool:
    own = {title_of(name).casefold() for name in (entity.title, entity.label)}
    return any(title_of(title).casefold() in own for title in titles)


def _tell(source: str, golds: Sequence[Gold], answers: Mapping[Gold, Answer]) -> None:
    """Say in the log how the entities of the mentions were found: a warning if the catalogue lacks one."""
    ways = Counter(answers[gold].way for gold in golds)
    examples = {answers[gold].way: (*gold.titles, *gold.ids)[:1] for gold in reversed(golds)}
    told = f"{source}: of {len(golds):,} mentions, {ways['id']:,} have an entity that was found by its id, "
    told += f"{ways['title'] + ways['several']:,} one found by its title, and {ways['none']:,} have none in the file"
    if ways["several"]:
        told += f"; {ways['several']:,} titles belong to several entities, such as {examples['several'][0]!r}: the first counts"
    if ways["lacking"]:
        told += f"; {ways['lacking']:,} have an entity that the catalogue lacks, such as {examples['lacking'][0]!r}: null"
    log.log(logging.WARNING if ways["lacking"] or ways["several"] else logging.INFO, "%s", told)
