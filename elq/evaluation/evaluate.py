"""Evaluation: what a linker does with a set of questions, and every metric of it, as figures and as ratios over questions."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from elq.entities.catalogue import Catalogue
from elq.evaluation.intervals import Ratio
from elq.evaluation.nil import nil_area
from elq.evaluation.ratios import KS, Sums, question_sums, ratios_of, values_of
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
    """Link the questions, and rank each gold entity for its gold span.

    Args:
        linker: what is measured.
        questions: annotated questions; an entity that the linker's catalogue lacks counts as null.
        threshold: γ instead of the linker's own.
    """
    questions = known_questions(questions, linker.entities.catalogue)
    links = linker.link([question.text for question in questions], threshold=threshold)
    gold = [(question.text, mention) for question in questions for mention in question.mentions if mention.entity is not None]
    most = max(KS)
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
