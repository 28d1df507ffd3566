"""Boxes: the part of a picture that a mention means, cut out or drawn."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from elq.errors import ElqError
from elq.vision.problems import PictureProblem

if TYPE_CHECKING:
    from PIL.Image import Image

Box = tuple[float, float, float, float]  # (left, top, right, bottom) in pixels of the upright picture; right is exclusive
RED = (255, 0, 0)


def checked_box(value: Any) -> Box:
    """A box from four numbers of a file.

    >>> checked_box([10, 20, 110, 90.5])
    (10.0, 20.0, 110.0, 90.5)

    Raises:
        ElqError: there are not four finite numbers, or the box is empty.
    """
    listed = list(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else []
    try:
        numbers = [float(one) for one in listed if isinstance(one, int | float) and not isinstance(one, bool)]
    except OverflowError:  # a whole number with hundreds of digits
        numbers = []
    if len(listed) != 4 or len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        raise ElqError(f"box is {value!r}, but must be four numbers of pixels, left, top, right and bottom: correct it")
    left, top, right, bottom = numbers
    if left >= right or top >= bottom:
        raise ElqError(f"box is {value!r}, but left must be less than right and top less than bottom: correct it")
    return left, top, right, bottom


def cut(picture: "Image", box: Box, name: str = "") -> "Image":
    """The part of a picture in a box. The edges are moved outwards to whole pixels; what is outside the picture is cut off.

    Raises:
        PictureProblem: no pixel of the picture is in the box.
    """
    left, top, right, bottom = checked_box(box)
    left, top = max(0, math.floor(left)), max(0, math.floor(top))
    right, bottom = min(picture.width, math.ceil(right)), min(picture.height, math.ceil(bottom))
    if left >= right or top >= bottom:
        raise PictureProblem(name, f"has no pixels in its box ({list(box)}, the picture has {picture.width}×{picture.height})")
    return picture.crop((left, top, right, bottom))


def draw_box(picture: "Image", box: Box, colour: tuple[int, int, int] = RED) -> "Image":
    """A copy of an RGB picture with a frame around a box, as visual prompts show a mention.

    The frame is as wide as 2% of the longer side. It covers pixels of the box only where the box reaches the edge of the
    picture.
    """
    from PIL.ImageDraw import Draw

    left, top, right, bottom = checked_box(box)
    drawn = picture.copy()
    width = max(2, round(max(picture.size) / 50))
    left, top = max(left - width, 0), max(top - width, 0)
    right, bottom = min(right + width, drawn.width) - 1, min(bottom + width, drawn.height) - 1
    if left < right and top < bottom:  # otherwise the box is outside
        Draw(drawn).rectangle((left, top, right, bottom), outline=colour, width=width)
    return drawn
