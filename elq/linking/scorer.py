"""The scorer: encodes and searches questions once, for any number of decodings.

Encoding and searching take nearly all of the time. The threshold γ, the mention threshold, NIL and overlaps are applied to the
scores afterwards. So what needs links at several thresholds (evaluation, calibration, `elq tune`) scores its questions once.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from elq.encoding.capitals import with_capitals
from elq.encoding.tokens import QuestionTokenizer, token_span
from elq.freed import FREED
from elq.linking.context import hide_context
from elq.linking.decoding import ScoredSpans
from elq.linking.rerank import Reranker
from elq.linking.retriever import Retrieved, Retriever
from elq.linking.scored import Given, Scored, joined
from elq.linking.scoring import OVER_ALL
from elq.linking.second_stage import SHORT_TEXT, reachable, reranked_limits, reranked_spans
from elq.linking.sentences import is_long
from elq.linking.windowed import Windowed, windowed_groups
from elq.linking.workers import batch_for, side_by_side, workers_for
from elq.model.network import ELQ
from elq.model.spans import keep_spans
from elq.tensors import Spans, TokenBatch
from elq.types import Mention

MAX_MENTIONS = 50  # spans of a question that are searched for


class Scorer:
    """Scores spans and their candidates. It keeps no state between calls, so several threads may use it.

    Args:
        model: the network; it is put into evaluation mode while scoring.
        tokenizer: the tokenizer of the model.
        retriever: finds and scores the candidates of a mention.
        score_mode: the entities over which p(entity | mention) is normalised, see elq/linking/scoring.py.
        max_mentions: the number of spans per question that are searched in the index, those with the highest mention score. A
            text of n times 25 tokens may have n times as many.
        reranker: re-ranks the candidates of the spans that can reach the threshold, at most 8 of a text of 25 tokens, and those
            of given mentions; None: the retriever alone ranks them.
    """

    def __init__(
        self,
        model: ELQ,
        tokenizer: QuestionTokenizer,
        retriever: Retriever,
        *,
        score_mode: str,
        max_mentions: int,
        reranker: Reranker | None = None,
    ) -> None:
        self.model, self.tokenizer, self.retriever, self.reranker = model, tokenizer, retriever, reranker
        self.score_mode, self.max_mentions = score_mode, max_mentions
        self._parameter = next(model.parameters())  # to find it anew for each question takes longer than it should

    @property
    def device(self) -> torch.device:
        """The device on which the encoder runs."""
        return self._parameter.device

    def tokens(self, texts: Sequence[str], starts: Sequence[int] | None = None) -> TokenBatch:
        """The tokens of B questions, with the names and the capitals that the model uses.

        Capitals are those from ``starts`` on: the turns before a question may be written in another way.
        """
        return self._completed(texts, self.plain_tokens(texts), starts)

    def _completed(self, texts: Sequence[str], tokens: TokenBatch, starts: Sequence[int] | None = None) -> TokenBatch:
        """The same for tokens that may lack them."""
        dictionary, config = self.retriever.dictionary, self.model.config
        if config.capitals:
            tokens = with_capitals(texts, tokens, starts)
        if dictionary is None or not config.names or tokens.named is not None:
            return tokens
        return replace(tokens, named=dictionary.named(texts, tokens, config.max_span_tokens, longer=True))

    def plain_tokens(self, texts: Sequence[str]) -> TokenBatch:
        """The tokens of B questions, which do not say which spans are names."""
        dictionary = self.retriever.dictionary if self.model.config.names else None
        if dictionary is None:
            return self.tokenizer(texts)
        return self.tokenizer(texts, [*map(dictionary.gaps, texts)], [*map(dictionary.cuts, texts)])

    def by_length(self, texts: Sequence[str], size: int) -> Iterator[list[int]]:
        """Yield the places of the texts in batches of at most ``size``, sorted by length, so that there is little padding.

        The length is the number of tokens. The longest texts come first, so that workers end at about the same time.
        """
        order = [*range(len(texts))]
        if len(texts) > size:
            order.sort(key=self.tokenizer.lengths(texts).__getitem__, reverse=True)
        for start in range(0, len(order), size):
            yield order[start : start + size]

    def batches(
        self,
        texts: Sequence[str],
        *,
        floor: float,
        candidates: int,
        mentions: Sequence[Sequence[Mention]] | None = None,
        given_candidates: int | None = None,
        batch_size: int = 64,
        allowed: Tensor | None = None,
        starts: Sequence[int] | None = None,
    ) -> Iterator[tuple[list[int], Scored]]:
        """Score questions in batches, several at a time. A batch has questions of similar length, so there is little padding.

        Args:
            texts: any number of questions.
            floor: spans with a lower log p(mention) are not searched; no threshold below it can be used later.
            candidates: K for the spans that the model finds.
            mentions: for each question, mentions whose spans are given; candidates are found for these mentions too.
            given_candidates: K for the given mentions; by default the same K.
            batch_size: the number of questions in one encoder pass.
            allowed: (A,) rows of the entities that may be candidates; None allows all.
            starts: for each question, the character at which it begins after its context (elq/linking/context.py).

        Long texts are read in windows of whole sentences (elq/linking/sentences.py), in batches of their own; but not those
        with a context, and none in score mode ``elq``.

        Yields: the places of the questions of each batch in ``texts``, and their scores.
        """
        how: dict[str, Any] = {"floor": floor, "candidates": candidates, "given_candidates": given_candidates}
        how |= {"batch_size": batch_size, "allowed": allowed}
        long: list[int] = []
        if starts is None and self.score_mode != "elq":
            long = [place for place, text in enumerate(texts) if is_long(text)]
        for places in windowed_groups(texts, long):
            windowed = Windowed.of([texts[place] for place in places])
            inside, where = (None, None) if mentions is None else windowed.mentions([mentions[place] for place in places])
            parts = [*self._whole(windowed.parts, [*range(len(windowed.parts))], mentions=inside, **how)]
            yield places, windowed.joined(joined(parts, len(windowed.parts)), where)
        short = sorted({*range(len(texts))} - {*long}) if long else [*range(len(texts))]
        yield from self._whole(texts, short, mentions=mentions, starts=starts, **how)

    def _whole(
        self,
        texts: Sequence[str],
        chosen: Sequence[int],
        *,
        mentions: Sequence[Sequence[Mention]] | None,
        batch_size: int,
        starts: Sequence[int] | None = None,
        **how: Any,
    ) -> Iterator[tuple[list[int], Scored]]:
        """Score the chosen texts as :meth:`batches` does, each as a whole."""

        def score(group: Sequence[int]) -> tuple[list[int], Scored]:
            places = [chosen[one] for one in group]
            batch = [texts[place] for place in places]
            given = None if mentions is None else [mentions[place] for place in places]
            own = None if starts is None else [starts[place] for place in places]
            found = self.score_tokens(batch, self.plain_tokens(batch), mentions=given, starts=own, **how)
            if len(batch) > 1:
                FREED.give_back()
            return places, found

        workers = workers_for(len(chosen), self.device)
        size = batch_for(len(chosen), batch_size, self.model.encoder.width, self.device)
        groups = self.by_length([texts[place] for place in chosen], size)
        yield from side_by_side(score, groups, workers)

    def score_tokens(
        self,
        texts: Sequence[str],
        tokens: TokenBatch,
        *,
        floor: float,
        candidates: int,
        mentions: Sequence[Sequence[Mention]] | None = None,
        given_candidates: int | None = None,
        allowed: Tensor | None = None,
        starts: Sequence[int] | None = None,
    ) -> Scored:
        """Score B questions; the other arguments are those of :meth:`batches`.

        Args:
            tokens: what :meth:`tokens` or :meth:`plain_tokens` made of the questions. Names that it lacks are found while the
                encoder computes, if it has a thread of its own.
        """
        with self.inference():
            encoded = self.model.begun(tokens.to(self.device))
            tokens = self._completed(texts, tokens, starts)
            hidden, there = encoded(), tokens.to(self.device)  # (B, T, D)
            own = there if starts is None else hide_context(tokens, starts).to(self.device)
            logits = self.mention_logits(hidden, own)  # (B, T, L)
            spans, mention_scores = keep_spans(logits, floor, self.limits(own).to(self.device))  # Q spans, (Q,)
            found = self.retriever(texts, tokens, spans, hidden, self.retrieved(candidates), self.score_mode, allowed)
            given = self._given(texts, tokens, hidden, mentions, candidates, given_candidates or candidates)
        spans, mention_scores = spans.to("cpu"), mention_scores.cpu()
        if self.reranker is not None:
            limits = reranked_limits(tokens)
            read = found.log_probs[:, : self.reranker.candidates]  # the others keep their probability
            chosen = reachable(mention_scores, read, floor, spans, limits)
            found = self.reranked(texts, tokens, spans, found, chosen)
        found = found.first(candidates)
        scored = ScoredSpans(spans, mention_scores, found.log_probs, found.rows, found.log_nil, types=found.types)
        return Scored(texts, tokens.offsets, scored, floor, self.retriever.entities.catalogue, given)

    def mention_logits(self, hidden: Tensor, tokens: TokenBatch) -> Tensor:
        """The mention logits (B, T, L) with which spans are linked, of B texts with the token vectors (B, T, D)."""
        return self.retriever.balance.of_mentions(self.model.mention_logits(hidden, tokens), tokens.capitals)

    def limits(self, tokens: TokenBatch) -> Tensor:
        """The largest number of spans that are searched for each of B questions, (B,) int64.

        It grows with the text, so that a list of names keeps all of them: n tokens have at most n mentions that do not overlap,
        and a name has a better mention score than the spans around it. In score mode ``elq`` it is the same for all questions.
        """
        parts = tokens.text_mask.sum(-1) / SHORT_TEXT  # (B,)
        if self.score_mode == "elq":
            parts = torch.zeros_like(parts)
        return (parts.clamp_min(1) * self.max_mentions).ceil().long()  # (B,)

    def retrieved(self, candidates: int) -> int:
        """How many candidates are found for a span of which K are asked for: at least those that are put in a new order."""
        if self.retriever.types_in_score is not None:
            candidates = self.retriever.types_in_score.enough(candidates, self.score_mode)
        return candidates if self.reranker is None else self.reranker.enough(candidates, self.score_mode)

    def reranked(
        self, texts: Sequence[str], tokens: TokenBatch, spans: Spans, found: Retrieved, chosen: Tensor | None = None
    ) -> Retrieved:
        """The candidates of Q spans after those of the chosen spans were re-ranked; without a re-ranker, as they were found.

        The arguments are those of :func:`elq.linking.second_stage.reranked_spans`.
        """
        if self.reranker is None:
            return found
        return reranked_spans(self.reranker, texts, tokens, spans, found, self.retriever.entities.catalogue, chosen)

    def nothing(self, floor: float) -> Scored:
        """The record of the scores of an empty list of questions."""
        none = torch.empty(0, dtype=torch.int64)
        spans = ScoredSpans(Spans(none, none, none), torch.empty(0), torch.empty(0, 1), none.view(0, 1))
        return Scored((), (), spans, floor, self.retriever.entities.catalogue, ())

    def _given(
        self,
        texts: Sequence[str],
        tokens: TokenBatch,
        hidden: Tensor,
        mentions: Sequence[Sequence[Mention]] | None,
        candidates: int,
        given_candidates: int,
    ) -> list[list[Given | None]]:
        """Find the candidates of given mentions. p(NIL), which may depend on K, is computed with K = ``candidates``."""
        if mentions is None:
            return [[] for _ in texts]
        found: dict[tuple[int, int], tuple[int, int, int]] = {}  # question and place of the mention → question and tokens
        for b, of_question in enumerate(mentions):
            for place, mention in enumerate(of_question):
                if (span := token_span(mention, tokens.offsets[b], tokens.text_mask[b].tolist())) is not None:
                    found[b, place] = (b, *span)
        spans = Spans(*torch.tensor([*found.values()], dtype=torch.int64).view(-1, 3).unbind(-1))  # Q spans
        given = self.retriever(texts, tokens, spans, hidden, self.retrieved(given_candidates), self.score_mode)
        rows, _, log_nil, _ = self.reranked(texts, tokens, spans, given).first(given_candidates)
        if log_nil is not None and self.score_mode not in OVER_ALL and given_candidates != candidates:
            log_nil = self.retriever(texts, tokens, spans, hidden, candidates, self.score_mode).log_nil
        nil = [math.nan] * len(spans) if log_nil is None else log_nil.tolist()
        values: Mapping[tuple[int, int], Given] = dict(zip(found, map(Given, rows.tolist(), nil), strict=True))
        return [[values.get((b, place)) for place in range(len(one))] for b, one in enumerate(mentions)]

    @contextmanager
    def inference(self) -> Iterator[None]:
        """No dropout, no gradients, and fp32 even in a bf16 training, so that validation measures what is exported."""
        if self.model.training:
            self.model.eval()
        with torch.inference_mode(), torch.autocast(self.device.type, enabled=False):
            yield
