"""A tiny catalogue with pictures in code: coloured shapes, several of which share a name, and questions about them."""

import json
import random
from pathlib import Path

from PIL import Image, ImageDraw

COLOURS = {"red": (220, 30, 30), "blue": (30, 60, 220), "green": (20, 160, 60), "gold": (230, 190, 20)}
SHAPES = ("circle", "square")
NAMES = ("paris", "titanic", "queen", "texas")  # each is the name of two entities, a circle and a square


def drawn(colour: str, shape: str, *, side: int = 48, background: str = "white", margin: int = 6) -> Image.Image:
    """A coloured shape."""
    picture = Image.new("RGB", (side, side), background)
    box = (margin, margin, side - margin, side - margin)
    draw = ImageDraw.Draw(picture)
    (draw.ellipse if shape == "circle" else draw.rectangle)(box, fill=COLOURS[colour])
    return picture


def entities() -> list[tuple[str, str, str, str]]:
    """Id, name, colour and shape of every entity."""
    pairs = zip(NAMES, COLOURS, strict=True)
    return [
        (f"Q{10 * n + s}", name, colour, shape) for n, (name, colour) in enumerate(pairs, 1) for s, shape in enumerate(SHAPES)
    ]


def write_catalogue(folder: Path) -> Path:
    """A catalogue file whose entities have pictures, apart from the last one."""
    records = []
    for identity, name, colour, shape in entities():
        drawn(colour, shape).save(folder / f"{identity}.png")
        drawn(colour, shape, background="lightgrey").save(folder / f"{identity}_2.png")
        images = [f"{identity}.png", f"{identity}_2.png"] if shape == "circle" else [f"{identity}.png"]
        records.append(
            {"id": identity, "title": f"{name} {shape}", "label": name, "description": f"the {shape}", "images": images}
        )
    records.append({"id": "Q99", "title": "ship", "label": "ship", "description": "a ship"})
    path = folder / "catalogue.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def write_questions(folder: Path, name: str, count: int, *, boxes: bool = False, seed: int = 0) -> Path:
    """Questions whose text is ambiguous and whose picture decides; with ``boxes``, collages without a mention."""
    generator, records = random.Random(seed), []
    for number in range(count):
        identity, word, colour, shape = generator.choice(entities())
        margin = generator.randrange(2, 10)
        picture, record = drawn(colour, shape, background="ivory", margin=margin), {"id": str(number)}
        if boxes:
            other = generator.choice([one for one in entities() if one[0] != identity])
            wide = Image.new("RGB", (96, 48), "white")
            wide.paste(drawn(other[2], other[3]), (48, 0))
            wide.paste(picture, (0, 0))
            picture = wide
            record |= {"text": "what is in the picture", "box": [0, 0, 48, 48], "entity": identity}
        else:
            text = f"where is {word}"
            record |= {"text": text, "mentions": [{"start": 9, "end": len(text), "entity": identity}]}
        picture.save(folder / f"{name}_{number}.png")
        records.append({**record, "image": f"{name}_{number}.png"})
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path
