"""Frames: reads template sentences with slots for entity names from YAML.

A frame is a template sentence with one slot, with two slots, or with none. The frames are grouped by the kind of entity that
they are about.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from elq.errors import ElqError
from elq.types import Entity

SENTENCES = Path(__file__).with_name("template_sentences")  # a folder with one file for each language
LANGUAGES = tuple(sorted(path.stem for path in SENTENCES.glob("*.yaml")))
ENGLISH = "en"
OWN_FRAMES = SENTENCES / f"{ENGLISH}.yaml"  # it has the kinds too
MARK = re.compile(r"\s?[?？]$")  # French has a space before it
ROOT = "generic"  # the kind of entities without a known keyword, and the last ancestor of every kind
SLOT = re.compile(r"\{([^{}]*)\}")
HEAD_END = re.compile(  # the words before which the head of a description ends: "1997 film | by James Cameron"
    r"(?<=\s)(?:by|in|of|from|for|on|at|to|that|which|who|whose|where|with|within|located|used|between|near|based|played|created|"
    r"written|published|held|founded|since|about|during|under|as|off|released|directed|produced|developed|known|representing|"
    r"serving|hosted|awarded|given|presented|designed|built|owned|launched|operated|manufactured|situated|set(?= in))"
    r"(?!\S)|[(:]"
)


@dataclass(frozen=True, slots=True)
class Frame:
    """A template sentence, cut at its slots: parts at even places are text, parts at odd places are "entity" or "other".

    ``asks`` says whether the sentence may end in "?", and ``mark`` how its language writes this. ``other`` is the kind of the
    second entity ("" means the kind of the first entity), or None if there is no second slot.
    """

    parts: tuple[str, ...]
    asks: bool
    other: str | None = None
    mark: str = field(default="?", repr=False)
    language: str = field(default=ENGLISH, repr=False)


@dataclass(frozen=True, slots=True)
class Frames:
    """The template sentences (frames), and the kinds of entities.

    ``parents`` has the parent of every kind, ``keywords`` the kind of every keyword, ``sizes`` the numbers of words of the
    keywords, ``single`` and ``pairs`` the frames of every kind with one slot and with two, and ``no_mention`` the frames
    without a slot.
    """

    parents: dict[str, str] = field(default_factory=dict)
    keywords: dict[str, str] = field(default_factory=dict)
    sizes: set[int] = field(default_factory=set)
    single: defaultdict[str, list[Frame]] = field(default_factory=lambda: defaultdict(list))
    pairs: defaultdict[str, list[Frame]] = field(default_factory=lambda: defaultdict(list))
    no_mention: list[Frame] = field(default_factory=list)

    def kind_of(self, entity: Entity) -> str:
        """The kind of the longest keyword at the end of a head phrase of the description or of a type.

        Of keywords of the same length, one in the description is preferred, since it says more (the type says "human", the
        description says "singer"). Without a keyword the kind is ``generic``.
        """
        texts = (entity.description, *entity.types)
        found = [word for text in texts for phrase in head_phrases(text) if (word := self._keyword(phrase))]
        return self.keywords[max(found, key=lambda word: word.count(" "))] if found else ROOT

    def _keyword(self, phrase: str) -> str:
        words = phrase.split()[-max(self.sizes, default=1) :]  # no keyword has more words: longer ends need not be tried
        ends = (" ".join(words[first:]) for first in range(len(words)))
        return next((form for end in ends for form in (end, end.removesuffix("s")) if form in self.keywords), "")

    def lineage(self, kind: str) -> list[str]:
        """The kind and its ancestors, the nearest first, ``generic`` last."""
        line = [kind]
        while line[-1] != ROOT:
            parent = self.parents[line[-1]]
            if parent not in self.parents or parent in line:
                raise ElqError(
                    f"kind {line[-1]!r} has the parent {parent!r}, which is unknown or its own child: name another parent"
                )
            line.append(parent)
        return line

    def add(self, content: dict[str, Any], language: str = ENGLISH, *, sentences: bool = True) -> None:
        """Add the content of a YAML file. A keyword that two kinds have belongs to the later one.

        Args:
            content: the content.
            language: the language of its sentences.
            sentences: False adds the kinds alone.
        """
        sections = {
            str(name): _mapping(section, f"kind {name!r}", {"types", "parent", "frames"})
            for name, section in _mapping(content.get("kinds") or {}, "kinds").items()
        }
        for name, section in sections.items():
            self.parents[name] = str(section.get("parent", self.parents.get(name, ROOT)))
            words = _strings(section.get("types"), f"types of {name}")
            self.keywords.update({word.lower(): name for word in words})
            self.sizes.update(len(word.split()) for word in words)
        for name, section in sections.items() if sentences else ():
            for text in _strings(section.get("frames"), f"frames of {name}"):
                frame = parse_frame(text, self.parents, language)
                (self.single if frame.other is None else self.pairs)[name].append(frame)
        if sentences:
            without = _strings(content.get("no_mention"), "no_mention")
            self.no_mention.extend(parse_frame(text, (), language) for text in without)
        for name in self.parents:
            self.lineage(name)

    def check(self) -> None:
        """Refuse frames from which no question can be made."""
        if not (self.single[ROOT] and self.no_mention):
            raise ElqError(
                f"the kind {ROOT} (with one slot) or no_mention has no frame, but both need at least one: add a frame to each"
            )


@lru_cache(maxsize=50_000)
def head_phrases(text: str) -> tuple[str, ...]:
    """The phrases of a description or type that say what the entity is, without place, time and maker.

    >>> head_phrases("American actor, film director and writer of novels (born 1961)")
    ('american actor', 'film director', 'writer')
    """
    plain = re.sub(r"^(?:an? )?(?:type|kind|class|variety) of ", "", text.replace("\u200b", "").lower())
    head = HEAD_END.split(plain, maxsplit=1)[0]
    return tuple(phrase.strip(" .") for phrase in re.split(r"[,;/]|\band\b", head) if phrase.strip(" ."))


def parse_frame(text: str, kinds: Collection[str], language: str = ENGLISH) -> Frame:
    """Cut a template sentence (frame) at its slots.

    Args:
        text: the sentence, with {entity}, {other} or {other:kind} as slots.
        kinds: the kinds that may follow ``other:``; empty for a sentence that must have no slots.
        language: the language of the sentence.

    Raises:
        ElqError: a slot is missing, repeated or unknown, or the braces do not match.

    >>> parse_frame("When did {entity} join {other:team}?", ["team"])
    Frame(parts=('When did ', 'entity', ' join ', 'other', ''), asks=True, other='team')
    """
    mark = MARK.search(text)
    parts = SLOT.split(MARK.sub("", text))
    slots = sorted(slot.partition(":")[0] for slot in parts[1::2])
    if slots not in ([["entity"], ["entity", "other"]] if kinds else [[]]) or set("{}") & set("".join(parts[::2])):
        needs = (
            "must have {entity} once, and {other} or {other:kind} at most once"
            if kinds
            else "must have no slot under no_mention"
        )
        raise ElqError(f"frame {text!r} has the slots {slots}, but it {needs}: correct the parts in braces")
    others = [slot.partition(":")[2] for slot in parts[1::2] if slot.startswith("other")]
    if others and others[0] not in ("", *kinds):
        raise ElqError(f"frame {text!r} names the kind {others[0]!r}, but the kinds are {', '.join(kinds)}: use one of them")
    parts[1::2] = [slot.partition(":")[0] for slot in parts[1::2]]
    return Frame(tuple(parts), mark is not None, others[0] if others else None, mark[0] if mark else "?", language)


def _strings(value: Any, name: str) -> list[str]:
    """The strings of a YAML list, or of a text with one string a line."""
    items = value.splitlines() if isinstance(value, str) else [] if value is None else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ElqError(
            f"{name} is {items!r}, but must be a list of strings or a text with one string a line: put quotes around each value"
        )
    return [item.strip() for item in items if item.strip()]


def _mapping(value: Any, name: str, known: Collection[str] = ()) -> dict[Any, Any]:
    """Check that a value is a YAML mapping whose keys are all known (any key is allowed if ``known`` is empty)."""
    if not isinstance(value, dict):
        raise ElqError(f"{name} is {value!r}, but must be a mapping: write lines of the form key: value under it")
    if known and (unknown := [str(key) for key in value if key not in known]):
        raise ElqError(
            f"{name} has the key {unknown[0]!r}, but the keys are {', '.join(sorted(known))}: rename it or remove it"
        )
    return value


def load_frames(path: str | Path | None = None, languages: Sequence[str] = (ENGLISH,)) -> Frames:
    """Our template sentences (frames), extended by those of a YAML file.

    Args:
        path: a file in the form of elq/questions/template_sentences/en.yaml. With ``replace: true`` in it, it replaces ours.
        languages: the languages of our sentences. The file's sentences are in the first of them.

    Raises:
        ElqError: the file cannot be read, a frame is bad, a parent is unknown or circular, ``generic`` has no frames, or a
            language is unknown.
    """
    if unknown := [language for language in languages if language not in LANGUAGES]:
        raise ElqError(f"there are no template sentences in {unknown[0]!r}: the languages are {', '.join(LANGUAGES)}")
    if not languages:
        raise ElqError(f"no language of the template sentences is given: give at least one of {', '.join(LANGUAGES)}")
    frames = Frames()
    own = _content(OWN_FRAMES)
    frames.add(own, sentences=False)
    for language in languages:
        frames.add(own if language == ENGLISH else _content(SENTENCES / f"{language}.yaml"), language)
    if path is None:
        frames.check()
        return frames
    read = _read(Path(path))
    try:
        content = _checked(read)
        frames = Frames() if content.get("replace") is True else frames
        frames.add(content, languages[0])
        frames.check()
    except ElqError as error:
        raise ElqError(f"frames file {path}: {error}") from None
    return frames


def _content(file: Path) -> dict[str, Any]:
    return _checked(_read(file))


def _checked(read: object) -> dict[str, Any]:
    return _mapping(read, "the file", {"kinds", "no_mention", "replace"})


def _read(file: Path) -> object:
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ElqError(f"frames file {file} cannot be read as YAML ({reason}): correct the file or give another path") from None
