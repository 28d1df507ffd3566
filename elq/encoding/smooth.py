"""Smooth scales: moves large values from the inputs of linear layers into their weights, before both become 8-bit numbers.

A few columns of an input have values many times as large as the others. With one scale for the whole input, the others would
have few steps. Each column is divided by a scale, and the weights of the column are multiplied by it, which changes no result
in fp32 (Xiao et al., "SmoothQuant", 2023). The scales are those of the largest inputs of given texts.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from elq.encoding.transformer import Encoder
from elq.tensors import TokenBatch

ALPHA = 0.75  # 0 leaves the inputs as they are; 1 makes all columns of the input equally large
LEAST = 1e-4  # smaller values count as this one


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
    """Replace the linear layers of an encoder by smooth ones with the same results.

    Args:
        encoder: the encoder, which is changed.
        largest: from :func:`largest_inputs`; a layer that it lacks stays as it is.
    """
    for name, layer in linear_layers(encoder).items():
        if name in largest:
            columns = layer.weight.detach().abs().amax(0).clamp_min(LEAST)  # (D,)
            scales = largest[name].clamp_min(LEAST) ** ALPHA / columns ** (1 - ALPHA)  # (D,)
            parent, _, own = name.rpartition(".")
            setattr(encoder.get_submodule(parent), own, SmoothLinear(layer, scales / scales.mean()))
