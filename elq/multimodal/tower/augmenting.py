"""Augmenting: changed copies of a picture, as other people may have drawn, cut or saved it."""

import io
import math
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from elq.vision.preparing import TOLERANCE, trimmed

if TYPE_CHECKING:
    from PIL.Image import Image

LARGEST = 288  # pixels: a larger picture is made smaller first, which saves time
Change = Callable[["Image", random.Random], "Image"]


def one_colour(picture: "Image", draws: random.Random) -> "Image":
    """What differs from the upper left corner in one dark colour on white."""
    from PIL import Image, ImageChops

    corner = picture.getpixel((0, 0))
    differs = ImageChops.difference(picture, Image.new("RGB", picture.size, corner)).convert("L")
    mask = differs.point([255 * (value > TOLERANCE) for value in range(256)])
    dark = (0, 0, 0) if draws.random() < 0.5 else (*(draws.randrange(190) for _ in range(3)),)
    return Image.composite(Image.new("RGB", picture.size, dark), Image.new("RGB", picture.size, "white"), mask)


def grey(picture: "Image", draws: random.Random) -> "Image":
    """The picture without its colours."""
    return picture.convert("L").convert("RGB")


def part(picture: "Image", draws: random.Random) -> "Image":
    """The picture without up to a quarter of its width and height."""
    width, height = picture.size
    left, top = draws.uniform(0, 0.12) * width, draws.uniform(0, 0.12) * height
    right, bottom = width - draws.uniform(0, 0.12) * width, height - draws.uniform(0, 0.12) * height
    return picture.crop((int(left), int(top), max(int(right), int(left) + 1), max(int(bottom), int(top) + 1)))


def turned(picture: "Image", draws: random.Random) -> "Image":
    """The picture turned by up to 15 degrees, on the colour of its corner or on another light one."""
    from PIL.Image import Resampling

    fill = picture.getpixel((0, 0)) if draws.random() < 0.5 else light(draws)
    return picture.rotate(draws.uniform(-15, 15), Resampling.BILINEAR, expand=True, fillcolor=fill)


def waved(picture: "Image", draws: random.Random) -> "Image":
    """The columns of the picture moved up and down as those of cloth in the wind, with lighter and darker folds."""
    from PIL import Image

    pixels = np.asarray(picture)  # (H, W, 3)
    height, width = pixels.shape[:2]
    angle = draws.uniform(0.5, 2) * 2 * math.pi * np.arange(width) / width + draws.uniform(0, 2 * math.pi)  # (W,)
    most = draws.uniform(0.02, 0.09) * height
    moved = np.rint(most * np.sin(angle)).astype(np.int64)  # (W,) pixels
    edge = math.ceil(most)
    rows = np.arange(-edge, height + edge)[:, None] + moved  # (H + 2 · edge, W) the row each pixel comes from
    outside = (rows < 0) | (rows >= height)
    taken = np.take_along_axis(pixels, rows.clip(0, height - 1)[..., None], 0).astype(np.float32)
    taken *= 1 + draws.uniform(0, 0.2) * np.cos(angle)[None, :, None]
    taken[outside] = pixels[0, 0]
    return Image.fromarray(taken.clip(0, 255).astype(np.uint8))


def placed(picture: "Image", draws: random.Random) -> "Image":
    """The picture somewhere on a larger one of a light colour."""
    from PIL import Image

    larger = (int(picture.width * draws.uniform(1, 1.4)), int(picture.height * draws.uniform(1, 1.4)))
    made = Image.new("RGB", larger, light(draws))
    made.paste(picture, (draws.randint(0, larger[0] - picture.width), draws.randint(0, larger[1] - picture.height)))
    return made


def coloured(picture: "Image", draws: random.Random) -> "Image":
    """The picture lighter or darker, with more or less contrast and colour."""
    from PIL import ImageEnhance

    for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        picture = change(picture).enhance(draws.uniform(0.7, 1.3))
    return picture


def stretched(picture: "Image", draws: random.Random) -> "Image":
    """The picture wider or higher than it was."""
    return resized(picture, draws.uniform(0.7, 1.4), 1.0)


def small(picture: "Image", draws: random.Random) -> "Image":
    """The picture with 32 to 112 pixels on its longer side."""
    factor = draws.randint(32, 112) / max(picture.size)
    return resized(picture, factor, factor) if factor < 1 else picture


def saved(picture: "Image", draws: random.Random) -> "Image":
    """The picture as a JPEG of a low quality."""
    from PIL import Image

    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=draws.randint(25, 80))
    return Image.open(stream).convert("RGB")


CHANGES: tuple[tuple[Change, float], ...] = (  # in this order, each with its probability
    (one_colour, 0.06),
    (grey, 0.08),
    (part, 0.25),
    (waved, 0.25),
    (turned, 0.35),
    (placed, 0.3),
    (stretched, 0.3),
    (coloured, 0.5),
    (small, 0.25),
    (saved, 0.15),
)


def augmented(picture: "Image", draws: random.Random) -> "Image":
    """A changed copy of an RGB picture: each of the changes comes with its probability.

    Args:
        picture: the picture, which is not changed.
        draws: decides everything, so that the same seed gives the same copy.
    """
    made = trimmed(picture)
    if max(made.size) > LARGEST:
        made = resized(made, LARGEST / max(made.size), LARGEST / max(made.size))
    for change, probability in CHANGES:
        if draws.random() < probability:
            made = change(made, draws)
    return made


def light(draws: random.Random) -> tuple[int, int, int]:
    """A light colour."""
    red, green, blue = (draws.randint(190, 255) for _ in range(3))
    return red, green, blue


def resized(picture: "Image", across: float, down: float) -> "Image":
    """The picture with its width and height multiplied, of at least one pixel each."""
    from PIL.Image import Resampling

    return picture.resize((max(1, round(picture.width * across)), max(1, round(picture.height * down))), Resampling.BILINEAR)
