"""Makes a synthetic Wikidata dump of N entities, with the shapes of real ones, to measure `elq catalogue`.

    PYTHONPATH=. python benchmarks/make_dump.py 100000 /tmp/dump.json.bz2
    elq catalogue /tmp/dump.json.bz2 --output /tmp/c.parquet

Labels, descriptions and aliases in many languages, statements with qualifiers and references, and pages in many wikis. The
numbers of each have long tails, like those of Wikidata: on average some 14 kB of JSON an entity, at most some 300 kB. The same
seed gives the same dump, with any number of processes.
"""

import argparse
import bz2
import gzip
import math
import random
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import orjson
import pyarrow as pa

BLOCK = 1_000  # entities that have a seed of their own
CLASSES = 2_000  # the first entities are the types of the others
LANGUAGES = (
    "en fr de es ru it nl pl pt sv zh ja ar uk cs fi hu ca fa ko he tr da nb ro id vi el bg sr sk eo eu lt hr et sl"
    " lv gl ms th hi bn ur ta te mk sq hy ka az kk be cy ga af is la sw tl zh-hans zh-hant zh-cn en-gb en-ca de-ch"
    " de-at pt-br nds lb gsw oc ast an br sco io ia nn ku uz tt ba cv ceb war arz azb mul"
).split()
SCRIPTS = {"ru": 0x430, "uk": 0x430, "be": 0x430, "bg": 0x430, "sr": 0x430, "mk": 0x430, "kk": 0x430, "el": 0x3B1, "ar": 0x627}
SCRIPTS |= {"fa": 0x627, "ur": 0x627, "arz": 0x627, "he": 0x5D0, "hi": 0x915, "th": 0xE01, "ko": 0xAC00, "ja": 0x30A2}
SCRIPTS |= dict.fromkeys(("zh", "zh-hans", "zh-hant", "zh-cn"), 0x4E00)
SYLLABLES = [a + b for a in "b c d f g h k l m n p r s t v w br st th kl".split() for b in "a e i o u an er in on ar".split()]
KINDS = (
    ("wikibase-item",) * 9 + ("external-id",) * 6 + ("time", "quantity", "string", "monolingualtext", "globe-coordinate", "url")
)
PACKERS = {
    ".bz2": bz2.compress,
    ".gz": lambda data: gzip.compress(data, 6, mtime=0),
    ".zst": lambda data: pa.compress(data, "zstd", asbytes=True),
}


class Maker:
    """Makes entities with one source of chance."""

    def __init__(self, seed: str) -> None:
        self.chance = random.Random(seed)
        self.references = [self.reference() for _ in range(60)]

    def number(self, mean: float, most: int) -> int:
        """A number with a long tail."""
        return min(most, int(self.chance.lognormvariate(math.log(mean) - 0.6, 1.1)))

    def name(self, words: int) -> str:
        chance = self.chance
        return " ".join("".join(chance.choices(SYLLABLES, k=chance.randint(1, 3))).capitalize() for _ in range(words))

    def in_script(self, name: str, language: str) -> str:
        first = SCRIPTS.get(language)
        return name if first is None else "".join(chr(first + ord(one) % 28) if one != " " else one for one in name)

    def uid(self) -> str:
        text = f"{self.chance.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def snak(self, prop: str, kind: str) -> dict[str, object]:
        chance = self.chance
        if chance.random() < 0.01:
            return {"snaktype": chance.choice(("somevalue", "novalue")), "property": prop, "datatype": kind}
        number = int(10 ** chance.uniform(1, 8))
        value: object = f"{prop.lower()}{number}"
        form = "string"
        if kind == "wikibase-item":
            form, value = "wikibase-entityid", {"entity-type": "item", "numeric-id": number, "id": f"Q{number}"}
        elif kind == "time":
            form, value = kind, {"time": f"+{number % 3000:04}-01-01T00:00:00Z", "timezone": 0, "before": 0, "after": 0}
            value |= {"precision": 9, "calendarmodel": "http://www.wikidata.org/entity/Q1985727"}
        elif kind == "quantity":
            form, value = kind, {"amount": f"+{number}", "unit": "http://www.wikidata.org/entity/Q712226"}
        elif kind == "monolingualtext":
            form, value = kind, {"text": self.name(3), "language": "en"}
        elif kind == "globe-coordinate":
            form, value = "globecoordinate", {"latitude": number / 1e6, "longitude": 1.5, "altitude": None, "precision": 0.0001}
            value |= {"globe": "http://www.wikidata.org/entity/Q2"}
        made = {"snaktype": "value", "property": prop, "hash": f"{chance.getrandbits(160):040x}"}
        return {**made, "datavalue": {"value": value, "type": form}, "datatype": kind}

    def reference(self) -> dict[str, object]:
        snaks = {f"P{p}": [self.snak(f"P{p}", kind)] for p, kind in ((248, "wikibase-item"), (813, "time"), (854, "url"))}
        return {"hash": f"{self.chance.getrandbits(160):040x}", "snaks": snaks, "snaks-order": list(snaks)}

    def statement(self, identity: str, prop: str, snak: dict[str, object]) -> dict[str, object]:
        chance = self.chance
        snak = {name: value for name, value in snak.items() if name != "hash"}
        made = {"mainsnak": snak, "type": "statement", "id": f"{identity}${self.uid()}", "rank": "normal"}
        if chance.random() < 0.03:
            made["rank"] = chance.choice(("preferred", "deprecated"))
        if chance.random() < 0.3:
            qualifiers = {
                f"P{p}": [self.snak(f"P{p}", "time")] for p in chance.sample((580, 582, 585, 1545), 1 + (chance.random() < 0.3))
            }
            made |= {"qualifiers": qualifiers, "qualifiers-order": list(qualifiers)}
        if chance.random() < 0.7:
            made["references"] = [chance.choice(self.references)]
        return made

    def claims(self, identity: str, number: int) -> dict[str, list[object]]:
        chance = self.chance
        kind = number % 100
        types = [int(CLASSES * chance.random() ** 4) + 1]
        types = [4167410] if kind == 1 else [4167836] if kind in (2, 3, 4) else types
        snaks = [("P31", {**self.snak("P31", "wikibase-item"), "snaktype": "value"}) for _ in types]
        for (_, snak), one in zip(snaks, types, strict=True):
            snak["datavalue"] = {
                "value": {"entity-type": "item", "numeric-id": one, "id": f"Q{one}"},
                "type": "wikibase-entityid",
            }
        for _ in range(self.number(13, 400)):
            place = int(300 * chance.random() ** 2)
            prop = f"P{17 + place * 13}"
            snaks.append((prop, self.snak(prop, KINDS[place % len(KINDS)])))
        if chance.random() < 0.15:
            snaks.append(("P646", self.snak("P646", "external-id")))
        claims: dict[str, list[object]] = {}
        for prop, snak in snaks:
            claims.setdefault(prop, []).append(self.statement(identity, prop, snak))
        return claims

    def entity(self, number: int) -> dict[str, object]:
        chance = self.chance
        identity = f"Q{number}"
        name = self.name(chance.choice((1, 2, 2, 2, 3)))
        labels = {one: {"language": one, "value": self.in_script(name, one)} for one in self.languages(10)}
        said = f"{self.name(1).lower()} in {self.name(1)}"
        descriptions = {one: {"language": one, "value": self.in_script(said, one)} for one in self.languages(12)}
        aliases = {
            one: [{"language": one, "value": self.name(2)} for _ in range(self.number(1.5, 9) + 1)]
            for one in self.languages(2.5)
            if chance.random() < 0.2
        }
        wikis = [one.replace("-", "_") + "wiki" for one in self.languages(2) if chance.random() < 0.3]
        title = f"{name} ({self.name(1).lower()})" if chance.random() < 0.15 else name
        sitelinks = {one: {"site": one, "title": title, "badges": []} for one in wikis}
        made = {"type": "item", "id": identity, "labels": labels, "descriptions": descriptions, "aliases": aliases}
        return {
            **made,
            "claims": self.claims(identity, number),
            "sitelinks": sitelinks,
            "pageid": number + 100,
            "ns": 0,
            "title": identity,
            "lastrevid": chance.getrandbits(31),
            "modified": "2026-01-02T03:04:05Z",
        }

    def languages(self, mean: float) -> list[str]:
        return LANGUAGES[: 1 + self.number(mean, len(LANGUAGES) - 1)] if self.chance.random() < 0.9 else ["fr"]


def block(job: tuple[int, int, int, str]) -> tuple[bytes, int]:
    """The bytes of one block of entities, packed, and their number before that."""
    seed, start, end, suffix = job
    maker = Maker(f"{seed} {start}")
    lines = [orjson.dumps(maker.entity(number)) for number in range(start + 1, end + 1)]
    data = (b"[\n" if start == 0 else b",\n") + b",\n".join(lines)
    return PACKERS.get(suffix, bytes)(data), len(data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("entities", type=int, help="number of entities")
    parser.add_argument("output", type=Path, help="the dump to make: .json, or packed .json.bz2, .json.gz, .json.zst")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    suffix, began = options.output.suffix, time.monotonic()
    starts = range(0, options.entities, BLOCK)
    jobs = [(options.seed, start, min(start + BLOCK, options.entities), suffix) for start in starts]
    size = 0
    with options.output.open("wb") as stream, ProcessPoolExecutor(options.processes) as pool:
        for data, plain in pool.map(block, jobs):
            stream.write(data)
            size += plain
        stream.write(PACKERS.get(suffix, bytes)(b"\n]\n"))
    packed = options.output.stat().st_size
    print(
        f"{options.entities:,} entities, {size / 1e6:,.0f} MB of JSON ({size / options.entities / 1e3:.1f} kB each),"
        f" {packed / 1e6:,.0f} MB in the file (1 : {size / packed:.1f}), {time.monotonic() - began:.0f} s"
    )


if __name__ == "__main__":
    main()
