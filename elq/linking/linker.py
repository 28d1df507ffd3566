"""The linker: the public object that finds the links of questions.

>>> from elq import Linker                                                    # doctest: +SKIP
>>> linker = Linker.from_catalogue("products.csv")                            # doctest: +SKIP
>>> linker.link("is the cordless drill in stock?")[0].title                   # doctest: +SKIP
'Cordless drill 18 V'
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from elq.encoding.computing import Computing
from elq.encoding.pretrained import GENERAL, load_tokenizer
from elq.encoding.tokens import QuestionTokenizer
from elq.entities.encoder import settings_of
from elq.entities.manifest import Entities, open_entities
from elq.errors import ElqError
from elq.linking.balance import AS_LEARNED, Balance
from elq.linking.calibration import AnyCalibration, calibration_of
from elq.linking.concepts import KEEP, check_concepts
from elq.linking.decision import CANDIDATES, SCORE_MODE, Decision
from elq.linking.exports import open_network
from elq.linking.folder import ENTITIES, resolve_model
from elq.linking.forks import survive_forks
from elq.linking.general import STARTER, Source, open_catalogue, settings_for
from elq.linking.inputs import check_folder, check_type_score_weight
from elq.linking.parts import Parts
from elq.linking.pickled import Pickled
from elq.linking.reloading import Reloading
from elq.linking.rerank import Reranker
from elq.linking.retriever import Retriever
from elq.linking.scorer import MAX_MENTIONS, Scorer
from elq.linking.scoring import check_index, check_score_mode, mode_for, same_scale
from elq.linking.sharing import Sharing
from elq.linking.type_fit import TypesInScore
from elq.model.config import read_config
from elq.model.network import ELQ
from elq.model.type_head import NO_TYPES
from elq.names.dictionary import Dictionary

log = logging.getLogger(__name__)


class Linker(Pickled, Parts, Reloading, Sharing):
    """Finds the mentions of entities in questions. It keeps no state between calls, so several threads may use it.

    A linker that was opened from a folder or a catalogue can be pickled: the pickle holds the paths of its folders.

    Args:
        model: the network; it is put into evaluation mode while linking.
        tokenizer: the tokenizer of the model.
        entities: catalogue, table and index; the table must have the model's width.
        threshold: the threshold γ, the lowest joint score of a link, a natural logarithm (at most 0; −inf keeps every span).
        mention_threshold: the lowest log p(mention) of a link, in addition to γ. If it is None, only γ is applied.
        candidates: K, the number of entities retrieved for each span.
        score_mode: the entities over which p(entity | mention) is normalised, see elq/linking/scoring.py.
        max_mentions: the number of spans per question that are searched in the index, those with the highest mention score. A
            text of n times 25 tokens may have n times as many.
        batch_size: the number of questions in one encoder pass.
        dictionary: the names of the same catalogue, if a dictionary was made before; otherwise the linker makes one if the
            model needs it.
        calibration: gives links a probability. It is valid only for the score mode and K with which it was fitted.
        reranker: a cross-encoder that re-ranks the candidates of given mentions, and of spans that can become links: at most 8
            of a text of 25 tokens, n times as many of one of n times 25 tokens. See elq/linking/rerank.py.
        type_score_weight: the weight of types in the score of candidates (elq/linking/type_fit.py); 0: they do not count.
        balance: how much names and NIL count in that score, and small letters in that of a mention.
        concepts: whether links of generic nouns are shown, ``keep`` or ``drop``, see elq/linking/concepts.py.
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
        calibration: AnyCalibration | None = None,
        reranker: Reranker | None = None,
        type_score_weight: float = 0.0,
        balance: Balance = AS_LEARNED,
        concepts: str = KEEP,
    ) -> None:
        if tokenizer.size > model.config.encoder["vocab_size"]:
            raise ElqError(
                f"the tokenizer gives token ids below {tokenizer.size}, but the encoder has only"
                f" {model.config.encoder['vocab_size']} ids: take tokenizer.json and model.safetensors from one model folder"
            )
        check_score_mode(score_mode, names=model.config.names)
        check_index(score_mode, entities.index)
        if score_mode == "elq":
            tokenizer = tokenizer.released(model.config.question_tokens)
        self.entities, self.batch_size = entities, batch_size
        self.threshold, self.mention_threshold, self.candidates = threshold, mention_threshold, candidates
        self.calibration, self.concepts = calibration, check_concepts(concepts)
        weight = check_type_score_weight(type_score_weight, types=model.types is not None)
        types = TypesInScore(weight, candidates) if weight else None
        retriever = Retriever(model, entities, dictionary, types_in_score=types, balance=balance)
        how: dict[str, Any] = {"score_mode": score_mode, "max_mentions": max_mentions, "reranker": reranker}
        self.scorer = Scorer(model, tokenizer, retriever, **how)
        survive_forks()

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        *,
        revision: str | None = None,
        token: str | None = None,
        device: str = "cpu",
        backend: str = "torch",
        dtype: str = "fp32",
        scoring: str | None = None,
        max_mentions: int = MAX_MENTIONS,
        reranker: str | Path | None = None,
        type_score_weight: float = 0.0,
        concepts: str | None = None,
    ) -> "Linker":
        """Open a model folder, or download one from the Hub by name.

        Args:
            folder: a model folder, or ``owner/name`` on the Hub. A folder of that name goes first.
            revision: a branch, a tag or a commit of the model on the Hub; None: ``main``.
            token: the token for a private model on the Hub; None: that of HF_TOKEN or of `hf auth login`.
            device: the device on which the encoder runs: ``cpu``, ``cuda``, ``cuda:1``, …; ``auto`` is the
                first of ``cuda``, ``mps`` and ``cpu`` that torch can use.
            backend: what computes the encoder: ``torch``; on the CPU also ``onnx`` (ONNX Runtime) or ``openvino``, for which
                `elq export` has made a file in the folder.
            dtype: the number format of the encoder: ``fp32``; ``bf16`` (torch, openvino); ``int8`` (onnx); ``auto`` is bf16
                where the backend has it and the processor supports it, else fp32.
            scoring: a score mode that replaces the folder's own, see elq/linking/scoring.py. The threshold γ of the folder was
                chosen with the folder's own score mode. If it is None and the folder's own is ``table``, an index that does not
                compute the scores of all entities is used with ``shortlist``, with a warning.
            max_mentions: the number of spans per question that are searched in the index.
            reranker: the folder of a cross-encoder that re-ranks the candidates, in bf16 if ``dtype`` says so, else in fp32.
            type_score_weight: the weight of types in the score of candidates, for a model with types: those whose types the
                text speaks of get more of the probability that all candidates have. With 0, types do not count.
            concepts: whether links of generic nouns, such as "high school", are shown: ``keep`` or ``drop``; None: what the
                folder says, see elq/linking/concepts.py.

        Raises:
            ElqError: the folder, name, device or backend does not exist, a file is missing, or the files do not belong
                together.
        """
        how: dict[str, Any] = {"device": device, "backend": backend, "dtype": dtype}
        how |= {"scoring": scoring, "max_mentions": max_mentions, "reranker": reranker, "type_score_weight": type_score_weight}
        how["concepts"] = concepts
        if str(folder) == GENERAL and revision is None:
            return cls.from_catalogue(**how)
        path = resolve_model(check_folder(folder), revision=revision, token=token)
        return cls.over(path, open_entities(path / ENTITIES), **how)

    @classmethod
    def from_catalogue(
        cls,
        source: Source = STARTER,
        *,
        model: str | Path = GENERAL,
        columns: Mapping[str, str] | None = None,
        encoder: str | Path | None = None,
        device: str = "cpu",
        backend: str = "torch",
        dtype: str = "fp32",
        scoring: str | None = None,
        max_mentions: int = MAX_MENTIONS,
        reranker: str | Path | None = None,
        type_score_weight: float = 0.0,
        concepts: str | None = None,
    ) -> "Linker":
        """Link over any catalogue, without training. The vectors and names of the catalogue are made, and kept in the cache.

        Args:
            source: a file that `elq build` reads; or dictionaries, Entity records, a DataFrame (pandas, polars) or an Arrow
                table. By default, the catalogue of the starter.
            model: the model in the package, or the folder of a model whose weights are used.
            columns: our field → the name in the source, for the fields whose names differ.
            encoder: the encoder of the model's entities, if it is not where it was when the model was trained.
            device, backend, dtype, scoring, max_mentions, reranker, type_score_weight, concepts: as in
                :meth:`from_pretrained`. The catalogue is encoded by torch.

        Raises:
            ElqError: the catalogue is bad, there is too little space on the disk, or there is no such model or device.
        """
        path = resolve_model(check_folder(model))
        if type_score_weight:  # refused now, and not after the vectors of a catalogue are made
            check_type_score_weight(type_score_weight, types=read_config(path / "config.json").types != NO_TYPES)
        entities = open_catalogue(source, settings_for(path, encoder), columns=columns, device=device)
        how: dict[str, Any] = {"device": device, "backend": backend, "dtype": dtype, "type_score_weight": type_score_weight}
        how |= {"scoring": scoring, "max_mentions": max_mentions, "reranker": reranker, "concepts": concepts}
        return cls.over(path, entities, **how)

    def with_catalogue(self, source: Source, *, columns: Mapping[str, str] | None = None) -> "Linker":
        """A linker with the same model and settings over another catalogue; arguments as in :meth:`from_catalogue`."""
        settings = settings_of(self.entities.manifest)
        return type(self)(
            self.model,
            self.tokenizer,
            open_catalogue(source, settings, columns=columns, device=str(self.device)),
            threshold=self.threshold,
            mention_threshold=self.mention_threshold,
            candidates=self.candidates,
            score_mode=self.score_mode,
            max_mentions=self.scorer.max_mentions,
            batch_size=self.batch_size,
            calibration=self.calibration,
            reranker=self.scorer.reranker,
            type_score_weight=self.type_score_weight,
            balance=self.balance,
            concepts=self.concepts,
        ).opened_from(self.folders and self.folders[0])

    @classmethod
    def over(
        cls,
        path: Path,
        entities: Entities,
        *,
        device: str = "cpu",
        backend: str = "torch",
        dtype: str = "fp32",
        scoring: str | None = None,
        max_mentions: int = MAX_MENTIONS,
        dictionary: Dictionary | None = None,
        reranker: str | Path | None = None,
        type_score_weight: float = 0.0,
        concepts: str | None = None,
    ) -> "Linker":
        """A linker with the network and the decision of a model folder, over opened entities.

        Args:
            path: the model folder; its own entities are not used.
            entities: the entities, with vectors that were made for this model.
            device, backend, dtype, scoring, max_mentions, reranker, type_score_weight, concepts: as in
                :meth:`from_pretrained`.
            dictionary: the names of the entities, if a dictionary was made before.
        """
        again = None if reranker is None else Reranker.from_pretrained(reranker, device=device, dtype=dtype)
        decision, model = Decision.load(path), open_network(path, Computing(device, backend, dtype))
        mode = scoring or mode_for(decision.score_mode, entities.index)
        if not (valid := same_scale(mode, decision.score_mode)):
            log.warning(
                "the threshold γ = %.3f was chosen for the score mode %s, but the score mode is %s: give a threshold for this"
                " score mode (--threshold)",
                *(decision.threshold, decision.score_mode, mode),
            )
        return cls(
            model,
            load_tokenizer(path),
            entities,
            threshold=decision.threshold,
            mention_threshold=decision.mention_threshold,
            candidates=decision.candidates if again is None else again.enough(decision.candidates, mode),
            score_mode=mode,
            max_mentions=max_mentions,
            dictionary=dictionary,
            calibration=calibration_of(decision.calibration) if decision.calibration and valid else None,
            reranker=again,
            type_score_weight=type_score_weight,
            balance=decision.balance,
            concepts=decision.concepts if concepts is None else concepts,
        ).opened_from(path)
