"""The scorer: questions are encoded and searched once, and decoded as often as one likes.

Encoding and searching are what costs; γ, the mention threshold, NIL and overlaps are decided afterwards, from the scores. So
everything that needs links at several thresholds (choosing γ, calibration, evaluation, `elq tune`) scores its questions once.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from elq.encoding.tokens import QuestionTokenizer, token_span
from elq.entities.catalogue import Catalogue
from elq.errors import ElqError
from elq.linking.calibration import Calibration
from elq.linking.decoding import ScoredSpans, decode
from elq.linking.retriever import Retriever
from elq.model.network import ELQ
from elq.model.spans import keep_spans
from elq.tensors import Spans, TokenBatch
from elq.types import Link, Mention

Offsets = Sequence[Sequence[tuple[int, int]]]


class Given(NamedTuple):
    """What was found for one mention whose span was given."""

    rows: list[int]  # catalogue rows of its candidates, best first; −1 where there is none
    log_nil: float  # log p(NIL | mention); NaN where the model has no such candidate


@dataclass(frozen=True, slots=True)
class Scored:
    """B questions with every span whose log p(mention) is at least the floor, and the candidates of each.

    Args:
        texts: B questions.
        offsets: of their tokens, in characters, as in :class:`elq.tensors.TokenBatch`.
        spans: Q scored spans of all of them.
        floor: the threshold down to which spans were scored.
        catalogue: whose rows the candidates are.
        given: for each question, the mentions that were given, in their order; None for one that covers no token.
    """

    texts: Sequence[str]
    offsets: Offsets
    spans: ScoredSpans
    floor: float
    catalogue: Catalogue
    given: Sequence[Sequence[Given | None]]

    def links(
        self,
        threshold: float,
        *,
        mention_threshold: float | None = None,
        calibration: Calibration | None = None,
        nil: bool = False,
        overlaps: bool = False,
    ) -> list[list[Link]]:
        """The links of every question, in reading order, as a linker with these settings gives them.

        Args:
            threshold: γ, the lowest joint score of a link.
            mention_threshold: the lowest log p(mention) of a link; None: γ alone decides.
            calibration: gives links their probability.
            nil: NIL is a candidate like any other.
            overlaps: links may overlap; otherwise the best of overlapping ones stays.

        Raises:
            ElqError: both thresholds lie below the floor, so that links would be missing.
        """
        lowest = threshold if mention_threshold is None else max(threshold, mention_threshold)
        if lowest < self.floor:
            raise ElqError(f"links are asked for down to {lowest}, but the questions were scored down to {self.floor} only")
        spans = self.spans if nil else replace(self.spans, log_nil=None)
        return decode(
            self.texts,
            self.offsets,
            spans,
            self.catalogue,
            threshold,
            mention_threshold=mention_threshold,
            calibration=calibration,
            overlaps=overlaps,
        )


class Scorer:
    """Scores questions with a network over the entities of a retriever. Holds no state between calls: threads may share it.

    Args:
        model: the network; it is put into evaluation mode while scoring.
        tokenizer: its tokenizer.
        retriever: finds and scores the candidates of a mention.
        score_mode: what p(entity | mention) is normalised over, see elq/linking/scoring.py.
        max_mentions: spans per question that are looked up in the index, those with the best mention score; a text of several
            times the encoder's limit may have as many times more.
    """

    def __init__(
        self, model: ELQ, tokenizer: QuestionTokenizer, retriever: Retriever, *, score_mode: str, max_mentions: int = 50
    ) -> None:
        self.model, self.tokenizer, self.retriever = model, tokenizer, retriever
        self.score_mode, self.max_mentions = score_mode, max_mentions

    @property
    def device(self) -> torch.device:
        """Where the encoder runs."""
        return next(self.model.parameters()).device

    def tokens(self, texts: Sequence[str]) -> TokenBatch:
        """The tokens of B questions, with the spans that are names for a model that asks for them."""
        tokens = self.tokenizer(texts)
        dictionary, config = self.retriever.dictionary, self.model.config
        if dictionary is None or not config.names:
            return tokens
        return replace(tokens, named=dictionary.named(texts, tokens, config.max_span_tokens))

    def batches(
        self,
        texts: Sequence[str],
        *,
        floor: float,
        candidates: int,
        mentions: Sequence[Sequence[Mention]] | None = None,
        given_candidates: int | None = None,
        batch_size: int = 64,
    ) -> Iterator[tuple[list[int], Scored]]:
        """Score questions of similar length together, which leaves little padding: (places in ``texts``, scored).

        Args:
            texts: any number of questions.
            floor: spans with a lower log p(mention) are not looked up; no link below it can be asked for.
            candidates: K for the spans that the model finds.
            mentions: for each question, mentions whose spans are given; candidates are found for them too.
            given_candidates: K for these; by default the same.
            batch_size: questions per encoder pass.
        """
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        for start in range(0, len(order), batch_size):
            places = order[start : start + batch_size]
            batch = [texts[place] for place in places]
            given = None if mentions is None else [mentions[place] for place in places]
            scored = self.score_tokens(
                batch,
                self.tokens(batch),
                floor=floor,
                candidates=candidates,
                mentions=given,
                given_candidates=given_candidates,
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
    ) -> Scored:
        """Score B questions whose tokens are there already (from :meth:`tokens`); arguments as in :meth:`batches`."""
        with self._inference():
            there = tokens.to(self.device)
            hidden = self.model.encode(there)  # (B, T, D)
            logits = self.model.mention_logits(hidden, there)  # (B, T, L)
            passes = tokens.attention.sum(-1).div(self.model.encoder.max_tokens).ceil().long()  # (B,) 1 for a question
            limits = (passes * self.max_mentions).to(self.device)  # (B,)
            spans, mention_scores = keep_spans(logits, floor, limits)  # Q spans, (Q,)
            vectors = self.model.mention_vectors(hidden, spans)  # (Q, D)
            found = self.retriever(texts, tokens, spans, vectors, candidates, self.score_mode)
            given = self._given(texts, tokens, hidden, mentions, candidates, given_candidates or candidates)
        scored = ScoredSpans(spans.to("cpu"), mention_scores.cpu(), found.log_probs, found.rows, found.log_nil)
        return Scored(texts, tokens.offsets, scored, floor, self.retriever.entities.catalogue, given)

    def nothing(self, floor: float) -> Scored:
        """The scores of no question at all."""
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
        """The candidates of given mentions. p(NIL) is that of K = ``candidates``, on which it may depend."""
        if mentions is None:
            return [[] for _ in texts]
        found: dict[tuple[int, int], tuple[int, int, int]] = {}  # question and place of the mention → question and tokens
        for b, of_question in enumerate(mentions):
            for place, mention in enumerate(of_question):
                if (span := token_span(mention, tokens.offsets[b], tokens.text_mask[b].tolist())) is not None:
                    found[b, place] = (b, *span)
        spans = Spans(*torch.tensor([*found.values()], dtype=torch.int64).view(-1, 3).unbind(-1))  # Q spans
        vectors = self.model.mention_vectors(hidden, spans.to(self.device))  # (Q, D)
        rows, _, log_nil = self.retriever(texts, tokens, spans, vectors, given_candidates, self.score_mode)
        if log_nil is not None and self.score_mode != "table" and given_candidates != candidates:
            log_nil = self.retriever(texts, tokens, spans, vectors, candidates, self.score_mode).log_nil
        nil = [math.nan] * len(spans) if log_nil is None else log_nil.tolist()
        values: Mapping[tuple[int, int], Given] = dict(zip(found, map(Given, rows.tolist(), nil), strict=True))
        return [[values.get((b, place)) for place in range(len(one))] for b, one in enumerate(mentions)]

    @contextmanager
    def _inference(self) -> Iterator[None]:
        """No dropout, no gradients, and fp32 even inside a bf16 training run: validation sees what is exported."""
        self.model.eval()
        with torch.inference_mode(), torch.autocast(self.device.type, enabled=False):
            yield


def joined(parts: Sequence[tuple[Sequence[int], Scored]], questions: int) -> Scored:
    """The parts of :meth:`Scorer.batches` as one record of all questions, in their order.

    Args:
        parts: (places of the questions, their scores), at least one.
        questions: how many there are together.
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
    )
    return Scored(texts, offsets, spans, parts[0][1].floor, parts[0][1].catalogue, given)
