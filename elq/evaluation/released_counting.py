"""Released counting: counts correct links in the way of the released ELQ.

It sorts links and gold mentions by their ends, and takes the longest common subsequence. The counting of elq itself
(elq/evaluation/counting.py) matches them one to one in any order, and so it never counts fewer. The two can only differ if a
question has several mentions whose order is not that of their links.
"""

from collections.abc import Callable, Sequence

from elq.evaluation.counting import Counts
from elq.types import Link, Mention, Question

COUNTED = ("weak", "strong", "window_weak", "window_strong")


def common_subsequence(gold: Sequence[Mention], links: Sequence[Link], agree: Callable[[Mention, Link], bool]) -> int:
    """Length of the longest sequence of agreeing pairs that is in order in both lists.

    >>> gold = [Mention(1, 3, "Q2"), Mention(0, 4, "Q1")]
    >>> links = [Link(0, 2, "", "Q1", "", "", 0.0), Link(2, 6, "", "Q2", "", "", 0.0)]
    >>> common_subsequence(gold, links, lambda mention, link: mention.entity == link.entity)  # a one-to-one matching finds 2
    1
    """
    best = [0] * (len(links) + 1)  # best[j]: length for the gold mentions so far and the first j links
    for mention in gold:
        above = best[:]
        for j, link in enumerate(links):
            best[j + 1] = above[j] + 1 if agree(mention, link) else max(above[j + 1], best[j])
    return best[-1]


def _same_span(mention: Mention, link: Link) -> bool:
    return (mention.entity, mention.start, mention.end) == (link.entity, link.start, link.end)


def _overlapping(mention: Mention, link: Link) -> bool:
    return mention.entity == link.entity and mention.start < link.end and link.start < mention.end


def released_counts(question: Question, links: Sequence[Link], end: int) -> dict[str, Counts]:
    """Weak and strong agreement of one question as the released code counts it.

    Args:
        question: an annotated question; mentions without an entity are left out.
        links: the predicted links.
        end: number of characters that the linker has read; the ``window`` counts leave out gold mentions that end after it.
    """
    links = sorted(links, key=lambda link: link.end)
    gold = sorted((mention for mention in question.mentions if mention.entity is not None), key=lambda mention: mention.end)
    counts = {}
    for window, seen in (("", gold), ("window_", [mention for mention in gold if mention.end <= end])):
        for name, agree in (("weak", _overlapping), ("strong", _same_span)):
            counts[window + name] = Counts(common_subsequence(seen, links, agree), len(links), len(seen))
    return counts
