"""Evaluation: every metric of a linker on a set of questions."""

from collections.abc import Sequence

import torch

from elq.linker import Linker
from elq.metrics import LinkingMetrics, RankMetrics
from elq.types import Link, Question


def evaluate_links(questions: Sequence[Question], links: Sequence[Sequence[Link]]) -> dict[str, float]:
    """Compare links with gold mentions: flat names → values of :class:`elq.metrics.LinkingMetrics`."""
    metrics = LinkingMetrics()
    metrics.update(questions, links)
    return metrics.compute()


def evaluate(linker: Linker, questions: Sequence[Question], *, threshold: float | None = None) -> dict[str, float]:
    """Link the questions and measure: :func:`evaluate_links`, and the rank of each gold entity for its gold span.

    Args:
        linker: what is measured.
        questions: annotated questions.
        threshold: γ instead of the linker's own.

    Returns:
        Flat names → values.
    """
    links = linker.link([question.text for question in questions], threshold=threshold)
    ranking = RankMetrics()
    gold = [(question.text, mention) for question in questions for mention in question.mentions if mention.entity is not None]
    ranks = linker.gold_ranks([text for text, _ in gold], [mention for _, mention in gold], candidates=max(ranking.ks))
    ranking.update(torch.tensor(ranks, dtype=torch.int64))
    return {**evaluate_links(questions, links), **ranking.compute()}
