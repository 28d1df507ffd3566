"""Prepares linear layers whose weights and inputs become 8-bit numbers: a few columns of an input have very large values.

They are many times as large as the others, which would have few steps with one scale for the whole input. Neither of the two
remedies changes a result in fp32. Both look at the largest inputs of given texts.

- **Smooth scales.** Each column is divided by a scale, and the weights of the column are multiplied by it (Xiao et al.,
  "SmoothQuant", 2023).
- **Outliers.** In the second layers of the feed-forward blocks, a part of the columns is multiplied apart from the others, and
  stays fp32 (Dettmers et al., "LLM.int8()", 2022).
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from elq.encoding.transformer import Encoder
from elq.tensors import TokenBatch

ALPHA = 0.75  # 0 leaves the inputs as they are; 1 makes all columns of the input equally large
LEAST = 1e-4  # smaller values count as this one
APART = 24  # of so many columns of a layer with more inputs than outputs, one is an outlier


class SmoothLinear(nn.Module):
    """A linear layer (…, D) → (…, E) whose input is divided by scales, by which its weights are multiplied.

    Args:
        linear: the layer.
        scales: (D,).
    """

    def __init__(self, linear: nn.Linear, scales: Tensor) -> None:
        super().__init__()
        self.inverse = nn.Parameter(1 / scales)
        self.weight = nn.Parameter(linear.weight.detach() * scales)  # (E, D)
        self.bias = linear.bias

    def forward(self, values: Tensor) -> Tensor:
        """The output (…, E) of the layer for the input (…, D)."""
        return nn.functional.linear(values * self.inverse, self.weight, self.bias)


class OutlierLinear(nn.Module):
    """A linear layer (…, D) → (…, E) of whose input some columns are multiplied apart from the others.

    Args:
        linear: the layer.
        outliers: (O,) int64, the columns.
    """

    outliers: Tensor

    def __init__(self, linear: nn.Linear, outliers: Tensor) -> None:
        super().__init__()
        weight = linear.weight.detach()  # (E, D)
        self.register_buffer("outliers", outliers)
        self.others = nn.Parameter(torch.ones(weight.shape[1]).index_fill(0, outliers, 0))  # (D,)
        self.weight = nn.Parameter(weight.index_fill(1, outliers, 0))  # (E, D)
        self.apart = nn.Parameter(weight[:, outliers])  # (E, O)
        self.bias = linear.bias

    def forward(self, values: Tensor) -> Tensor:
        """The output (…, E) of the layer for the input (…, D)."""
        found = nn.functional.linear(values * self.others, self.weight, self.bias)  # (…, E)
        return found + nn.functional.linear(values.index_select(-1, self.outliers), self.apart)


def linear_layers(encoder: Encoder) -> dict[str, nn.Linear]:
    """The name of each linear layer in the encoder → the layer."""
    return {name: module for name, module in encoder.named_modules() if isinstance(module, nn.Linear)}


def largest_inputs(encoder: Encoder, batches: Sequence[TokenBatch]) -> dict[str, Tensor]:
    """The name of each linear layer → the largest absolute value of each column of its input, (D,), over all tokens."""
    largest: dict[str, Tensor] = {}

    def note(name: str, values: Tensor) -> None:
        found = values.reshape(-1, values.shape[-1]).abs().amax(0)  # (D,)
        largest[name] = torch.maximum(largest.get(name, found), found)

    hooks = [
        module.register_forward_pre_hook(lambda _, given, name=name: note(name, given[0]))
        for name, module in linear_layers(encoder).items()
    ]
    try:
        with torch.inference_mode():
            for tokens in batches:
                encoder(tokens.ids, tokens.attention)
    finally:
        for hook in hooks:
            hook.remove()
    return largest


def smooth(encoder: Encoder, largest: Mapping[str, Tensor]) -> None:
    """Replace the linear layers of an encoder by such with smooth scales or outliers, and the same results.

    Args:
        encoder: the encoder, which is changed.
        largest: from :func:`largest_inputs`; a layer that it lacks stays as it is.
    """
    for name, layer in linear_layers(encoder).items():
        if name in largest:
            parent, _, own = name.rpartition(".")
            setattr(encoder.get_submodule(parent), own, _prepared(layer, largest[name]))


def _prepared(layer: nn.Linear, largest: Tensor) -> nn.Module:
    """A layer with outliers if it has more inputs than outputs, else with smooth scales, from its largest inputs (D,)."""
    if layer.in_features > layer.out_features:
        return OutlierLinear(layer, largest.topk(layer.in_features // APART).indices.sort().values)
    columns = layer.weight.detach().abs().amax(0).clamp_min(LEAST)  # (D,)
    scales = largest.clamp_min(LEAST) ** ALPHA / columns ** (1 - ALPHA)  # (D,)
    return SmoothLinear(layer, scales / scales.mean())
