"""Draws the emoji of train in further renderings, for the training of an image tower. See RESULTS.md.

It writes ``train_drawn.jsonl`` and ``dev_emoji.jsonl`` into the folder of the made data, beside what make.py wrote. No entity of
dev or test is drawn. The folder PACKAGES has one folder for each package, unpacked: iconify-json-noto, -openmoji,
-fluent-emoji-flat, -emojione, -fxemoji and -noto-v1. Nothing of them is committed.
"""

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from drawing import drawn, icon_svg, on_square
from split import part_of

RENDERINGS = ("emojione", "fluent-emoji-flat", "fxemoji", "noto-v1", "openmoji")
OWN = "twemoji"  # the rendering of the catalogue
TEXT, START, END = "have you seen this?", 14, 18


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def forms(entity: str) -> tuple[str, ...]:
    """The codes under which a collection may have an emoji: as it is, without variation selectors, and with one at the end."""
    code = entity.removeprefix("emoji-")
    parts = code.split("-")
    return code, "-".join(part for part in parts if part != "fe0f"), f"{code}-fe0f"


def draw(packages: Path, rendering: str, entities: list[str], output: Path) -> None:
    """Draw the emoji that a collection has. One without codes is asked by the names that Noto's emoji have."""
    folder = packages / f"iconify-json-{rendering}"
    icons = load(folder / "icons.json")
    names = load(folder / "chars.json") or load(packages / "iconify-json-noto/chars.json")
    for entity in entities:
        name = next((names[form] for form in forms(entity) if form in names), "")
        name = icons.get("aliases", {}).get(name, {}).get("parent", name)
        picture = drawn(icon_svg(icons, name)) if name in icons["icons"] else None
        if picture is not None:
            on_square(picture).save(output / f"{entity}_{rendering}.png")


def question(number: int, kind: str, path: Path, data: Path) -> dict[str, Any]:
    entity, _, rendering = path.stem.rpartition("_")
    mention = {"start": START, "end": END, "entity": entity}
    image = path.relative_to(data).as_posix()
    return {"id": f"{kind}-{number}", "text": TEXT, "mentions": [mention], "image": image, "rendering": rendering}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", type=Path)
    parser.add_argument("--data", type=Path, default=Path("runs/multimodal"))
    given = parser.parse_args()
    output = given.data / "drawings"
    output.mkdir(exist_ok=True)
    records = [json.loads(line) for line in (given.data / "catalogue.jsonl").open(encoding="utf-8")]
    emoji = [one["id"] for one in records if one["id"].startswith("emoji-") and one["images"]]
    for rendering in RENDERINGS:
        draw(given.packages, rendering, [one for one in emoji if part_of(one) == "train"], output)
    noto = {part: [] for part in ("train", "dev", "test")}
    for path in sorted((given.data / "pictures").glob("emoji*_noto.png")):
        noto[part_of(path.stem.removesuffix("_noto"))].append(path)
    for name, paths in (("train_drawn", [*sorted(output.glob("*.png")), *noto["train"]]), ("dev_emoji", noto["dev"])):
        lines = [question(number, name, path, given.data) for number, path in enumerate(paths)]
        (given.data / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")
        print(f"{name}: {len(lines):,}, {dict(Counter(one['rendering'] for one in lines))}")


if __name__ == "__main__":
    main()
