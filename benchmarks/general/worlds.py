"""Reads the worlds: small private catalogues with natural questions, which were written by hand for the general model.

A line of a file in benchmarks/general/worlds is one of these:

    # what the world is
    @ title | alias; alias | description | type
    ? a question with [mentions], where [surface=Title] names an entity whose title differs, and [surface=Title#2] the second of
      two entities with one title (written in one line)
    - a text that mentions nothing of the catalogue; {Title} at the end is an entity of which a word occurs, but is not meant
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from catalogues import Record, record

WORLDS = Path(__file__).parent / "worlds"
MENTION, NOT_MEANT = re.compile(r"\[([^\[\]]+)\]"), re.compile(r"(\s+\{[^{}]+\})+$")


def read_world(path: Path) -> tuple[list[Record], list[dict[str, Any]]]:
    """The records and the questions of a world."""
    records: list[Record] = []
    questions: list[dict[str, Any]] = []
    by_title: dict[str, list[str]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        mark, text = line[:1], line[2:].strip()
        try:
            if mark == "@":
                title, aliases, description, kind = ([part.strip() for part in text.split("|")] + [""] * 3)[:4]
                made = record(
                    f"w-{path.stem}-{len(records)}",
                    title,
                    description,
                    [alias.strip() for alias in aliases.split(";")],
                    [kind] if kind else [],
                )
                records.append({**made, "kind": "world"})
                by_title.setdefault(title.lower(), []).append(made["id"])
                by_title.setdefault(f"={title}", []).append(made["id"])
            elif mark in "?-" and text:
                questions.append({"id": f"w-{path.stem}-q{number}", **annotated(text, by_title)})
            elif mark not in ("#", ""):
                raise ValueError(f"a line begins with {mark!r}")
        except ValueError as error:
            raise SystemExit(f"{path}, line {number}: {error}: {line}") from None
    return records, questions


def annotated(text: str, by_title: dict[str, list[str]]) -> dict[str, Any]:
    """A question from a line of a world.

    >>> annotated("ask [favre=Marc Favre] about lime {Lime}", {"marc favre": ["w1"], "lime": ["w2"]})
    {'text': 'ask favre about lime', 'mentions': [{'start': 4, 'end': 9, 'entity': 'w1'}], 'other_entities': ['w2']}
    """
    end = NOT_MEANT.search(text)
    others = [identity(title, by_title) for title in re.findall(r"\{([^{}]+)\}", end[0])] if end else []
    text, plain, mentions, place = NOT_MEANT.sub("", text), "", [], 0
    for match in MENTION.finditer(text):
        surface, _, title = match[1].partition("=")
        plain += text[place : match.start()]
        mentions.append({"start": len(plain), "end": len(plain) + len(surface), "entity": identity(title or surface, by_title)})
        plain, place = plain + surface, match.end()
    plain += text[place:]
    if "[" in plain or "]" in plain or plain != plain.strip():
        raise ValueError("a bracket is not closed")
    return {"text": plain, "mentions": mentions, **({"other_entities": others} if others else {})}


def identity(title: str, by_title: dict[str, list[str]]) -> str:
    """The id of a title, or of the second entity with the title ("Title#2"). A title in the same case is preferred."""
    if exact := by_title.get(f"={title.strip()}"):
        return exact[0]
    name, _, number = title.strip().partition("#")
    found = by_title.get(title.strip().lower()) or by_title.get(name.strip().lower(), [])
    place = int(number) - 1 if number.isdigit() and title.strip().lower() not in by_title else 0
    if place >= len(found):
        raise ValueError(f"no entity has the title {title!r}")
    return found[place]


def read_worlds() -> Iterator[tuple[list[Record], list[dict[str, Any]]]]:
    """The records and the questions of every world."""
    for path in sorted(WORLDS.glob("*.txt")):
        yield read_world(path)
