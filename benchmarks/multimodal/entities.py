"""The entities that have pictures in several renderings, from packages, and their records in a catalogue."""

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drawing import EmojiFont, drawn, icon_svg
from PIL import Image

Record = dict[str, Any]
FONT = "font/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
BRAND = "brand, product or software project"
# What a brand is in the catalogue; a namesake may be a town, a film or an animal.
IS_BRAND = re.compile(
    r"compan|business|enterprise|software|website|web site|service|programming|language|platform|framework|database|\bapp\b|"
    r"application|system|cryptocurrenc|format|protocol|brand|browser|engine|library|organi[sz]ation|distribution|\bAPI\b|"
    r"corporation|network|manufacturer|compiler|toolkit|editor|wiki|search|blockchain|package|server|payment|online"
)
IS_OTHER = re.compile(
    r"\bfilm|\btown|villag|\bcity|county|borough|settlement|census|album|\bsong|human|municipal|communit|novel|episode|"
    r"surname|\bband|given name|singer|actor|actress|river|television|\bcommune|township|spoken|comic|aircraft|video game"
)
# Emoji that show an entity of the catalogue whose name is another one: apple, Amazon (river), Java (island), orange.
EMOJI_OF = {"Q89": "1f34e", "Q3783": "1f3de", "Q3757": "1f3dd", "Q39338": "1f7e0"}


@dataclass
class Pictured:
    """An entity, and its drawings: ``a`` is in the catalogue, the others are in questions."""

    record: Record
    kind: str  # flag, logo or emoji
    drawings: dict[str, Image.Image] = field(default_factory=dict)  # rendering → RGBA
    a: str = ""  # the rendering in the catalogue
    b: str = ""  # the first rendering in questions

    @property
    def id(self) -> str:
        return str(self.record["id"])


def plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def record_of(entity: Record, *also: str) -> Record:
    """A record of the catalogue with further names."""
    aliases = [*dict.fromkeys([*entity.get("aliases", ()), *(name for name in also if name and name != entity["label"])])]
    return {**{key: entity[key] for key in ("id", "label", "description", "types")}, "aliases": aliases}


def read_svg(path: Path) -> Image.Image | None:
    return drawn(path.read_text(encoding="utf-8")) if path.is_file() else None


def flags(packages: Path, known: dict[str, Record]) -> list[Pictured]:
    """Countries: svg-country-flags, twemoji, and Debian's font of emoji."""
    made, font = [], EmojiFont(packages / FONT) if (packages / FONT).is_file() else None
    places = load(packages / "rapideditor-country-coder/src/data/borders.json")["features"]
    for place in (each["properties"] for each in places):
        code = place.get("iso1A2", "").lower()
        hexes = "-".join(f"{0x1F1E6 + ord(letter) - ord('a'):x}" for letter in code)
        first = read_svg(packages / "svg-country-flags/svg" / f"{code}.svg") if code else None
        second = read_svg(packages / "twemoji-svg" / f"{hexes}.svg") if code else None
        if first is None or second is None:
            continue
        name = place["nameEn"]
        own = {"id": place["wikidata"], "label": name, "description": "country or territory", "types": ["country"]}
        record = record_of(
            known.get(place["wikidata"], own), name, *(alias for alias in place.get("aliases", ()) if len(alias) > 3)
        )
        drawings = {"country-flags": first, "twemoji": second}
        if font is not None and (third := font.flag(code)) is not None:
            drawings["font"] = third
        made.append(Pictured(record, "flag", drawings, "country-flags", "twemoji"))
    return made


def logos(packages: Path, by_label: dict[str, list[Record]]) -> list[Pictured]:
    """Brands: Iconify's logos in colour, simple-icons in one colour (black, and the colour of the brand)."""
    icons, made = load(packages / "iconify-json-logos/icons.json"), []
    names: dict[str, str] = {}
    for name in icons["icons"]:  # the sign alone is preferred to the sign with the name
        short = plain(name.removesuffix("-icon"))
        if name.endswith("-icon") or short not in names:
            names[short] = name
    for icon in load(packages / "simple-icons/data/simple-icons.json"):
        title, slug = icon["title"], icon["slug"]
        name = names.get(plain(slug)) or names.get(plain(title))
        path = packages / "simple-icons/icons" / f"{slug}.svg"
        if name is None or not path.is_file():
            continue
        svg = path.read_text(encoding="utf-8")
        first, second = drawn(icon_svg(icons, name)), drawn(svg)
        third = drawn(svg.replace("<svg ", f'<svg fill="#{icon["hex"]}" ', 1))
        if first is None or second is None or third is None:
            continue
        drawings = {"colour": first, "one colour": second, "brand colour": third}
        made.append(Pictured(_brand(title, slug, icon, by_label), "logo", drawings, "colour", "one colour"))
    return made


def _brand(title: str, slug: str, icon: Record, by_label: dict[str, list[Record]]) -> Record:
    """The record of a brand: that of the only entity with its name that is a brand, or one of its own."""
    also = icon.get("aliases", {}).get("aka", ())
    found = [one for name in {title, f"{title} Inc."} for one in by_label[name.lower()] if _is_brand(one)]
    if len(found) == 1:
        return record_of(found[0], title, *also)
    return {"id": f"logo-{slug}", "label": title, "description": BRAND, "types": ["brand"], "aliases": [*also]}


def _is_brand(record: Record) -> bool:
    about = " ".join([record["description"], *record["types"]])
    return bool(IS_BRAND.search(about)) and not IS_OTHER.search(about)


def emoji(packages: Path, by_label: dict[str, list[Record]], known: dict[str, Record]) -> list[Pictured]:
    """Emoji: twemoji, and Noto's drawings."""
    icons, made = load(packages / "iconify-json-noto/icons.json"), []
    noto = load(packages / "iconify-json-noto/chars.json")
    names = load(packages / "cldr-annotations-full/annotations/en/annotations.json")["annotations"]["annotations"]
    special = {code: entity for entity, code in EMOJI_OF.items()}
    for sign, about in names.items():
        codes = [f"{ord(letter):x}" for letter in sign]
        forms = ("-".join(codes), "-".join(code for code in codes if code != "fe0f"), "-".join([*codes, "fe0f"]))
        one = next((form for form in forms if (packages / "twemoji-svg" / f"{form}.svg").is_file()), None)
        other = next((noto[form] for form in forms if form in noto and noto[form] in icons["icons"]), None)
        if one is None or other is None:
            continue
        first, second = read_svg(packages / "twemoji-svg" / f"{one}.svg"), drawn(icon_svg(icons, other))
        if first is None or second is None:
            continue
        name = about["tts"][0]
        own = {"id": f"emoji-{one}", "label": name, "types": ["emoji"], "aliases": []}
        own["description"] = f"sign for {', '.join(word for word in about.get('default', ())[:6] if word != name) or name}"
        joined = known.get(special[one]) if one in special else _thing(by_label[name.lower()])
        record = record_of(joined, name) if joined else own
        made.append(Pictured(record, "emoji", {"twemoji": first, "noto": second}, "twemoji", "noto"))
    return made


def _thing(found: list[Record]) -> Record | None:
    """The only entity of a name, if it is a thing and no film, town or brand."""
    plain_ones = [one for one in found if not IS_OTHER.search(" ".join([one["description"], *one["types"]]))]
    if len(found) == len(plain_ones) == 1 and found[0]["label"].islower() and found[0]["description"]:
        return found[0]
    return None


def without_twins(pictured: list[Pictured]) -> list[Pictured]:
    """The entities without those that have the id, or in some rendering the same pixels, as one before them."""
    kept, seen = [], defaultdict(set)
    for one in pictured:
        pixels = {name: (picture.size, picture.tobytes()) for name, picture in one.drawings.items()}
        if one.id in seen["id"] or any(value in seen[name] for name, value in pixels.items()):
            continue
        seen["id"].add(one.id)
        for name, value in pixels.items():
            seen[name].add(value)
        kept.append(one)
    return kept
