"""The prompt of `elq predict` without a question: links each line that is typed, and changes settings between the questions."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import islice
from math import exp
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from elq.commands.console import parse_names
from elq.commands.shown import DESCRIPTION, as_coloured, as_text, has_colours
from elq.commands.terminal import typed_lines
from elq.errors import ElqError
from elq.linking.explain import explain, share, signed
from elq.linking.inputs import read_candidates, read_probability, read_threshold
from elq.linking.rule import Rule
from elq.types import Link, Question

if TYPE_CHECKING:
    from elq.linking.linker import Linker

SIGN, QUIT = "elq> ", ":quit"
DEFAULT = "default"  # the argument that takes a setting back
CANDIDATES = 5  # candidates of each mention that are shown
TYPES = 20  # types of the catalogue that are shown
OPTIONS = {"--threshold": ":threshold", "--min-probability": ":probability", "--candidates": ":candidates"}
HELP = {
    ":threshold [γ]": "the least joint score of a link, at most 0; without a number, say what it is",
    ":probability [P]": "the least probability of a link, from 0 to 1; without a number, say what it is",
    ":types [A, B]": "link only to entities that have one of these types; without a type, say which there are",
    ":candidates [K]": f"the K best candidates of each mention of the last question ({CANDIDATES} by default)",
    ":why [ID]": "why the words of the last question are linked or not, and what became of the entity with this id",
    ":help": "this list",
    QUIT: "end, as Ctrl-D does; Ctrl-C clears the line",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of the questions at a prompt; None is the linker's own."""

    threshold: float | None = None
    min_probability: float | None = None
    candidates: int | None = None
    nil: bool = False
    types: tuple[str, ...] | None = None

    def link(self, linker: "Linker", text: str) -> list[Link]:
        """The links of a text with these settings."""
        found: list[Link] = linker.link(text, **{name: getattr(self, name) for name in self.__slots__})
        return found

    def rule(self, linker: "Linker") -> Rule:
        """What a link needs to be shown with these settings."""
        return linker.rule(self.threshold, self.min_probability, candidates=self.candidates)

    def __str__(self) -> str:
        said = [] if self.threshold is None else [f"threshold γ {signed(self.threshold)}"]
        said += [] if self.min_probability is None else [f"probability at least {share(self.min_probability)}"]
        said += [] if self.types is None else [f"types {', '.join(self.types)}"]
        return ", ".join(said) or "the model's own settings"


def as_commands(text: str) -> str:
    """A message with the commands of the prompt in the place of the options of `elq predict`.

    >>> as_commands("--min-probability is 'x'")
    ":probability is 'x'"
    """
    for option, command in OPTIONS.items():
        text = text.replace(option, command)
    return text


class Prompt:
    """Answers the lines of a prompt, and keeps its settings and the last question.

    Args:
        linker: the opened linker.
        settings: the settings at the start.
        show: writes a question and its links as text.
    """

    def __init__(self, linker: "Linker", settings: Settings, show: Callable[[Question, Sequence[Link]], str] = as_text) -> None:
        self.linker, self.settings, self.show = linker, settings, show
        self.last: str | None = None
        self.links: list[Link] = []
        self.commands: dict[str, Callable[[str], str]] = {
            "threshold": lambda text: self._set("threshold", text, read_threshold),
            "probability": lambda text: self._set("min_probability", text, read_probability),
            "types": lambda text: self._set("types", text, parse_names),
            "candidates": self._candidates,
            "why": self._why,
            "help": lambda _: "\n".join(f"  {name:{max(map(len, HELP))}}  {about}" for name, about in HELP.items()),
        }

    def answer(self, line: str) -> str:
        """The answer to a question, or to a command, which begins with a colon.

        Raises:
            ElqError: there is no such command, or its argument is wrong. The settings are then as before.
        """
        if not (line := line.strip()):
            return ""
        if not line.startswith(":"):
            self.last, self.links = line, self.settings.link(self.linker, line)
            return self.show(Question("1", line), self.links)
        name, _, argument = line[1:].partition(" ")
        if name not in self.commands:
            alike = [f":{one}" for one in get_close_matches(name, self.commands, n=1)]
            remedy = f"did you mean {alike[0]}?" if alike else "`:help` lists the commands"
            raise ElqError(f":{name} is no command of this prompt: {remedy}")
        return self.commands[name](argument.strip())

    def _set(self, name: str, text: str, read: Callable[[str], Any]) -> str:
        """Change a setting, and link the last question again."""
        if not text:
            return self._types() if name == "types" else self._now()
        values: dict[str, Any] = {name: None if text == DEFAULT else read(text)}
        changed = replace(self.settings, **values)
        links = changed.link(self.linker, self.last or "")  # refuses what does not fit this linker
        self.settings = changed
        if self.last is None:
            return self._now()
        self.links = links
        return f"{self._now()}\n{self.show(Question('1', self.last), links)}"

    def _now(self) -> str:
        """The settings in force."""
        return f"in force: {self.settings} (the model's own threshold γ is {signed(self.linker.threshold)})"

    def _types(self) -> str:
        """The types in force, and those that most entities have."""
        counted = self.linker.entities.catalogue.type_counts()
        rows = [f"  {name}  {count:,}" for name, count in islice(counted.items(), TYPES)]
        more = [f"  and {len(counted) - TYPES:,} more types"] if len(counted) > TYPES else []
        head = "types of the catalogue, with the number of their entities:" if rows else "the entities have no types"
        return "\n".join([self._now(), head, *rows, *more])

    def _candidates(self, text: str) -> str:
        """The best candidates of each mention of the last question."""
        k, asked = read_candidates(text) if text else CANDIDATES, self._asked()
        links = self.links
        if not links:
            raise ElqError(
                "no mention of the last question is linked: give a lower threshold, as in `:threshold -9`, or ask `:why`"
            )
        if any(len(link.candidates) < k for link in links):
            places = [(link.start, link.end) for link in links]
            links = self.linker.link(asked, mentions=places, candidates=k, types=self.settings.types)
        lines = []
        records = self.linker.entities.catalogue.by_id(one.entity for link in links for one in link.candidates[:k])
        for link in links:
            lines.append(f"{link.mention} (characters {link.start} to {link.end})")
            for number, one in enumerate(link.candidates[:k], 1):
                record = records.get(one.entity)
                about = shorten(record.description, DESCRIPTION, placeholder=" …") if record else ""
                parts = [f"  {number}", one.entity, one.title, about, f"(p {share(exp(one.score))})"]
                lines.append("  ".join(part for part in parts if part))
        return "\n".join(lines)

    def _why(self, text: str) -> str:
        """The reasons for the best spans of the last question."""
        asked, rule = self._asked(), self.settings.rule(self.linker)
        k = self.linker.candidates if self.settings.candidates is None else self.settings.candidates
        said = as_commands(str(explain(self.linker.scorer, asked, rule, k, text or None)))
        return said if self.settings.types is None else f"{said}\n(among all entities, also those of other types)"

    def _asked(self) -> str:
        """The last question. Raises ElqError if there is none."""
        if self.last is None:
            raise ElqError("no question was asked yet: type one first, such as who directed titanic?")
        return self.last


def converse(linker: "Linker", settings: Settings, *, history: bool = True) -> None:
    """Answer what is typed on standard input until it ends, or until ``:quit``.

    Args:
        linker: the opened linker.
        settings: the settings at the start.
        history: whether earlier lines are offered again, and new ones are written to the history file.
    """
    prompt = Prompt(linker, settings, as_coloured if has_colours(sys.stdout) else as_text)
    known = f"{linker.entities.manifest.entities:,} entities"
    print(f"elq links over {known}. Type a question; `:help` lists the commands, and Ctrl-D ends.", file=sys.stderr)
    for line in typed_lines(SIGN, history=history):
        try:
            if line.split()[:1] == [QUIT]:
                break
            if answer := prompt.answer(line):
                print(answer, flush=True)
        except ElqError as error:
            print(f"elq: {as_commands(str(error))}", file=sys.stderr)
        except KeyboardInterrupt:  # Ctrl-C while a question is linked
            print(file=sys.stderr)
