"""The encoder: a transformer that turns token ids into token vectors."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from elq.encoding.bert import Bert, is_plain
from elq.encoding.packed import load_weights, of_tower
from elq.encoding.pretrained import encoder_values, resolve_encoder
from elq.encoding.unpadded import encode_unpadded
from elq.errors import ElqError

log = logging.getLogger(__name__)

# Keys of a configuration that are ignored, since they may name code that transformers would download and run.
NOT_DATA = ("auto_map", "attn_implementation", "_attn_implementation", "experts_implementation")

FILLING = ("normal_", "uniform_", "kaiming_uniform_", "trunc_normal_", "eye")  # functions that fill a new weight


def position_limit(config: Mapping[str, Any]) -> int:
    """The length of the longest input that a transformers configuration allows, in tokens with the special tokens.

    RoBERTa and related models count positions from the padding id + 1, so they have fewer positions for tokens.

    >>> position_limit({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1})
    512
    """
    related = ("roberta", "camembert", "mpnet", "xlm-roberta", "xlm-roberta-xl")
    reserved = config["pad_token_id"] + 1 if config.get("model_type") in related else 0
    return int(config["max_position_embeddings"]) - int(reserved)


def _modern_name(key: str, prefix: str) -> str:
    """The current name of a weight: without the prefix of a model with a head or of elq, and with new names of layer norms.

    The encoder of a bi-encoder is its mention tower.

    >>> _modern_name("bert.embeddings.LayerNorm.gamma", "bert.")
    'embeddings.LayerNorm.weight'
    """
    key = key.removeprefix("encoder.transformer.").removeprefix("context.transformer.").removeprefix(prefix)
    return key.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")


class _WithoutValues(TorchFunctionMode):
    """Leaves out the start values of tensors without memory, since torch would import its compiler for them."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in FILLING:
            filled = kwargs.get("tensor", kwargs.get("out", args[0] if args else None))
            if isinstance(filled, Tensor) and filled.is_meta:
                return filled
        return func(*args, **kwargs)


@contextmanager
def without_memory() -> Iterator[None]:
    """Networks that are made inside have shapes, but no weights, since a wrong configuration could need very much memory."""
    with torch.device("meta"), _WithoutValues():
        yield


def _of_transformers(values: Mapping[str, Any]) -> Any:
    """The network that transformers has for a configuration, with random weights."""
    with torch.device("cpu"):  # torch 2.6 cannot import it on the meta device
        from transformers import AutoConfig, AutoModel
    chosen = {key: value for key, value in values.items() if key != "model_type"}
    network = AutoModel.from_config(AutoConfig.for_model(values["model_type"], **chosen))  # type: ignore[no-untyped-call]
    if hasattr(network, "pooler"):
        network.pooler = None  # it is not used, and in training its weights would count as unused
    return network


class Encoder(nn.Module):
    """A BERT-family transformer: ids (B, T) → token vectors (B, T, D).

    Args:
        config: the transformers configuration as plain values (``config.json`` of the encoder).
        trained: whether it will be trained. If not, transformers is imported only for configurations that need it.
    """

    backend = "torch"  # what computes it, and in which number format (elq/encoding/computing.py)
    dtype = "fp32"

    def __init__(self, config: dict[str, Any], *, trained: bool = True) -> None:
        super().__init__()
        if config.get("model_type") is None:
            raise ElqError("the config.json of the encoder has no model_type: give the folder of a transformers encoder")
        values = {key: value for key, value in config.items() if key not in NOT_DATA}
        self.transformer = Bert(values) if not trained and is_plain(values) else _of_transformers(values)
        self._width = int(self.config["hidden_size"])
        self._layers_known = is_plain(values)  # then a training on the processor encodes without padding

    @classmethod
    def from_pretrained(cls, name: str | Path, *, trained: bool = True) -> "Encoder":
        """Build an encoder and load its weights (fp32).

        Args:
            name: folder or name of the encoder.
            trained: whether it will be trained.

        Raises:
            ElqError: the encoder is not found (see :func:`resolve_encoder`), or a weight is missing.
        """
        from safetensors import SafetensorError

        folder = resolve_encoder(name)
        try:
            values = encoder_values(folder)
            with without_memory() if not trained and is_plain(values) else nullcontext():
                encoder = cls(values, trained=trained)
            prefix = f"{encoder.transformer.base_model_prefix}."
            loaded = of_tower(load_weights(folder / "model.safetensors"))
            weights = {_modern_name(key, prefix): value.float() for key, value in loaded.items()}
            missing, _ = encoder.transformer.load_state_dict(weights, strict=False, assign=encoder.is_plain)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            reason = " ".join(str(error).split())
            raise ElqError(
                f"encoder folder {folder} cannot be loaded ({reason}): give the folder of an encoder of the BERT family, with"
                " all its files"
            ) from None
        if missing:
            raise ElqError(
                f"{folder} lacks the encoder weights {', '.join(missing[:3])} …: give an encoder folder with all weights"
            )
        return encoder

    @property
    def is_plain(self) -> bool:
        """Whether transformers was not needed. All values then come from the weights that are loaded."""
        return isinstance(self.transformer, Bert)

    @property
    def config(self) -> dict[str, Any]:
        """The transformers configuration as plain values."""
        if isinstance(self.transformer, Bert):
            return self.transformer.config
        values: dict[str, Any] = json.loads(self.transformer.config.to_json_string(use_diff=False))  # with the types of JSON
        return values

    @property
    def width(self) -> int:
        """D, the width of a token vector."""
        return self._width

    @property
    def max_tokens(self) -> int:
        """The length of the longest input, in tokens with the special tokens."""
        return position_limit(self.config)

    @property
    def padding(self) -> int:
        """The vocabulary id of the padding token."""
        return int(self.config["pad_token_id"] or 0)

    @property
    def token_types(self) -> int:
        """The number of token types that the encoder distinguishes; 1 if it has no types."""
        return int(self.config.get("type_vocab_size") or 1)

    def forward(self, ids: Tensor, attention: Tensor, types: Tensor | None = None) -> Tensor:
        """Token vectors (B, T, D) in fp32.

        Args:
            ids: (B, T) vocabulary ids.
            attention: (B, T) bool, False on padding.
            types: (B, T) int64, 0 for tokens of a first text and 1 for those of a second one. None: all are 0. An encoder
                without such types does not read them.
        """
        if types is None and self._saves_padding(ids, attention):
            config = self.config
            heads, dropout = config["num_attention_heads"], config["attention_probs_dropout_prob"]
            return encode_unpadded(self.transformer, ids, attention, heads=heads, dropout=dropout).float()  # (B, T, D)
        more = {} if types is None or self.token_types < 2 else {"token_type_ids": types}
        hidden: Tensor = self.transformer(input_ids=ids, attention_mask=attention, **more).last_hidden_state
        return hidden.float()  # (B, T, D)

    def _saves_padding(self, ids: Tensor, attention: Tensor) -> bool:
        """Whether a batch is encoded without its padding: in a training on the processor."""
        trains = self.training and torch.is_grad_enabled() and ids.device.type == "cpu"
        return trains and self._layers_known and not bool(attention.all())

    def begun(self, ids: Tensor, attention: Tensor) -> Callable[[], Tensor]:
        """Begin to encode, and return a function that waits for what :meth:`forward` returns.

        An encoder that computes in the calling thread encodes when the function is called.
        """
        return partial(self, ids, attention)


def mean_vectors(hidden: Tensor, attention: Tensor) -> Tensor:
    """The mean of each text's token vectors, with unit norm: (B, T, D), (B, T) → (B, D).

    >>> mean_vectors(torch.tensor([[[2.0, 0.0], [4.0, 0.0], [9.0, 9.0]]]), torch.tensor([[True, True, False]]))
    tensor([[1., 0.]])
    """
    total = hidden.masked_fill(~attention.unsqueeze(-1), 0.0).sum(1)  # (B, D)
    return nn.functional.normalize(total / attention.sum(1, keepdim=True).clamp_min(1), dim=-1)  # (B, D)


def cls_vectors(hidden: Tensor, attention: Tensor) -> Tensor:
    """The vector of each text's first token, as in the released tables of BLINK and ELQ: (B, T, D) → (B, D)."""
    return hidden[:, 0]  # (B, D)


POOLINGS = {"mean": mean_vectors, "cls": cls_vectors}
