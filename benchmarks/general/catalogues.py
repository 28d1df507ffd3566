"""The catalogues on which the general model is trained: Wikidata, WordNet, brands, places, languages, made-up organisations."""

import json
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from words import (
    AREAS,
    ATTRIBUTES,
    CODES,
    DISHES,
    EVENTS,
    FATES,
    FEATURES,
    GOODS,
    MAKERS,
    PAPERS,
    PLACES,
    QUEST,
    SITES,
    SUBJECTS,
    SYLLABLES,
    TASTES,
    TOOLS,
    UNITS,
)  # fmt: skip

Record = dict[str, Any]


def record(
    id: str, title: str, description: str = "", aliases: list[str] | None = None, types: list[str] | None = None
) -> Record:
    """One record. ``kind`` says which questions are asked about it; it is not written into the catalogue."""
    names = [name for name in dict.fromkeys(aliases or []) if name and name != title]
    return {
        "id": id,
        "title": title,
        "label": title,
        "description": description,
        "aliases": names,
        "types": types or [],
        "kind": "term",
    }


def wikidata(shared: Path, held_out: set[str]) -> Iterator[Record]:
    """The records of ../shared without the entities of the starter's test questions."""
    for line in (shared / "catalogue" / "wikidata_154k.jsonl").open(encoding="utf-8"):
        entity = json.loads(line)
        if entity["id"] not in held_out:
            yield {**entity, "kind": "wikidata"}


def wordnet(folder: Path, draws: random.Random) -> tuple[list[Record], list[tuple[str, str, str]]]:
    """Nouns of WordNet 3.1 with their glosses, and example sentences: (sentence, lemma, id)."""
    records, sentences = [], []
    kept = {
        4,
        5,
        6,
        8,
        9,
        10,
        13,
        14,
        15,
        17,
        20,
        21,
        22,
        26,
        27,
        28,
    }  # act, animal, artifact, body, cognition, communication, food …
    for line in (folder / "dict" / "data.noun").open(encoding="utf-8"):
        if line.startswith("  "):
            continue
        facts, _, gloss = line.strip().partition(" | ")
        parts = facts.split()
        lemmas = [parts[4 + 2 * place].replace("_", " ") for place in range(int(parts[3], 16))]
        definition, *quoted = re.split(r'; (?=")', gloss)
        examples = [text.strip('"; ') for text in quoted]
        used = [(text, lemma) for text in examples for lemma in lemmas if re.search(rf"\b{re.escape(lemma)}\b", text)]
        if int(parts[1]) not in kept or not (used or (" " in lemmas[0] and draws.random() < 0.12) or draws.random() < 0.04):
            continue
        shown = definition if draws.random() < 0.85 else ""
        records.append(record(f"n{parts[0]}", lemmas[0], shown, lemmas[1:]))
        sentences += [(text, lemma, f"n{parts[0]}") for text, lemma in used[:2]]
    return records, sentences


def brands(folder: Path, draws: random.Random) -> Iterator[Record]:
    """Brands of name-suggestion-index that have a name in Latin letters, with their category as the description."""
    seen = set()
    for key, group in json.loads((folder / "dist/json/nsi.json").read_text(encoding="utf-8"))["nsi"].items():
        tree, _, category = key.partition("/")
        what = category.split("/")[-1].replace("_", " ")
        items = [item for item in group["items"] if tree == "brands" and item["displayName"].isascii()]
        for item in draws.sample(items, min(len(items), 25)):
            if item["displayName"].casefold() in seen:
                continue
            seen.add(item["displayName"].casefold())
            where = ", ".join(
                place for place in item["locationSet"].get("include", []) if isinstance(place, str) and len(place) == 2
            )
            about = f"{what} brand" + (f" ({where})" if where and len(where) < 20 else "")
            yield {
                **record(f"b-{item['id']}", item["displayName"], about, item.get("matchNames", [])[:3], [what]),
                "kind": "good",
            }


def places(folder: Path, draws: random.Random) -> Iterator[Record]:
    """Countries, subdivisions, currencies and languages of ISO lists, with their codes as aliases."""
    sys.path.insert(0, str(folder))
    import pycountry

    for country in pycountry.countries:
        names = [getattr(country, field, "") for field in ("official_name", "common_name", "alpha_2", "alpha_3")]
        yield record(f"c{country.numeric}", country.name, "country", names, ["country"])
    for part in draws.sample(list(pycountry.subdivisions), 2_500):
        land = pycountry.countries.get(alpha_2=part.country_code)
        yield record(f"s{part.code}", part.name, f"{part.type.lower()} of {land.name}", [part.code], [part.type.lower()])
    for money in pycountry.currencies:
        yield record(f"m{money.numeric}", money.name, "currency", [money.alpha_3], ["currency"])
    for tongue in pycountry.languages:
        if hasattr(tongue, "alpha_2") or draws.random() < 0.05:
            yield record(f"l{tongue.alpha_3}", tongue.name, "language", [tongue.alpha_3], ["language"])


def technical(folder: Path, elements: Path, zones: Path) -> Iterator[Record]:
    """Programming languages, chemical elements and time zones."""
    for file in sorted((folder / "data").glob("*.js")):
        text = file.read_text(encoding="utf-8")
        name, kind = (re.search(rf"^  {field}: ['\"](.+?)['\"],$", text, re.MULTILINE) for field in ("name", "type"))
        if not name:
            continue
        aliases = re.search(r"^  aliases: \[(.*?)\]", text, re.DOTALL | re.MULTILINE)
        names = re.findall(r"'([^']+)'", aliases[1]) if aliases else []
        yield {
            **record(f"p-{file.stem}", name[1], f"{kind[1] if kind else 'programming'} language", names, ["computer language"]),
            "kind": "tool",
        }
    for line in re.finditer(
        r"^    (\d+): \('([A-Z][a-z]+)', +'([A-Z][a-z]?)'", (elements / "core.py").read_text(encoding="utf-8"), re.MULTILINE
    ):
        yield record(f"e{line[1]}", line[2], f"chemical element with the number {line[1]}", [line[3]], ["chemical element"])
    for row in (zones / "zone1970.tab").read_text(encoding="utf-8").splitlines():
        if not row.startswith("#"):
            zone = row.split("\t")[2]
            city = zone.split("/")[-1].replace("_", " ")
            yield record(f"z-{zone}", zone, f"time zone of {city}", [f"{city} time"], ["time zone"])


def invented(draws: random.Random) -> str:
    """A name that nobody has, such as "Velmora"."""
    return "".join(draws.choice(SYLLABLES) for _ in range(draws.choice((2, 2, 3)))).capitalize()


def organisations(folder: Path, nouns: list[str], count: int, draws: random.Random) -> Iterator[Record]:
    """Records of made-up companies, administrations, shops, transport operators and games."""
    sys.path.insert(0, str(folder))
    from faker import Faker

    fakers = [Faker(locale) for locale in ("en_US", "en_GB", "de_DE", "fr_FR", "it_IT", "es_ES", "pl_PL", "en_IN")]
    for number, fake in enumerate(fakers):
        fake.seed_instance(number)

    def code(letters: int = 2, digits: int = 3) -> str:
        return (
            "".join(draws.choices(CODES, k=letters)) + "-" * draws.randrange(2) + "".join(draws.choices("0123456789", k=digits))
        )

    def unit(fake: Faker) -> Record:
        area, word = draws.choice(AREAS), draws.choice(UNITS)
        title = draws.choice(
            (area.title(), area.capitalize(), f"{area.title()} {word.title()}", f"{word.capitalize()} {code(1, 1)}")
        )
        short = "".join(part[0] for part in area.split()).upper()
        return record(
            "",
            title,
            draws.choice(("", f"handles {area}", f"{word} for {area}, led by {fake.name()}")),
            [area.title()] if area.title() != title and draws.random() < 0.5 else [short] if len(short) > 1 else [],
            [word],
        )

    def person(fake: Faker) -> Record:
        first, last, job = fake.first_name(), fake.last_name(), fake.job().split(",")[0].lower()
        return record(
            "",
            f"{first} {last}",
            draws.choice((job, f"{job} in {draws.choice(AREAS)}", "")),
            draws.choice(([], [last], [first], [f"{first[0]}. {last}"], [f"Dr. {last}"])),
            ["person"],
        )

    def paper(fake: Faker) -> Record:
        subject, word = draws.choice(SUBJECTS), draws.choice(PAPERS)
        title = draws.choice((subject, f"{subject} {word}", f"{subject} {word}", f"{word} {code(1, 2)}: {subject}"))
        return record(
            "",
            draws.choice((str.title, str.capitalize, str))(title),
            draws.choice(("", f"{word} about {subject}", f"what applies to {subject} and who signs")),
            draws.choice(([], [code(2, 2)], [subject])),
            [word],
        )

    def place(fake: Faker) -> Record:
        noun = draws.choice(nouns).title()
        title = draws.choice(
            (
                draws.choice(PLACES).capitalize(),
                f"Room {draws.randrange(1, 9)}.{draws.randrange(1, 40):02d}",
                f"{noun} Room",
                noun,
                f"{fake.city()} {draws.choice(SITES)}",
                f"{draws.choice(SITES).capitalize()} {draws.choice(CODES)}",
            )
        )
        return record(
            "",
            title,
            draws.choice(
                (
                    "",
                    f"on floor {draws.randrange(6)}",
                    f"room for {draws.randrange(4, 60)} people",
                    f"{draws.choice(SITES)} in {fake.city()}",
                )
            ),
            draws.choice(([], [], [code(1, 2)])),
            ["place"],
        )

    def tool(fake: Faker) -> Record:
        what, noun = draws.choice(TOOLS), draws.choice(nouns).title()
        title = draws.choice(
            (
                invented(draws),
                noun.replace(" ", ""),
                f"{invented(draws)} {draws.choice('One Pro Hub Desk Flow Cloud'.split())}",
                f"Project {noun}",
                what.title(),
            )
        )
        aliases = (
            [title.removeprefix("Project ")]
            if title.startswith("Project ")
            else draws.choice(([], [what], [title[:3].upper()]))
        )
        return record("", title, draws.choice(("", what, f"our {what}, replaces {invented(draws)}")), aliases, ["tool"])

    def good(fake: Faker) -> Record:
        maker, thing, how = draws.choice((*MAKERS, invented(draws))), draws.choice(GOODS), draws.choice(ATTRIBUTES)
        model = draws.choice(
            ("", f" {code(1, 3)}", f" {draws.randrange(2, 90) * 10}", f" {draws.choice('Plus Lite Max XL S II'.split())}")
        )
        title = draws.choice(
            (
                f"{maker} {how.title()} {thing.title()}{model}",
                f"{maker} {thing.title()}{model}",
                f"{how.title()} {thing}",
                f"{invented(draws)}{model}",
                thing.capitalize(),
            )
        )
        aliases = draws.choice(
            ([], [], [f"{maker} {thing}"] if maker in title and how.title() in title else [], [code(2, 4)], [f"{how} {thing}"])
        )
        return record(
            "",
            title,
            draws.choice(
                (
                    "",
                    f"{how} {thing}",
                    f"{thing} made by {maker}, {draws.choice(ATTRIBUTES)}",
                    f"{thing} for {draws.choice(PLACES)} and garden",
                )
            ),
            aliases,
            [thing],
        )

    def dish(fake: Faker) -> Record:
        title = f"{draws.choice(TASTES)} {draws.choice(DISHES)}"
        return record(
            "",
            draws.choice((str.title, str.capitalize))(title),
            draws.choice(("", f"with {draws.choice(TASTES)} sauce")),
            draws.choice(([], [f"menu {draws.randrange(1, 90)}"])),
            ["dish"],
        )

    def event(fake: Faker) -> Record:
        base = draws.choice(EVENTS)
        title = draws.choice(
            (
                base.title(),
                f"{base.title()} {draws.randrange(2019, 2028)}",
                f"{fake.city()} {base.title()}",
                f"{draws.choice(nouns).title()} festival",
            )
        )
        return record(
            "",
            title,
            draws.choice(
                ("", f"every year in {fake.month_name()}", f"{base} of the {draws.choice(AREAS)} {draws.choice(UNITS)}")
            ),
            [],
            ["event"],
        )

    def lore(fake: Faker) -> Record:
        thing, fate = draws.choice(QUEST), draws.choice(FATES)
        title = draws.choice(
            (
                f"{thing.title()} of {fate.title()}",
                f"{invented(draws)} the {draws.choice(nouns).title()}",
                invented(draws),
                f"{invented(draws)}'s {thing.title()}",
            )
        )
        return record(
            "",
            title,
            draws.choice(
                (
                    "",
                    f"{thing} hidden in the {draws.choice(QUEST)}",
                    f"guards the {thing}",
                    f"gives {draws.randrange(5, 90)} points of {fate}",
                )
            ),
            draws.choice(([], [title.split(" of ")[0].split(" the ")[0]])),
            [thing],
        )

    def feature(fake: Faker) -> Record:
        title = draws.choice(
            (
                draws.choice(FEATURES),
                f"/{draws.choice(nouns).split()[0]}",
                f"error {code(1, 3)}",
                f"{draws.choice(nouns).title()} view",
            )
        )
        return record(
            "",
            title,
            draws.choice(("", f"see the page about {draws.choice(FEATURES)}", "since version 3")),
            draws.choice(([], [code(1, 2)])),
            ["feature"],
        )

    def stop(fake: Faker) -> Record:
        title = draws.choice(
            (
                f"{fake.last_name()} Street",
                f"{fake.last_name()} Square",
                f"Line {draws.randrange(1, 99)}",
                f"{fake.city()} {draws.choice(('Central', 'North', 'Harbour', 'Airport'))}",
                f"{draws.choice(nouns).title()} Bridge",
            )
        )
        return record(
            "",
            title,
            draws.choice(
                ("", f"stop of line {draws.randrange(1, 40)}", f"runs every {draws.randrange(3, 30)} minutes", "with a lift")
            ),
            draws.choice(([], [code(1, 1)], [title.split()[0]] if not title.startswith("Line") else [])),
            ["stop"],
        )

    makers = {
        "unit": unit,
        "person": person,
        "paper": paper,
        "place": place,
        "tool": tool,
        "good": good,
        "dish": dish,
        "event": event,
        "lore": lore,
        "feature": feature,
        "stop": stop,
    }
    for number in range(count):
        kind = draws.choice(
            ("unit", "person", "paper", "place", "tool", "good", "good", "dish", "event", "lore", "feature", "stop")
        )
        yield {**makers[kind](draws.choice(fakers)), "id": f"o{draws.getrandbits(40):010x}{number}", "kind": kind}
