"""The network ELQ: gives every span a score and every mention a vector.

The network contains no entities: their frozen vectors are in the table (elq/search/table.py). The inner products of mention
vectors and entity vectors are computed in the index (elq/search/index.py) or in the loss (elq/training/losses.py).

File format of a saved model: ``config.json`` (:class:`ELQConfig`, with the encoder's own configuration inside),
``model.safetensors`` and ``tokenizer.json``.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from elq.encoding.packed import load_weights, of_network, pack_exactly
from elq.encoding.pretrained import is_model_folder, resolve_encoder
from elq.encoding.tokens import QuestionTokenizer
from elq.encoding.transformer import Encoder, without_memory
from elq.encoding.windows import encode_windows
from elq.entities.hierarchy import Hierarchy
from elq.entities.prior import prior_columns
from elq.errors import ElqError
from elq.files import write_json
from elq.model.config import ELQConfig, read_config
from elq.model.heads import NameBonus, NilScorer, WholeQuestion
from elq.model.spans import SpanPooler, SpanScorer, blank_edges
from elq.model.type_head import TypeHead
from elq.names.named import LONG_NIL, greatest_logits, is_long_name, least_logits, named_kinds, with_long_names
from elq.tensors import Spans, TokenBatch

TYPES = ("types", "own_type_scores")  # settings that a training may change


class ELQ(nn.Module):
    """The linker's network: encoder, span scorer, span pooler.

    Args:
        config: the configuration.
        trained: whether it will be trained. If not, most encoders need no transformers, whose import takes seconds.
    """

    def __init__(self, config: ELQConfig, *, trained: bool = True) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config.encoder, trained=trained)
        for name in ("max_span_tokens", "question_tokens"):
            if (value := getattr(config, name)) > self.encoder.max_tokens:
                raise ElqError(f"{name} is {value}, but the encoder takes {self.encoder.max_tokens} tokens: lower {name}")
        self.scorer = SpanScorer(
            self.encoder.width,
            max_tokens=config.max_span_tokens,
            names=config.names,
            fine=config.fine_names,
            capitals=config.capitals,
        )
        self.pooler = SpanPooler(
            self.encoder.width,
            projection=config.projection,
            unit_norm=config.unit_norm,
            scale=config.scale,
            prior=prior_columns(config.prior),
        )
        self.name_bonus = NameBonus() if config.names else None
        self.nil = NilScorer(self.encoder.width, names=config.kinds_of_names) if config.nil else None
        self.whole_question = WholeQuestion() if config.whole_question else None
        self.types: TypeHead | None = None
        if config.hierarchy is not None:
            self.add_types(config.hierarchy)
        self.width = self.encoder.width + prior_columns(config.prior)

    @classmethod
    def from_encoder(cls, name: str | Path, **settings: Any) -> "ELQ":
        """Make a model from a pretrained encoder, with new heads; from a model folder, with the heads of that model.

        Args:
            name: folder or name of an encoder, or a model folder.
            settings: fields of :class:`ELQConfig`. For a model folder they must be equal to the settings of that model, except
                ``scale``, which is then ignored, ``question_tokens``, and those of the types.

        Raises:
            ElqError: there is no such encoder, or a model folder has other settings.
        """
        folder = resolve_encoder(name)
        if is_model_folder(folder):
            model = cls.from_pretrained(folder, trained=True).train()
            for key, value in settings.items():
                if (own := getattr(model.config, key)) != value and key not in ("scale", "question_tokens", *TYPES):
                    raise ElqError(f"{folder} has {key} {own!r}, but {value!r} is asked for: set model.{key} to {own!r}")
            if "question_tokens" in settings:  # no weight depends on it; the scale is ignored, since the model has learned one
                model.config = replace(model.config, question_tokens=settings["question_tokens"])
            if any(getattr(model.config, key) != settings.get(key, getattr(model.config, key)) for key in TYPES):
                chosen = {key: settings[key] for key in TYPES if key in settings}
                model.config, model.types = replace(model.config, hierarchy=None, **chosen), None
            return model
        encoder = Encoder.from_pretrained(folder)
        model = cls(ELQConfig(encoder=encoder.config, **settings))
        model.encoder.load_state_dict(encoder.state_dict())
        return model

    def add_types(self, hierarchy: Hierarchy) -> None:
        """Give the model a new type head for a hierarchy of types, unless it has one for the same types."""
        if self.types is None or self.config.hierarchy != hierarchy:
            kind, own = self.config.types, self.config.own_type_scores
            self.types = TypeHead(self.encoder.width, hierarchy, kind=kind, own=own)
            self.config = replace(self.config, hierarchy=hierarchy)

    def encode(self, tokens: TokenBatch) -> Tensor:
        """Token vectors (B, T, D) fp32. A text that is longer than the encoder's limit is encoded in overlapping windows."""
        return self.begun(tokens)()

    def begun(self, tokens: TokenBatch) -> Callable[[], Tensor]:
        """Begin to encode, and return a function that waits for what :meth:`encode` returns."""
        if tokens.ids.shape[1] > self.encoder.max_tokens:
            return partial(encode_windows, self.encoder, tokens)
        return self.encoder.begun(tokens.ids, tokens.attention)

    def mention_logits(self, hidden: Tensor, tokens: TokenBatch) -> Tensor:
        """Logit of p(mention) for every span, (B, T, L); −inf where there is no span of text.

        Outside training, a model with fine kinds of names gives names the least and the greatest logits of elq/names/named.py,
        and names of more than L tokens theirs.
        """
        logits: Tensor = self.scorer(hidden, tokens.text_mask, tokens.named, tokens.capitals)
        if tokens.blank is not None:
            logits = logits.masked_fill(blank_edges(tokens.blank, logits.shape[-1]), -torch.inf)
        if self.training or not self.config.fine_names or tokens.named is None:
            return logits
        bounded = logits.maximum(least_logits(tokens.named)).minimum(greatest_logits(tokens.named))  # (B, T, L)
        bounded = torch.where(logits > -torch.inf, bounded, logits)
        longest = self.config.max_span_tokens
        return bounded if tokens.named.shape[-1] <= longest else with_long_names(bounded, tokens.named, longest)

    def mention_vectors(self, hidden: Tensor, spans: Spans) -> Tensor:
        """Vectors (Q, D) of spans: what their own tokens say about the entity."""
        vectors: Tensor = self.pooler(hidden, spans)
        return vectors

    def search_vectors(self, vectors: Tensor, hidden: Tensor, text_mask: Tensor, spans: Spans) -> Tensor:
        """Vectors (Q, D) whose inner product with a table row is s(entity, span).

        Args:
            vectors: (Q, D) the vectors of the spans from :meth:`mention_vectors`.
            hidden: (B, T, D) token vectors.
            text_mask: (B, T) which tokens are text.
            spans: Q spans.
        """
        if self.whole_question is None:
            return vectors
        whole = self.whole_question(hidden, text_mask)  # (B, D), without the columns of the prior
        padded = nn.functional.pad(whole, (0, vectors.shape[-1] - whole.shape[-1]))  # (B, D)
        return vectors + padded[spans.question]

    def nil_scores(self, vectors: Tensor, spans: Spans, tokens: TokenBatch) -> Tensor | None:
        """s(NIL, span), (Q,), of spans with the vectors (Q, D); None if the model was made without NIL."""
        if self.nil is None:
            return None
        named = named_kinds(tokens, spans)  # (Q,)
        scores: Tensor = self.nil(vectors, named)
        if self.training or not self.config.fine_names:
            return scores
        long = is_long_name(named) & (spans.end - spans.start > self.config.max_span_tokens)  # (Q,)
        return scores - LONG_NIL * long

    def save_pretrained(self, folder: str | Path, tokenizer: QuestionTokenizer) -> None:
        """Write ``config.json``, ``model.safetensors`` and ``tokenizer.json`` into an existing folder."""
        folder = Path(folder)
        write_json(folder / "config.json", self.config.values())
        save_weights(folder / "model.safetensors", pack_exactly(self.state_dict()))
        tokenizer.save(folder / "tokenizer.json")

    @classmethod
    def from_pretrained(cls, folder: str | Path, *, trained: bool = False) -> "ELQ":
        """Read a model from the files that :meth:`save_pretrained` wrote.

        Args:
            folder: the model folder.
            trained: whether the model will be trained. If not, its weights are mapped from the file where they are fp32 there.

        Raises:
            ElqError: a file is missing or unreadable, or the weights are not those that config.json describes.
        """
        from safetensors import SafetensorError

        folder = Path(folder)
        file, config = folder / "model.safetensors", read_config(folder / "config.json")
        try:
            weights = of_network(load_weights(file))
        except (OSError, SafetensorError) as error:
            raise ElqError(
                f"{file} cannot be read ({error}): put a whole copy of the file in its place, or train the model again"
            ) from None
        with without_memory():
            model = _configured(cls, config, folder, trained)
        refuse_others(weights, {key: value.shape for key, value in model.state_dict().items()}, file)
        if model.encoder.is_plain:
            model.load_state_dict({key: value.float() for key, value in weights.items()}, assign=True)
        else:
            model = _configured(cls, config, folder, trained)
            model.load_state_dict(weights)
        return model.eval()


def refuse_others(weights: Mapping[str, Tensor], wanted: Mapping[str, torch.Size], file: Path) -> None:
    """Refuse weights that are not those of a model.

    Args:
        weights: the weights in the file.
        wanted: the shapes of the weights of the model.
        file: the file, for the message.

    Raises:
        ElqError: a weight is missing, is not of the model, or has another shape.
    """
    wrong = sorted(key for key in wanted.keys() | weights.keys() if key not in weights or weights[key].shape != wanted.get(key))
    if wrong:
        key = wrong[0]
        fault = "is missing" if key not in weights else "is not a weight of that model"
        if key in weights and key in wanted:
            fault = f"has the shape {list(weights[key].shape)} instead of {list(wanted[key])}"
        raise ElqError(
            f"{file} does not fit config.json beside it: {key} {fault} ({len(wrong)} such weights): take both files from"
            " one model folder, or train the model again"
        )


def _configured(kind: type[ELQ], config: ELQConfig, folder: Path, trained: bool) -> ELQ:
    """Build the modules of a configuration. Its values were read from JSON, so they may be wrong in any way."""
    try:
        model, token = kind(config, trained=trained), torch.zeros(1, 1, dtype=torch.int64)
        if not token.is_meta:
            with torch.inference_mode():  # a pass over one token, since transformers reads some values only in a pass
                model.encoder(token, token == 0)
        return model
    except ElqError:
        raise
    except Exception as error:  # transformers and torch raise many kinds of errors for a bad value
        reason = " ".join(str(error).split())[:200]
        raise ElqError(
            f"{folder / 'config.json'} describes no model that can be built ({type(error).__name__}: {reason}): put a whole"
            " copy of the file in its place, or train the model again"
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
        raise ElqError(f"{path} could not be written ({error}): free space on the disk, or choose another folder") from None
