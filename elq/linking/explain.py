"""Reasons: says why the spans of one question are linked or hidden, and what became of one entity."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from elq.entities.catalogue import Catalogue
from elq.errors import ElqError
from elq.linking.concepts import DROP
from elq.linking.decoding import Known, ScoredSpans, characters, without_overlaps
from elq.linking.given import score_spans
from elq.linking.inputs import shown
from elq.linking.rule import Rule
from elq.linking.scorer import Scorer
from elq.model.spans import keep_spans
from elq.names.dictionary import span_texts
from elq.names.named import coarse_kind, named_kinds
from elq.names.surface import names_of
from elq.names.words import folded
from elq.tensors import Spans, TokenBatch
from elq.types import NAME_KINDS, Entity, Link

SPANS = 5  # spans that are explained
LEAST = 0.005  # a smaller share of all other entities is not said
PARTS = ("start", "end", "inside", "name", "small letters")  # of a mention logit; without a small_shift there is no fifth one
SHOWN = "shown"
GENERIC = "hidden: its entity is a concept, and generic nouns are dropped; concepts=keep (--concepts keep) shows it"
NAMES = ("none", "name", "other spelling", "part of a name")  # what a span is in the catalogue, by TokenBatch.named


@dataclass(frozen=True, slots=True)
class ExplainedSpan:
    """One span of a question, and why it is linked or hidden.

    ``link`` is the link that it is or would be, with its candidates, joint score, log p(mention) and probability. ``parts`` are
    the logits whose sum gives p(mention): start, end, inside and name, and if the model has a ``small_shift``, also that of
    words without capital letters (elq/linking/balance.py). ``name`` is what the span is in the catalogue: "name",
    "other spelling", "part of a name" or "none", or "unused" if the model does not look at names. ``names`` are the entities
    that the words may mean, each with the kind of match. ``nil`` is p(NIL | mention), None for a model without NIL.
    """

    link: Link
    parts: Mapping[str, float]
    name: str
    names: tuple[tuple[str, str], ...]
    nil: float | None
    shown: bool
    reason: str

    def __str__(self) -> str:
        link, best = self.link, self.link.candidates[:3]
        parts = ", ".join(f"{name} {signed(value)}" for name, value in self.parts.items())
        lines = [f'"{link.mention}" (characters {link.start} to {link.end}): {self.reason}']
        sure = "" if link.probability is None else f", probability {share(link.probability)}"
        lines.append(f"  score {signed(link.score)}, log p(mention) {signed(link.mention_score)} ({parts}){sure}")
        matched = ", ".join(f"{entity} ({kind})" for entity, kind in self.names) or "no entity"
        lines.append(f"  in the catalogue: {self.name}" + ("" if self.name == "unused" else f"; its words may mean {matched}"))
        rows = [f"{c.entity} {c.title} {share(math.exp(c.score))}" for c in best]
        left = 1 - sum(math.exp(c.score) for c in best) - (self.nil or 0.0)
        rows += [f"other entities {share(left)}"] if left >= LEAST else []
        rows += [] if self.nil is None else [f"NIL {share(self.nil)}"]
        lines.append(f"  p(entity | mention): {', '.join(rows)}")
        types = ", ".join(f"{name} {share(p)}" for name, p in link.type_scores.items())
        return "\n".join([*lines, *([f"  predicted types: {types}"] if types else [])])


@dataclass(frozen=True, slots=True)
class ExplainedEntity:
    """What became of one entity, in the span in which its joint score is best.

    ``rank`` is counted from 1; None if the search did not find the entity. ``score`` is log p(entity | mention), and
    ``named`` says whether some span of the question may be a name of the entity.
    """

    entity: str
    title: str
    mention: str
    rank: int | None
    score: float
    named: bool
    reason: str

    def __str__(self) -> str:
        return f"{self.entity} {self.title}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """The best spans of a question, also hidden ones, and what became of an entity. ``print`` shows it in words."""

    text: str
    threshold: float
    mention_threshold: float | None
    spans: tuple[ExplainedSpan, ...]
    entity: ExplainedEntity | None

    def __str__(self) -> str:
        lines = [self.text, f"γ {signed(self.threshold)}", *map(str, self.spans)]
        if self.mention_threshold is not None:
            lines[1] += f", mention threshold {signed(self.mention_threshold)}"
        lines += [] if self.spans else ["the text has no word that could be a mention"]
        return "\n".join([*lines, *([] if self.entity is None else [str(self.entity)])])


def signed(value: float) -> str:
    """A score with two digits and a real minus.

    >>> signed(-2.1), signed(0.0)
    ('−2.10', '0.00')
    """
    return f"{value:.2f}".replace("-", "−")


def share(p: float) -> str:
    """A probability with two digits.

    >>> share(0.07), share(1.0)
    ('.07', '1.00')
    """
    return f"{p:.2f}".removeprefix("0")


def explain(scorer: Scorer, text: str, rule: Rule, candidates: int, entity: str | None = None) -> Explanation:
    """Explain the best spans of a question.

    Args:
        scorer: the scorer of the linker.
        text: the question.
        rule: the rule of the linker, without NIL.
        candidates: K.
        entity: the id of an entity that is asked for.

    Raises:
        ElqError: the text is not a string, or the catalogue has no such entity.
    """
    if not isinstance(text, str):
        raise ElqError(f"the text is {shown(text)}, but must be a string: give one question")
    catalogue, tokens = scorer.retriever.entities.catalogue, scorer.tokens([text])
    row = None if entity is None else _row(catalogue, entity)
    spans = _spans(scorer, tokens)
    if not len(spans):
        return Explanation(text, rule.threshold, rule.mention_threshold, (), None)
    scored, parts = score_spans(scorer, [text], tokens, spans, candidates)
    order = scored.without_nil().joint.argsort(descending=True, stable=True).tolist()
    reasons = _reasons(text, tokens, scored, rule)
    if rule.concepts == DROP:
        reasons = _without_generic(text, tokens, scored, catalogue, reasons)
    best, about = order[:SPANS], None
    if row is not None:
        about, q = _entity(scorer, text, tokens, scored, row, candidates, reasons)
        best += [] if q in best else [q]
    without_nil = scored.without_nil()
    known, scores = Known(catalogue, without_nil, best), without_nil.joint.tolist()
    kinds, words = named_kinds(tokens, spans).tolist(), span_texts([text], tokens, spans)
    explained = []
    for q in best:
        link = known.link(text, characters(tokens.offsets[0], spans, q), q, scores[q], rule.calibration)
        nil = None if link.nil_score is None else math.exp(link.nil_score)
        named = dict(zip(PARTS[: parts.shape[-1]], parts[q].tolist(), strict=True))
        name = "unused" if tokens.named is None else NAMES[coarse_kind(kinds[q], fine=scorer.model.config.fine_names)]
        reason = reasons[q]
        explained.append(ExplainedSpan(link, named, name, _names(scorer, words[q]), nil, reason == SHOWN, reason))
    return Explanation(text, rule.threshold, rule.mention_threshold, tuple(explained), about)


def _row(catalogue: Catalogue, entity: str) -> int:
    if not isinstance(entity, str) or (row := int(catalogue.rows([entity])[0])) < 0:
        raise ElqError(f"the catalogue has no entity with the id {shown(entity)}: give the id of one of its entities")
    return row


def _spans(scorer: Scorer, tokens: TokenBatch) -> Spans:
    """The spans that a linker searches at the lowest threshold."""
    with scorer.inference():
        there = tokens.to(scorer.device)
        logits = scorer.mention_logits(scorer.model.encode(there), there)  # (1, T, L)
        return keep_spans(logits, -math.inf, scorer.limits(tokens).to(scorer.device))[0].to("cpu")


def _reasons(text: str, tokens: TokenBatch, scored: ScoredSpans, rule: Rule) -> list[str]:
    """For each span, "shown" or why it is hidden."""
    joint, mention = scored.without_nil().joint.tolist(), scored.mention_scores.tolist()
    bounds = list(zip(scored.spans.start.tolist(), scored.spans.end.tolist(), strict=True))
    least = -math.inf if rule.mention_threshold is None else rule.mention_threshold
    open_ones = [q for q in range(len(bounds)) if mention[q] >= least]
    kept = [open_ones[i] for i in without_overlaps([bounds[q] for q in open_ones], [joint[q] for q in open_ones])]
    reasons = []
    for q, (start, end) in enumerate(bounds):
        if mention[q] < least:
            reason = f"hidden: its log p(mention) {signed(mention[q])} is below the mention threshold {signed(least)}"
        elif q not in kept:
            better = next(other for other in kept if bounds[other][0] < end and start < bounds[other][1])
            first, after = characters(tokens.offsets[0], scored.spans, better)
            reason = f'hidden: it overlaps "{text[first:after]}", which has a better score, {signed(joint[better])}'
        elif joint[q] < rule.threshold:
            lower = math.floor(joint[q] * 10 - 1e-3) / 10
            reason = f"hidden: its score {signed(joint[q])} is below γ {signed(rule.threshold)}; --threshold {lower:g} shows it"
        else:
            reason = SHOWN
        reasons.append(reason)
    return reasons


def _without_generic(
    text: str, tokens: TokenBatch, scored: ScoredSpans, catalogue: Catalogue, reasons: Sequence[str]
) -> list[str]:
    """The reasons where links of generic nouns are dropped."""
    shown_ones = [q for q, reason in enumerate(reasons) if reason == SHOWN]
    known = Known(catalogue, scored.without_nil(), shown_ones)
    generic = {q for q in shown_ones if known.generic(text, characters(tokens.offsets[0], scored.spans, q), q)}
    return [GENERIC if q in generic else reason for q, reason in enumerate(reasons)]


def _names(scorer: Scorer, words: str) -> tuple[tuple[str, str], ...]:
    """The ids of the entities that words may mean, with the kinds of the matches, the most direct kinds first."""
    if scorer.retriever.dictionary is None:
        return ()
    matches = scorer.retriever.dictionary.name_matches([words])
    found = sorted(zip(matches.kinds[0].tolist(), matches.rows[0].tolist(), strict=True))[:SPANS]
    records = scorer.retriever.entities.catalogue.records(row for _, row in found)
    return tuple((records[row].id, NAME_KINDS[kind // 2]) for kind, row in found if row >= 0)


def _entity(
    scorer: Scorer, text: str, tokens: TokenBatch, scored: ScoredSpans, row: int, candidates: int, reasons: Sequence[str]
) -> tuple[ExplainedEntity, int]:
    """What became of an entity, and the span in which its joint score is best."""
    entities, spans = scorer.retriever.entities, scored.spans
    record = entities.catalogue.records([row])[row]
    alone, _ = score_spans(scorer, [text], tokens, spans, candidates, torch.tensor([row]))
    q = int((alone.mention_scores + alone.log_probs[:, 0]).argmax())
    one = Spans(spans.question[q : q + 1], spans.start[q : q + 1], spans.end[q : q + 1])
    everyone, _ = score_spans(scorer, [text], tokens, one, len(entities.table))
    order = everyone.rows[0].tolist()
    rank, log_prob = order.index(row) + 1 if row in order else None, float(alone.log_probs[q, 0])
    if scorer.reranker is not None and rank is not None:  # among others it has another probability than alone
        log_prob = float(everyone.log_probs[0, rank - 1])
    p = math.exp(log_prob)
    words = span_texts([text], tokens, spans)
    named = _is_named(scorer, words, record, row)
    best = entities.catalogue.records([order[0]])[order[0]]
    rivals = [] if rank == 1 else [f"{best.id} {best.title} has {share(math.exp(float(scored.log_probs[q, 0])))}"]
    if scored.log_nil is not None and (nil := math.exp(float(scored.log_nil[q]))) > p:
        rivals.append(f"NIL has {share(nil)}")
    place = f"rank {rank}" if rank else "not found by the search"
    first, after = characters(tokens.offsets[0], spans, q)
    mention = text[first:after]
    reason = f'in "{mention}", {place} with p {share(p)}' + (f": {', '.join(rivals)}" if rivals else "")
    reason += "" if rank != 1 else f"; {reasons[q]}"
    reason += "" if named else "; no span of the question is its name"
    return ExplainedEntity(record.id, record.title, mention, rank, log_prob, named, reason), q


def _is_named(scorer: Scorer, words: Sequence[str], record: Entity, row: int) -> bool:
    """Whether some of these spans may be a name of an entity; without a dictionary, whether it is one of its names."""
    if scorer.retriever.dictionary is not None:
        found: Tensor = scorer.retriever.dictionary.name_matches(words).rows == row  # (Q, E)
        return bool(found.any())
    return not {folded(name) for name in names_of(record)}.isdisjoint(map(folded, words))
