"""Draws what a model with pictures has linked: the picture and text of questions, and the pictures of the first candidates.

    python -m benchmarks.multimodal.show runs/multimodal_measured/sample runs/multimodal_measured/mimic/model docs/pictures_linked.png

Only flags of svg-country-flags (MIT) and of Noto Emoji (flags in the public domain) are drawn, so that the picture may be published.
"""

import argparse
import json
import random
import textwrap
import unicodedata
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from elq.multimodal.disambiguator import MultimodalDisambiguator
from elq.types import Link

SIDE, ROW, LEFT, FIRST = 84, 100, 330, 3


def fitted(path: str | Path, side: int = SIDE) -> Image.Image:
    """A picture that fits into a square."""
    picture = Image.open(path).convert("RGB")
    picture.thumbnail((side, side))
    return picture


def plain(text: str) -> str:
    """A text without accents, which the font of Pillow lacks."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def row(link: Link, question: dict, pictures: dict[str, str], folder: Path, font: ImageFont.FreeTypeFont) -> Image.Image:
    """One question with its candidates; the right one has a green frame."""
    made = Image.new("RGB", (LEFT + SIDE + FIRST * 170, ROW), "white")
    draw = ImageDraw.Draw(made)
    gold = question.get("entity") or question["mentions"][0]["entity"]
    words = question["text"]
    if question["mentions"]:
        start, end = (question["mentions"][0][side] for side in ("start", "end"))
        words = f"{words[:start]}[{words[start:end]}]{words[end:]}"
    lines = textwrap.wrap(words, 40)
    draw.multiline_text((8, 12), "\n".join(lines[:4]), fill="black", font=font)
    made.paste(fitted(folder / question["image"]), (LEFT - 40, 8))
    for place, candidate in enumerate(link.candidates[:FIRST]):
        left = LEFT + SIDE + place * 170
        if candidate.entity in pictures:
            made.paste(fitted(folder / pictures[candidate.entity], 60), (left, 8))
        label = f"{plain(candidate.title)[:22]}\np {2.718281828**candidate.score:.2f}"
        draw.multiline_text((left, 66), label, fill="green" if candidate.entity == gold else "black", font=font)
        if candidate.entity == gold:
            draw.rectangle((left - 4, 4, left + 64, 64), outline="green", width=3)
    return made


def main() -> None:
    """Draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    linker, font = MultimodalDisambiguator.from_pretrained(given.model), ImageFont.load_default(13)
    records = [json.loads(one) for one in (given.data / "catalogue.jsonl").open()]
    pictures = {one["id"]: one["images"][0] for one in records if one["images"] and "country" in str(one["images"][0])}
    questions = []
    for kind in ("posts", "flags"):
        found = [json.loads(one) for one in (given.data / f"test_{kind}.jsonl").open()]
        gold = [(one, one.get("entity") or one["mentions"][0]["entity"]) for one in found]
        own = [one for one, entity in gold if one.get("rendering") == "font" and entity in pictures and not one.get("wrong")]
        questions += random.Random(given.seed).sample(own, min(len(own), given.rows // 2))
    sheet = Image.new("RGB", (LEFT + SIDE + FIRST * 170, ROW * len(questions)), "white")
    for place, question in enumerate(questions):
        spans = [(one["start"], one["end"]) for one in question["mentions"]]
        [link] = linker.link(question["text"], spans, image=given.data / question["image"], box=question.get("box"))
        sheet.paste(row(link, question, pictures, given.data, font), (0, place * ROW))
    sheet.save(given.output, optimize=True)
    print(f"{given.output}: {len(questions)} questions")


if __name__ == "__main__":
    main()
