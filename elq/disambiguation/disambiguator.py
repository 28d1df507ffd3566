"""The disambiguator: the public object that says which entities given mentions mean."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from elq.disambiguation.examples import MentionExample
from elq.disambiguation.mining import mention_table
from elq.disambiguation.ranking import Features, Ranking, fit_ranking, joined
from elq.disambiguation.views import Views
from elq.encoding.device import resolve_device
from elq.encoding.marked import MarkedTexts
from elq.entities.manifest import ENTITIES, Entities, open_entities
from elq.errors import ElqError
from elq.linking.calibration import Calibration
from elq.linking.decoding import Known, ScoredSpans
from elq.linking.given import checked_mentions
from elq.linking.inputs import as_texts
from elq.linking.rerank import Reranker
from elq.linking.retriever import Retrieved
from elq.linking.scoring import entity_log_probs, with_name_matches
from elq.model.biencoder import BiEncoder
from elq.names.dictionary import Dictionary
from elq.tensors import Spans
from elq.types import Link

SEARCHED = 128  # the nearest entities that are always looked at
TOGETHER = 256  # mentions whose candidates are looked for together
ROUNDS = 2  # fits of the ranking, each among the candidates of the last


def _parts(examples: Sequence[MentionExample]) -> list[Sequence[MentionExample]]:
    return [examples[at : at + TOGETHER] for at in range(0, len(examples), TOGETHER)]


class Found(NamedTuple):
    """The K best entities of M mentions."""

    rows: Tensor  # (M, K) int64 catalogue rows, best first, −1 where there is no candidate
    scores: Tensor  # (M, K) fp32, −inf where there is no candidate


class Disambiguator:
    """Says for given mentions which entity of the catalogue they mean.

    Args:
        network: the network, whose context tower is used.
        texts: what turns texts into its ids.
        entities: the entities, whose table the entity tower has made.
        ranking: the weights of the score.
        views: further vectors of the entities (elq/disambiguation/views.py); None: there are none.
        reranker: a cross-encoder that re-ranks the candidates, see elq/linking/rerank.py.

    Raises:
        ElqError: the table has another width than the network.
    """

    def __init__(
        self,
        network: BiEncoder,
        texts: MarkedTexts,
        entities: Entities,
        ranking: Ranking | None = None,
        *,
        views: Views | None = None,
        reranker: Reranker | None = None,
    ) -> None:
        self.network, self.texts, self.entities = network, texts, entities
        self.views, self.reranker = views, reranker
        self.prior = len(entities.table.gather(torch.tensor([0]))[0]) - network.width
        self.ranking = ranking or Ranking(prior=(0.0,) * max(0, self.prior))
        if self.prior != len(self.ranking.prior):
            raise ElqError(
                f"the network has vectors of width {network.width} and {len(self.ranking.prior)} weights of fame, but the"
                f" entity table has width {entities.table.width}: build the entities with the entity_encoder of the model"
            )
        self.dictionary = Dictionary(entities.catalogue)

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        *,
        entities: str | Path | None = None,
        device: str = "cpu",
        reranker: str | Path | None = None,
    ) -> "Disambiguator":
        """Open the model folder that a training of a bi-encoder made.

        Args:
            folder: the model folder.
            entities: another entities folder, built with the entity encoder of the model; None: that of the model.
            device: where the network runs.
            reranker: the folder of a cross-encoder that re-ranks the candidates.

        Raises:
            ElqError: a file is missing or unreadable, or the entities do not fit the model.
        """
        resolve_device(device)
        network, texts = BiEncoder.from_pretrained(folder)
        opened = open_entities(entities or Path(folder) / ENTITIES)
        views = None if entities else Views.open(folder, opened.manifest.catalogue_sha256, opened.catalogue.removed)
        again = None if reranker is None else Reranker.from_pretrained(reranker, device=device)
        return cls(network.to(device), texts, opened, Ranking.load(folder), views=views, reranker=again)

    def link(
        self, texts: Sequence[str], mentions: Sequence[Sequence[tuple[int, int]]], *, candidates: int | None = None
    ) -> list[list[Link]]:
        """One link for each mention, with its K candidates and their probabilities.

        Args:
            texts: the texts.
            mentions: for each text, the characters [start, end) of its mentions.
            candidates: K; None: as the model folder says.

        Raises:
            ElqError: the texts are no list of strings, or a mention is not in its text, or overlaps no token.
        """
        texts = as_texts(texts)
        spans = checked_mentions(texts, mentions)
        examples = [MentionExample(text, *span, -1) for text, own in zip(texts, spans, strict=True) for span in own]
        if not examples:
            return [[] for _ in texts]
        k = candidates or self.ranking.candidates
        found = self.candidates(examples, k if self.reranker is None else max(k, self.reranker.candidates))
        best_first = Retrieved(found.rows, entity_log_probs(found.scores), None)  # (M, K)
        if self.reranker is not None:
            marked = [(m, example.start, example.end) for m, example in enumerate(examples)]
            own = [example.text for example in examples]
            best_first = self.reranker.reranked(own, marked, best_first, self.entities.catalogue).first(k)
        links = iter(self.links_of(examples, best_first))
        return [[next(links) for _ in own] for own in spans]

    def links_of(self, examples: Sequence[MentionExample], best_first: Retrieved) -> list[Link]:
        """The links of M mentions to their best candidates.

        Args:
            examples: the mentions.
            best_first: their candidates, best first.
        """
        log_probs = best_first.log_probs  # (M, K)
        none = torch.zeros(len(examples), dtype=torch.int64)  # (M,)
        scored = ScoredSpans(Spans(none, none, none), torch.zeros(len(examples)), log_probs, best_first.rows)
        known = Known(self.entities.catalogue, scored, range(len(examples)))
        best, sure = log_probs[:, 0].tolist(), Calibration(0.0, 1.0)
        return [known.link(e.text, (e.start, e.end), m, best[m], sure) for m, e in enumerate(examples)]

    def vectors(self, examples: Sequence[MentionExample]) -> Tensor:
        """The vectors (M, D) fp32 of mentions."""
        return mention_table(self.network, self.texts, examples)

    def candidates(self, examples: Sequence[MentionExample], k: int, *, vectors_alone: bool = False) -> Found:
        """The K best entities of M mentions: of the nearest by their vectors, and of those that their names may mean.

        Args:
            examples: M mentions.
            k: K.
            vectors_alone: whether neither names nor fame count.
        """
        if k < 1:
            raise ElqError(f"candidates is {k}, but must be at least 1: give a larger number")
        if len(examples) > TOGETHER:  # the vectors of all entities of all names would need much memory
            parts = [self.candidates(part, k, vectors_alone=vectors_alone) for part in _parts(examples)]
            return Found(torch.cat([part.rows for part in parts]), torch.cat([part.scores for part in parts]))
        vectors = self.vectors(examples)  # (M, D)
        if vectors_alone:
            queries = torch.cat([vectors, vectors.new_zeros(len(vectors), self.prior)], -1)  # (M, D + P)
            scores, rows = self._nearest(queries, k)
            return Found(rows, scores)
        queries = self.ranking.queries(vectors)  # (M, D + P)
        scores, rows = self._nearest(queries, max(k, SEARCHED))  # (M, S)
        matches = self.dictionary.name_matches([example.mention for example in examples])  # (M, E)
        if matches.rows.numel():
            named = self.entities.table.gather(matches.rows.clamp_min(0))  # (M, E, D + P)
            products = torch.einsum("md,med->me", queries, named)  # (M, E)
            if self.views is not None:
                products = self.views.best_products(queries, products, matches.rows)  # (M, E)
            scores, rows = with_name_matches(scores, rows, products, matches.rows, self.ranking.bonus(matches.kinds))
        return Found(rows[:, :k], scores[:, :k])

    def _nearest(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """The k entities with the largest inner products of their best view: scores and rows, (M, k) each."""
        scores, rows = self.entities.index.search(queries, k)
        return (scores, rows) if self.views is None else self.views.with_best(queries, scores, rows)

    def features(self, examples: Sequence[MentionExample]) -> Features:
        """What the scores of the candidates of M mentions are made of. The gold entity of each is the first candidate."""
        if len(examples) > TOGETHER:
            return joined([self.features(part) for part in _parts(examples)])
        vectors, gold = self.vectors(examples), torch.tensor([example.row for example in examples])  # (M, D), (M,)
        near = self.entities.index.search(self.ranking.queries(vectors), SEARCHED)[1]  # (M, S)
        matches = self.dictionary.name_matches([example.mention for example in examples])  # (M, E)
        rows = torch.cat([gold.unsqueeze(-1), near, matches.rows], -1)  # (M, C)
        first = (rows.unsqueeze(-1) == rows.unsqueeze(-2)).int().argmax(-1)  # (M, C) the first column with this row
        there = (rows >= 0) & (first == torch.arange(rows.shape[-1]))  # (M, C)
        kinds = torch.full_like(rows, -1)  # (M, C)
        for column in range(matches.rows.shape[-1] - 1, -1, -1):  # of a row with several kinds, the first one counts
            same = (rows == matches.rows[:, column : column + 1]) & (rows >= 0)
            kinds = torch.where(same, matches.kinds[:, column : column + 1], kinds)
        table = self.entities.table.gather(rows.clamp_min(0))  # (M, C, D + P)
        products = torch.einsum("md,mcd->mc", vectors, table[..., : self.network.width])  # (M, C)
        return Features(
            products.masked_fill(~there, -torch.inf), table[..., self.network.width :], kinds, torch.zeros_like(gold)
        )

    def fit(self, examples: Sequence[MentionExample]) -> Ranking:
        """Fit the ranking on mentions with their gold entities, and use it from now on."""
        for _ in range(ROUNDS if examples else 0):
            features = self.features(examples)
            self.ranking = fit_ranking(features, self.entities.manifest.prior, self.ranking.candidates)
        return self.ranking
