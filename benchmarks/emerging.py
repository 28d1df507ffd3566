"""Figures of mentions without an entity: makes the questions for `elq evaluate --nil lda`, and measures groups of `discover`.

A mention of captions.jsonl is in the development part if the first byte of the sha256 of its entity id is below 51 (about 20%).

A group is right if all of its mentions are annotated with one entity that is not in the catalogue; `known` are those of one
entity of the catalogue, `unannotated` those that touch no annotated mention, and `mixed` all others.

    python benchmarks/emerging.py questions ../shared/questions runs/emerging
    python benchmarks/emerging.py groups ../shared/questions/captions.jsonl --model DIR [--found] [--threshold T]
"""

import argparse
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from elq import Linker
from elq.emerging import CorpusText, Group, GroupSettings, discover
from elq.emerging.corpus import read_corpus

DEVELOPMENT = 51  # of 256


def is_development(entity: str) -> bool:
    return hashlib.sha256(entity.encode()).digest()[0] < DEVELOPMENT


def identity(mention: dict[str, Any]) -> str | None:
    return mention["entity"] or mention.get("out_of_catalogue")


def read(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as stream:
        yield from map(json.loads, stream)


def kept(path: Path, *, development: bool | None) -> Iterator[dict[str, Any]]:
    """The questions with their real mentions, of one part or of both (None)."""
    for record in read(path):
        known = [mention for mention in record.get("mentions", []) if identity(mention)]
        mentions = [one for one in known if development is None or is_development(str(identity(one))) == development]
        if mentions:
            yield {**record, "mentions": mentions}


def write(path: Path, records: Iterator[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def make_questions(shared: Path, output: Path) -> None:
    write(output / "captions_dev.jsonl", kept(shared / "captions.jsonl", development=True))
    write(output / "captions_train.jsonl", kept(shared / "captions.jsonl", development=False))
    for name in ("webqsp_dev", "mintaka_a"):
        write(output / f"{name}.jsonl", kept(shared / f"{name}.jsonl", development=None))


def kind_of(group: Group, gold: dict[str, list[dict[str, Any]]]) -> str:
    entities = set()
    for context in group.contexts:
        touched = [one for one in gold[context.text] if one["start"] < context.end and context.start < one["end"]]
        entities |= {(one["entity"] is None, identity(one)) for one in touched} or {None}
    if entities == {None}:
        return "unannotated"
    if None in entities or len(entities) > 1:
        return "mixed"
    return "right" if next(iter(entities))[0] else "known"  # type: ignore[index]


def measure_groups(path: Path, model: str, *, found: bool, threshold: float | None, first: int = 50) -> None:
    gold: dict[str, list[dict[str, Any]]] = {}
    for record in read(path):
        gold.setdefault(record["text"], []).extend(record["mentions"])
    texts = read_corpus(str(path))
    corpus = (CorpusText(one.text) for one in texts) if found else texts
    settings = GroupSettings(contexts=1_000)
    groups = discover(Linker.from_pretrained(model), corpus, threshold=threshold, settings=settings)
    kinds = [kind_of(group, gold) for group in groups]
    for group, kind in zip(groups[:first], kinds, strict=False):
        print(kind, group.mentions, group.label, *group.aliases, group.contexts[0].text[:80], sep=" | ")
    for name, some in ((f"the first {first}", kinds[:first]), ("all", kinds)):
        print(f"{name}: precision {some.count('right') / max(len(some), 1):.2f}, {dict(Counter(some))}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    questions = commands.add_parser("questions")
    questions.add_argument("shared", type=Path)
    questions.add_argument("output", type=Path)
    groups = commands.add_parser("groups")
    groups.add_argument("captions", type=Path)
    groups.add_argument("--model", required=True)
    groups.add_argument("--found", action="store_true", help="the linker finds the mentions")
    groups.add_argument("--threshold", type=float)
    options = parser.parse_args()
    if options.command == "questions":
        make_questions(options.shared, options.output)
    else:
        measure_groups(options.captions, options.model, found=options.found, threshold=options.threshold)


if __name__ == "__main__":
    main()
