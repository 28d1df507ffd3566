"""Draws the pictures: SVG and glyphs of a font on white, 224×224, and varied copies of them."""

import io
import random
from pathlib import Path
from typing import Any

from PIL import Image, ImageEnhance

SIDE = 224
MARGIN = 12  # pixels between a drawing and the edge


def drawn(svg: str) -> Image.Image | None:
    """An SVG drawing as large as the picture allows, on nothing (RGBA); None if it cannot be drawn or is empty."""
    import resvg_py

    for size in ({"width": SIDE}, {"height": SIDE}):
        try:
            picture = Image.open(io.BytesIO(resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True, **size))).convert(
                "RGBA"
            )
        except Exception:  # an SVG that resvg cannot read
            return None
        if max(picture.size) <= SIDE:
            break
    box = picture.getchannel("A").getbbox()
    return fitted(picture.crop(box)) if box else None


def fitted(picture: Image.Image) -> Image.Image:
    """A picture with its longer edge as long as the square without its margin."""
    scale = (SIDE - 2 * MARGIN) / max(picture.size)
    size = tuple(max(1, round(length * scale)) for length in picture.size)
    return picture.resize(size, Image.Resampling.LANCZOS)


def on_square(picture: Image.Image, colour: Any = "white", place: tuple[int, int] | None = None) -> Image.Image:
    """A drawing in the middle of a square of one colour, or at a place."""
    square = Image.new("RGBA", (SIDE, SIDE), colour)
    square.alpha_composite(picture, place or ((SIDE - picture.width) // 2, (SIDE - picture.height) // 2))
    return square.convert("RGB")


def varied(picture: Image.Image, draws: random.Random) -> Image.Image:
    """A copy that is smaller, turned, elsewhere, on another light colour, and brighter or darker."""
    turned = picture.rotate(draws.uniform(-12, 12), Image.Resampling.BICUBIC, expand=True)
    scale = draws.uniform(0.55, 1) * (SIDE - 2) / max(turned.size)
    turned = turned.resize((max(1, int(turned.width * scale)), max(1, int(turned.height * scale))), Image.Resampling.LANCZOS)
    place = (draws.randint(0, SIDE - turned.width), draws.randint(0, SIDE - turned.height))
    made = on_square(turned, light(draws), place)
    for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        made = change(made).enhance(draws.uniform(0.75, 1.25))
    return made


def light(draws: random.Random) -> tuple[int, int, int]:
    """A light colour."""
    red, green, blue = (draws.randint(190, 255) for _ in range(3))
    return red, green, blue


def collage(pictures: list[Image.Image], marked: int, draws: random.Random) -> tuple[Image.Image, list[int]]:
    """4 or 9 drawings in a square of cells, and the box [left, top, right, bottom] of the cell of one of them."""
    many = round(len(pictures) ** 0.5)
    cell, made = 448 // many, Image.new("RGB", (448 // many * many, 448 // many * many), light(draws))
    box = [0, 0, 0, 0]
    for number, picture in enumerate(pictures):
        length = int(cell * draws.uniform(0.72, 0.95))
        scale = length / max(picture.size)
        size = tuple(max(1, round(side * scale)) for side in picture.size)
        own = Image.new("RGBA", (length + 4, length + 4), (*light(draws), 255))
        own.alpha_composite(
            picture.resize(size, Image.Resampling.LANCZOS), ((own.width - size[0]) // 2, (own.height - size[1]) // 2)
        )
        left = number % many * cell + draws.randint(0, max(0, cell - own.width))
        top = number // many * cell + draws.randint(0, max(0, cell - own.height))
        made.paste(own.convert("RGB"), (left, top))
        if number == marked:
            box = [left, top, min(left + own.width, made.width), min(top + own.height, made.height)]
    return made, box


def icon_svg(icons: dict[str, Any], name: str) -> str:
    """An icon of a collection in Iconify's JSON as SVG."""
    icon = icons["icons"][name]
    left, top = icon.get("left", 0), icon.get("top", 0)
    width, height = (icon.get(edge, icons.get(edge, 16)) for edge in ("width", "height"))
    view = f"{left} {top} {width} {height}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="{width}" height="{height}"'
        f' viewBox="{view}">{icon["body"]}</svg>'
    )


class EmojiFont:
    """The pictures of Debian's font of colour emoji (CBDT bitmaps). Flags are ligatures of two letters."""

    def __init__(self, path: Path) -> None:
        from fontTools.ttLib import TTFont

        font = TTFont(path)
        self.names = font.getBestCmap()
        self.bitmaps: dict[str, Any] = {}
        for strike in font["CBDT"].strikeData:
            self.bitmaps.update(strike)
        self.pairs: dict[tuple[str, ...], str] = {}
        for lookup in font["GSUB"].table.LookupList.Lookup:
            for table in lookup.SubTable:
                for first, ligatures in getattr(getattr(table, "ExtSubTable", table), "ligatures", {}).items():
                    for one in ligatures:
                        self.pairs[(first, *one.Component)] = one.LigGlyph

    def flag(self, code: str) -> Image.Image | None:
        """The flag of a country by its two letters; None if the font lacks it."""
        letters = tuple(self.names.get(0x1F1E6 + ord(letter) - ord("a"), "") for letter in code)
        glyph = self.bitmaps.get(self.pairs.get(letters, ""))
        if glyph is None:
            return None
        picture = Image.open(io.BytesIO(glyph.imageData)).convert("RGBA")
        box = picture.getchannel("A").getbbox()
        return fitted(picture.crop(box)) if box else None
