"""Measures the general model over a catalogue of 120 spare parts with long numbers and titles, written by hand.

    PYTHONPATH=. python benchmarks/parts/measure.py [--short]

Names: each part is asked for in six sentences, by its exact name and in other spellings; a question is right if it has one
link, to the part, over the whole name. Lists: 2, 3, 4 or 6 part numbers with something between them; the share of the numbers
that are linked. Other numbers: a part number in which one character is another one, so that no part has it; a question is right
without a link. --short: spans of at most L tokens only, as before longer names were mentions.
"""

import argparse
import csv
import random
import re
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from benchmarks.longer_names import short
from elq.linking.linker import Linker
from elq.types import Link

FILE = Path(__file__).with_name("parts.csv")
FRAMES = (
    "{}",
    "do you have {} in stock?",
    "price of {}",
    "{} delivery time",
    "how many {} are in a box?",
    "please send an offer for {}",
)
SPELLINGS: dict[str, Callable[[str], str]] = {
    "exact": lambda name: name,
    "small letters": str.lower,
    "without punctuation": lambda name: " ".join(re.sub(r'[-/,.&"]', " ", name).split()),
    "without spaces and hyphens": lambda name: re.sub("[-/ ,.]", "", name),
    "full width": lambda name: "".join(chr(ord(one) + 0xFEE0) if 33 <= ord(one) <= 126 else one for one in name),
}
BETWEEN = (" and ", ", ", "; ", "\n", "\n- ")


def is_right(links: list[Link], identity: str, start: int, end: int) -> bool:
    """Whether there is one link, to an entity, over the characters [start, end); quotation marks at the edges do not count."""
    return [link.entity for link in links] == [identity] and links[0].start <= start + 2 and links[0].end >= end - 2


def measure_names(linker: Linker, names: dict[str, str]) -> None:
    """Print how many questions are right, for each spelling."""
    for spelling, form in SPELLINGS.items():
        right: list[bool] = []
        for identity, title in names.items():
            name = form(title)
            if spelling == "exact" or name != title:
                found = linker.link([frame.format(name) for frame in FRAMES])
                starts = [frame.index("{}") for frame in FRAMES]
                right += [
                    is_right(links, identity, start, start + len(name)) for links, start in zip(found, starts, strict=True)
                ]
        print(f"{spelling}: {sum(right)} of {len(right)} right")


def measure_lists(linker: Linker, names: dict[str, str]) -> None:
    """Print how many part numbers of lists are linked."""
    numbers = {key: name for key, name in names.items() if key.startswith("P") and key not in ("P004", "P005", "P006")}
    for between in BETWEEN:
        draws, counts = random.Random(3), Counter[str]()
        for before in ("", "We need: ", "Please quote "):
            for size in (2, 3, 4, 6) * 10:
                chosen = draws.sample(sorted(numbers), size)
                found = {link.entity for link in linker.link(before + between.join(numbers[one] for one in chosen))}
                counts += Counter(all=size, right=len(found & {*chosen}), wrong=len(found - {*chosen}))
        print(f"lists with {between!r}: {counts['right']} of {counts['all']} linked, {counts['wrong']} wrong")


def measure_other_numbers(linker: Linker, names: dict[str, str]) -> None:
    """Print how many part numbers that no part has are linked, and how many with a probability of at least .9."""
    numbers, asked = [name for key, name in names.items() if key.startswith("P")], []
    known = {name.lower() for name in numbers}
    for part in (-1, 0, 0.5):
        for name in numbers:
            places = [place for place, one in enumerate(name) if one.isalnum()]
            place = places[int(part * len(places)) if part >= 0 else -1]
            one = name[place]
            other = ("4" if one == "5" else "5") if one.isdigit() else "W" if one.upper() == "Q" else "Q"
            if (changed := name[:place] + other + name[place + 1 :]).lower() not in known:
                asked.append(f"is {changed} in stock?")
    best = [max((link.probability or 0 for link in links), default=0.0) for links in linker.link(asked)]
    print(f"other numbers: {sum(one > 0 for one in best)} of {len(best)} linked, {sum(one >= 0.9 for one in best)} surely")


def main() -> None:
    """Measure all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true")
    linker = Linker.from_catalogue(FILE)
    names = {row["id"]: row["title"] for row in csv.DictReader(FILE.open(encoding="utf-8"))}
    with short() if parser.parse_args().short else nullcontext():
        measure_names(linker, names)
        measure_lists(linker, names)
        measure_other_numbers(linker, names)


if __name__ == "__main__":
    main()
