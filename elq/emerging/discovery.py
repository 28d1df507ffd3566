"""Discovery: lists new entities that the unlinked mentions of a corpus seem to mean, as records of a catalogue."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from elq.emerging.groups import Group, Grouper, GroupSettings, name_of
from elq.emerging.unlinked import CorpusText, centred, unlinked
from elq.entities.catalogue import Catalogue
from elq.errors import ElqError
from elq.files import whole
from elq.linking.linker import Linker

WORDS = 8  # of a name in an id
LONGEST = 200  # characters of a context in a description


def discover(
    linker: Linker,
    texts: Iterable[CorpusText | str],
    *,
    threshold: float | None = None,
    settings: GroupSettings | None = None,
    at_least: int = 2,
) -> list[Group]:
    """The groups of mentions without an entity that seem to mean one new entity each, most mentions first.

    Args:
        linker: finds the mentions that are not given, and decides which have no entity.
        texts: the texts of a corpus, of which only some are held in memory.
        threshold: see :func:`elq.emerging.unlinked.unlinked`.
        settings: when mentions are put together.
        at_least: the number of mentions of a group.

    Raises:
        ElqError: a text or a mention is bad, ``at_least`` is below 1, or the model has no NIL, but it is needed.
    """
    if at_least < 1:
        raise ElqError(f"at_least is {at_least}, but must be at least 1: give the least number of mentions of a group")
    grouper = Grouper(settings)
    corpus = (CorpusText(one) if isinstance(one, str) else one for one in texts)
    for mention in centred(unlinked(linker, corpus, threshold=threshold)):
        grouper.add(mention.context, mention.vector)
    return [group for group in grouper.groups() if group.mentions >= at_least]


def records(groups: Sequence[Group], catalogue: Catalogue, *, describe: bool = False) -> Iterator[dict[str, Any]]:
    """The records of groups, in their order, which `elq add` takes.

    A record has ``id``, ``label``, ``aliases`` and ``description``. Further columns are ``mentions``, how many there are, and
    ``contexts``, their texts.

    Args:
        groups: the groups.
        catalogue: the catalogue to which they could be added; it has none of their ids.
        describe: whether the description is the first context, and not empty.
    """
    wanted = [whole("-".join(("new", *name_of(group.label)[:WORDS]))) for group in groups]
    for identity, group in zip(_free_ids(wanted, catalogue), groups, strict=True):
        contexts = [whole(context.text) for context in group.contexts]
        yield {
            "id": identity,
            "label": whole(group.label),
            "aliases": [*map(whole, group.aliases)],
            "description": _short(contexts[0]) if describe and contexts else "",
            "mentions": group.mentions,
            "contexts": contexts,
        }


def _short(text: str) -> str:
    """A text in one line, without the words behind its first 200 characters."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST].rsplit(' ', 1)[0]} …"


def _free_ids(wanted: Sequence[str], catalogue: Catalogue) -> Iterator[str]:
    """The ids, each with a number behind it where the catalogue or an earlier record has it already."""
    places = catalogue.rows(wanted) if wanted else ()
    taken = {identity for identity, place in zip(wanted, places, strict=True) if place >= 0}
    for identity in wanted:
        free, number = identity, 1
        while free in taken or (number > 1 and catalogue.rows([free])[0] >= 0):
            number += 1
            free = f"{identity}-{number}"
        taken.add(free)
        yield free
