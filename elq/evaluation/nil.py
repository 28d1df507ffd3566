"""NIL: measures whether a linker finds the mentions without an entity."""

import math
from collections.abc import Sequence

import numpy as np

from elq.evaluation.counting import Counts, agreement
from elq.evaluation.reliability import auroc
from elq.types import NIL, Link, Question


def nil_counts(question: Question, links: Sequence[Link]) -> Counts:
    """Count the links to NIL on the span of a gold mention without an entity.

    >>> from elq.types import Mention
    >>> question = Question("1", "jo met mo", (Mention(0, 2, None), Mention(7, 9, "Q1")))
    >>> nil_counts(question, [Link(0, 2, "jo", NIL, "", "", 0.0), Link(7, 9, "mo", NIL, "", "", 0.0)])
    Counts(correct=1, predicted=2, gold=1)
    """
    gold = [(mention.start, mention.end) for mention in question.mentions if mention.entity is None]
    return agreement(gold, [(link.start, link.end) for link in links if link.entity == NIL])


def nil_area(questions: Sequence[Question], log_probs: Sequence[Sequence[float]]) -> dict[str, float]:
    """``nil_auroc``: the probability that a gold mention without an entity has a larger p(NIL | mention) than one with
    an entity.

    The area compares mentions of different questions, so it is not a ratio of sums over questions. The dictionary is empty if
    there are no mentions with an entity, or none without.

    Args:
        questions: annotated questions.
        log_probs: log p(NIL | mention) of each question's gold mentions; NaN if a mention covers no token.
    """
    known = [
        (log_p, mention.entity is None)
        for question, row in zip(questions, log_probs, strict=True)
        for mention, log_p in zip(question.mentions, row, strict=True)
        if not math.isnan(log_p)
    ]
    scores, labels = (np.array([one[column] for one in known], np.float64) for column in (0, 1))
    area = auroc(scores, labels)
    return {} if math.isnan(area) else {"nil_auroc": area}
