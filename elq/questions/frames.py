"""Frames: sentences with a slot for an entity's name, grouped by the kind of entity, read from YAML."""

import re
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from elq.errors import ElqError
from elq.types import Entity

OWN_FRAMES = Path(__file__).with_name("frames.yaml")
ROOT = "generic"  # the kind of entities that no keyword describes, and the last ancestor of every kind
SLOT = re.compile(r"\{([^{}]*)\}")
HEAD_END = re.compile(  # the words that end a description's head: "1997 film | by James Cameron"
    r"(?<=\s)(?:by|in|of|from|for|on|at|to|that|which|who|whose|where|with|within|located|used|between|near|based|played|created|"
    r"written|published|held|founded|since|about|during|under|as|off|released|directed|produced|developed|known|representing|"
    r"serving|hosted|awarded|given|presented|designed|built|owned|launched|operated|manufactured|situated|set(?= in))"
    r"(?!\S)|[(:]"
)


@dataclass(frozen=True, slots=True)
class Frame:
    """A sentence cut at its slots: literal text at even places, "entity" or "other" at odd ones.

    ``asks``: it may end in "?". ``other``: the second entity's kind ("" = the first one's), None without a second slot.
    """

    parts: tuple[str, ...]
    asks: bool
    other: str | None = None


@dataclass(frozen=True, slots=True)
class Frames:
    """The parent of every kind, the kind of every keyword, each kind's frames with one and two slots, frames without any."""

    parents: dict[str, str] = field(default_factory=dict)
    keywords: dict[str, str] = field(default_factory=dict)
    single: defaultdict[str, list[Frame]] = field(default_factory=lambda: defaultdict(list))
    pairs: defaultdict[str, list[Frame]] = field(default_factory=lambda: defaultdict(list))
    no_mention: list[Frame] = field(default_factory=list)

    def kind_of(self, entity: Entity) -> str:
        """The kind of the longest keyword that ends a head phrase; the description is asked before the types.

        Before, because it is finer (the type says "human", the description "singer"); the types help where it says nothing.
        """
        texts = (entity.description, *entity.types)
        found = [word for text in texts for phrase in head_phrases(text) if (word := self._keyword(phrase))]
        return self.keywords[max(found, key=lambda word: word.count(" "))] if found else ROOT

    def _keyword(self, phrase: str) -> str:
        words = phrase.split()
        ends = (" ".join(words[first:]) for first in range(len(words)))
        return next((form for end in ends for form in (end, end.removesuffix("s")) if form in self.keywords), "")

    def lineage(self, kind: str) -> list[str]:
        """The kind and its ancestors, the nearest first, ``generic`` last."""
        line = [kind]
        while line[-1] != ROOT:
            parent = self.parents[line[-1]]
            if parent not in self.parents or parent in line:
                raise ElqError(f"kind {line[-1]!r} has the parent {parent!r}, which is unknown or its own child: name another")
            line.append(parent)
        return line

    def add(self, content: dict[str, Any]) -> None:
        """Add a file's content; a keyword that is claimed twice goes to the later kind."""
        sections = {
            str(name): _mapping(section, f"kind {name!r}", {"types", "parent", "frames"})
            for name, section in _mapping(content.get("kinds") or {}, "kinds").items()
        }
        for name, section in sections.items():
            self.parents[name] = str(section.get("parent", self.parents.get(name, ROOT)))
            self.keywords.update({word.lower(): name for word in _strings(section.get("types"), f"types of {name}")})
        for name, section in sections.items():
            for frame in (parse_frame(text, self.parents) for text in _strings(section.get("frames"), f"frames of {name}")):
                (self.single if frame.other is None else self.pairs)[name].append(frame)
        self.no_mention.extend(parse_frame(text, ()) for text in _strings(content.get("no_mention"), "no_mention"))
        for name in self.parents:
            self.lineage(name)
        if not (self.single[ROOT] and self.no_mention):
            raise ElqError(f"the kind {ROOT} or no_mention has no frame, but every question may need one: add a frame to each")


@lru_cache(maxsize=50_000)
def head_phrases(text: str) -> tuple[str, ...]:
    """What a description or a type says the thing is, without where, when and by whom.

    >>> head_phrases("American actor, film director and writer of novels (born 1961)")
    ('american actor', 'film director', 'writer')
    """
    plain = re.sub(r"^(?:an? )?(?:type|kind|class|variety) of ", "", text.replace("\u200b", "").lower())
    head = HEAD_END.split(plain, maxsplit=1)[0]
    return tuple(phrase.strip(" .") for phrase in re.split(r"[,;/]|\band\b", head) if phrase.strip(" ."))


def parse_frame(text: str, kinds: Collection[str]) -> Frame:
    """Cut a frame at its slots. ``kinds``: what may stand behind ``other:``; empty for a question without mention.

    Raises:
        ElqError: missing, repeated, unknown or misplaced slots.

    >>> parse_frame("When did {entity} join {other:team}?", ["team"])
    Frame(parts=('When did ', 'entity', ' join ', 'other', ''), asks=True, other='team')
    """
    parts = SLOT.split(text.removesuffix("?"))
    slots = sorted(slot.partition(":")[0] for slot in parts[1::2])
    if slots not in ([["entity"], ["entity", "other"]] if kinds else [[]]) or set("{}") & set("".join(parts[::2])):
        needs = "{entity} once and {other} or {other:kind} at most once" if kinds else "no slot under no_mention"
        raise ElqError(f"frame {text!r} has the slots {slots}, but needs {needs}: correct its braces")
    others = [slot.partition(":")[2] for slot in parts[1::2] if slot.startswith("other")]
    if others and others[0] not in ("", *kinds):
        raise ElqError(f"frame {text!r} names the kind {others[0]!r}, but the kinds are {', '.join(kinds)}: use one of them")
    parts[1::2] = [slot.partition(":")[0] for slot in parts[1::2]]
    return Frame(tuple(parts), text.endswith("?"), others[0] if others else None)


def _strings(value: Any, name: str) -> list[str]:
    """A YAML list of strings, or a text with one string a line."""
    items = value.splitlines() if isinstance(value, str) else [] if value is None else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ElqError(f"{name} is {items!r}, but must be a list of strings or a text with one a line: quote its values")
    return [item.strip() for item in items if item.strip()]


def _mapping(value: Any, name: str, known: Collection[str] = ()) -> dict[Any, Any]:
    """A YAML mapping whose keys are all known (any key, where none are given)."""
    if not isinstance(value, dict):
        raise ElqError(f"{name} is {value!r}, but must be a mapping: write key: value lines under it")
    if known and (unknown := [str(key) for key in value if key not in known]):
        raise ElqError(f"{name} has the key {unknown[0]!r}, but knows {', '.join(sorted(known))}: rename it")
    return value


def load_frames(path: str | Path | None = None) -> Frames:
    """Our frames, extended by a YAML file of the same form, or replaced by it where it says ``replace: true``.

    Raises:
        ElqError: an unreadable file, a bad frame, an unknown or circular parent, or nothing left under ``generic``.
    """
    frames = Frames()
    for file in [OWN_FRAMES] if path is None else [OWN_FRAMES, Path(path)]:
        try:
            content = _mapping(yaml.safe_load(file.read_text(encoding="utf-8")), "the file", {"kinds", "no_mention", "replace"})
            frames = Frames() if content.get("replace") is True else frames
            frames.add(content)
        except ElqError as error:
            raise ElqError(f"frames {file}: {error}") from None
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ElqError(f"frames {file} cannot be read as YAML ({' '.join(str(error).split())}): correct it") from None
    return frames
