"""Makes the catalogue, pictures and questions of the measurements with pictures in runs/multimodal. See RESULTS.md.

The folder PACKAGES has one folder for each package, unpacked: svg-country-flags, twemoji-svg (@twemoji/svg),
rapideditor-country-coder, iconify-json-logos, simple-icons, iconify-json-noto, cldr-annotations-full, and, if it is to be had,
font (Debian's fonts-noto-color-emoji). Nothing of them is committed.
"""

import argparse
import json
import random
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sentences
from drawing import collage, on_square, varied
from entities import Pictured, Record, emoji, flags, logos, without_twins
from split import part_of

Question = dict[str, Any]
STOP = {*"the and with for from this that its not out new one two open all other sign face button person man woman".split()}
MOST = 25  # pictured entities that one ambiguous word may mean
POSTS = 2  # ambiguous names of an entity that are used
COPIES = 4  # varied pictures of an entity of train
OTHERS = 3_000  # entities without a picture, at random


def words_of(name: str) -> list[str]:
    return [word for word in re.findall(r"[^\W\d_]{3,}", name.lower()) if word not in STOP]


def save(path: Path, lines: list[Any]) -> None:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    print(f"{path}: {len(lines):,}")


class Maker:
    """The pictures on the disk, and the questions."""

    def __init__(self, output: Path, pictured: list[Pictured], others: list[Record], seed: int) -> None:
        self.output, self.draws = output, random.Random(seed)
        self.pictured, self.others = pictured, others
        self.of = {one.id: one for one in pictured}
        self.questions: dict[tuple[str, str], list[Question]] = defaultdict(list)
        for name in ("pictures", "collages"):
            shutil.rmtree(output / name, ignore_errors=True)
            (output / name).mkdir(parents=True)

    def picture(self, one: Pictured, rendering: str, copy: int = 0) -> str:
        """The path of a picture; copy 0 is on white, the others are varied."""
        name = f"pictures/{one.id}_{rendering.replace(' ', '-')}{f'_{copy}' if copy else ''}.png"
        if not (self.output / name).is_file():
            drawing = one.drawings[rendering]
            draws = random.Random(name)
            (varied(drawing, draws) if copy else on_square(drawing)).save(self.output / name)
        return name

    def add(self, kind: str, entity: str, text: str, mention: tuple[int, int] | None, image: str, **more: Any) -> None:
        """One question."""
        part = part_of(entity)
        made = self.questions[part, kind]
        mentions = [{"start": mention[0], "end": mention[1], "entity": entity}] if mention else []
        gold = {} if mention else {"entity": entity}
        made.append({"id": f"{kind}-{part}-{len(made)}", "text": text, "mentions": mentions, **gold, "image": image, **more})

    def shown(self, one: Pictured) -> Iterator[tuple[str, str]]:
        """The pictures of an entity for questions, each with the name of its rendering; in train varied copies too."""
        for rendering in (name for name in one.drawings if name != one.a):
            yield self.picture(one, rendering), rendering
            for copy in range(1, COPIES + 1 if part_of(one.id) == "train" else 1):
                yield self.picture(one, rendering, copy), f"{rendering}, varied"

    def without_words(self) -> None:
        """Questions whose text says nothing: flags and logos."""
        for kind, frames in (("flag", sentences.FLAGS), ("logo", sentences.LOGOS)):
            for one in (each for each in self.pictured if each.kind == kind):
                for image, rendering in self.shown(one):
                    start, mention, end = re.split(r"[\[\]]", self.draws.choice(frames))
                    place = (len(start), len(start) + len(mention))
                    self.add(f"{kind}s", one.id, start + mention + end, place, image, rendering=rendering)

    def posts(self) -> None:
        """Posts about an ambiguous name: the picture decides, or the words do; then the picture may be a wrong one."""
        meant: dict[str, list[str]] = defaultdict(list)  # name → the entities that it may mean
        plain = {one["id"]: one for one in self.others}
        for record in [*(one.record for one in self.pictured), *self.others]:
            names = {name.lower() for name in (record["label"], *record["aliases"])}
            words = {word for name in names for word in words_of(name)} if record["id"] in self.of else set()
            for name in names | words:
                meant[name].append(record["id"])
        for one in self.pictured:
            names = {name.lower() for name in (one.record["label"], *one.record["aliases"])}
            shared = [
                name for name in names | {word for name in names for word in words_of(name)} if 2 <= len(meant[name]) <= MOST
            ]
            for name in self.draws.sample(sorted(shared), min(POSTS, len(shared))):
                self._three(one, name, meant[name])
        namesakes = [
            (name, entity) for name, ids in sorted(meant.items()) for entity in ids if entity in plain and len(ids) > 1
        ]
        for name, entity in self.draws.sample(namesakes, min(len(namesakes), 600)):
            if any(other in self.of for other in meant[name]) and (clue := self._clue(plain[entity], name)):
                self._post(entity, name, self.draws.choice(sentences.CLUES), clue, self._wrong(entity, meant[name]), True)

    def _three(self, one: Pictured, name: str, group: list[str]) -> None:
        clue = self._clue(one.record, name)
        own = {"flag": sentences.FLAG, "logo": sentences.LOGO, "emoji": sentences.EMOJI}[one.kind]
        frames = sentences.NEUTRAL if self.draws.random() < 0.5 else own
        rendering = self.draws.choice([each for each in one.drawings if each != one.a])
        self._post(one.id, name, self.draws.choice(frames), "", self.picture(one, rendering), False, rendering)
        if clue:
            rendering = self.draws.choice([each for each in one.drawings if each != one.a])
            self._post(one.id, name, self.draws.choice(sentences.CLUES), clue, self.picture(one, rendering), False, rendering)
            self._post(one.id, name, self.draws.choice(sentences.CLUES), clue, self._wrong(one.id, group), True)

    def _post(self, entity: str, name: str, frame: str, clue: str, image: str, wrong: bool, rendering: str = "") -> None:
        name = name if self.draws.random() < 0.6 else name.title()
        start = frame.replace("{clue}", clue).partition("{m}")[0]
        text = frame.replace("{clue}", clue).replace("{m}", name)
        more = {"wrong": wrong, "decides": "words" if clue else "picture"} | ({"rendering": rendering} if rendering else {})
        self.add("posts", entity, text, (len(start), len(start) + len(name)), image, **more)

    def _wrong(self, entity: str, group: list[str]) -> str:
        """The picture of another entity: one with the same name in a quarter of the cases, if there is one."""
        same = [other for other in group if other != entity and other in self.of]
        if same and self.draws.random() < 0.25:
            one = self.of[self.draws.choice(same)]
        else:
            one = self.draws.choice([each for each in self.draws.sample(self.pictured, 3) if each.id != entity])
        return self.picture(one, one.b)

    def _clue(self, record: Record, name: str) -> str:
        """Some words about an entity without the name that is the mention."""
        rest = [word for word in re.findall(r"[\w'’-]+", record["label"]) if word.lower() not in name.split()]
        about = re.sub(r"\s*\(.*?\)", "", record["description"]).rstrip(".")
        about = " ".join(re.split(r"[,;:]\s", about)[0].split()[:9]) if "sign for" not in about else about
        if rest and (not about or "brand, product" in record["description"] or self.draws.random() < 0.3):
            return " ".join(rest)
        return record["description"] if "brand, product" in record["description"] else about

    def collages(self) -> None:
        """Four or nine pictures, of which one is in a box."""
        by_part: dict[str, list[Pictured]] = defaultdict(list)
        for one in self.pictured:
            by_part[part_of(one.id)].append(one)
        for part, members in by_part.items():
            golds = [one for one in members if one.kind != "emoji"]
            golds += self.draws.sample([one for one in members if one.kind == "emoji"], len(golds) // 2)
            for number, one in enumerate(golds * (2 if part == "train" else 1)):
                others = self.draws.sample([each for each in members if each.id != one.id], self.draws.choice((3, 8)))
                place = self.draws.randrange(len(others) + 1)
                chosen = [*others[:place], one, *others[place:]]
                renderings = [self.draws.choice([name for name in each.drawings if name != each.a]) for each in chosen]
                cells = [each.drawings[name] for each, name in zip(chosen, renderings, strict=True)]
                made, box = collage(cells, place, random.Random(f"{part} {number}"))
                name = f"collages/{part}-{number}.png"
                made.save(self.output / name)
                text = self.draws.choice(sentences.COLLAGES)
                self.add("collages", one.id, text, None, name, box=box, rendering=renderings[place], of=one.kind)

    def write(self) -> None:
        records = [{**one.record, "images": [self.picture(one, one.a)]} for one in self.pictured]
        save(self.output / "catalogue.jsonl", [*records, *({**one, "images": []} for one in self.others)])
        for (part, kind), made in sorted(self.questions.items()):
            self.draws.shuffle(made)
            save(self.output / f"{part}_{kind}.jsonl", made)
            if kind == "posts":  # for the training of an image tower, whose pairs of pictures must show the same entity
                save(self.output / f"{part}_shown.jsonl", [one for one in made if not one["wrong"]])


def other_entities(everyone: list[Record], pictured: list[Pictured], draws: random.Random) -> list[Record]:
    """Namesakes of the entities with pictures, and some entities at random."""
    taken = {one.id for one in pictured}
    names = {name.lower() for one in pictured for name in (one.record["label"], *one.record["aliases"])}
    same, count = [], Counter[str]()
    for record in sorted(everyone, key=lambda each: int(each["id"][1:])):  # the most famous ones first
        label = record["label"].lower()
        own = [name for name in {label, *map(str.lower, record["aliases"])} if name in names and count[name] < 4]
        if record["id"] not in taken and own and record["description"]:
            count.update(own)
            same.append(record)
    taken |= {record["id"] for record in same}
    rest = draws.sample([record for record in everyone if record["id"] not in taken], OTHERS)
    return [{key: record[key] for key in ("id", "label", "description", "types", "aliases")} for record in [*same, *rest]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", type=Path, metavar="PACKAGES")
    parser.add_argument("--catalogue", type=Path, default=Path("../shared/catalogue/wikidata_154k.jsonl"))
    parser.add_argument("--output", type=Path, default=Path("runs/multimodal"))
    parser.add_argument("--seed", type=int, default=22)
    given = parser.parse_args()
    everyone = [json.loads(line) for line in given.catalogue.open(encoding="utf-8")]
    known, by_label = {record["id"]: record for record in everyone}, defaultdict(list)
    for record in everyone:
        by_label[record["label"].lower()].append(record)
    kinds = flags(given.packages, known), logos(given.packages, by_label), emoji(given.packages, by_label, known)
    pictured = without_twins([one for kind in kinds for one in kind])
    for kind, found in zip(("flag", "logo", "emoji"), kinds, strict=True):
        print(f"{kind}: {len(found):,} drawn, {sum(one.kind == kind for one in pictured):,} kept")
    print(f"in the catalogue: {Counter(one.kind for one in pictured if one.id in known)}")
    maker = Maker(given.output, pictured, other_entities(everyone, pictured, random.Random(given.seed)), given.seed)
    maker.without_words()
    maker.posts()
    maker.collages()
    maker.write()


if __name__ == "__main__":
    main()
