"""The linker: the public object that finds the links of questions.

>>> from elq import Linker                                                    # doctest: +SKIP
>>> linker = Linker.from_pretrained("runs/webqsp/latest/model")               # doctest: +SKIP
>>> linker.link("what does jamaican people speak?")[0].title                  # doctest: +SKIP
'Jamaica'
"""

import logging
import math
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import overload

import torch

from elq.encoding.device import resolve_device
from elq.encoding.pretrained import load_tokenizer
from elq.encoding.tokens import QuestionTokenizer
from elq.entities.manifest import Entities, Manifest, open_entities
from elq.errors import ElqError
from elq.linking.calibration import Calibration
from elq.linking.decision import CANDIDATES, SCORE_MODE, Decision
from elq.linking.folder import ENTITIES, resolve_model
from elq.linking.retriever import Retriever
from elq.linking.scorer import MAX_MENTIONS, Scored, Scorer, joined
from elq.linking.scoring import check_score_mode
from elq.model.network import ELQ
from elq.names.dictionary import Dictionary
from elq.types import Link, Mention

log = logging.getLogger(__name__)


class Linker:
    """Finds the mentions of entities in questions. It keeps no state between calls, so several threads may use it.

    Args:
        model: the network; it is put into evaluation mode while linking.
        tokenizer: the tokenizer of the model.
        entities: catalogue, table and index; the table must have the model's width.
        threshold: the threshold γ, the lowest joint score of a link, a natural logarithm (at most 0; −inf keeps every span).
        mention_threshold: the lowest log p(mention) of a link, in addition to γ. If it is None, only γ is applied.
        candidates: K, the number of entities retrieved for each span.
        score_mode: the entities over which p(entity | mention) is normalised, see elq/linking/scoring.py.
        max_mentions: the number of spans per question that are searched in the index, those with the highest mention score. A
            text that needs n encoder passes may have n times as many.
        batch_size: the number of questions in one encoder pass.
        dictionary: the names of the same catalogue, if a dictionary was made before; otherwise the linker makes one if the
            model needs it.
        calibration: gives links a probability. It is valid only for the score mode and K with which it was fitted.
    """

    def __init__(
        self,
        model: ELQ,
        tokenizer: QuestionTokenizer,
        entities: Entities,
        *,
        threshold: float,
        mention_threshold: float | None = None,
        candidates: int = CANDIDATES,
        score_mode: str = SCORE_MODE,
        max_mentions: int = MAX_MENTIONS,
        batch_size: int = 64,
        dictionary: Dictionary | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        if tokenizer.size > model.config.encoder["vocab_size"]:
            raise ElqError(
                f"the tokenizer gives token ids below {tokenizer.size}, but the encoder has only"
                f" {model.config.encoder['vocab_size']} ids: take tokenizer.json and model.safetensors from one model folder"
            )
        check_score_mode(score_mode, names=model.config.names)
        if score_mode == "table" and not entities.index.sees_all:
            raise ElqError(
                f'score mode "table" needs the scores of all entities, but the {entities.index.kind} index computes only some'
                " of them: build the entities with `elq build --index exact`, or choose another score mode"
            )
        if score_mode == "elq":
            tokenizer = tokenizer.released(model.config.question_tokens)
        self.entities, self.batch_size = entities, batch_size
        self.threshold, self.mention_threshold, self.candidates = threshold, mention_threshold, candidates
        self.calibration = calibration
        self.folder: Path | None = None  # the model folder, if there is one
        retriever = Retriever(model, entities, dictionary)
        self.scorer = Scorer(model, tokenizer, retriever, score_mode=score_mode, max_mentions=max_mentions)

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, *, device: str = "cpu", scoring: str | None = None, max_mentions: int = MAX_MENTIONS
    ) -> "Linker":
        """Open a model folder, or download one from the Hub by name.

        Args:
            folder: a model folder, or ``owner/name`` on the Hub.
            device: the device on which the encoder runs: ``cpu``, ``cuda``, ``cuda:1``, …
            scoring: a score mode that replaces the folder's own, see elq/linking/scoring.py. The threshold γ of the folder was
                chosen with the folder's own score mode.
            max_mentions: the number of spans per question that are searched in the index.

        Raises:
            ElqError: the folder, name or device does not exist, a file is missing, or the files do not belong together.
        """
        path = resolve_model(folder)
        decision = Decision.load(path)
        model, entities = ELQ.from_pretrained(path).to(resolve_device(device)), open_entities(path / ENTITIES)
        mode = scoring or decision.score_mode
        if mode != decision.score_mode:
            log.warning(
                "the threshold γ = %.3f was chosen for the score mode %s, but the score mode is %s: give a threshold for this"
                " score mode (--threshold)",
                *(decision.threshold, decision.score_mode, mode),
            )
        linker = cls(
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
        linker.folder = path
        return linker

    def reload(self) -> bool:
        """Open the entities again if their folder was changed, for example by `elq update`. Running calls keep the old ones.

        Returns:
            Whether the folder was changed.

        Raises:
            ElqError: the linker was not opened from a folder, or the folder cannot be opened.
        """
        if self.folder is None:
            raise ElqError("this linker was not opened from a folder, so it cannot be reloaded: use Linker.from_pretrained")
        if Manifest.load(self.folder / ENTITIES) == self.entities.manifest:
            return False
        scorer, entities = copy(self.scorer), open_entities(self.folder / ENTITIES)
        scorer.retriever = Retriever(self.model, entities)
        self.scorer, self.entities = scorer, entities
        return True

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
        """The names of the catalogue; None for a model that does not use them."""
        return self.scorer.retriever.dictionary

    @property
    def score_mode(self) -> str:
        """The entities over which p(entity | mention) is normalised, see elq/linking/scoring.py."""
        return self.scorer.score_mode

    @property
    def device(self) -> torch.device:
        """The device on which the encoder runs."""
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
        """Link one question, or several.

        Args:
            texts: a question, or a sequence of questions.
            threshold: the threshold γ for this call; by default the linker's own.
            candidates: K for this call. Except in the score mode ``table``, the scores depend on K: γ was chosen with the
                linker's own K, and with another K links have no probability.
            nil: whether NIL ("not in the catalogue") is a candidate. A mention whose best candidate is NIL is then linked to
                "NIL", and such a link removes overlapping links with a lower score.

        Returns:
            The links of the question in reading order; for a sequence, a list of such lists. Links do not overlap.

        Raises:
            ElqError: candidates < 1, a threshold of NaN, a text that is not a string, or ``nil`` with a model that was trained
                without NIL.
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
        """Decode scored questions with this linker's thresholds and calibration.

        Args:
            scored: the questions, as :meth:`score` of this linker returned them.
            threshold: the threshold γ; by default the linker's own.
            candidates: the K with which the questions were scored, if it was not the linker's own.
            nil: whether NIL is a candidate.
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
        """Score questions once. The result can be decoded several times, with any threshold that is not lower than this one.

        Args:
            texts: the questions.
            threshold: the lowest threshold γ with which they will be decoded; by default the linker's own. The mention
                threshold does not change it.
            candidates: K; by default the linker's own.
            mentions: for each question, mentions whose spans are given; candidates are found for these mentions too.
            given_candidates: K for the given mentions; by default the same K.

        Raises:
            ElqError: candidates < 1, a threshold of NaN, or a text that is not a string.
        """
        least, k = self._checked(texts, threshold, candidates, False)
        choices = {"mentions": mentions, "given_candidates": given_candidates, "batch_size": self.batch_size}
        parts = [*self.scorer.batches(texts, floor=least, candidates=k, **choices)]  # type: ignore[arg-type]
        return joined(parts, len(texts)) if parts else self.scorer.nothing(least)

    def _checked(self, texts: Sequence[str], threshold: float | None, candidates: int | None, nil: bool) -> tuple[float, int]:
        """Check the arguments of a call, and return its threshold γ and K."""
        if nil and self.model.nil is None:
            raise ElqError(
                "NIL is asked for, but the model was trained without NIL: train with model.nil=true, or leave out nil (--nil)"
            )
        if wrong := [text for text in texts if not isinstance(text, str)]:
            raise ElqError(f"a question must be a string, but one is {wrong[0]!r}: give its text as a string")
        least = self.threshold if threshold is None else threshold
        if math.isnan(least):
            raise ElqError("the threshold is nan, but must be a number: give the lowest joint score of a link, at most 0")
        return least, self.candidates if candidates is None else candidates

    def _floor(self, threshold: float) -> float:
        """The lowest log p(mention) of a span that can become a link, since log p(entity | mention) is at most 0."""
        return threshold if self.mention_threshold is None else max(threshold, self.mention_threshold)
