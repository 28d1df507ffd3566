"""Retrieval: finds the candidates of mentions, in the index and by their names."""

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import NamedTuple

import torch
from torch import Tensor

from elq.beside import begun
from elq.entities.manifest import Entities
from elq.errors import ElqError
from elq.linking.balance import AS_LEARNED, Balance
from elq.linking.restriction import best_allowed
from elq.linking.scoring import entity_log_probs, shortlisted, with_bonus, with_name_matches, with_nil
from elq.linking.type_fit import TypesInScore, row_types, taken_over, with_types
from elq.model.network import ELQ
from elq.model.type_head import PredictedTypes
from elq.names.dictionary import Dictionary, span_texts
from elq.search.normaliser import Normaliser
from elq.tensors import Spans, TokenBatch

SHORTLIST = 256  # nearest entities over which the score mode `shortlist` sums exactly, apart from the entities of the name

Matched = tuple[Tensor, Tensor, Tensor]  # inner products, catalogue rows and bonus of the name matches, each (Q, E)


class Retrieved(NamedTuple):
    """The K best entities of Q spans. All tensors are on the CPU."""

    rows: Tensor  # (Q, K) int64 catalogue rows, best first, −1 where there is no candidate
    log_probs: Tensor  # (Q, K) log p(entity | mention)
    log_nil: Tensor | None  # (Q,) log p(NIL | mention); None if the model was trained without NIL
    types: PredictedTypes | None = None  # the types of the spans; None if the model was trained without types

    def first(self, k: int) -> "Retrieved":
        """The k best entities of each span."""
        return self._replace(rows=self.rows[:, :k], log_probs=self.log_probs[:, :k])

    def ordered(self, log_probs: Tensor) -> "Retrieved":
        """The same entities with new probabilities (Q, K), best first. Of equal ones the earlier stays first."""
        best, order = log_probs.sort(stable=True, dim=-1, descending=True)  # (Q, K)
        return self._replace(rows=self.rows.gather(-1, order), log_probs=best)


class Retriever:
    """Finds and scores the candidates of mentions. It keeps no state between calls, apart from the sample of the normaliser.

    Args:
        model: the network that makes the mention vectors.
        entities: table and index; the table must have the model's width.
        dictionary: the names of the same catalogue, if a dictionary was made before; otherwise one is made if the model needs
            it.
        types_in_score: how types count in the score of candidates; None: they do not. The model must have types.
        balance: how much names, NIL and small letters count.

    Raises:
        ElqError: the model and the table do not belong together.
    """

    def __init__(
        self,
        model: ELQ,
        entities: Entities,
        dictionary: Dictionary | None = None,
        *,
        types_in_score: TypesInScore | None = None,
        balance: Balance = AS_LEARNED,
    ) -> None:
        if (own := model.config.prior) != (there := tuple(entities.manifest.prior)):
            flag = f"with `elq build --prior {','.join(own)}`" if own else "with `elq build`, without --prior"
            raise ElqError(f"the model has the prior {[*own]}, but the entity table has {[*there]}: build the entities {flag}")
        if model.width != entities.table.width:
            raise ElqError(
                f"the model's mention vectors have width {model.width}, but the entity table has width"
                f" {entities.table.width}: build the entities with the encoder with which the model was trained"
                " (`elq build --encoder`)"
            )
        self.model, self.entities, self.shortlist, self.types_in_score = model, entities, SHORTLIST, types_in_score
        self.balance = balance
        self.dictionary = dictionary or (
            Dictionary(entities.catalogue, fine=model.config.fine_names) if model.config.names else None
        )

    def __call__(
        self,
        texts: Sequence[str],
        tokens: TokenBatch,
        spans: Spans,
        hidden: Tensor,
        k: int,
        score_mode: str,
        allowed: Tensor | None = None,
    ) -> Retrieved:
        """Find the candidates of Q spans.

        Args:
            texts: B questions.
            tokens: the tokens of the questions, with ``named`` filled if the model uses names.
            spans: Q spans of the questions.
            hidden: (B, T, D) the token vectors of the questions.
            k: the number of entities for each span.
            score_mode: the entities over which p(entity | mention) is normalised, see elq/linking/scoring.py.
            allowed: (A,) rows of the entities that may be candidates, see elq/linking/restriction.py; None allows all.

        Raises:
            ElqError: k < 1, or the table or the model contains NaN or Inf.
        """
        there = spans.to(hidden.device)
        vectors = self.model.mention_vectors(hidden, there)  # (Q, D)
        searched = self.model.search_vectors(vectors, hidden, tokens.text_mask.to(hidden.device), there)  # (Q, D)
        near = searched.float().cpu()  # (Q, D)
        sampled = begun(partial(self.normaliser.products, near)) if score_mode == "shortlist" else None  # while it searches
        matched = self._name_matches(texts, tokens, spans, near)
        scores, rows, normaliser = self._search(near, k, score_mode, matched, sampled)  # (Q, K) twice, (Q,)
        if matched is not None:
            scores, rows = with_name_matches(scores, rows, *matched)
            if normaliser is not None:
                normaliser = with_bonus(normaliser, *matched)
        nil = None
        if self.model.nil is not None:  # checked here, so that the batch is sent to the device only if it is needed there
            nil = self.model.nil_scores(vectors, there, tokens.to(vectors.device))  # (Q,)
        everyone = scores  # (Q, K), with NIL (Q, K + 1)
        if nil is not None:
            everyone, normaliser = with_nil(scores, normaliser, self.balance.of_nil(nil.cpu()))
        log_probs = entity_log_probs(everyone, normaliser)  # (Q, K) or (Q, K + 1)
        log_nil = None if nil is None else log_probs[:, -1]  # (Q,)
        unrestricted = Retrieved(rows, log_probs[:, : rows.shape[-1]], log_nil)
        if allowed is None:
            return self._typed(unrestricted, vectors, unrestricted)
        total = everyone.float().logsumexp(-1) if normaliser is None else normaliser  # (Q,)
        if matched is None:
            scores, rows = best_allowed(self.entities.table, near, allowed, k)  # (Q, K) twice
        else:
            products, matches, bonus = matched
            matches = matches.where(torch.isin(matches, allowed), -1)  # (Q, E)
            scores, rows = best_allowed(self.entities.table, near, allowed, k + matches.shape[-1])  # (Q, K + E) twice
            scores, rows = with_name_matches(scores, rows, products, matches, bonus)
        found = Retrieved(rows[:, :k], entity_log_probs(scores[:, :k], total), log_nil)
        return self._typed(found, vectors, unrestricted)

    def _typed(self, found: Retrieved, vectors: Tensor, unrestricted: Retrieved) -> Retrieved:
        """The candidates of Q spans with the vectors (Q, D), and the types of the spans, which may count in the score.

        Types change the scores of the candidates that are found without a restriction, and a restriction changes no score.
        """
        if self.model.types is None:
            return found
        p = self.model.types(vectors)  # (Q, Y)
        found = found._replace(types=self.model.types.most_probable(p))
        if self.types_in_score is None:
            return found
        types, everyone = row_types(self.entities.catalogue, self.model.types.hierarchy), unrestricted.rows  # (Q, K)
        log_probs = with_types(everyone, unrestricted.log_probs, p.cpu(), types, self.types_in_score)  # (Q, K)
        if found is not unrestricted:
            log_probs = taken_over(found.rows, found.log_probs, everyone, log_probs)  # (Q, M)
        return found.ordered(log_probs)

    @cached_property
    def normaliser(self) -> Normaliser:
        """Estimates the normaliser in the score mode ``shortlist``."""
        return Normaliser(self.entities.table, self.entities.catalogue.removed)

    def _name_matches(self, texts: Sequence[str], tokens: TokenBatch, spans: Spans, near: Tensor) -> Matched | None:
        """The name matches of Q spans with the vectors (Q, D); None if there is none."""
        if self.dictionary is None or self.model.name_bonus is None:
            return None
        found = self.dictionary.name_matches(span_texts(texts, tokens, spans))
        if not found.rows.numel():
            return None
        bonus = self.model.name_bonus(found.kinds.to(self.model.name_bonus.weight.device)).cpu()  # (Q, E)
        named = self.entities.table.gather(found.rows.clamp_min(0))  # (Q, E, D)
        return torch.einsum("qd,qed->qe", near, named), found.rows, self.balance.of_bonus(bonus)

    def _search(
        self, near: Tensor, k: int, score_mode: str, matched: Matched | None, sampled: Callable[[], Tensor] | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Scores and rows (Q, K) of the nearest entities, and log Σ exp over all, (Q,), if the score mode needs it.

        For score mode ``shortlist``, ``sampled`` waits for the inner products (Q, S) with the rows of the sample.
        """
        index = self.entities.index
        if score_mode == "table":
            return index.search_normalised(near, k)
        if sampled is None:
            return *index.search(near, k), None
        scores, rows = index.search(near, max(k, self.shortlist))  # (Q, S)
        listed = shortlisted(scores[:, : self.shortlist], rows[:, : self.shortlist], *(matched or ())[:2])
        return scores[:, :k], rows[:, :k], self.normaliser(sampled(), *listed)
