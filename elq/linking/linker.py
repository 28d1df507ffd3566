"""The linker: question text in, links out. The one public object of the inference side.

>>> from elq import Linker                                                    # doctest: +SKIP
>>> linker = Linker.from_pretrained("runs/webqsp/latest/model")               # doctest: +SKIP
>>> linker.link("what does jamaican people speak?")[0].title                  # doctest: +SKIP
'Jamaica'
"""

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import overload

import torch

from elq.encoding.device import resolve_device
from elq.encoding.pretrained import load_tokenizer
from elq.encoding.tokens import QuestionTokenizer
from elq.entities.manifest import Entities, open_entities
from elq.errors import ElqError
from elq.linking.calibration import Calibration
from elq.linking.decision import Decision
from elq.linking.folder import ENTITIES, resolve_model
from elq.linking.retriever import Retriever
from elq.linking.scorer import Scored, Scorer, joined
from elq.linking.scoring import check_score_mode
from elq.model.network import ELQ
from elq.names.dictionary import Dictionary
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
        self.entities, self.batch_size = entities, batch_size
        self.threshold, self.mention_threshold, self.candidates = threshold, mention_threshold, candidates
        self.calibration = calibration
        retriever = Retriever(model, entities, dictionary)
        self.scorer = Scorer(model, tokenizer, retriever, score_mode=score_mode, max_mentions=max_mentions)

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, *, device: str = "cpu", scoring: str | None = None, max_mentions: int = 50
    ) -> "Linker":
        """Open a model folder, or download one from the Hub by name.

        Args:
            folder: a folder that training exported, or ``owner/name`` on the Hub.
            device: where the encoder runs: ``cpu``, ``cuda``, ``cuda:1``, …
            scoring: a score mode instead of the folder's own, see elq/linking/scoring.py; γ was chosen with that one.
            max_mentions: spans per question that are looked up in the index.

        Raises:
            ElqError: no such folder, name or device, a file missing, or parts that do not belong together.
        """
        path = resolve_model(folder)
        decision = Decision.load(path)
        model, entities = ELQ.from_pretrained(path).to(resolve_device(device)), open_entities(path / ENTITIES)
        mode = scoring or decision.score_mode
        if mode != decision.score_mode:
            log.warning(
                "the threshold γ = %.3f was chosen for the score mode %s, not for %s: give a threshold of your own",
                *(decision.threshold, decision.score_mode, mode),
            )
        return cls(
            model,
            load_tokenizer(path),
            entities,
            threshold=decision.threshold,
            mention_threshold=decision.mention_threshold,
            candidates=decision.candidates,
            score_mode=mode,
            max_mentions=max_mentions,
            calibration=Calibration(*decision.calibration) if decision.calibration and mode == decision.score_mode else None,
        )

    @property
    def model(self) -> ELQ:
        """The network."""
        return self.scorer.model

    @property
    def tokenizer(self) -> QuestionTokenizer:
        """The tokenizer of questions."""
        return self.scorer.tokenizer

    @property
    def dictionary(self) -> Dictionary | None:
        """The names of the catalogue; None for a model that does not ask for them."""
        return self.scorer.retriever.dictionary

    @property
    def score_mode(self) -> str:
        """What p(entity | mention) is normalised over, see elq/linking/scoring.py."""
        return self.scorer.score_mode

    @property
    def device(self) -> torch.device:
        """Where the encoder runs."""
        return self.scorer.device

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
        least, k = self._checked(texts, threshold, candidates, nil)
        links: list[list[Link]] = [[] for _ in texts]
        for places, scored in self.scorer.batches(texts, floor=self._floor(least), candidates=k, batch_size=self.batch_size):
            for place, found in zip(places, self.links(scored, threshold=least, candidates=k, nil=nil), strict=True):
                links[place] = found
        return links

    def links(
        self, scored: Scored, *, threshold: float | None = None, candidates: int | None = None, nil: bool = False
    ) -> list[list[Link]]:
        """Decode what :meth:`score` returned, with this linker's thresholds and calibration.

        Args:
            scored: questions scored with this linker.
            threshold: γ instead of the linker's own.
            candidates: K that the questions were scored with, if it was another one than the linker's.
            nil: NIL is a candidate like any other.
        """
        same = self.score_mode == "table" or candidates in (None, self.candidates)
        return scored.links(
            self.threshold if threshold is None else threshold,
            mention_threshold=self.mention_threshold,
            calibration=self.calibration if same else None,  # it was fitted with one K
            nil=nil,
        )

    def score(
        self,
        texts: Sequence[str],
        *,
        threshold: float | None = None,
        candidates: int | None = None,
        mentions: Sequence[Sequence[Mention]] | None = None,
        given_candidates: int | None = None,
    ) -> Scored:
        """Score questions once, to decode them as often as one likes: with any threshold from the given one up.

        Args:
            texts: questions.
            threshold: the lowest γ that will be asked for, whatever the mention threshold; by default the linker's own.
            candidates: K instead of the linker's own.
            mentions: for each question, mentions whose spans are given; candidates are found for them too.
            given_candidates: K for these instead.

        Raises:
            ElqError: candidates < 1, a threshold of NaN, or a text that is no string.
        """
        least, k = self._checked(texts, threshold, candidates, False)
        choices = {"mentions": mentions, "given_candidates": given_candidates, "batch_size": self.batch_size}
        parts = [*self.scorer.batches(texts, floor=least, candidates=k, **choices)]  # type: ignore[arg-type]
        return joined(parts, len(texts)) if parts else self.scorer.nothing(least)

    def _checked(self, texts: Sequence[str], threshold: float | None, candidates: int | None, nil: bool) -> tuple[float, int]:
        """γ and K of a call; refuses what cannot be linked."""
        if nil and self.model.nil is None:
            raise ElqError("NIL is asked for, but the model was trained without: train with model.nil=true, or leave nil out")
        if wrong := [text for text in texts if not isinstance(text, str)]:
            raise ElqError(f"a question must be a string, but one is {wrong[0]!r}")
        least = self.threshold if threshold is None else threshold
        if math.isnan(least):
            raise ElqError("the threshold is nan, but must be a number: the least joint score of a link, at most 0")
        return least, self.candidates if candidates is None else candidates

    def _floor(self, threshold: float) -> float:
        """Spans below it can give no link: log p(entity | mention) is at most 0."""
        return threshold if self.mention_threshold is None else max(threshold, self.mention_threshold)
