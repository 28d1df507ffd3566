"""Preparing: makes the pixels that a network reads from pictures of any size."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image

TOLERANCE = 24  # of 255: by how much the colour of a border may differ from that of the corner
LEAST = 8  # pixels: a smaller rest is no picture
LONGEST = 20  # times the shorter edge: the middle of a longer picture is cut out before it is resized


@dataclass(frozen=True, slots=True)
class Preparation:
    """How the pixels are made: a square of ``side`` pixels, and mean and deviation of each colour, of which 1 is the brightest.

    A picture that is no square keeps its shape and gets white edges (``fit`` is ``white``), is stretched (``stretch``), is
    stretched without its border of one colour (``trim``), or is made so large that its shorter edge has ``shorter`` pixels,
    and the middle of it is kept (``crop``).
    """

    side: int
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    fit: str = "white"
    shorter: int = 0


def squared(picture: "Image", preparation: Preparation) -> "Image":
    """An RGB picture as a square of ``side`` pixels."""
    side, fit = preparation.side, preparation.fit
    if fit in ("stretch", "trim"):
        return _resized(trimmed(picture) if fit == "trim" else picture, side, side)
    if fit == "crop":
        return _middle(picture, side, preparation.shorter or side)
    from PIL import Image

    scale = side / max(picture.size)
    width, height = (max(1, round(length * scale)) for length in picture.size)
    inner = _resized(picture, width, height)
    if inner.size == (side, side):
        return inner
    square = Image.new("RGB", (side, side), "white")
    square.paste(inner, ((side - width) // 2, (side - height) // 2))
    return square


def trimmed(picture: "Image", tolerance: int = TOLERANCE) -> "Image":
    """An RGB picture without its border of one colour; the picture itself if it has none.

    The border has the colour of the upper left corner. A picture with another colour in one of the other corners has none, and
    neither has one of which fewer than 8 pixels in width or height would be left.

    Args:
        picture: the picture.
        tolerance: by how much red, green and blue of a pixel may differ from those of the corner, at most 255.
    """
    box = content_box(picture, tolerance)
    if box is None or box[2] - box[0] < LEAST or box[3] - box[1] < LEAST:
        return picture
    return picture.crop(box)


def content_box(picture: "Image", tolerance: int = TOLERANCE) -> tuple[int, int, int, int] | None:
    """The smallest box around the pixels that differ from the upper left one: left, top, right, bottom.

    It is None if no pixel differs, or if another corner does, since the picture then has no background of one colour.

    Args:
        picture: the picture, RGB.
        tolerance: by how much red, green and blue of a pixel may differ from those of the corner.
    """
    from PIL import Image, ImageChops

    right, bottom = picture.width - 1, picture.height - 1
    corner, *others = (picture.getpixel(place) for place in ((0, 0), (right, 0), (0, bottom), (right, bottom)))
    if any(_apart(corner, other) > tolerance for other in others):
        return None
    differs = ImageChops.difference(picture, Image.new("RGB", picture.size, corner))
    return differs.point([255 * (value > tolerance) for value in range(256)] * 3).getbbox()


def _apart(one: Any, other: Any) -> int:
    most: int = max(abs(first - second) for first, second in zip(one, other, strict=True))
    return most


def _resized(picture: "Image", width: int, height: int) -> "Image":
    from PIL.Image import Resampling

    return picture if picture.size == (width, height) else picture.resize((width, height), Resampling.BICUBIC)


def _middle(picture: "Image", side: int, shorter: int) -> "Image":
    """The middle of a picture whose shorter edge has ``shorter`` pixels."""
    small = min(picture.size)
    width, height = (int(shorter * length / small) for length in picture.size)
    if max(width, height) > LONGEST * shorter:  # so long a picture would take much memory
        across, down = (min(length, LONGEST * small) for length in picture.size)
        left, top = (picture.width - across) // 2, (picture.height - down) // 2
        return _middle(picture.crop((left, top, left + across, top + down)), side, shorter)
    left, top = (width - side) // 2, (height - side) // 2
    return _resized(picture, width, height).crop((left, top, left + side, top + side))


def pixels_of(pictures: Sequence["Image"], preparation: Preparation) -> Tensor:
    """The pixels of B pictures as (B, 3, side, side) fp32."""
    stacked = np.stack([np.asarray(squared(picture, preparation)) for picture in pictures])  # (B, side, side, 3) uint8
    pixels = torch.from_numpy(stacked).permute(0, 3, 1, 2).float() / 255
    mean, deviation = (torch.tensor(each).view(3, 1, 1) for each in (preparation.mean, preparation.deviation))
    return (pixels - mean) / deviation
