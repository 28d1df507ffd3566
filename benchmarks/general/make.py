"""Makes the catalogue and the questions of ``experiment=general`` in runs/general. See RESULTS.md for the command."""

import argparse
import json
import random
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import catalogues
from catalogues import Record, invented
from words import ASKED, GENERIC, NOTHING, PAIRS, SAID

from elq.questions.languages import misspell

Question = dict[str, Any]


def load(path: Path) -> list[Question]:
    return [json.loads(line) for line in path.open(encoding="utf-8")]


def save(path: Path, lines: list[Any]) -> None:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    print(f"{path}: {len(lines):,}")


def real(shared: Path, known: set[str], held_out: set[str]) -> tuple[dict[str, list[Question]], list[Question]]:
    """The annotated questions without those about a held-out entity, for training, and a held-out part for γ."""
    sets, kept = {}, []
    for name in ("webqsp_train", "simplequestions_train", "mintaka_a", "erd", "captions", "lcquad2"):
        questions = []
        for question in load(shared / "questions" / f"{name}.jsonl"):
            gold = {mention["entity"] for mention in question["mentions"]} | set(question.get("other_entities", ()))
            if not gold & held_out:
                question["mentions"] = [m if m["entity"] in known else {**m, "entity": None} for m in question["mentions"]]
                questions.append(question)
        sets[name] = questions
    for name, count in (("mintaka_a", 200), ("erd", 300), ("captions", 300)):
        kept += sets[name][-count:]
        sets[name] = sets[name][:-count]
    sets["captions"] = sets["captions"][:1_800]
    sets["lcquad2"] = [
        q for q in sets["lcquad2"] if q["other_entities"] and all(entity in known for entity in q["other_entities"])
    ]
    return sets, kept


def renamed(
    sets: dict[str, list[Question]], records: dict[str, Record], nouns: list[str], draws: random.Random
) -> tuple[list[Record], list[Question]]:
    """Copies of questions in which an entity has another name, and the records of the entities with that name."""
    from faker import Faker

    fake, made, questions = Faker(["en_US", "en_GB", "de_DE", "fr_FR"]), {}, []
    Faker.seed(3)
    everyone = list(records.values())

    def name_for(entity: Record) -> str:
        if "human" in entity["types"]:
            return str(fake.name())
        if draws.random() < 0.35:
            return str(draws.choice(everyone)["label"])
        return draws.choice(
            (
                invented(draws),
                f"{draws.choice(nouns)} {draws.choice(nouns)}".title(),
                f"{invented(draws)} {draws.choice(nouns)}",
                str(fake.company()),
            )
        )

    for question in [*sets["webqsp_train"], *sets["simplequestions_train"][:4_500], *sets["mintaka_a"]]:
        linked = [m for m in question["mentions"] if m["entity"] in records]
        if not linked or len(linked) < len(question["mentions"]):
            continue
        text, mentions, place = "", [], 0
        for mention in sorted(linked, key=lambda m: m["start"]):
            entity = records[mention["entity"]]
            if entity["id"] not in made:
                about = entity["description"]
                about = draws.choice((about, about, " ".join(about.split()[:4]), ""))
                name = name_for(entity)
                aliases = [name.split()[-1]] if " " in name and draws.random() < 0.3 else []
                made[entity["id"]] = {
                    **catalogues.record(f"r{draws.getrandbits(36):09x}{len(made)}", name, about, aliases, entity["types"])
                }
            copy = made[entity["id"]]
            name = copy["title"] if not copy["aliases"] or draws.random() < 0.7 else copy["aliases"][0]
            text += question["text"][place : mention["start"]]
            name = name.lower() if question["text"].islower() else name
            mentions.append({"start": len(text), "end": len(text) + len(name), "entity": copy["id"]})
            text, place = text + name, mention["end"]
        questions.append({"id": f"renamed-{question['id']}", "text": text + question["text"][place:], "mentions": mentions})
    return list(made.values()), questions


def mention_of(entity: Record, draws: random.Random) -> str:
    """A way in which people write the name of an entity."""
    name = entity["title"]
    if entity["aliases"] and draws.random() < 0.3:
        name = draws.choice(entity["aliases"])
    elif " " in name and draws.random() < 0.2:
        parts = name.split()
        shorter = [parts[1:], parts[:-1], parts[-1:], parts[:1], parts[:-1]]
        shorter += [[parts[0], *parts[2:]], [parts[0], parts[-1]], parts[:2]] if len(parts) > 2 else []
        name = " ".join(draws.choice(shorter))
        name = name if len(name) > 4 else entity["title"]
    if sum(map(str.isalpha, name)) >= 5 and draws.random() < 0.1:
        name = misspell(name, draws)
    if " " in name and draws.random() < 0.03:
        name = name.replace(" ", draws.choice(("", "-")), 1)
    if draws.random() < 0.06 and name[-1].isalpha() and not name.endswith("s"):
        name += "s"
    return name.lower() if draws.random() < 0.75 else name


def asked(entities: list[Record], count: int, prefix: str, draws: random.Random) -> list[Question]:
    """Questions about records of a kind; every twelfth names nothing, and every tenth has two mentions."""
    made = []
    for number in range(count):
        entity = draws.choice(entities)
        chosen = [entity]
        if draws.random() < 0.12:
            chosen, pattern = [], draws.choice(NOTHING)
        elif draws.random() < 0.12:
            chosen, pattern = draws.sample(entities, 2), draws.choice(PAIRS)
        elif draws.random() < 0.07:
            pattern = "[]"
        elif draws.random() < 0.22:
            pattern = draws.choice(SAID)
        else:
            pattern = draws.choice(ASKED[entity["kind"] if draws.random() < 0.9 else "term"].split("|"))
        start = draws.choice(("", "", "", "", "please, ", "hi, ", "can you tell me ", "i want to know: ", "quick question: "))
        parts, text, mentions = pattern.split("[]"), start, []
        for place, part in enumerate(parts):
            text += part
            if place < len(parts) - 1:
                name = mention_of(chosen[min(place, len(chosen) - 1)], draws)
                mentions.append(
                    {"start": len(text), "end": len(text) + len(name), "entity": chosen[min(place, len(chosen) - 1)]["id"]}
                )
                text += name
        if len(parts) == 2 and chosen and chosen[0]["description"] and draws.random() < 0.06:
            text += f", the {chosen[0]['description']}"
        made.append({"id": f"{prefix}-{number}", "text": text, "mentions": mentions})
    return made


def without_nouns(folder: Path, count: int, draws: random.Random) -> list[Question]:
    """Example sentences of verbs, adjectives and adverbs, which name nothing."""
    found = set()
    for part in ("verb", "adj", "adv"):
        for line in (folder / "dict" / f"data.{part}").open(encoding="utf-8"):
            found |= {text.strip('"; ') for text in re.split(r'; (?=")', line.strip().partition(" | ")[2])[1:]}
    plain = sorted(text for text in found if text[1:].islower() and 12 < len(text) < 70)
    return [{"id": f"plain-{n}", "text": text, "mentions": []} for n, text in enumerate(draws.sample(plain, count))]


def near_misses(
    entities: list[Record], sentences: list[tuple[str, str, str]], count: int, draws: random.Random
) -> list[Question]:
    """Questions with a word that is a name or a part of a name in the catalogue, but means something else there.

    ``other_entities`` is the entity that is not meant, so that it is in the part of the catalogue which the question sees.
    """
    by_lemma = defaultdict(list)
    for text, lemma, _ in sentences:
        by_lemma[lemma].append(text)
    made = []
    for entity in entities:
        for name in (entity["title"], *entity["aliases"]):
            texts = by_lemma.get(name.lower(), [])
            made += [{"text": text, "other_entities": [entity["id"]]} for text in draws.sample(texts, min(2, len(texts)))]
    several = [entity for entity in entities if " " in entity["title"] and entity["kind"] not in ("person", "event")]
    for entity in draws.sample(several, count):
        noun = draws.choice((entity["title"].split()[-1], entity["title"].split()[-1], entity["title"].split()[0])).lower()
        if noun.isalpha() and len(noun) > 3:
            many = noun if noun.endswith("s") else noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
            made.append({"text": draws.choice(GENERIC).replace("[]", many), "other_entities": [entity["id"]]})
    return [{"id": f"near-{number}", "mentions": [], **question} for number, question in enumerate(made)]


def examples(sentences: list[tuple[str, str, str]], draws: random.Random) -> list[Question]:
    """Example sentences in which a noun stands in one of its senses."""
    made = []
    for number, (text, lemma, entity) in enumerate(sentences):
        if len(lemma) < 6:  # a short common word is seldom meant as a name
            continue
        found = re.search(rf"\b{re.escape(lemma)}\b", text)
        assert found is not None
        made.append(
            {"id": f"noun-{number}", "text": text, "mentions": [{"start": found.start(), "end": found.end(), "entity": entity}]}
        )
    draws.shuffle(made)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packages", type=Path, required=True, help="folder with the unpacked packages")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--output", type=Path, default=Path("runs/general"))
    args = parser.parse_args()
    draws, found = (
        random.Random(0),
        {
            name: next(args.packages.glob(f"*{name}*/"))
            for name in ("wordnet", "name-sugg", "pycountry", "linguist", "periodictable", "faker")
        },
    )
    inner = {name: folder / "package" if (folder / "package").is_dir() else folder for name, folder in found.items()}
    held_out = {m["entity"] for question in load(Path("elq/starter/test.jsonl")) for m in question["mentions"]}
    wiki = list(catalogues.wikidata(args.shared, held_out))
    nouns_of, sentences = catalogues.wordnet(inner["wordnet"], draws)
    nouns = [
        entity["title"]
        for entity in nouns_of
        if entity["title"].isascii() and entity["title"].islower() and len(entity["title"]) < 16
    ]
    own = [
        *nouns_of,
        *catalogues.brands(inner["name-sugg"], draws),
        *catalogues.places(inner["pycountry"], draws),
        *catalogues.technical(inner["linguist"], inner["periodictable"] / "periodictable", Path("/usr/share/zoneinfo")),
    ]
    organised = list(catalogues.organisations(inner["faker"], nouns, 9_000, draws))
    known = {entity["id"]: entity for entity in wiki}
    sets, kept = real(args.shared, set(known), held_out)
    copies, copied = renamed(sets, known, nouns, draws)
    args.output.mkdir(parents=True, exist_ok=True)
    everything = [*wiki, *own, *organised, *copies]
    groups = defaultdict(int)
    for entity in everything:
        groups[entity["kind"]] += 1
    print(dict(groups))
    if (made := args.output / "catalogue.jsonl").is_file():  # its table need not be encoded again
        earlier = {entity["id"]: entity for entity in load(made)}
        for entity in everything:
            entity.update(earlier[entity["id"]])
    save(
        args.output / "catalogue.jsonl",
        [{key: value for key, value in entity.items() if key != "kind"} for entity in everything],
    )
    for name, questions in sets.items():
        save(args.output / f"{name}.jsonl", questions)
    save(args.output / "renamed.jsonl", copied)
    save(args.output / "nouns.jsonl", examples(sentences, draws)[:9_000])
    ours = asked(organised, 14_000, "asked", draws) + asked(own, 9_000, "own", draws)
    save(args.output / "asked_1.jsonl", ours[::2])
    save(args.output / "asked_2.jsonl", ours[1::2])
    save(
        args.output / "nothing.jsonl", [{"id": f"nothing-{n}", "text": text, "mentions": []} for n, text in enumerate(NOTHING)]
    )
    save(args.output / "plain.jsonl", without_nouns(inner["wordnet"], 3_000, draws))
    save(args.output / "near.jsonl", near_misses(organised, sentences, 3_000, draws))
    save(args.output / "held_out.jsonl", kept)
    dev = load(args.shared / "questions" / "webqsp_dev.jsonl")
    for question in dev:
        question["mentions"] = [m if m["entity"] in known else {**m, "entity": None} for m in question["mentions"]]
    save(args.output / "dev.jsonl", dev)


if __name__ == "__main__":
    main()
