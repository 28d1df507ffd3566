"""Evaluation: what a linker does with a set of questions, and every metric of it, as figures and as ratios over questions."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from elq.entities.catalogue import Catalogue
from elq.evaluation.counting import QUALITIES, REPORTED, Counts, LinkingMetrics, RankMetrics, count, paired
from elq.evaluation.intervals import Ratio
from elq.evaluation.nil import nil_counts, nil_metrics
from elq.evaluation.released_counting import COUNTED, released_counts, released_metrics
from elq.linking.linker import Linker
from elq.types import Link, Question

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Observed:
    """What a linker made of Q questions: all that the metrics look at."""

    questions: Sequence[Question]
    links: Sequence[Sequence[Link]]
    ranks: Sequence[Sequence[int]] | None = None  # of each gold mention with an entity: its rank, see Linker.gold_ranks
    ends: Sequence[int] | None = None  # in score mode elq: where the text ends that was read, in characters
    nil_links: Sequence[Sequence[Link]] | None = None  # as links, but with NIL asked for; None: the model has no such candidate
    log_nil: Sequence[Sequence[float]] = ()  # beside them: log p(NIL | mention) of each gold mention

    def above(self, threshold: float) -> "Observed":
        """The same with the links of a higher threshold; the linker compares in float32, and so does this."""
        least = float(np.float32(threshold))
        links, nil_links = (
            [[link for link in found if link.score >= least] for found in every] for every in (self.links, self.nil_links or ())
        )
        return replace(self, links=links, nil_links=None if self.nil_links is None else nil_links)


def evaluate_links(questions: Sequence[Question], links: Sequence[Sequence[Link]]) -> dict[str, float]:
    """Compare links with gold mentions: flat names → values of :class:`elq.evaluation.counting.LinkingMetrics`, on this
    process alone."""
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


def observe(linker: Linker, questions: Sequence[Question], *, threshold: float | None = None) -> Observed:
    """Link the questions, and rank each gold entity for its gold span.

    Args:
        linker: what is measured.
        questions: annotated questions; an entity that the linker's catalogue lacks counts as null.
        threshold: γ instead of the linker's own.
    """
    questions = known_questions(questions, linker.entities.catalogue)
    links = linker.link([question.text for question in questions], threshold=threshold)
    gold = [(question.text, mention) for question in questions for mention in question.mentions if mention.entity is not None]
    most = max(RankMetrics().ks)
    ranks = iter(linker.gold_ranks([text for text, _ in gold], [mention for _, mention in gold], candidates=most))
    by_question = [[next(ranks) for mention in question.mentions if mention.entity is not None] for question in questions]
    nil_links, log_nil, ends = None, [], None
    if linker.model.nil is not None:
        nil_links = linker.link([question.text for question in questions], threshold=threshold, nil=True)
        annotated = [(question.text, mention) for question in questions for mention in question.mentions]
        found = iter(linker.nil_log_probs([text for text, _ in annotated], [mention for _, mention in annotated]))
        log_nil = [[next(found) for _ in question.mentions] for question in questions]
    if linker.score_mode == "elq":
        ends = [linker.tokenizer([question.text]).offsets[0][-1][1] for question in questions]
    return Observed(questions, links, by_question, ends, nil_links, log_nil)


def measure(observed: Observed) -> dict[str, float]:
    """All metrics: flat names → values. Those of ranks, of the released counting, and of NIL, where they were observed."""
    metrics = evaluate_links(observed.questions, observed.links)
    if observed.ranks is not None:
        ranking = RankMetrics(sync_on_compute=False)
        ranking.update(torch.tensor([rank for ranks in observed.ranks for rank in ranks], dtype=torch.int64))
        metrics |= ranking.compute()
    if observed.ends is not None:
        metrics |= released_metrics(observed.questions, observed.links, observed.ends)
    if observed.nil_links is not None:
        metrics |= nil_metrics(observed.questions, observed.nil_links, observed.log_nil)
    return metrics


def evaluate(linker: Linker, questions: Sequence[Question], *, threshold: float | None = None) -> dict[str, float]:
    """Link the questions and measure: :func:`evaluate_links`, and the rank of each gold entity for its gold span.

    In score mode ``elq`` the figures of the released counting (elq/evaluation/released_counting.py) stand beside ours.

    Args:
        linker: what is measured.
        questions: annotated questions; an entity that the linker's catalogue lacks counts as null.
        threshold: γ instead of the linker's own.

    Returns:
        Flat names → values.
    """
    return measure(observe(linker, questions, threshold=threshold))


def counts_ratios(counts: Sequence[Counts | None]) -> dict[str, Ratio]:
    """Micro precision, recall and F1 of Q questions as ratios; None for a question that takes no part."""
    correct, predicted, gold = np.array([one or (0, 0, 0) for one in counts], np.float64).reshape(-1, 3).T  # each (Q,)
    return dict(
        zip(QUALITIES, (Ratio(correct, predicted), Ratio(correct, gold), Ratio(2 * correct, predicted + gold)), strict=True)
    )


def hit_ratio(hits: Sequence[Sequence[bool]]) -> Ratio:
    """The share of hits among the gold mentions of Q questions, as a ratio."""
    return Ratio(np.array([sum(one) for one in hits], np.float64), np.array([len(one) for one in hits], np.float64))


def _macro_ratios(counts: Sequence[Counts | None]) -> dict[str, Ratio]:
    rows = [[0.0] * 4 if one is None else [*one.quality(empty=1.0).values(), 1.0] for one in counts]
    *qualities, part = np.array(rows, np.float64).reshape(-1, 4).T  # each (Q,)
    return {name: Ratio(quality, part) for name, quality in zip(QUALITIES, qualities, strict=True)}


def metric_ratios(observed: Observed) -> dict[str, Ratio]:
    """The metrics of :func:`measure` that are ratios, under the same names; the others are numbers of something.

    The value of a ratio is that of its metric, and NaN where the metric, which is then 0, is undefined.
    """
    by_question = [count(question, links) for question, links in paired(observed.questions, observed.links)]
    ratios: dict[str, Ratio] = {}
    for task in REPORTED:
        counts = [one.get(task) for one in by_question]
        ratios |= {f"{task}_micro_{name}": ratio for name, ratio in counts_ratios(counts).items()}
        ratios |= {f"{task}_macro_{name}": ratio for name, ratio in _macro_ratios(counts).items()}
    ratios["main_entity_recall"] = counts_ratios([one.get("main") for one in by_question])["recall"]
    unmentioned = [one.get("unmentioned") for one in by_question]
    ratios["false_links_per_unmentioned_question"] = Ratio(
        np.array([one.predicted if one else 0 for one in unmentioned], np.float64),
        np.array([one is not None for one in unmentioned], np.float64),
    )
    return ratios | _rank_ratios(observed.ranks) | _released_ratios(observed) | _nil_ratios(observed)


def _rank_ratios(ranks: Sequence[Sequence[int]] | None) -> dict[str, Ratio]:
    if ranks is None:
        return {}
    found = {f"candidate_recall@{k}": hit_ratio([[0 <= rank < k for rank in one] for one in ranks]) for k in RankMetrics().ks}
    return found | {"disambiguation_accuracy": found["candidate_recall@1"]}


def _released_ratios(observed: Observed) -> dict[str, Ratio]:
    if observed.ends is None:
        return {}
    rows = zip(observed.questions, observed.links, observed.ends, strict=True)
    by_question = [released_counts(*row) for row in rows]
    return {
        f"released_{name}_{quality}": ratio
        for name in COUNTED
        for quality, ratio in counts_ratios([one[name] for one in by_question]).items()
    }


def _nil_ratios(observed: Observed) -> dict[str, Ratio]:
    if observed.nil_links is None:
        return {}
    by_question = [nil_counts(question, links) for question, links in paired(observed.questions, observed.nil_links)]
    return {f"nil_{quality}": ratio for quality, ratio in counts_ratios(by_question).items()}
