"""Half precision: linear layers that multiply in bf16, while everything around them stays in fp32."""

from torch import Tensor, nn

from elq.encoding.transformer import Encoder

MIXED = ("bert", "roberta", "xlm-roberta", "camembert")  # kinds whose layers take inputs in bf16 beside sums in fp32


class HalfLinear(nn.Module):
    """A linear layer that multiplies in bf16: (…, D) → (…, E).

    Args:
        linear: the layer whose weights are taken.
        back: whether the output gets the format of the input again; otherwise it is bf16.
    """

    def __init__(self, linear: nn.Linear, *, back: bool) -> None:
        super().__init__()
        self.back = back
        self.weight = nn.Parameter(linear.weight.detach().bfloat16(), requires_grad=False)  # (E, D)
        self.bias = None if linear.bias is None else nn.Parameter(linear.bias.detach().bfloat16(), requires_grad=False)

    def forward(self, values: Tensor) -> Tensor:
        """The output (…, E) of the layer for the input (…, D)."""
        made = nn.functional.linear(values.bfloat16(), self.weight, self.bias)
        return made.to(values.dtype) if self.back else made


def multiply_in_bf16(encoder: Encoder) -> Encoder:
    """Replace the linear layers of an encoder, which is changed, and return it.

    The sums and the norms stay fp32. So the weights need half the memory, and the links are those of fp32 more often than if
    all weights were bf16.
    """
    back = encoder.config["model_type"] not in MIXED
    for module in [*encoder.transformer.modules()]:
        for name, child in [*module.named_children()]:
            if isinstance(child, nn.Linear):
                setattr(module, name, HalfLinear(child, back=back))
    encoder.dtype = "bf16"
    return encoder
