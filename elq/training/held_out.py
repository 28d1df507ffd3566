"""Held-out questions: draws development questions from the annotated questions of a training."""

import math
import random
from collections.abc import Sequence

from elq.errors import ElqError
from elq.training.stages import Stage
from elq.types import Question

LEAST = 20  # development questions, but at most half of all questions
FEWEST = 10  # questions of which a part can be held out


def check_development(dev: str | None, dev_templates: int, dev_share: float, train: Sequence[Stage]) -> None:
    """Check that the settings say where the development questions come from.

    Raises:
        ElqError: they name no source or two, or a share that cannot be held out.
    """
    if not 0 <= dev_share <= 0.5:
        raise ElqError(f"data.dev_share is {dev_share}, but must be a number from 0 to 0.5: set it to 0.1")
    if dev_share and dev is None and dev_templates < 1:
        if not any(stage.sources for stage in train):
            raise ElqError(
                f"data.dev_share is {dev_share}, but data.train has no question files from which a share can be held out:"
                " give a question file as data.dev=FILE, or a number of template questions as data.dev_templates=1000"
            )
    elif (dev is None) == (dev_templates < 1):
        raise ElqError(
            f"data.dev is {dev} and data.dev_templates is {dev_templates}, but exactly one of them is needed: give a"
            " question file as data.dev=FILE, or a number of template questions as data.dev_templates=1000"
        )


def held_out(questions: Sequence[Question], share: float, seed: int) -> list[Question]:
    """Draw a share of the questions, but at least ``LEAST`` and at most half. Questions with the same text count once.

    Args:
        questions: all annotated questions of a training.
        share: the share of the questions to draw.
        seed: the draw depends only on the seed and the questions.

    Raises:
        ElqError: there are fewer than ``FEWEST`` different questions.

    >>> asked = [Question(str(number), f"who is {number % 50}?") for number in range(100)]
    >>> len(held_out(asked, 0.1, seed=0)), held_out(asked, 0.1, seed=0) == held_out(asked, 0.1, seed=1)
    (20, False)
    """
    different: dict[str, Question] = {}
    for question in questions:
        different.setdefault(question.text, question)
    if len(different) < FEWEST:
        raise ElqError(
            f"data.train has {len(different)} different questions, but at least {FEWEST} are needed, because a part of them is"
            " held out as development questions: annotate more questions, or give others as data.dev=FILE"
        )
    asked = [*different.values()]
    count = min(max(LEAST, math.ceil(share * len(asked))), len(asked) // 2)
    return [asked[place] for place in sorted(random.Random(seed).sample(range(len(asked)), count))]
