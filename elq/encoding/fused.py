"""Prepares the attention of a plain BERT for ONNX Runtime, which then computes it in one operation instead of some sixteen.

For a short question, a good part of the time of an encoder goes to starting operations.
"""

from typing import Any

import torch
from torch import Tensor, nn

from elq.encoding.bert import Bert, Layer, SelfAttention, attend
from elq.encoding.transformer import Encoder

DOMAIN, VERSION = "com.microsoft", 1  # of the operations that only ONNX Runtime has


class _Attention(torch.autograd.Function):
    """Attention in H heads: queries, keys and values (B, T, D), their bias (3D,) and ``keep`` (B, T) int32 → (B, T, D)."""

    @staticmethod
    def forward(_: Any, query: Tensor, key: Tensor, value: Tensor, bias: Tensor, keep: Tensor, heads: int) -> Tensor:
        query, key, value = (each + own for each, own in zip((query, key, value), bias.chunk(3), strict=True))  # each (B, T, D)
        return attend(query, key, value, heads, keep.bool()[:, None, None])

    @staticmethod
    def symbolic(graph: Any, query: Any, key: Any, value: Any, bias: Any, keep: Any, heads: int) -> Any:
        """The operation in a file of ONNX."""
        made = graph.op(f"{DOMAIN}::MultiHeadAttention", query, key, value, bias, keep, num_heads_i=heads)
        return made.setType(query.type())


class FusedAttention(nn.Module):
    """What a :class:`~elq.encoding.bert.SelfAttention` computes, in a form for ONNX Runtime.

    Args:
        attention: the attention, whose weights are shared.
    """

    def __init__(self, attention: SelfAttention) -> None:
        super().__init__()
        self.heads = attention.heads
        self.query, self.key, self.value = map(_without_bias, (attention.query, attention.key, attention.value))
        self.bias = nn.Parameter(torch.cat([attention.query.bias, attention.key.bias, attention.value.bias]).detach())  # (3D,)

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """The new vectors (B, T, D); the mask (B, 1, T, T) is False on padding, of which the other tokens take nothing."""
        products = self.query(hidden), self.key(hidden), self.value(hidden)  # each (B, T, D)
        keep = hidden.new_ones(hidden.shape[:2]) if mask is None else mask[:, 0, 0]  # (B, T)
        found: Tensor = _Attention.apply(*products, self.bias, keep.int(), self.heads)  # type: ignore[no-untyped-call]
        return found


def _without_bias(linear: nn.Linear) -> nn.Linear:
    made = nn.Linear(linear.in_features, linear.out_features, bias=False)
    made.weight = linear.weight
    return made


def fuse_attention(encoder: Encoder) -> None:
    """Give each layer the form for ONNX Runtime, with the same results. An encoder of another kind stays as it is."""
    if isinstance(encoder.transformer, Bert):
        for layer in [each for each in encoder.transformer.modules() if isinstance(each, Layer)]:
            attention = layer.attention["self"]
            assert isinstance(attention, SelfAttention)
            layer.attention["self"] = FusedAttention(attention)
