"""Scored questions: the spans and candidates of questions, which can be decoded for any number of settings."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch

from elq.entities.catalogue import Catalogue
from elq.errors import ElqError
from elq.linking.calibration import AnyCalibration
from elq.linking.concepts import KEEP, check_concepts
from elq.linking.decoding import ScoredSpans, decode
from elq.linking.rule import Rule, rule_of
from elq.links import LinkedQuestions, Links
from elq.model.type_head import joined_types
from elq.tensors import Spans


class Given(NamedTuple):
    """The candidates of one mention whose span was given."""

    rows: list[int]  # catalogue rows of its candidates, best first; −1 where there is none
    log_nil: float  # log p(NIL | mention); NaN if the model was trained without NIL


@dataclass(frozen=True, slots=True)
class Scored:
    """B questions with every span whose log p(mention) is at least the floor, and the candidates of each.

    Args:
        texts: B questions.
        offsets: the characters of their tokens, as in :class:`elq.tensors.TokenBatch`.
        spans: Q scored spans of all questions.
        floor: the lowest log p(mention) of the spans that were scored.
        catalogue: the catalogue whose rows the candidates are.
        given: for each question, the candidates of its given mentions, in their order; None for a mention without a token.
        calibration: gives links a probability; the scores of a linker have its own. If it is None, links have no probability.
    """

    texts: Sequence[str]
    offsets: Sequence[Sequence[tuple[int, int]]]
    spans: ScoredSpans
    floor: float
    catalogue: Catalogue
    given: Sequence[Sequence[Given | None]]
    calibration: AnyCalibration | None = None

    def links(
        self,
        threshold: float | None = None,
        *,
        min_probability: float | None = None,
        mention_threshold: float | None = None,
        calibration: AnyCalibration | None = None,
        nil: bool = False,
        overlaps: bool = False,
        concepts: str = KEEP,
    ) -> LinkedQuestions:
        """The links of every question, in reading order, as a linker with these settings returns them.

        Args:
            threshold: the threshold γ, the lowest joint score of a link.
            min_probability: the lowest probability of a link. At least one of γ and this is given.
            mention_threshold: the lowest log p(mention) of a link. If it is None, it is not asked for.
            calibration: gives the links a probability, instead of the calibration of these scores.
            nil: whether NIL is a candidate.
            overlaps: whether links may overlap. If not, only the best of overlapping links is kept.
            concepts: whether links of generic nouns are shown, ``keep`` or ``drop``.

        Raises:
            ElqError: a value is outside its limits, there is no calibration for ``min_probability``, or the links need scores
                below ``floor``, so that some would be missing.
        """
        own = self.calibration if calibration is None else calibration
        rule = rule_of(threshold, min_probability, mention_threshold=mention_threshold, calibration=own, nil=nil)
        return self.decoded(replace(rule, concepts=check_concepts(concepts)), overlaps=overlaps)

    def decoded(self, rule: Rule, *, overlaps: bool = False) -> LinkedQuestions:
        """The links of :meth:`links` for a rule whose values are checked."""
        if (lowest := rule.floor) < self.floor:
            raise ElqError(f"the threshold is {lowest}, but these scores reach down to {self.floor} only: score with {lowest}")
        spans = self.spans if rule.nil else self.spans.without_nil()
        found = decode(self.texts, self.offsets, spans, self.catalogue, rule, overlaps=overlaps)
        return LinkedQuestions(map(Links, found, self.texts))


def joined(parts: Sequence[tuple[Sequence[int], Scored]], questions: int) -> Scored:
    """Join the batches of :meth:`Scorer.batches` into one record of all questions, in the order of the questions.

    Args:
        parts: for each batch (at least one), the places of its questions and their scores.
        questions: the number of all questions.
    """
    texts: list[str] = [""] * questions
    offsets: list[Sequence[tuple[int, int]]] = [()] * questions
    given: list[Sequence[Given | None]] = [()] * questions
    for places, part in parts:
        for b, place in enumerate(places):
            texts[place], offsets[place], given[place] = part.texts[b], part.offsets[b], part.given[b]
    scored = [part.spans for _, part in parts]
    question = torch.cat([torch.tensor(places)[one.spans.question] for (places, _), one in zip(parts, scored, strict=True)])
    start, end = (torch.cat([getattr(one.spans, side) for one in scored]) for side in ("start", "end"))
    nil = [one.log_nil for one in scored if one.log_nil is not None]
    spans = ScoredSpans(
        Spans(question, start, end),
        torch.cat([one.mention_scores for one in scored]),
        torch.cat([one.log_probs for one in scored]),
        torch.cat([one.rows for one in scored]),
        torch.cat(nil) if nil else None,
        types=joined_types([one.types for one in scored if one.types is not None]),
    )
    return Scored(texts, offsets, spans, parts[0][1].floor, parts[0][1].catalogue, given)
