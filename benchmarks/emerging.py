"""Figures of mentions without an entity: makes the questions of docs/given_mentions.md's figures, and measures groups.

A mention of captions.jsonl is in the development part if the first byte of the sha256 of its entity id is below 51 (about 20%).

    python benchmarks/emerging.py questions ../shared/questions runs/emerging
"""

import argparse
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    questions = commands.add_parser("questions")
    questions.add_argument("shared", type=Path)
    questions.add_argument("output", type=Path)
    options = parser.parse_args()
    make_questions(options.shared, options.output)


if __name__ == "__main__":
    main()
