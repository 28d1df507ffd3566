"""Half precision: linear layers that multiply in bf16, while everything around them stays in fp32."""

from torch import Tensor, nn

from elq.encoding.transformer import Encoder


class HalfLinear(nn.Module):
    """A linear layer that multiplies in bf16: (…, D) → (…, E) in the format of its input.

    Args:
        linear: the layer whose weights are taken.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight = nn.Parameter(linear.weight.detach().bfloat16(), requires_grad=False)  # (E, D)
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().bfloat16(), requires_grad=False)

    def forward(self, values: Tensor) -> Tensor:
        """The output (…, E) of the layer for the input (…, D)."""
        return nn.functional.linear(values.bfloat16(), self.weight, self.bias).to(values.dtype)


def multiply_in_bf16(encoder: Encoder) -> Encoder:
    """Replace the linear layers of an encoder, which is changed, and return it.

    The sums of layers, the norms and the attention stay fp32. So the weights need half the memory, and the links are those of
    fp32 more often than if all weights were bf16.
    """
    for module in [*encoder.transformer.modules()]:
        for name, child in [*module.named_children()]:
            if isinstance(child, nn.Linear):
                setattr(module, name, HalfLinear(child))
    encoder.dtype = "bf16"
    return encoder
