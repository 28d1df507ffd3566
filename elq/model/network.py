"""ELQ: one encoder pass, a score for every span, a vector for every kept one.

The model knows nothing of entities: their frozen vectors live in the table (elq/search/table.py), and a mention vector meets
them by inner product in the index (elq/search/index.py) or in the loss (elq/training/losses.py).

File format of a saved model: ``config.json`` (:class:`ELQConfig`, with the encoder's own configuration inside),
``model.safetensors`` and ``tokenizer.json``.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from elq.encoding.tokens import QuestionTokenizer
from elq.encoding.transformer import Encoder, is_model_folder, resolve_encoder
from elq.encoding.windows import encode_windows
from elq.entities.prior import prior_columns
from elq.errors import ElqError
from elq.files import write_json
from elq.model.spans import NameBonus, NilScorer, SpanPooler, SpanScorer
from elq.types import Spans, TokenBatch

FORMAT = 4  # 4: slips among the kinds of names


@dataclass(frozen=True, slots=True, kw_only=True)
class ELQConfig:
    """Everything needed to build the model's modules before its weights are loaded."""

    encoder: dict[str, Any]
    max_span_tokens: int = 10
    projection: bool = True
    unit_norm: bool = True
    scale: float = 20.0
    names: bool = False
    prior: Sequence[str] = ()
    nil: bool = False
    question_tokens: int = 32  # longest question under the score mode "elq", special tokens included
    format: int = FORMAT

    def __post_init__(self) -> None:
        for name, least in (("max_span_tokens", 1), ("question_tokens", 3)):
            if type(value := getattr(self, name)) is not int or value < least:
                raise ElqError(f"{name} is {value!r}, but must be a whole number of at least {least}")
        if type(self.scale) not in (int, float) or not 0 < self.scale < math.inf:
            raise ElqError(f"scale is {self.scale!r}, but must be a number above 0")
        if not isinstance(self.prior, list | tuple):
            raise ElqError(f"prior is {self.prior!r}, but must be a list of features")
        object.__setattr__(self, "prior", tuple(self.prior))  # JSON has lists
        prior_columns(self.prior)
        for name in ("projection", "unit_norm", "names", "nil"):
            if type(getattr(self, name)) is not bool:
                raise ElqError(f"{name} is {getattr(self, name)!r}, but must be true or false")


class ELQ(nn.Module):
    """The linker's network: encoder, span scorer, span pooler."""

    def __init__(self, config: ELQConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config.encoder)
        for name in ("max_span_tokens", "question_tokens"):
            if (value := getattr(config, name)) > self.encoder.max_tokens:
                raise ElqError(f"{name} is {value}, but the encoder takes {self.encoder.max_tokens} tokens: lower it")
        self.scorer = SpanScorer(self.encoder.width, max_tokens=config.max_span_tokens, names=config.names)
        self.pooler = SpanPooler(
            self.encoder.width,
            projection=config.projection,
            unit_norm=config.unit_norm,
            scale=config.scale,
            prior=prior_columns(config.prior),
        )
        self.name_bonus = NameBonus() if config.names else None
        self.nil = NilScorer(self.encoder.width, names=config.names) if config.nil else None
        self.width = self.encoder.width + prior_columns(config.prior)

    @classmethod
    def from_encoder(cls, name: str | Path, **settings: Any) -> "ELQ":
        """A model with a pretrained encoder and fresh heads; from a model folder, with that one's heads too.

        Args:
            name: folder or name of an encoder, or a model folder.
            settings: fields of :class:`ELQConfig`; those of a model folder must be its own.

        Raises:
            ElqError: no such encoder, or a model folder with other settings.
        """
        folder = resolve_encoder(name)
        if is_model_folder(folder):
            model = cls.from_pretrained(folder).train()
            for key, value in settings.items():
                if (own := getattr(model.config, key)) != value and key not in ("scale", "question_tokens"):
                    raise ElqError(f"{folder} has {key} {own!r}, but {value!r} is asked for: set model.{key} to {own!r}")
            if "question_tokens" in settings:  # no weight depends on it, and the scale has been learned
                model.config = replace(model.config, question_tokens=settings["question_tokens"])
            return model
        encoder = Encoder.from_pretrained(folder)
        model = cls(ELQConfig(encoder=encoder.config, **settings))
        model.encoder.load_state_dict(encoder.state_dict())
        return model

    def encode(self, tokens: TokenBatch) -> Tensor:
        """Token vectors (B, T, D) fp32; a text beyond the encoder's limit goes through it in overlapping windows."""
        if tokens.ids.shape[1] > self.encoder.max_tokens:
            return encode_windows(self.encoder, tokens)
        hidden: Tensor = self.encoder(tokens.ids, tokens.attention)
        return hidden

    def mention_logits(self, hidden: Tensor, tokens: TokenBatch) -> Tensor:
        """Logit of p(mention) for every span, (B, T, L); −inf where there is no span of text."""
        logits: Tensor = self.scorer(hidden, tokens.text_mask, tokens.named)
        return logits

    def mention_vectors(self, hidden: Tensor, spans: Spans) -> Tensor:
        """Vectors (Q, D) whose inner product with a table row is s(entity, span)."""
        vectors: Tensor = self.pooler(hidden, spans)
        return vectors

    def nil_scores(self, vectors: Tensor, spans: Spans, tokens: TokenBatch) -> Tensor | None:
        """s(NIL, span) of the spans' vectors (Q, D), one more candidate beside the entities: (Q,); None: the model has none."""
        if self.nil is None:
            return None
        named = torch.zeros_like(spans.start)  # (Q,)
        if tokens.named is not None:
            more = spans.end - spans.start - 1  # (Q,) tokens beyond the first; a gold mention may have more than L
            longest = tokens.named.shape[-1] - 1
            named = tokens.named[spans.question, spans.start, more.clamp_max(longest)].masked_fill(more > longest, 0)  # (Q,)
        scores: Tensor = self.nil(vectors, named)
        return scores

    def save_pretrained(self, folder: str | Path, tokenizer: QuestionTokenizer) -> None:
        """Write ``config.json``, ``model.safetensors`` and ``tokenizer.json`` into an existing folder."""
        folder = Path(folder)
        write_json(folder / "config.json", asdict(self.config))
        save_weights(folder / "model.safetensors", {key: value.cpu().numpy() for key, value in self.state_dict().items()})
        tokenizer.save(folder / "tokenizer.json")

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> "ELQ":
        """Read what :meth:`save_pretrained` wrote.

        Raises:
            ElqError: a file is missing or unreadable, or the weights are not those that config.json describes.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        folder = Path(folder)
        file, config = folder / "model.safetensors", read_config(folder / "config.json")
        try:
            weights = load_file(file)
        except (OSError, SafetensorError) as error:
            raise ElqError(f"{file} cannot be read ({error}): export the model again") from None
        with torch.device("meta"):  # first without memory: a wrong config could ask for any amount
            wanted = {key: value.shape for key, value in _configured(cls, config, folder).state_dict().items()}
        wrong = sorted(
            key for key in wanted.keys() | weights.keys() if key not in weights or weights[key].shape != wanted.get(key)
        )
        if wrong:
            key = wrong[0]
            there = list(weights[key].shape) if key in weights else "nothing"
            raise ElqError(
                f"{file} does not fit config.json beside it: {key} has the shape {there} instead of"
                f" {list(wanted.get(key, ())) or 'nothing'} ({len(wrong)} such weights): export the model again"
            )
        model = _configured(cls, config, folder).eval()
        model.load_state_dict(weights)
        return model


def _configured(kind: type[ELQ], config: ELQConfig, folder: Path) -> ELQ:
    """The modules of a configuration, whose values may be anything that JSON can say."""
    try:
        model, token = kind(config), torch.zeros(1, 1, dtype=torch.int64)
        if not token.is_meta:
            with torch.inference_mode():  # a pass over one token: some values are read only then
                model.encoder(token, token == 0)
        return model
    except ElqError:
        raise
    except Exception as error:  # transformers and torch name a bad value in many ways
        reason = " ".join(str(error).split())[:200]
        raise ElqError(
            f"{folder / 'config.json'} describes no model ({type(error).__name__}: {reason}): export it again"
        ) from None


def save_weights(path: Path, weights: Mapping[str, np.ndarray[Any, np.dtype[Any]]]) -> None:
    """Write a safetensors file.

    Raises:
        ElqError: the disk is full, or the folder cannot be written to.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    try:
        save_file({key: np.ascontiguousarray(value) for key, value in weights.items()}, path, metadata={"format": "pt"})
    except (OSError, SafetensorError) as error:
        raise ElqError(f"{path} could not be written ({error}): free space or choose another folder") from None


def read_config(path: str | Path) -> ELQConfig:
    """Read ``config.json`` of a model folder.

    Raises:
        ElqError: missing, not JSON, of another format number, or with unknown or missing keys.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ElqError(f"{path} cannot be read ({error}): give a folder that elq exported") from None
    known = {field.name for field in fields(ELQConfig)}
    if not isinstance(values, dict) or "encoder" not in values or values.get("format") != FORMAT:
        raise ElqError(f"{path} is not the configuration of an elq model of format {FORMAT}: give a folder that elq exported")
    if unknown := sorted(values.keys() - known):
        raise ElqError(f"{path} has the unknown keys {', '.join(unknown)}, but the keys are {', '.join(sorted(known))}")
    return ELQConfig(**values)


def load_tokenizer(folder: str | Path, *, max_tokens: int | None = None) -> QuestionTokenizer:
    """The tokenizer of a model folder or of an encoder (folder or name)."""
    folder = Path(folder)
    file = folder / "tokenizer.json"
    return QuestionTokenizer.from_file(file if file.is_file() else resolve_encoder(folder) / file.name, max_tokens=max_tokens)
