"""Evaluation: every metric of a linker on a set of questions."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import torch

from elq.catalogue import Catalogue
from elq.linker import Linker
from elq.metrics import LinkingMetrics, RankMetrics
from elq.released_metrics import released_metrics
from elq.types import Link, Question

log = logging.getLogger(__name__)


def evaluate_links(questions: Sequence[Question], links: Sequence[Sequence[Link]]) -> dict[str, float]:
    """Compare links with gold mentions: flat names → values of :class:`elq.metrics.LinkingMetrics`, on this process alone."""
    metrics = LinkingMetrics(sync_on_compute=False)
    metrics.update(questions, links)
    return metrics.compute()


def known_questions(questions: Sequence[Question], catalogue: Catalogue) -> list[Question]:
    """The questions with null for every gold mention whose entity a catalogue lacks: no linker over it could find that one."""
    ids = sorted({mention.entity for question in questions for mention in question.mentions if mention.entity is not None})
    lacking = {entity for entity, row in zip(ids, catalogue.rows(ids), strict=True) if row < 0}
    if lacking:
        log.warning("%d gold entities are not in the catalogue, and count as null: %s …", len(lacking), min(lacking))
    return [
        replace(q, mentions=tuple(replace(m, entity=None) if m.entity in lacking else m for m in q.mentions)) for q in questions
    ]


def evaluate(linker: Linker, questions: Sequence[Question], *, threshold: float | None = None) -> dict[str, float]:
    """Link the questions and measure: :func:`evaluate_links`, and the rank of each gold entity for its gold span.

    In score mode ``elq`` the figures of the released counting (elq/released_metrics.py) stand beside ours.

    Args:
        linker: what is measured.
        questions: annotated questions; an entity that the linker's catalogue lacks counts as null.
        threshold: γ instead of the linker's own.

    Returns:
        Flat names → values.
    """
    questions = known_questions(questions, linker.entities.catalogue)
    links = linker.link([question.text for question in questions], threshold=threshold)
    ranking = RankMetrics(sync_on_compute=False)
    gold = [(question.text, mention) for question in questions for mention in question.mentions if mention.entity is not None]
    ranks = linker.gold_ranks([text for text, _ in gold], [mention for _, mention in gold], candidates=max(ranking.ks))
    ranking.update(torch.tensor(ranks, dtype=torch.int64))
    metrics = {**evaluate_links(questions, links), **ranking.compute()}
    if linker.score_mode == "elq":
        ends = [linker.tokenizer([question.text]).offsets[0][-1][1] for question in questions]
        metrics |= released_metrics(questions, links, ends)
    return metrics
