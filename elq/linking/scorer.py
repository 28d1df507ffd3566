"""The scorer: encodes and searches questions once, for any number of decodings.

Encoding and searching take nearly all of the time. The threshold γ, the mention threshold, NIL and overlaps are applied to the
scores afterwards. So what needs links at several thresholds (evaluation, calibration, `elq tune`) scores its questions once.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from elq.encoding.tokens import QuestionTokenizer, token_span
from elq.linking.context import hide_context
from elq.linking.decoding import ScoredSpans
from elq.linking.retriever import Retriever
from elq.linking.scored import Given, Scored
from elq.linking.scoring import OVER_ALL
from elq.model.network import ELQ
from elq.model.spans import keep_spans
from elq.tensors import Spans, TokenBatch
from elq.types import Mention

MAX_MENTIONS = 50  # spans of a question that are searched for
SHORT_TEXT = 25  # tokens up to which this limit holds; longer texts have as many spans for each token, 2


def by_length(texts: Sequence[str], size: int) -> Iterator[list[int]]:
    """Yield the places of the texts in batches of at most ``size``, of similar length, so that there is little padding."""
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    for start in range(0, len(order), size):
        yield order[start : start + size]


class Scorer:
    """Scores spans and their candidates. It keeps no state between calls, so several threads may use it.

    Args:
        model: the network; it is put into evaluation mode while scoring.
        tokenizer: the tokenizer of the model.
        retriever: finds and scores the candidates of a mention.
        score_mode: the entities over which p(entity | mention) is normalised, see elq/linking/scoring.py.
        max_mentions: the number of spans per question that are searched in the index, those with the highest mention score. A
            text of n times 25 tokens may have n times as many.
    """

    def __init__(
        self, model: ELQ, tokenizer: QuestionTokenizer, retriever: Retriever, *, score_mode: str, max_mentions: int
    ) -> None:
        self.model, self.tokenizer, self.retriever = model, tokenizer, retriever
        self.score_mode, self.max_mentions = score_mode, max_mentions

    @property
    def device(self) -> torch.device:
        """The device on which the encoder runs."""
        return next(self.model.parameters()).device

    def tokens(self, texts: Sequence[str]) -> TokenBatch:
        """The tokens of B questions. If the model uses names, they also say which spans are names."""
        tokens, dictionary, config = self.plain_tokens(texts), self.retriever.dictionary, self.model.config
        if dictionary is None or not config.names:
            return tokens
        return replace(tokens, named=dictionary.named(texts, tokens, config.max_span_tokens))

    def plain_tokens(self, texts: Sequence[str]) -> TokenBatch:
        """The tokens of B questions, which do not say which spans are names."""
        dictionary = self.retriever.dictionary if self.model.config.names else None
        if dictionary is None:
            return self.tokenizer(texts)
        return self.tokenizer(texts, [*map(dictionary.gaps, texts)], [*map(dictionary.cuts, texts)])

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
        """Score questions batch by batch. A batch contains questions of similar length, so that there is little padding.

        Args:
            texts: any number of questions.
            floor: spans with a lower log p(mention) are not searched; no threshold below it can be used later.
            candidates: K for the spans that the model finds.
            mentions: for each question, mentions whose spans are given; candidates are found for these mentions too.
            given_candidates: K for the given mentions; by default the same K.
            batch_size: the number of questions in one encoder pass.
            allowed: (A,) rows of the entities that may be candidates; None allows all.
            starts: for each question, the character at which it begins after its context (elq/linking/context.py).

        Yields: the places of the questions of each batch in ``texts``, and their scores.
        """
        for places in by_length(texts, batch_size):
            batch = [texts[place] for place in places]
            given = None if mentions is None else [mentions[place] for place in places]
            scored = self.score_tokens(
                batch,
                self.tokens(batch),
                floor=floor,
                candidates=candidates,
                mentions=given,
                given_candidates=given_candidates,
                allowed=allowed,
                starts=None if starts is None else [starts[place] for place in places],
            )
            yield places, scored

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
        """Score B questions whose tokens :meth:`tokens` has made; the other arguments are those of :meth:`batches`."""
        with self.inference():
            there = tokens.to(self.device)
            hidden = self.model.encode(there)  # (B, T, D)
            own = there if starts is None else hide_context(tokens, starts).to(self.device)
            logits = self.model.mention_logits(hidden, own)  # (B, T, L)
            spans, mention_scores = keep_spans(logits, floor, self.limits(own).to(self.device))  # Q spans, (Q,)
            found = self.retriever(texts, tokens, spans, hidden, candidates, self.score_mode, allowed)
            given = self._given(texts, tokens, hidden, mentions, candidates, given_candidates or candidates)
        scored = ScoredSpans(
            spans.to("cpu"), mention_scores.cpu(), found.log_probs, found.rows, found.log_nil, types=found.types
        )
        return Scored(texts, tokens.offsets, scored, floor, self.retriever.entities.catalogue, given)

    def limits(self, tokens: TokenBatch) -> Tensor:
        """The largest number of spans that are searched for each of B questions, (B,) int64.

        It grows with the text, so that a list of names keeps all of them: n tokens have at most n mentions that do not overlap,
        and a name has a better mention score than the spans around it. In score mode ``elq`` it is the same for all questions.
        """
        parts = tokens.text_mask.sum(-1) / SHORT_TEXT  # (B,)
        if self.score_mode == "elq":
            parts = torch.zeros_like(parts)
        return (parts.clamp_min(1) * self.max_mentions).ceil().long()  # (B,)

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
        rows, _, log_nil, _ = self.retriever(texts, tokens, spans, hidden, given_candidates, self.score_mode)
        if log_nil is not None and self.score_mode not in OVER_ALL and given_candidates != candidates:
            log_nil = self.retriever(texts, tokens, spans, hidden, candidates, self.score_mode).log_nil
        nil = [math.nan] * len(spans) if log_nil is None else log_nil.tolist()
        values: Mapping[tuple[int, int], Given] = dict(zip(found, map(Given, rows.tolist(), nil), strict=True))
        return [[values.get((b, place)) for place in range(len(one))] for b, one in enumerate(mentions)]

    @contextmanager
    def inference(self) -> Iterator[None]:
        """No dropout, no gradients, and fp32 even in a bf16 training, so that validation measures what is exported."""
        self.model.eval()
        with torch.inference_mode(), torch.autocast(self.device.type, enabled=False):
            yield
