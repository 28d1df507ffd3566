"""The cross-encoder: reads a marked mention and the text of one entity together, and gives the entity a score.

A mention and its K candidates are K pairs ``[CLS] context [SEP] entity [SEP]`` (elq/encoding/marked.py). A softmax over the K
scores says which of them the mention means. Source: BLINK (Wu et al., EMNLP 2020, section 4.2).

File format of a saved cross-encoder: ``config.json`` (:class:`CrossConfig`), ``model.safetensors`` and ``tokenizer.json``.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from elq.encoding.marked import MarkedTexts, Markers, pair_ids, padded, with_markers
from elq.encoding.packed import load_weights
from elq.encoding.pretrained import load_tokenizer
from elq.encoding.tokens import QuestionTokenizer
from elq.encoding.transformer import Encoder, without_memory
from elq.entities.texts import EntityText
from elq.errors import ElqError
from elq.files import write_json
from elq.model.network import refuse_others, save_weights
from elq.types import Entity

KIND, FORMAT = "crossencoder", 1
FILES = ("config.json", "model.safetensors", "tokenizer.json")
CANDIDATES = 16  # K, the candidates of a mention that are scored
BEHIND = ("linker", "biencoder")  # kinds of a first stage


@dataclass(frozen=True, kw_only=True)  # no slots: the training parser reads its __dict__
class CrossSettings:
    """The settings of a cross-encoder apart from its encoder.

    Args:
        context_tokens: the length of the longest context, in tokens with the special tokens and the markers.
        entity_tokens: the length of the longest entity text, in tokens with the special tokens.
        entity_fields: the fields of an entity that are read, see :class:`elq.entities.texts.EntityText`.
    """

    context_tokens: int = 64
    entity_tokens: int = 48
    entity_fields: Sequence[str] = ("title", "aliases", "description")

    def __post_init__(self) -> None:
        for name in ("context_tokens", "entity_tokens"):
            if type(value := getattr(self, name)) is not int or value < 5:
                raise ElqError(f"{name} is {value!r}, but must be a whole number of at least 5: raise it")
        object.__setattr__(self, "entity_fields", tuple(self.entity_fields))  # JSON gives a list
        EntityText(fields=self.entity_fields)  # refuses fields that do not exist


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstStage:
    """What a cross-encoder was trained behind, and how its scores and those of the first stage become one.

    The score of a candidate is log_weight · log p + score_weight · s, with log p(entity | mention) of the first stage and the
    score s of the cross-encoder.

    Args:
        folder: the name of the folder of the first stage.
        kind: ``linker`` or ``biencoder``.
        candidates: K, the number of its candidates.
        log_weight: the weight of log p.
        score_weight: the weight of s. With 0, and a log_weight of 1, the first stage alone decides.
    """

    folder: str = ""
    kind: str = "linker"
    candidates: int = CANDIDATES
    log_weight: float = 0.0
    score_weight: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in BEHIND:
            raise ElqError(f"the first stage is a {self.kind!r}, but must be one of {', '.join(BEHIND)}: correct config.json")
        if type(self.candidates) is not int or self.candidates < 1:
            raise ElqError(f"candidates is {self.candidates!r}, but must be a whole number of at least 1: correct config.json")
        for name in ("log_weight", "score_weight"):
            if type(value := getattr(self, name)) not in (int, float) or not math.isfinite(value):
                raise ElqError(f"{name} is {value!r}, but must be a finite number: correct config.json")


@dataclass(frozen=True, kw_only=True)
class CrossConfig(CrossSettings):
    """Everything from which the network is built before its weights are loaded.

    Args:
        encoder: the encoder's own configuration.
        first_stage: what it was trained behind.
        kind: always ``crossencoder``.
        format: number of this file format.
    """

    encoder: dict[str, Any]
    first_stage: FirstStage = field(default_factory=FirstStage)
    kind: str = KIND
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Pairs:
    """P pairs of a context and an entity text, padded to the longest of them."""

    ids: Tensor  # (P, T) int64
    attention: Tensor  # (P, T) bool, False on padding
    types: Tensor  # (P, T) int64, 1 on the entity text and on the padding behind it

    def to(self, target: torch.device | str) -> "Pairs":
        """The same pairs with their tensors on another device."""
        return Pairs(self.ids.to(target), self.attention.to(target), self.types.to(target))


def pairs_of(contexts: Sequence[Sequence[int]], entities: Sequence[Sequence[int]], padding: int) -> Pairs:
    """Pairs of contexts and entity texts whose ids have special tokens, one entity for each context.

    >>> pairs_of([[80, 1, 81]], [[80, 5, 6, 81]], 0)
    Pairs(ids=tensor([[80,  1, 81,  5,  6, 81]]), attention=tensor([[True, True, True, True, True, True]]), \
types=tensor([[0, 0, 0, 1, 1, 1]]))
    """
    rows = padded([pair_ids(context, entity) for context, entity in zip(contexts, entities, strict=True)], padding)
    starts = torch.tensor([*map(len, contexts)], dtype=torch.int64).unsqueeze(-1)  # (P, 1)
    types = (torch.arange(rows.ids.shape[1]) >= starts).long()  # (P, T)
    return Pairs(rows.ids, rows.attention, types)


class CrossEncoder(nn.Module):
    """The network: an encoder, and a linear map of the vector of [CLS] to one score.

    Args:
        config: the configuration.
        trained: whether it will be trained. If not, most encoders need no transformers, whose import takes seconds.
    """

    def __init__(self, config: CrossConfig, *, trained: bool = True) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config.encoder, trained=trained)
        if (longest := config.context_tokens + config.entity_tokens - 1) > self.encoder.max_tokens:
            raise ElqError(
                f"context_tokens and entity_tokens make pairs of {longest} tokens, but the encoder takes"
                f" {self.encoder.max_tokens}: lower one of them"
            )
        self.head = nn.Linear(self.encoder.width, 1)

    @classmethod
    def from_encoder(cls, name: str | Path, **settings: Any) -> tuple["CrossEncoder", QuestionTokenizer]:
        """A network with the weights of an encoder and a new head, and the tokenizer with the markers.

        Args:
            name: folder or name of an encoder, or a model folder, whose encoder is taken.
            settings: fields of :class:`CrossSettings`.

        Raises:
            ElqError: there is no such encoder, or it takes no pairs of this length.
        """
        encoder = Encoder.from_pretrained(name)
        tokenizer, _ = with_markers(load_tokenizer(name))
        if tokenizer.size > encoder.config["vocab_size"]:  # the vocabulary lacks the markers
            encoder.transformer.resize_token_embeddings(tokenizer.size, mean_resizing=False)
        network = cls(CrossConfig(encoder=encoder.config, **settings))
        network.encoder.load_state_dict(encoder.state_dict())
        return network, tokenizer

    def forward(self, pairs: Pairs) -> Tensor:
        """The scores (P,) fp32 of P pairs."""
        hidden = self.encoder(pairs.ids, pairs.attention, pairs.types)  # (P, T, D)
        scores: Tensor = self.head(hidden[:, 0].to(self.head.weight.dtype)).squeeze(-1)  # (P,)
        return scores.float()

    def candidate_scores(self, pairs: Pairs, there: Tensor) -> Tensor:
        """The scores (Q, K) of the candidates of Q mentions.

        Args:
            pairs: the pairs of all candidates, mention by mention.
            there: (Q, K) bool, whether there is a candidate. Where there is none, the score is −inf.
        """
        scores = torch.full(there.shape, -torch.inf, device=pairs.ids.device)  # (Q, K)
        return scores.masked_scatter(there.to(scores.device), self(pairs))  # (Q, K)

    def save_pretrained(self, folder: str | Path, tokenizer: QuestionTokenizer) -> None:
        """Write the files into an existing folder."""
        folder = Path(folder)
        write_json(folder / "config.json", asdict(self.config))
        save_weights(folder / "model.safetensors", {key: value.detach().cpu().numpy() for key, value in self.state_dict().items()})
        tokenizer.save(folder / "tokenizer.json")

    @classmethod
    def from_pretrained(cls, folder: str | Path, *, trained: bool = False) -> "CrossEncoder":
        """Read a network from the files that :meth:`save_pretrained` wrote.

        Raises:
            ElqError: a file is missing or unreadable, or the folder is no cross-encoder.
        """
        from safetensors import SafetensorError

        folder = Path(folder)
        file, config = folder / "model.safetensors", read_cross_config(folder)
        try:
            weights = {key: value.float() for key, value in load_weights(file).items()}
        except (OSError, SafetensorError) as error:
            raise ElqError(
                f"{file} cannot be read ({error}): put a whole copy of the file in its place, or train the cross-encoder again"
            ) from None
        try:
            with without_memory():
                network = cls(config, trained=trained)
            refuse_others(weights, {key: value.shape for key, value in network.state_dict().items()}, file)
            if not network.encoder.is_plain:
                network = cls(config, trained=trained)
        except ElqError:
            raise
        except Exception as error:  # transformers and torch raise many kinds of errors for a bad value
            reason = " ".join(str(error).split())[:200]
            raise ElqError(
                f"{folder / 'config.json'} describes no cross-encoder that can be built ({type(error).__name__}: {reason}): put"
                " a whole copy of the file in its place, or train the cross-encoder again"
            ) from None
        network.load_state_dict(weights, assign=network.encoder.is_plain)
        return network.eval()


def read_cross_config(folder: str | Path) -> CrossConfig:
    """Read ``config.json`` of a cross-encoder.

    Raises:
        ElqError: a file is missing, or the folder is no cross-encoder of this format.
    """
    folder = Path(folder)
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise ElqError(
            f"{folder} lacks {', '.join(missing)}, so it is no cross-encoder: give the model folder of a run of"
            " experiment=crossencoder, such as runs/crossencoder/latest/model"
        )
    try:
        values = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ElqError(f"{folder / 'config.json'} cannot be read ({error}): put a whole copy of the file in its place") from None
    kind = values.get("kind", "linker") if isinstance(values, dict) else None
    if kind != KIND or values.get("format") != FORMAT:
        raise ElqError(
            f"{folder} is no cross-encoder of format {FORMAT}, but of the kind {kind!r}: give the model folder of a run of"
            " experiment=crossencoder, such as runs/crossencoder/latest/model"
        )
    try:
        return CrossConfig(**{**values, "first_stage": FirstStage(**values["first_stage"])})
    except (TypeError, KeyError) as error:
        names = ", ".join(each.name for each in fields(CrossConfig))
        raise ElqError(
            f"{folder / 'config.json'} is not the configuration of a cross-encoder ({error}): it must have the keys {names}; put"
            " a whole copy of the file in its place"
        ) from None


class PairTexts:
    """Makes the pairs of a cross-encoder. Its state does not change.

    Args:
        tokenizer: the tokenizer of the cross-encoder, which knows the markers.
        settings: the settings of the cross-encoder.
    """

    def __init__(self, tokenizer: QuestionTokenizer, settings: CrossSettings) -> None:
        copy, markers = with_markers(tokenizer)
        self.marked = MarkedTexts(
            copy, markers, context_tokens=settings.context_tokens, entity_tokens=settings.entity_tokens
        )
        self.text = EntityText(fields=tuple(settings.entity_fields), separator=f" {_name(copy, markers)} ")

    def contexts(self, texts: Sequence[str], mentions: Sequence[Sequence[tuple[int, int]]]) -> list[list[int]]:
        """The ids of one context for each mention, text by text; ``mentions`` are characters [start, end) of each text."""
        return self.marked.contexts(texts, mentions)

    def entities(self, records: Sequence[Entity]) -> list[list[int]]:
        """The ids of the texts of entities: title, aliases, a marker, description."""
        return self.marked.entities([self.text(record) for record in records])


def _name(tokenizer: QuestionTokenizer, markers: Markers) -> str:
    return tokenizer.words[markers.description]
