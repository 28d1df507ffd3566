"""Parts: the sign of a picture in which it stands beside words, or above them, as in many logos.

A border of one colour is cut off, and the rest is divided at the widest gap of that colour that runs through it from top to
bottom or from left to right. The part that is nearest to a square counts.
"""

import math
from typing import TYPE_CHECKING

import numpy as np

from elq.vision.boxes import Box
from elq.vision.preparing import TOLERANCE, content_box

if TYPE_CHECKING:
    from PIL.Image import Image

    from elq.tensors import Array

GAP = 0.03  # of the width or height: a narrower gap divides nothing
SMALLEST = 20  # pixels: a part that is narrower or lower is left out


def widest_gap(filled: "Array") -> tuple[int, int] | None:
    """Where the widest run of False between two True begins and ends; None if there is no such run. Of equal ones, the first.

    >>> widest_gap(np.array([0, 1, 0, 1, 0, 0, 1, 0, 0, 0], bool))
    (4, 6)

    Args:
        filled: (n,) bool.
    """
    places = np.flatnonzero(filled)
    steps = np.diff(places)
    if not len(steps) or steps.max() < 2:
        return None
    widest = int(steps.argmax())
    return int(places[widest]) + 1, int(places[widest + 1])


def main_part(picture: "Image") -> Box | None:
    """The box of the main part of an RGB picture, in its pixels; None if no gap divides the picture.

    Args:
        picture: the picture. One whose four corners differ in colour has no background, and so no parts.
    """
    outer = content_box(picture)
    if outer is None:
        return None
    left, top, right, bottom = outer
    pixels = np.asarray(picture).astype(np.int16)  # (H, W, 3)
    there = (np.abs(pixels - pixels[0, 0]).max(-1) > TOLERANCE)[top:bottom, left:right]  # (h, w)
    gaps = [(found, axis) for axis in (0, 1) if (found := widest_gap(there.any(axis))) is not None]
    gaps = [(found, axis) for found, axis in gaps if found[1] - found[0] >= max(2, GAP * there.shape[1 - axis])]
    if not gaps:
        return None
    (start, end), axis = max(gaps, key=lambda gap: gap[0][1] - gap[0][0])
    sides = (slice(None, start), slice(end, None))
    boxes = [_tight(there, side, slice(None)) if axis else _tight(there, slice(None), side) for side in sides]
    large = [one for one in boxes if min(one[2] - one[0], one[3] - one[1]) >= SMALLEST]
    if not large:
        return None
    best = min(large, key=lambda one: abs(math.log((one[2] - one[0]) / (one[3] - one[1]))))
    return left + best[0], top + best[1], left + best[2], top + best[3]


def _tight(there: "Array", rows: slice, columns: slice) -> tuple[int, int, int, int]:
    """The smallest box around what is there in some rows and columns."""
    part = np.zeros_like(there)
    part[rows, columns] = there[rows, columns]
    across, down = np.flatnonzero(part.any(0)), np.flatnonzero(part.any(1))
    return int(across[0]), int(down[0]), int(across[-1]) + 1, int(down[-1]) + 1
