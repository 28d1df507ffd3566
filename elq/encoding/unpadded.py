"""Encodes without padding: the layers of a BERT for the tokens of the texts alone, which is quicker in a training.

The texts of a batch differ in length, and a third of the places of a batch of questions is padding. Everything but attention
works on one token at a time, so it needs no padding. Only attention is computed over all places of the batch. The values and
the gradients are those of the padded computation, up to rounding (tests/encoding/test_unpadded.py). Dropout draws others.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from elq.encoding.bert import attend


@dataclass(frozen=True)
class Places:
    """Where the P tokens of B texts are in the padded batch (B, T)."""

    real: Tensor  # (P,) int64 numbers of the places that are no padding, among all B · T
    mask: Tensor  # (B, 1, T, T) bool, False where a place takes nothing from another, since that is padding

    @classmethod
    def of(cls, attention: Tensor) -> "Places":
        """The places of a batch from its attention mask (B, T) bool."""
        length = attention.shape[1]
        real = attention.flatten().nonzero().flatten()  # (P,)
        return cls(real, attention.bool()[:, None, None].expand(-1, 1, length, length))

    def padded(self, vectors: Tensor) -> Tensor:
        """The vectors of all places, 0 on padding: (P, D) → (B, T, D)."""
        batch, _, length, _ = self.mask.shape
        empty = vectors.new_zeros(batch * length, vectors.shape[-1])
        return empty.index_copy(0, self.real, vectors).view(batch, length, -1)

    def unpadded(self, vectors: Tensor) -> Tensor:
        """The vectors of the tokens: (B, T, D) → (P, D)."""
        return vectors.flatten(0, 1).index_select(0, self.real)


def attended(network: Any, hidden: Tensor, places: Places, heads: int, dropout: float) -> Tensor:
    """What each token takes from the others of its text, (P, D), with the maps of a self-attention ``network``."""
    maps = (network.query, network.key, network.value)
    query, key, value = (places.padded(each(hidden)) for each in maps)  # each (B, T, D)
    return places.unpadded(attend(query, key, value, heads, places.mask, dropout))  # (P, D)


def added(network: Any, vectors: Tensor, earlier: Tensor) -> Tensor:
    """A linear map of (P, input) vectors, added to earlier ones (P, D), with a layer norm: (P, D)."""
    result: Tensor = network.LayerNorm(network.dropout(network.dense(vectors)) + earlier)
    return result


def encode_unpadded(network: Any, ids: Tensor, attention: Tensor, *, heads: int, dropout: float) -> Tensor:
    """The token vectors (B, T, D) of a BERT, 0 on padding.

    Args:
        network: a BERT of transformers, or a :class:`elq.encoding.bert.Bert`, with a configuration for which
            :func:`elq.encoding.bert.is_plain` is true.
        ids: (B, T) vocabulary ids.
        attention: (B, T) bool, False on padding.
        heads: H, the number of heads of attention.
        dropout: the dropout of attention weights; that of vectors is in the network.
    """
    places, tables = Places.of(attention), network.embeddings
    ordinal = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)  # (B, T)
    words = tables.word_embeddings(ids.flatten()[places.real]) + tables.token_type_embeddings.weight[0]  # (P, D)
    placed = words + tables.position_embeddings(ordinal.flatten()[places.real])  # (P, D)
    hidden: Tensor = tables.dropout(tables.LayerNorm(placed))  # (P, D)
    for layer in network.encoder.layer.children():
        taken = attended(layer.attention.self, hidden, places, heads, dropout)  # (P, D)
        hidden = added(layer.attention.output, taken, hidden)
        inner = nn.functional.gelu(layer.intermediate.dense(hidden))  # (P, inner)
        hidden = added(layer.output, inner, hidden)
    return places.padded(hidden)
