"""Calls: what a linker can be asked for: links, candidates, reasons, and scores to be decoded later."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, overload

from torch import Tensor

from elq.entities.manifest import Entities
from elq.errors import ElqError
from elq.linking.calibration import AnyCalibration
from elq.linking.concepts import check_concepts
from elq.linking.context import moved_links, moved_spans, with_context
from elq.linking.document import help_each_other
from elq.linking.explain import Explanation, explain
from elq.linking.given import Span, checked_mentions, link_given
from elq.linking.inputs import as_texts, check_candidates, refuse_thresholds
from elq.linking.restriction import allowed_rows
from elq.linking.rule import Rule, rule_of
from elq.linking.scored import Scored, joined
from elq.linking.scorer import Scorer
from elq.linking.scoring import OVER_ALL
from elq.links import LinkedQuestions, Links
from elq.types import Candidate, Link, Mention


class Calls:
    """The calls of :class:`elq.linking.linker.Linker`, whose constructor sets these attributes and explains them."""

    scorer: Scorer
    entities: Entities
    threshold: float
    mention_threshold: float | None
    candidates: int
    batch_size: int
    calibration: AnyCalibration | None
    concepts: str

    @overload
    def link(  # type: ignore[overload-overlap]
        self,
        texts: str,
        *,
        threshold: float | None = None,
        candidates: int | None = None,
        nil: bool = False,
        min_probability: float | None = None,
        mentions: Sequence[Span] | None = None,
        types: str | Iterable[str] | None = None,
        ids: str | Iterable[str] | None = None,
        context: Sequence[str] | None = None,
        document: bool = False,
        concepts: str | None = None,
    ) -> Links: ...
    @overload
    def link(
        self,
        texts: Iterable[str],
        *,
        threshold: float | None = None,
        candidates: int | None = None,
        nil: bool = False,
        min_probability: float | None = None,
        mentions: Sequence[Sequence[Span]] | None = None,
        types: str | Iterable[str] | None = None,
        ids: str | Iterable[str] | None = None,
        context: Sequence[Sequence[str]] | None = None,
        document: bool = False,
        concepts: str | None = None,
    ) -> LinkedQuestions: ...

    def link(
        self,
        texts: str | Iterable[str],
        *,
        threshold: float | None = None,
        candidates: int | None = None,
        nil: bool = False,
        min_probability: float | None = None,
        mentions: Sequence[Span] | Sequence[Sequence[Span]] | None = None,
        types: str | Iterable[str] | None = None,
        ids: str | Iterable[str] | None = None,
        context: Sequence[str] | Sequence[Sequence[str]] | None = None,
        document: bool = False,
        concepts: str | None = None,
    ) -> Links | LinkedQuestions:
        """Link one question, or several.

        Args:
            texts: a question, or any iterable of questions: a list, a generator, a set, an array, a column of a data frame.
            threshold: the threshold γ for this call; by default the linker's own.
            candidates: K for this call. Except in the score modes ``table`` and ``shortlist``, the scores depend on K: γ was
                chosen with the linker's own K, and with another K links have no probability.
            nil: whether NIL ("not in the catalogue") is a candidate. A mention whose best candidate is NIL is then linked to
                "NIL", and such a link removes overlapping links with a lower score.
            min_probability: the lowest probability of a link, from 0 to 1, instead of the linker's own thresholds. If
                ``threshold`` is given too, a link needs both.
            mentions: characters ``(start, end)`` of mentions: a list of pairs for a question, a list of such lists for several
                questions. These mentions are linked, and no others. Each of them is answered with its best candidate, however
                low its score and probability are, so thresholds cannot be given too.
            types: only entities that have one of these types are candidates.
            ids: only entities with one of these ids are candidates. With ``types`` too, an entity needs both. The scores of the
                entities are those that they have without a restriction.
            context: the earlier turns of a conversation, oldest first: a list of texts for a question, a list of such lists for
                several questions. They are read, never linked. The oldest are left out if not all fit into one window.
            document: whether the mentions of a text help each other: a mention takes the candidates of one with the same name,
                or of an earlier one whose name contains its own, into account (elq/linking/document.py). The number of links
                stays the same.
            concepts: whether links of generic nouns, such as "high school", are shown: ``keep`` or ``drop``
                (elq/linking/concepts.py); by default the linker's own. Given mentions are always answered.

        Returns:
            The links of the question in reading order, in a list (:class:`elq.links.Links`); for several questions, a list of
            such lists in the order of the questions (of a pandas Series: the order of its values). Links do not overlap. For
            given mentions, one link for each in the given order.

        Raises:
            ElqError: texts that are no strings, a threshold above 0, a probability that is not from 0 to 1, or for a model
                without a calibration, candidates < 1, ``nil`` with a model that was trained without NIL, a mention that is
                empty, outside its text or overlaps no token, or a type or id that the catalogue does not have.
        """
        several = [texts] if isinstance(texts, str) else as_texts(texts)
        k, allowed = self._checked(candidates, nil), allowed_rows(self.entities.catalogue, types, ids)
        asked, spans, starts = several, None, None
        if mentions is not None:
            refuse_thresholds(threshold, min_probability)
            spans = checked_mentions(several, [mentions] if isinstance(texts, str) else mentions)
        if context is not None:
            several, starts = with_context(self.scorer, several, [context] if isinstance(texts, str) else context)
        if spans is not None:
            given = spans if starts is None else moved_spans(spans, starts)
            found = self._given(several, given, k, nil, allowed, starts)
        else:
            rule = self.rule(threshold, min_probability, candidates=k, nil=nil, concepts=concepts)
            found = self._found(several, rule, k, allowed, starts)
        if document:
            calibration = self._calibration(k)
            found = [help_each_other(of_text, self.entities.catalogue, calibration=calibration) for of_text in found]
        links = LinkedQuestions(map(Links, found if starts is None else moved_links(found, starts), asked))
        return links[0] if isinstance(texts, str) else links

    def candidates_of(
        self,
        text: str,
        start: int,
        end: int,
        k: int = 10,
        *,
        types: str | Iterable[str] | None = None,
        ids: str | Iterable[str] | None = None,
    ) -> list[Candidate]:
        """The candidates of one mention, best first, with their scores log p(entity | mention).

        Args:
            text: a question.
            start: the first character of the mention.
            end: the place after the last character of the mention.
            k: the number of candidates. Except in the score modes ``table`` and ``shortlist``, the scores depend on it.
            types: see :meth:`link`.
            ids: see :meth:`link`.

        Raises:
            ElqError: as for :meth:`link`.
        """
        [link] = self.link(text, mentions=[(start, end)], candidates=k, types=types, ids=ids)
        return list(link.candidates)

    def explain(self, text: str, entity: str | None = None) -> Explanation:
        """Say why the best spans of a question are linked or hidden. ``print`` shows the answer in words.

        Args:
            text: one question.
            entity: the id of an entity: the answer then says what became of it.

        Raises:
            ElqError: the text is not a string, or the catalogue has no such entity.
        """
        return explain(self.scorer, text, self.rule(), self.candidates, entity)

    def _found(
        self, texts: Sequence[str], rule: Rule, k: int, allowed: Tensor | None, starts: Sequence[int] | None
    ) -> list[list[Link]]:
        size, choices = self.batch_size, {"allowed": allowed, "starts": starts}
        batches = self.scorer.batches(texts, floor=rule.floor, candidates=k, batch_size=size, **choices)  # type: ignore[arg-type]
        found = {place: links for places, part in batches for place, links in zip(places, part.decoded(rule), strict=True)}
        return [found[place] for place in range(len(texts))]

    def _given(
        self,
        texts: Sequence[str],
        spans: Sequence[Sequence[tuple[int, int]]],
        k: int,
        nil: bool,
        allowed: Tensor | None,
        starts: Sequence[int] | None,
    ) -> list[list[Link]]:
        how: dict[str, Any] = {"calibration": self._calibration(k), "batch_size": self.batch_size, "starts": starts}
        return link_given(self.scorer, texts, spans, candidates=k, nil=nil, allowed=allowed, **how)

    def links(
        self,
        scored: Scored,
        *,
        threshold: float | None = None,
        candidates: int | None = None,
        nil: bool = False,
        min_probability: float | None = None,
        concepts: str | None = None,
    ) -> LinkedQuestions:
        """Decode scored questions with this linker's thresholds and calibration.

        Args:
            scored: the questions, as :meth:`score` of this linker returned them.
            threshold: the threshold γ; by default the linker's own.
            candidates: the K with which the questions were scored, if it was not the linker's own.
            nil: whether NIL is a candidate.
            min_probability, concepts: the lowest probability of a link, and what becomes of generic nouns, see :meth:`link`.
        """
        k = self._checked(candidates, nil)
        rule = self.rule(threshold, min_probability, candidates=k, nil=nil, scored=scored, concepts=concepts)
        return scored.decoded(rule)

    def score(
        self,
        texts: Iterable[str],
        *,
        threshold: float | None = None,
        candidates: int | None = None,
        mentions: Sequence[Sequence[Mention]] | None = None,
        given_candidates: int | None = None,
        min_probability: float | None = None,
    ) -> Scored:
        """Score questions once. The result can be decoded several times, with any threshold that is not lower than this one.

        Args:
            texts: any iterable of questions.
            threshold: the lowest threshold γ with which they will be decoded; by default the linker's own. The mention
                threshold does not change it.
            candidates: K; by default the linker's own.
            mentions: for each question, mentions whose spans are given; candidates are found for these mentions too.
            given_candidates: K for the given mentions; by default the same K.
            min_probability: the lowest probability with which they will be decoded without a threshold γ.

        Raises:
            ElqError: texts that are no strings, a threshold above 0, a probability that is not from 0 to 1, or candidates < 1.
        """
        several, k = as_texts(texts), self._checked(candidates, False)
        floor = self.rule(threshold, min_probability, candidates=k).threshold
        more = None if given_candidates is None else check_candidates(given_candidates)
        choices = {"mentions": mentions, "given_candidates": more, "batch_size": self.batch_size}
        parts = [*self.scorer.batches(several, floor=floor, candidates=k, **choices)]  # type: ignore[arg-type]
        scored = joined(parts, len(several)) if parts else self.scorer.nothing(floor)
        return replace(scored, calibration=self._calibration(k))

    def _checked(self, candidates: int | None, nil: bool) -> int:
        """Check the arguments of a call, and return its K."""
        if nil and self.scorer.model.nil is None:
            raise ElqError(
                "NIL is asked for, but the model was trained without NIL: train with model.nil=true, or leave out nil (--nil)"
            )
        return self.candidates if candidates is None else check_candidates(candidates)

    def _calibration(self, k: int) -> AnyCalibration | None:
        """The calibration, if it is valid for scores with K candidates."""
        return self.calibration if self.scorer.score_mode in OVER_ALL or k == self.candidates else None

    def rule(
        self,
        threshold: float | None = None,
        min_probability: float | None = None,
        *,
        candidates: int | None = None,
        nil: bool = False,
        scored: Scored | None = None,
        concepts: str | None = None,
    ) -> Rule:
        """What a link of a call with these arguments needs to be shown.

        With a probability and no γ, the linker's own thresholds are not asked for.

        Args:
            threshold, min_probability, candidates, nil, concepts: the arguments of :meth:`link`.
            scored: the scores that are decoded, if they were made before; without a calibration of theirs, there is none.

        Raises:
            ElqError: a value is outside its limits, or a probability is asked for and there is no calibration.
        """
        calibration = self._calibration(self.candidates if candidates is None else candidates)
        if scored is not None and scored.calibration is None:
            calibration = None
        least, how = self.mention_threshold, self.concepts if concepts is None else check_concepts(concepts)
        if threshold is None and min_probability is None:
            own: dict[str, Any] = {"calibration": calibration, "nil": nil, "concepts": how}
            return Rule(threshold=self.threshold, mention_threshold=least, **own)
        least = None if threshold is None else least
        rule = rule_of(threshold, min_probability, mention_threshold=least, calibration=calibration, nil=nil)
        return replace(rule, concepts=how)
