"""Re-ranking: a cross-encoder reads each mention with the text of each of its candidates, and puts the best one first.

Only the probability that the candidates have together is divided among them anew. NIL, and all other entities,
keep theirs. So a threshold γ keeps its meaning: a span that could not reach it before re-ranking cannot reach it afterwards.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from elq.encoding.device import chosen_device, resolve_device, resolve_precision
from elq.encoding.half import multiply_in_bf16
from elq.encoding.pretrained import load_tokenizer
from elq.encoding.tokens import QuestionTokenizer
from elq.entities.catalogue import Catalogue
from elq.errors import ElqError
from elq.linking.retriever import Retrieved
from elq.linking.scoring import OVER_ALL, divided_by
from elq.model.cross_config import FirstStage
from elq.model.crossencoder import CrossEncoder, PairTexts, pairs_of

BATCH = 128  # pairs in one pass of the cross-encoder

Marked = tuple[int, int, int]  # the number of a text, and the characters [start, end) of a mention in it


def divided_anew(log_probs: Tensor, scores: Tensor, stage: FirstStage) -> Tensor:
    """Divide the probability of K candidates among them by the scores of a cross-encoder: (Q, K), (Q, K) → (Q, K).

    The score of a candidate is log_weight · log p + score_weight · s. A softmax over the candidates divides Σ p.

    Args:
        log_probs: log p(entity | mention) of the first stage, −inf where there is no candidate.
        scores: the scores s of the cross-encoder; where there is no candidate, they are not read.
        stage: the two weights.

    >>> stage = FirstStage(log_weight=0.0, score_weight=1.0)
    >>> divided_anew(torch.tensor([[0.5, 0.3, 0.0]]).log(), torch.tensor([[0.0, 0.0, 9.0]]), stage).exp()
    tensor([[0.4000, 0.4000, 0.0000]])
    """
    there = log_probs > -torch.inf  # (Q, K)
    sums = stage.log_weight * log_probs.masked_fill(~there, 0.0) + stage.score_weight * scores.masked_fill(~there, 0.0)
    return divided_by(log_probs, sums)  # (Q, K)


def is_read(rows: Tensor, log_probs: Tensor, stage: FirstStage) -> Tensor:
    """Which candidates the cross-encoder reads, (Q, K) bool: the first ones of the first stage that are not too unlikely.

    >>> rows, log_probs = torch.tensor([[7, 3, 5, -1]]), torch.tensor([[-0.5, -1.5, -9.0, -torch.inf]])
    >>> is_read(rows, log_probs, FirstStage(candidates=3, margin=2.0))
    tensor([[ True,  True, False, False]])
    """
    first = torch.arange(rows.shape[-1]) < stage.candidates  # (K,)
    read = (rows >= 0) & (log_probs > -torch.inf) & first  # (Q, K)
    if stage.margin is None:
        return read
    return read & (log_probs >= log_probs.amax(-1, keepdim=True) - stage.margin)


class Reranker:
    """Re-ranks the candidates of mentions. It keeps no state between calls, so several threads may use it.

    Args:
        network: the cross-encoder; it is put into evaluation mode.
        tokenizer: its tokenizer.
        folder: the folder from which it was opened, if it was.
    """

    def __init__(self, network: CrossEncoder, tokenizer: QuestionTokenizer, *, folder: Path | None = None) -> None:
        self.network, self.stage, self.folder = network.eval(), network.config.first_stage, folder
        self.texts = PairTexts(tokenizer, network.config)

    @classmethod
    def from_pretrained(cls, folder: str | Path, *, device: str = "cpu", dtype: str = "fp32") -> "Reranker":
        """Open the folder of a cross-encoder.

        Args:
            folder: the model folder of a run of experiment=crossencoder.
            device: where the cross-encoder runs.
            dtype: ``bf16`` multiplies in bf16, ``auto`` does so if the processor supports it; with any other, the cross-encoder
                computes in fp32.

        Raises:
            ElqError: the folder does not exist, or is no cross-encoder.
        """
        path = Path(folder).expanduser()
        if not path.is_dir():
            raise ElqError(
                f"the re-ranker {folder} is not a folder: give the model folder of a run of experiment=crossencoder, such as"
                " runs/crossencoder/latest/model"
            )
        where, network = resolve_device(device), CrossEncoder.from_pretrained(path)
        if "bf16" in (dtype, resolve_precision("auto", chosen_device(device)) if dtype == "auto" else dtype):
            multiply_in_bf16(network.encoder)
        return cls(network.to(where), load_tokenizer(path), folder=path.resolve())

    def __reduce__(self) -> tuple[Any, ...]:
        if self.folder is None:
            raise ElqError(
                "the re-ranker was made of parts in memory, so it cannot be pickled: open its folder with"
                " Reranker.from_pretrained"
            )
        return _reopened, (str(self.folder), str(self._device), self.network.encoder.dtype)

    @property
    def candidates(self) -> int:
        """K, the largest number of candidates of a mention that are re-ranked."""
        return self.stage.candidates

    def enough(self, candidates: int, score_mode: str) -> int:
        """The K of a linker with this re-ranker: its own, or K of the re-ranker if that is larger and no score depends on K."""
        return max(candidates, self.candidates) if score_mode in OVER_ALL else candidates

    def scores(self, texts: Sequence[str], marked: Sequence[Marked], rows: Tensor, catalogue: Catalogue) -> Tensor:
        """The scores (Q, K) of the cross-encoder; −inf where there is no candidate.

        Args:
            texts: B texts.
            marked: Q mentions.
            rows: (Q, K) catalogue rows of their candidates, −1 where there is none.
            catalogue: the catalogue.
        """
        contexts = self._contexts(texts, marked)
        known = sorted({row for of_mention in rows.tolist() for row in of_mention if row >= 0})
        records = catalogue.records(known)
        entities = dict(zip(known, self.texts.entities([records[row] for row in known]), strict=True))
        wanted = [(q, k, row) for q, of_mention in enumerate(rows.tolist()) for k, row in enumerate(of_mention) if row >= 0]
        wanted.sort(key=lambda one: len(contexts[one[0]]) + len(entities[one[2]]))
        scores = torch.full(rows.shape, -torch.inf)  # (Q, K)
        padding = self.network.encoder.padding
        for start in range(0, len(wanted), BATCH):
            batch = wanted[start : start + BATCH]
            pairs = pairs_of([contexts[q] for q, _, _ in batch], [entities[row] for _, _, row in batch], padding)
            with torch.inference_mode(), torch.autocast(self._device.type, enabled=False):
                found = self.network(pairs.to(self._device)).cpu()  # (P,)
            scores[[q for q, _, _ in batch], [k for _, k, _ in batch]] = found
        return scores

    def _contexts(self, texts: Sequence[str], marked: Sequence[Marked]) -> list[list[int]]:
        """The ids of the contexts of Q mentions, in their order."""
        order = sorted(range(len(marked)), key=lambda q: marked[q][0])  # text by text
        mentions: list[list[tuple[int, int]]] = [[] for _ in texts]
        for q in order:
            b, start, end = marked[q]
            mentions[b].append((start, end))
        found = dict(zip(order, self.texts.contexts(texts, mentions), strict=True))
        return [found[q] for q in range(len(marked))]

    def reranked(self, texts: Sequence[str], marked: Sequence[Marked], found: Retrieved, catalogue: Catalogue) -> Retrieved:
        """The candidates of Q mentions in their new order, with their new log p(entity | mention).

        Those that the cross-encoder does not read (see :func:`is_read`) keep their probability.
        """
        if not marked:
            return found
        read = is_read(found.rows, found.log_probs, self.stage)  # (Q, K)
        read &= read.sum(-1, keepdim=True) > 1  # one candidate alone keeps its probability in any case
        scores = self.scores(texts, marked, found.rows.masked_fill(~read, -1), catalogue)  # (Q, K)
        divided = divided_anew(found.log_probs.masked_fill(~read, -torch.inf), scores, self.stage)  # (Q, K)
        return found.ordered(torch.where(read, divided, found.log_probs))

    @property
    def _device(self) -> torch.device:
        return self.network.head.weight.device


@lru_cache(maxsize=1)  # a pool sends the linker with every task
def _reopened(folder: str, device: str, dtype: str) -> Reranker:
    return Reranker.from_pretrained(folder, device=device, dtype=dtype)
