"""Buckets: finds the kind of error of each lost gold mention and wrong link.

First the right pairs, with the same span and the same entity, are removed, as the metric ``strong`` counts them. Every
remaining gold mention with an entity is *lost*, and every remaining link is *wrong*. Each of them has one bucket, which depends
on the remaining links or mentions that overlap it:

- ``missed``: a lost mention that no wrong link overlaps.
- ``spurious``: a wrong link that overlaps no lost and no null mention.
- ``boundary``: an overlapping link or mention has the same entity, so only the span is wrong.
- ``nil``: a wrong link whose nearest gold mention is null. (A null mention is not counted for linking, so it is never lost.)
- ``same_name`` and ``other_name``: the entity is wrong, and it has the gold mention's name, or another name.

The nearest one shares the most characters; among equal ones it is the first. So the lost mentions of all buckets together are
the gold mentions that recall does not count, and the wrong links are the links that precision does not count.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from elq.names.surface import is_name, names_of
from elq.names.words import folded
from elq.types import Entity, Link, Mention, Question

BUCKETS = {
    "missed": "no wrong link overlaps the gold mention",
    "spurious": "a wrong link that overlaps no lost and no null mention",
    "boundary": "right entity, overlapping but other span",
    "same_name": "wrong entity, which has the mention's name",
    "other_name": "wrong entity, which has another name",
    "nil": "a link on a mention whose gold entity is null",
}


class Error(NamedTuple):
    """A lost gold mention or a wrong link, its bucket, and the nearest link or mention, if there is one."""

    bucket: str
    lost: bool  # True: the mention is counted as lost; False: the link is counted as wrong
    question: Question
    mention: Mention | None
    link: Link | None


def bears(entity: Entity, name: str) -> bool:
    """Whether an entity has a name, compared as in the dictionary (elq/names/dictionary.py).

    >>> bears(Entity("Q44578", "Titanic (1997 film)", "Titanic"), "TITANIC")
    True
    """
    return is_name(key := folded(name)) and key in map(folded, names_of(entity))


def strongly_right(question: Question, links: Sequence[Link]) -> tuple[list[bool], list[bool]]:
    """Which gold mentions with an entity have a right link, and which links are right; each is used only once."""
    linkable = [mention for mention in question.mentions if mention.entity is not None]
    gold = [(mention.start, mention.end, mention.entity) for mention in linkable]
    found = [(link.start, link.end, link.entity) for link in links]
    flags = []
    for these, those in ((gold, found), (found, gold)):
        open_ones = Counter(those)
        right = []
        for one in these:
            right.append(open_ones[one] > 0)
            open_ones[one] -= 1
        flags.append(right)
    return flags[0], flags[1]


def shared_characters(mention: Mention, link: Link) -> int:
    """Number of characters that a gold mention and a link share; 0 or less if they do not overlap."""
    return min(mention.end, link.end) - max(mention.start, link.start)


def errors_of(question: Question, links: Sequence[Link], same_name: Callable[[str, str], bool]) -> list[Error]:
    """The errors of one question: first its lost mentions in their order, then its wrong links in their order.

    Args:
        question: an annotated question.
        links: its predicted links.
        same_name: tells from an entity id and a name whether the entity has this name.
    """
    found, right = strongly_right(question, links)
    linkable = [mention for mention in question.mentions if mention.entity is not None]
    lost = [mention for mention, one in zip(linkable, found, strict=True) if not one]
    wrong = [link for link, one in zip(links, right, strict=True) if not one]
    gold = [mention for mention in question.mentions if mention.entity is None or mention in lost]

    def bucket(mention: Mention, link: Link) -> str:
        if mention.entity is None:
            return "nil"
        if mention.entity == link.entity:
            return "boundary"
        name = question.text[mention.start : mention.end]
        return "same_name" if same_name(link.entity, name) else "other_name"

    def nearness(mention: Mention, link: Link) -> tuple[bool, int]:
        return mention.entity == link.entity, shared_characters(mention, link)

    errors = []
    for mention in lost:
        over = [link for link in wrong if shared_characters(mention, link) > 0]
        best = max(over, key=lambda one: nearness(mention, one), default=None)
        errors.append(Error("missed" if best is None else bucket(mention, best), True, question, mention, best))
    for link in wrong:
        near = [mention for mention in gold if shared_characters(mention, link) > 0]
        nearest = max(near, key=lambda one: nearness(one, link), default=None)
        errors.append(Error("spurious" if nearest is None else bucket(nearest, link), False, question, nearest, link))
    return errors


def examples(errors: Sequence[Error], most: int) -> list[Error]:
    """At most ``most`` errors, the highest scores first and those without a link last; each pair is shown only once."""
    pairs: dict[tuple[Question, Mention | None, Link | None], Error] = {}
    for error in errors:
        pairs.setdefault((error.question, error.mention, error.link), error)
    return sorted(pairs.values(), key=lambda error: -error.link.score if error.link else math.inf)[:most]


def with_near_misses(errors: Sequence[Error], below: Mapping[Question, Sequence[Link]]) -> list[Error]:
    """The errors, where each missed mention gets the best overlapping link below the threshold, if there is one.

    Args:
        errors: errors of many questions.
        below: the links of each question that are below the threshold.
    """
    made = []
    for error in errors:
        mention = error.mention
        if error.bucket == "missed" and mention is not None:
            over = [link for link in below.get(error.question, ()) if shared_characters(mention, link) > 0]
            error = error._replace(link=max(over, key=lambda link: link.score, default=None))
        made.append(error)
    return made
