"""Evaluate: links annotated questions, and computes every metric."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from elq.entities.catalogue import Catalogue
from elq.evaluation.intervals import Ratio
from elq.evaluation.metrics import KS, Sums, question_sums, ratios_of, values_of
from elq.evaluation.nil import nil_area
from elq.linking.linker import Linker
from elq.linking.scored import Given
from elq.types import Link, Question

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Observed:
    """The output of a linker for Q questions: everything that the metrics need."""

    questions: Sequence[Question]
    links: Sequence[Sequence[Link]]
    ranks: Sequence[Sequence[int]] | None = None  # rank of the entity of each gold mention that has one, see gold_rank
    ends: Sequence[int] | None = None  # in score mode elq: number of characters that were read
    nil_links: Sequence[Sequence[Link]] | None = None  # like links, with links to NIL; None: the model has no NIL
    log_nil: Sequence[Sequence[float]] = ()  # log p(NIL | mention) of each gold mention

    def above(self, threshold: float) -> "Observed":
        """A copy with only the links of at least this threshold, compared in float32 as in the linker."""
        least = float(np.float32(threshold))
        links, nil_links = (
            [[link for link in found if link.score >= least] for found in every] for every in (self.links, self.nil_links or ())
        )
        return replace(self, links=links, nil_links=None if self.nil_links is None else nil_links)


def evaluate_links(questions: Sequence[Question], links: Sequence[Sequence[Link]]) -> dict[str, float]:
    """Measure links: name → value of each metric that needs only links, see elq/evaluation/metrics.py.

    Raises:
        ElqError: the numbers of questions and of lists of links differ.
    """
    return values_of(question_sums(questions, links))


def known_questions(questions: Sequence[Question], catalogue: Catalogue) -> list[Question]:
    """The questions with null instead of gold entities that the catalogue lacks, because no linker can find them."""
    golds = {mention.entity for question in questions for mention in question.mentions} | {one.box_entity for one in questions}
    ids = sorted(gold for gold in golds if gold is not None)
    lacking = {entity for entity, row in zip(ids, catalogue.rows(ids), strict=True) if row < 0}
    if lacking:
        log.warning(
            "%d gold entities are not in the catalogue, and their mentions count as null, for example those of %s",
            len(lacking),
            min(lacking),
        )
    return [
        replace(
            q,
            mentions=tuple(replace(m, entity=None) if m.entity in lacking else m for m in q.mentions),
            box_entity=None if q.box_entity in lacking else q.box_entity,
        )
        for q in questions
    ]


def observe(linker: Linker, questions: Sequence[Question], *, threshold: float | None = None) -> Observed:
    """Link the questions, and find the rank of each gold entity for its gold span. Every question is encoded once.

    Args:
        linker: the linker to measure.
        questions: annotated questions; an entity that the linker's catalogue lacks counts as null.
        threshold: γ, instead of the linker's own threshold.
    """
    catalogue = linker.entities.catalogue
    questions = known_questions(questions, catalogue)
    scored = linker.score(
        [question.text for question in questions],
        threshold=threshold,
        mentions=[question.mentions for question in questions],
        given_candidates=max(KS),
    )
    links = linker.links(scored, threshold=threshold)
    entities = sorted({m.entity for question in questions for m in question.mentions if m.entity is not None})
    rows = dict(zip(entities, catalogue.rows(entities).tolist(), strict=True))
    ranks, log_nil = [], []
    for question, given in zip(questions, scored.given, strict=True):
        pairs = list(zip(question.mentions, given, strict=True))
        ranks.append([gold_rank(found, rows[m.entity]) for m, found in pairs if m.entity is not None])
        log_nil.append([math.nan if found is None else found.log_nil for _, found in pairs])
    nil_links = None if linker.model.nil is None else linker.links(scored, threshold=threshold, nil=True)
    ends = None
    if linker.score_mode == "elq":
        ends = [linker.tokenizer([question.text]).offsets[0][-1][1] for question in questions]
    return Observed(questions, links, ranks, ends, nil_links, log_nil if nil_links is not None else [])


def gold_rank(given: Given | None, row: int) -> int:
    """The rank, counted from 0, of a catalogue row among the candidates of a given mention.

    The rank is −1 if the row is not among them, if the row is −1 (not in the catalogue), or if the mention covers no token.
    """
    return given.rows.index(row) if given is not None and row >= 0 and row in given.rows else -1


def _sums(observed: Observed) -> dict[str, Sums]:
    ranks, ends, nil_links = observed.ranks, observed.ends, observed.nil_links
    return question_sums(observed.questions, observed.links, ranks=ranks, ends=ends, nil_links=nil_links)


def measure(observed: Observed) -> dict[str, float]:
    """Name → value of all metrics. Those that need ranks, ends or links to NIL are left out if these were not observed.

    A metric is 0.0 if it is undefined because no question takes part in it.
    """
    area = {} if observed.nil_links is None else nil_area(observed.questions, observed.log_nil)
    return values_of(_sums(observed)) | area


def metric_ratios(observed: Observed) -> dict[str, Ratio]:
    """The metrics of :func:`measure` that are ratios, with the same names. The others are plain numbers.

    A ratio has the value of its metric. If it is undefined, the ratio is NaN and the metric is 0.
    """
    return ratios_of(_sums(observed))


def evaluate(linker: Linker, questions: Sequence[Question], *, threshold: float | None = None) -> dict[str, float]:
    """Link the questions and compute all metrics, also those of the rank of each gold entity for its gold span.

    In score mode ``elq``, the metrics of the released counting (elq/evaluation/released_counting.py) are included.

    Args:
        linker: the linker to measure.
        questions: annotated questions; an entity that the linker's catalogue lacks counts as null.
        threshold: γ, instead of the linker's own threshold.

    Returns:
        Name → value of each metric.
    """
    return measure(observe(linker, questions, threshold=threshold))
