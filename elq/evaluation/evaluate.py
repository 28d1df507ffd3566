"""Evaluation: what a linker does with a set of questions, and every metric of it, as figures and as ratios over questions."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from elq.entities.catalogue import Catalogue
from elq.evaluation.intervals import Ratio
from elq.evaluation.nil import nil_area
from elq.evaluation.ratios import KS, Sums, question_sums, ratios_of, values_of
from elq.linking.linker import Linker
from elq.linking.scorer import Given
from elq.types import Link, Question

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Observed:
    """What a linker made of Q questions: all that the metrics look at."""

    questions: Sequence[Question]
    links: Sequence[Sequence[Link]]
    ranks: Sequence[Sequence[int]] | None = None  # of each gold mention with an entity: its rank, see gold_rank
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
    """Compare links with gold mentions: flat names → values of the metrics of links, see elq/evaluation/ratios.py.

    Raises:
        ElqError: another number of questions than of lists of links.
    """
    return values_of(question_sums(questions, links))


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
    """Link the questions, and rank each gold entity for its gold span. Every question is encoded once.

    Args:
        linker: what is measured.
        questions: annotated questions; an entity that the linker's catalogue lacks counts as null.
        threshold: γ instead of the linker's own.
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
    """The rank, from 0, of a catalogue row among the candidates of a given mention.

    −1 where it is not among them, the catalogue has no such entity (row −1), or the mention covers no token.
    """
    return given.rows.index(row) if given is not None and row >= 0 and row in given.rows else -1


def _sums(observed: Observed) -> dict[str, Sums]:
    ranks, ends, nil_links = observed.ranks, observed.ends, observed.nil_links
    return question_sums(observed.questions, observed.links, ranks=ranks, ends=ends, nil_links=nil_links)


def measure(observed: Observed) -> dict[str, float]:
    """All metrics: flat names → values. Those of ranks, of the released counting, and of NIL, where they were observed.

    A metric that is undefined, since no question takes part in it, is 0.0.
    """
    area = {} if observed.nil_links is None else nil_area(observed.questions, observed.log_nil)
    return values_of(_sums(observed)) | area


def metric_ratios(observed: Observed) -> dict[str, Ratio]:
    """The metrics of :func:`measure` that are ratios, under the same names; the others are numbers of something.

    The value of a ratio is that of its metric, and NaN where the metric, which is then 0, is undefined.
    """
    return ratios_of(_sums(observed))


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
