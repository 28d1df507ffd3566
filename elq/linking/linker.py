"""The linker: question text in, links out. The one public object of the inference side.

>>> from elq import Linker                                                    # doctest: +SKIP
>>> linker = Linker.from_pretrained("runs/webqsp/latest/model")               # doctest: +SKIP
>>> linker.link("what does jamaican people speak?")[0].title                  # doctest: +SKIP
'Jamaica'
"""

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import overload

import torch
from torch import Tensor

from elq.encoding.device import resolve_device
from elq.encoding.pretrained import load_tokenizer
from elq.encoding.tokens import QuestionTokenizer, token_span
from elq.entities.manifest import Entities, open_entities
from elq.errors import ElqError
from elq.linking.calibration import Calibration
from elq.linking.decoding import ScoredSpans, decode
from elq.linking.folder import ENTITIES, resolve_model
from elq.linking.retriever import Retriever
from elq.linking.scoring import check_score_mode
from elq.model.network import ELQ
from elq.model.spans import keep_spans
from elq.names.dictionary import Dictionary
from elq.tensors import Spans, TokenBatch
from elq.types import Link, Mention

log = logging.getLogger(__name__)


class Linker:
    """Finds the mentions of entities in questions. Holds no state between calls: threads may share it.

    Args:
        model: the network; it is put into evaluation mode while linking.
        tokenizer: its tokenizer.
        entities: catalogue, table and index; the table must have the model's width.
        threshold: γ, the least joint score of a link, a natural logarithm (at most 0; −inf keeps every span).
        mention_threshold: least log p(mention) of a link, whatever γ is; None: γ alone decides.
        candidates: K, entities retrieved per span.
        score_mode: what p(entity | mention) is normalised over, see elq/linking/scoring.py.
        max_mentions: spans per question that are looked up in the index, those with the best mention score; a text of several
            times the encoder's limit may have as many times more.
        batch_size: questions per encoder pass.
        dictionary: names of the same catalogue, if they were looked up before.
        calibration: gives links a probability; it holds for the score mode and K it was fitted with.
        overlaps: links may overlap (what `elq tune` decides over); otherwise the best of overlapping ones stays.
    """

    def __init__(
        self,
        model: ELQ,
        tokenizer: QuestionTokenizer,
        entities: Entities,
        *,
        threshold: float,
        mention_threshold: float | None = None,
        candidates: int = 10,
        score_mode: str = "candidates",
        max_mentions: int = 50,
        batch_size: int = 64,
        dictionary: Dictionary | None = None,
        calibration: Calibration | None = None,
        overlaps: bool = False,
    ) -> None:
        if tokenizer.size > model.config.encoder["vocab_size"]:
            raise ElqError(
                f"the tokenizer gives ids below {tokenizer.size}, but the encoder knows {model.config.encoder['vocab_size']}:"
                " take both from one folder"
            )
        check_score_mode(score_mode, names=model.config.names)
        if score_mode == "table" and not entities.index.sees_all:
            raise ElqError(f'score mode "table" needs all entities, but the {entities.index.kind} index sees some: use exact')
        if score_mode == "elq":
            tokenizer = tokenizer.released(model.config.question_tokens)
        self.model, self.tokenizer, self.entities = model, tokenizer, entities
        self.threshold, self.candidates, self.score_mode = threshold, candidates, score_mode
        self.max_mentions, self.batch_size = max_mentions, batch_size
        self.mention_threshold, self.calibration, self.overlaps = mention_threshold, calibration, overlaps
        self._retrieve = Retriever(model, entities, dictionary)
        self.dictionary = self._retrieve.dictionary

    @classmethod
    def from_pretrained(cls, folder: str | Path, *, device: str = "cpu", scoring: str | None = None) -> "Linker":
        """Open a model folder, or download one from the Hub by name.

        Args:
            folder: a folder that training exported, or ``owner/name`` on the Hub.
            device: where the encoder runs: ``cpu``, ``cuda``, ``cuda:1``, …
            scoring: a score mode instead of the folder's own, see elq/linking/scoring.py; γ was chosen with that one.

        Raises:
            ElqError: no such folder, name or device, a file missing, or parts that do not belong together.
        """
        path = resolve_model(folder)
        model, entities = ELQ.from_pretrained(path).to(resolve_device(device)), open_entities(path / ENTITIES)
        manifest = entities.manifest
        if manifest.threshold is None:
            raise ElqError(f"{path / ENTITIES} has no threshold: it was built, but no model was trained and exported with it")
        mode = scoring or manifest.score_mode
        if mode != manifest.score_mode:
            log.warning("γ = %.3f was chosen in score mode %s, not %s: give one", manifest.threshold, manifest.score_mode, mode)
        return cls(
            model,
            load_tokenizer(path),
            entities,
            threshold=manifest.threshold,
            mention_threshold=manifest.mention_threshold,
            candidates=manifest.candidates,
            score_mode=mode,
            calibration=Calibration(*manifest.calibration) if manifest.calibration and mode == manifest.score_mode else None,
        )

    @property
    def device(self) -> torch.device:
        """Where the encoder runs."""
        return next(self.model.parameters()).device

    @overload
    def link(  # type: ignore[overload-overlap]
        self, texts: str, *, threshold: float | None = None, candidates: int | None = None, nil: bool = False
    ) -> list[Link]: ...
    @overload
    def link(
        self, texts: Sequence[str], *, threshold: float | None = None, candidates: int | None = None, nil: bool = False
    ) -> list[list[Link]]: ...

    def link(
        self, texts: str | Sequence[str], *, threshold: float | None = None, candidates: int | None = None, nil: bool = False
    ) -> list[Link] | list[list[Link]]:
        """Link one question, or many.

        Args:
            texts: a question, or a sequence of them.
            threshold: γ for this call instead of the folder's own.
            candidates: K for this call; scores depend on it, but in score mode ``table``: γ was chosen with the folder's own
                K, and links have no probability with another one.
            nil: NIL is a candidate like any other: a mention that fits it best is linked to "NIL", and may displace others.

        Returns:
            The links of the question in reading order (a list of such lists for a sequence). They do not overlap.

        Raises:
            ElqError: candidates < 1, a threshold of NaN, a text that is no string, or NIL of a model trained without.
        """
        if isinstance(texts, str):
            return self.link([texts], threshold=threshold, candidates=candidates, nil=nil)[0]
        if nil and self.model.nil is None:
            raise ElqError("NIL is asked for, but the model was trained without: train with model.nil=true, or leave nil out")
        if wrong := [text for text in texts if not isinstance(text, str)]:
            raise ElqError(f"a question must be a string, but one is {wrong[0]!r}")
        if math.isnan(self.threshold if threshold is None else threshold):
            raise ElqError("the threshold is nan, but must be a number: the least joint score of a link, at most 0")
        links: list[list[Link]] = [[] for _ in texts]
        least, k = self.threshold if threshold is None else threshold, self.candidates if candidates is None else candidates
        for places, batch, tokens in self._batches(texts):
            for place, links_of_one in zip(places, self._link_tokens(batch, tokens, least, k, nil), strict=True):
                links[place] = links_of_one
        return links

    def gold_ranks(self, texts: Sequence[str], mentions: Sequence[Mention], *, candidates: int = 128) -> list[int]:
        """Rank from 0 of each mention's gold entity among the candidates for its own span.

        Args:
            texts: the question of each mention.
            mentions: one per text, with an entity.
            candidates: how many to retrieve.

        Returns:
            A rank per mention: −1 where the entity is not among the candidates, or the span covers no token.
        """
        ranks = [-1] * len(texts)
        gold = torch.from_numpy(self.entities.catalogue.rows([mention.entity or "" for mention in mentions]))
        for place, row, _ in self._annotated(texts, mentions, candidates):
            hits = (row == gold[place]).nonzero()
            if gold[place] >= 0 and len(hits):  # −1 behind the candidates is no entity either
                ranks[place] = int(hits[0])
        return ranks

    def nil_log_probs(self, texts: Sequence[str], mentions: Sequence[Mention]) -> list[float]:
        """log p(NIL | mention) of each annotated mention.

        Args:
            texts: the question of each mention.
            mentions: one per text.

        Returns:
            A natural logarithm per mention: NaN where the model has no such candidate, or the span covers no token.
        """
        found = [math.nan] * len(texts)
        for place, _, log_nil in self._annotated(texts, mentions, self.candidates):
            found[place] = log_nil
        return found

    def _annotated(self, texts: Sequence[str], mentions: Sequence[Mention], k: int) -> Iterator[tuple[int, Tensor, float]]:
        """Of each mention that covers a token: its place in ``mentions``, rows of its candidates (K,), log p(NIL | mention)."""
        for places, batch, tokens in self._batches(texts):
            found = {}
            for b, place in enumerate(places):
                if (span := token_span(mentions[place], tokens.offsets[b], tokens.text_mask[b].tolist())) is not None:
                    found[place] = (b, *span)
            spans = Spans(*torch.tensor([*found.values()], dtype=torch.int64).view(-1, 3).unbind(-1))  # Q spans
            with self._inference():
                vectors = self.model.mention_vectors(self.model.encode(tokens.to(self.device)), spans.to(self.device))
                rows, _, log_nil = self._retrieve(batch, tokens, spans, vectors, k, self.score_mode)
            yield from zip(found, rows, [math.nan] * len(found) if log_nil is None else log_nil.tolist(), strict=True)

    def _batches(self, texts: Sequence[str]) -> Iterator[tuple[list[int], list[str], TokenBatch]]:
        """Questions of similar length together, which leaves little padding: (places in ``texts``, questions, tokens)."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        for start in range(0, len(order), self.batch_size):
            places = order[start : start + self.batch_size]
            tokens = self.tokenizer(batch := [texts[place] for place in places])
            if self.dictionary is not None and self.model.config.names:
                tokens = replace(tokens, named=self.dictionary.named(batch, tokens, self.model.config.max_span_tokens))
            yield places, batch, tokens

    @contextmanager
    def _inference(self) -> Iterator[None]:
        """No dropout, no gradients, and fp32 even inside a bf16 training run: validation sees what is exported."""
        self.model.eval()
        with torch.inference_mode(), torch.autocast(self.device.type, enabled=False):
            yield

    def _link_tokens(self, texts: Sequence[str], tokens: TokenBatch, threshold: float, k: int, nil: bool) -> list[list[Link]]:
        with self._inference():
            there = tokens.to(self.device)
            hidden = self.model.encode(there)  # (B, T, D)
            logits = self.model.mention_logits(hidden, there)  # (B, T, L)
            # log p(entity | mention) ≤ 0, so a span below γ can give no link above it
            passes = tokens.attention.sum(-1).div(self.model.encoder.max_tokens).ceil().long()  # (B,) 1 for a question
            limits = (passes * self.max_mentions).to(self.device)  # (B,)
            least = threshold if self.mention_threshold is None else max(threshold, self.mention_threshold)
            spans, mention_scores = keep_spans(logits, least, limits)  # Q spans, (Q,)
            vectors = self.model.mention_vectors(hidden, spans)  # (Q, D)
            rows, log_probs, log_nil = self._retrieve(texts, tokens, spans, vectors, k, self.score_mode)
        scored = ScoredSpans(spans.to("cpu"), mention_scores.cpu(), log_probs, rows, log_nil if nil else None)
        catalogue, overlaps = self.entities.catalogue, self.overlaps
        calibration = self.calibration if k == self.candidates or self.score_mode == "table" else None  # fitted with one K
        return decode(texts, tokens.offsets, scored, catalogue, threshold, calibration=calibration, overlaps=overlaps)
