"""The main part of a picture: as a slow computation finds it."""

import itertools

import numpy as np
from PIL import Image

from elq.vision.parts import main_part


def slow_part(pixels: np.ndarray) -> tuple[int, int, int, int] | None:
    """The box of the part that is nearest to a square, by loops over rows and columns."""
    height, width = pixels.shape[:2]

    def there(row: int, column: int) -> bool:
        return any(abs(int(pixels[row, column, c]) - int(pixels[0, 0, c])) > 24 for c in range(3))

    if any(there(row, column) for row in (0, height - 1) for column in (0, width - 1)):
        return None
    places = [(row, column) for row in range(height) for column in range(width) if there(row, column)]
    best, found = 0, None
    for axis in (1, 0):  # columns first
        filled = sorted({place[axis] for place in places})
        length = filled[-1] + 1 - filled[0] if filled else 0
        for one, other in itertools.pairwise(filled):
            gap = other - one - 1
            if gap >= max(2, 0.03 * length) and gap > best:
                best = gap
                found = [[p for p in places if p[axis] <= one], [p for p in places if p[axis] >= other]]
    boxes = []
    for part in found or []:
        rows, columns = zip(*part, strict=True)
        box = (min(columns), min(rows), max(columns) + 1, max(rows) + 1)
        if box[2] - box[0] >= 20 and box[3] - box[1] >= 20:
            boxes.append((abs(np.log((box[2] - box[0]) / (box[3] - box[1]))), box))
    return min(boxes, key=lambda one: one[0])[1] if boxes else None


def test_the_main_part_is_that_of_a_slow_computation():
    generator, found = np.random.default_rng(7), []
    for _ in range(60):
        width, height = (int(value) for value in generator.integers(60, 110, 2))
        picture = Image.new("RGB", (width, height), (240, 240, 250))
        for _ in range(int(generator.integers(1, 4))):
            across, down = (int(value) for value in generator.integers(8, 40, 2))
            left, top = int(generator.integers(1, width - across)), int(generator.integers(1, height - down))
            picture.paste(tuple(int(value) for value in generator.integers(0, 200, 3)), (left, top, left + across, top + down))
        part = main_part(picture)
        assert part == slow_part(np.asarray(picture))
        found.append(part is not None)
    assert 10 < sum(found) < 50


def test_the_sign_of_a_logo_is_its_main_part():
    logo = Image.new("RGB", (120, 60), "white")
    logo.paste((200, 0, 0), (5, 10, 45, 50))  # the sign
    for letter in range(4):
        logo.paste((0, 0, 0), (60 + 13 * letter, 20, 70 + 13 * letter, 40))
    assert main_part(logo) == (5, 10, 45, 50)
    assert main_part(logo.rotate(90, expand=True)) == (10, 75, 50, 115)
    assert main_part(logo.crop((0, 0, 50, 60))) is None  # nothing divides it
    assert main_part(Image.new("RGB", (50, 50), "white")) is None
    logo.putpixel((0, 0), (0, 0, 0))
    assert main_part(logo) is None  # the corners differ
