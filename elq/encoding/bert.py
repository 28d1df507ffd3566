"""Plain BERT: computes the values of transformers without its import, which takes longer than the rest of a start.

Only the network of linking is here, for configurations like those of MiniLM and bert-base. All others, and every training, use
transformers. The names of the weights, and the order of the operations, are those of transformers, so the values are equal to
the last bit (tests/encoding/test_bert.py).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

SIZES = (
    *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"),
    *("max_position_embeddings", "type_vocab_size"),
)
SHARES = ("hidden_dropout_prob", "attention_probs_dropout_prob")
REQUIRED: dict[str, object] = {"model_type": "bert", "hidden_act": "gelu"}
ALLOWED: dict[str, tuple[object, ...]] = {  # where a key is in the configuration at all
    **{
        "is_decoder": (False,),
        "add_cross_attention": (False,),
        "is_encoder_decoder": (False,),
        "chunk_size_feed_forward": (0,),
    },
    **{"output_attentions": (False,), "output_hidden_states": (False,), "return_dict": (True,)},
    **{"gradient_checkpointing": (False,), "position_embedding_type": ("absolute",)},
    **{"dtype": (None, "float32"), "torch_dtype": (None, "float32")},
}
WITHOUT_EFFECT = {  # on the vectors of tokens
    *("_name_or_path", "architectures", "transformers_version", "problem_type", "id2label", "label2id", "classifier_dropout"),
    *("initializer_range", "use_cache", "tie_word_embeddings", "bos_token_id", "eos_token_id"),
}


def is_plain(config: Mapping[str, Any]) -> bool:
    """Whether :class:`Bert` computes what transformers would compute for a configuration.

    >>> is_plain({"model_type": "roberta"})
    False
    """
    known = {*SIZES, *SHARES, *REQUIRED, *ALLOWED, *WITHOUT_EFFECT, "layer_norm_eps", "pad_token_id"}
    if not config.keys() <= known or any(config.get(key) != value for key, value in REQUIRED.items()):
        return False
    if any(config[key] not in ALLOWED[key] for key in ALLOWED.keys() & config.keys()):
        return False
    if any(type(config.get(key)) is not int or config[key] < 1 for key in SIZES):
        return False
    epsilon, padding = config.get("layer_norm_eps"), config.get("pad_token_id")
    return (
        all(type(share := config.get(key)) is float and 0 <= share < 1 for key in SHARES)
        and type(epsilon) is float
        and 0 < epsilon < 1
        and config["hidden_size"] % config["num_attention_heads"] == 0
        and type(padding) is int
        and 0 <= padding < config["vocab_size"]
    )


class Encoded(NamedTuple):
    """The output of :class:`Bert`, with the name that transformers gives it."""

    last_hidden_state: Tensor  # (B, T, D)


class Embeddings(nn.Module):
    """The vectors of tokens before the first layer: the sum of those of the word, of the place, and of the token type."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        width = config["hidden_size"]
        self.word_embeddings = nn.Embedding(config["vocab_size"], width, padding_idx=config["pad_token_id"])
        self.position_embeddings = nn.Embedding(config["max_position_embeddings"], width)
        self.token_type_embeddings = nn.Embedding(config["type_vocab_size"], width)
        self.LayerNorm = nn.LayerNorm(width, eps=config["layer_norm_eps"])
        self.dropout = nn.Dropout(config["hidden_dropout_prob"])

    def forward(self, ids: Tensor, types: Tensor | None = None) -> Tensor:
        """The vectors (B, T, D) of the tokens; their types (B, T) are all 0 if none are given."""
        of_type = self.token_type_embeddings.weight[0] if types is None else self.token_type_embeddings(types)  # (B, T, D)
        words = self.word_embeddings(ids) + of_type  # (B, T, D)
        normed: Tensor = self.LayerNorm(words + self.position_embeddings.weight[: ids.shape[1]])  # (B, T, D)
        dropped: Tensor = self.dropout(normed)
        return dropped


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int, mask: Tensor | None, dropout: float = 0.0) -> Tensor:
    """Attention in H heads: queries, keys and values (B, T, D) → (B, T, D); the mask has a shape like (B, 1, T, T)."""

    def divided(vectors: Tensor) -> Tensor:
        return vectors.view(*vectors.shape[:2], heads, -1).transpose(1, 2)  # (B, T, D) → (B, H, T, D / H)

    found = nn.functional.scaled_dot_product_attention(
        divided(query),
        divided(key),
        divided(value),
        attn_mask=mask,
        dropout_p=dropout,
        scale=(query.shape[-1] // heads) ** -0.5,
    )
    return found.transpose(1, 2).flatten(2)  # (B, T, D)


class SelfAttention(nn.Module):
    """Every token takes the mean of the vectors of all tokens, weighted by how well they fit, in H heads."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        width = config["hidden_size"]
        self.heads, self.dropout = config["num_attention_heads"], config["attention_probs_dropout_prob"]
        self.query, self.key, self.value = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """The new vectors (B, T, D); the mask (B, 1, T, T) is False where a token takes nothing from another."""
        dropout = self.dropout if self.training else 0.0
        return attend(self.query(hidden), self.key(hidden), self.value(hidden), self.heads, mask, dropout)


class Added(nn.Module):
    """A linear map whose result is added to an earlier vector: (B, T, input), (B, T, D) → (B, T, D)."""

    def __init__(self, width: int, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.dense = nn.Linear(width, config["hidden_size"])
        self.LayerNorm = nn.LayerNorm(config["hidden_size"], eps=config["layer_norm_eps"])
        self.dropout = nn.Dropout(config["hidden_dropout_prob"])

    def forward(self, vectors: Tensor, earlier: Tensor) -> Tensor:
        """The sum, with the mean and the variance that were learned."""
        added: Tensor = self.LayerNorm(self.dropout(self.dense(vectors)) + earlier)
        return added


class Layer(nn.Module):
    """One layer: attention, then a network for each token."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        width, inner = config["hidden_size"], config["intermediate_size"]
        self.attention = nn.ModuleDict({"self": SelfAttention(config), "output": Added(width, config)})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, inner)})
        self.output = Added(inner, config)

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """The new vectors of the tokens, (B, T, D)."""
        attended = self.attention["output"](self.attention["self"](hidden, mask), hidden)  # (B, T, D)
        inner = nn.functional.gelu(self.intermediate["dense"](attended))  # (B, T, inner)
        layer: Tensor = self.output(inner, attended)
        return layer


class Bert(nn.Module):
    """The layers of a BERT without its pooler: ids (B, T), attention (B, T) → token vectors (B, T, D).

    Args:
        config: a configuration for which :func:`is_plain` is true.
    """

    base_model_prefix = "bert"

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.config = dict(config)
        self.embeddings = Embeddings(config)
        layers = nn.ModuleList(Layer(config) for _ in range(config["num_hidden_layers"]))
        self.encoder = nn.ModuleDict({"layer": layers})

    def get_input_embeddings(self) -> nn.Embedding:
        """The vectors of the words, with the name that transformers gives the method."""
        return self.embeddings.word_embeddings

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Encoded:
        """Token vectors; ``attention_mask`` is False on padding. Without padding, attention needs no mask, and is quicker."""
        mask = None
        if torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None or not attention_mask.all():
            length = input_ids.shape[1]
            mask = attention_mask.bool()[:, None, None].expand(-1, 1, length, length)  # (B, 1, T, T)
        hidden = self.embeddings(input_ids, token_type_ids)
        for layer in self.encoder["layer"].children():
            hidden = layer(hidden, mask)
        return Encoded(hidden)
