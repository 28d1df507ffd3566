"""Buckets: what kind of error each lost gold mention and each wrong link is. Pure functions.

What is right, same span and same entity, is taken out first, each used once, as the metric ``strong`` counts. Every gold
mention with an entity that is left is *lost*, every link that is left is *wrong*, and each of both has one bucket, which
follows from what is left of the other side:

- ``missed``: a lost mention that no wrong link overlaps.
- ``spurious``: a wrong link that overlaps no lost and no null mention.
- ``boundary``: something that overlaps has the same entity, so that only the span is another.
- ``nil``: a wrong link whose nearest gold mention is null. (A null mention itself is no gold for linking, and so never lost.)
- ``same_name`` and ``other_name``: wrong entity, which bears the gold mention's name, or does not.

The nearest is what shares most characters, and of equals the first. So the lost mentions of all buckets are the gold ones less
the right ones, the wrong links all links less the right ones: what recall and precision lack.
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
    "same_name": "wrong entity, which bears the mention's name",
    "other_name": "wrong entity of another name",
    "nil": "a link on a mention whose gold entity is null",
}


class Error(NamedTuple):
    """A lost gold mention or a wrong link, its bucket, and the nearest of the other side, where there is one."""

    bucket: str
    lost: bool  # the mention is what is counted; False: the link
    question: Question
    mention: Mention | None
    link: Link | None


def bears(entity: Entity, name: str) -> bool:
    """Whether a name is one of an entity's, in the way of the dictionary (elq/names/dictionary.py).

    >>> bears(Entity("Q44578", "Titanic (1997 film)", "Titanic"), "TITANIC")
    True
    """
    return is_name(key := folded(name)) and key in map(folded, names_of(entity))


def strongly_right(question: Question, links: Sequence[Link]) -> tuple[list[bool], list[bool]]:
    """Which gold mentions with an entity are linked with the same span, and which links do that; each is used once."""
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
    """How many characters of the text a gold mention and a link share; 0 or less where they do not overlap."""
    return min(mention.end, link.end) - max(mention.start, link.start)


def errors_of(question: Question, links: Sequence[Link], same_name: Callable[[str, str], bool]) -> list[Error]:
    """The errors of one question: its lost mentions in their order, then its wrong links in theirs.

    Args:
        question: annotated.
        links: predicted for it.
        same_name: whether an entity (the first, its id) bears a name (the second).
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
    """At most so many errors to look at, the highest scores first, those without a link last; a pair is shown once."""
    pairs: dict[tuple[Question, Mention | None, Link | None], Error] = {}
    for error in errors:
        pairs.setdefault((error.question, error.mention, error.link), error)
    return sorted(pairs.values(), key=lambda error: -error.link.score if error.link else math.inf)[:most]


def with_near_misses(errors: Sequence[Error], below: Mapping[Question, Sequence[Link]]) -> list[Error]:
    """The errors, each missed mention with the best link over it that stayed below the threshold, where there is one.

    Args:
        errors: of many questions.
        below: the links of a question that the threshold keeps out.
    """
    made = []
    for error in errors:
        mention = error.mention
        if error.bucket == "missed" and mention is not None:
            over = [link for link in below.get(error.question, ()) if shared_characters(mention, link) > 0]
            error = error._replace(link=max(over, key=lambda link: link.score, default=None))
        made.append(error)
    return made
