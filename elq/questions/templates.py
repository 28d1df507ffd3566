"""Training questions made from a catalogue's records alone: frames (sentences with a slot) filled with the entities' names.

Whoever brings a catalogue of his own rarely brings annotated questions too. These teach a model how questions look around
a name and which record a name means; they hold no facts, so the answer to "did she play for them" may well be no.
"""

import random
import re
from array import array
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from string import ascii_lowercase

from elq.entities.catalogue import Catalogue
from elq.errors import ElqError
from elq.names.surface import FUNCTION_WORDS, without_brackets
from elq.questions.frames import ROOT, Frame, Frames, load_frames
from elq.types import Entity, Mention, Question

CLIMB = 0.3  # chance to take a frame of the parent kind: "tell me about …" fits everything, but says little
TRIES = 100  # draws until a namesake is taken after all, so that a strange catalogue cannot stall the loop
COMMON_NAMES, COMMON_SHARE = 20, 0.01  # a word of more names than that, and of this share of them, says little alone
PAIR_TRIES = 10  # frames tried until one of them finds a second entity


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """How often the questions do what. Every value is a probability.

    Args:
        no_mention: questions without a mention; no public set has any, and a model that never saw one links everywhere.
        two_mentions: questions with two mentions (fewer where the catalogue has no second entity that fits).
        alias: an alias instead of the label, where the record has one of at least 3 characters with a letter.
        partial: a part of the name, as people say Heathrow for London Heathrow Airport: without the words that very many of the
            catalogue's names have, and perhaps without its first words.
        lower_case: the whole question in small letters, as most people type.
        misspelling: one wrong keystroke in a mention of at least 5 letters.
        bare_possessive: "obamas wife" where the frame has "obama's wife".
        question_mark: the frame's "?" is written.
        namesake: weight of a name that also belongs to an earlier row. Names in questions mostly mean the most famous bearer,
            and the first row is taken for it (the lowest Wikidata id is right for 82% of WebQSP's ambiguous names).
        fame: entities drawn with probability ~ 1 / sqrt(row), as people ask for the famous; the others are drawn uniformly,
            since a model that has seen only the famous knows little of the rest of its catalogue.
    """

    no_mention: float = 0.03
    two_mentions: float = 0.15
    alias: float = 0.25
    partial: float = 0.0
    lower_case: float = 0.9
    misspelling: float = 0.05
    bare_possessive: float = 0.3
    question_mark: float = 0.5
    namesake: float = 0.1
    fame: float = 0.5

    def __post_init__(self) -> None:
        for knob, value in zip(fields(self), astuple(self), strict=True):
            if not 0 <= value <= 1:
                raise ElqError(f"{knob.name} is {value}, but is a probability: give a number from 0 to 1")
        if (total := self.no_mention + self.two_mentions) > 1:
            raise ElqError(f"no_mention and two_mentions add up to {total}, but may be 1 at most: lower one of them")


def usable_names(entity: Entity) -> list[str]:
    """The label first, then the aliases that a person might type: 3 characters or more, a letter, no function word.

    A disambiguation in parentheses at the label's end goes: a catalogue with titles only has nothing else for a label.

    >>> usable_names(Entity("Q16", "Canada", "Canada", aliases=("CA", "CAN", "🇨🇦🇨🇦", "British North America")))
    ['Canada', 'British North America']
    """
    label = without_brackets(entity.label) or entity.label
    taken = FUNCTION_WORDS | {label.casefold()}  # "CAN" would turn the question word into a mention
    long = [alias for alias in entity.aliases if len(alias) > 2 and alias.casefold() not in taken]
    return [label, *(alias for alias in long if any(map(str.isalpha, alias)))]


def misspell(name: str, draws: random.Random) -> str:
    """The name with one wrong keystroke behind its first letter: a letter dropped, doubled, replaced or swapped.

    >>> misspell("Philadelphia", random.Random(1))
    'Phiadelphia'
    """
    places = [place for place, letter in enumerate(name) if letter.isalpha()][1:]
    wrong = name
    while wrong in (name, "") or wrong != wrong.strip():
        place = draws.choice(places)
        before, here, after = name[:place], name[place], name[place + 1 :]
        misspellings = (after, here * 2 + after, draws.choice(ascii_lowercase) + after, after[:1] + here + after[1:])
        wrong = before + draws.choice(misspellings)
    return wrong


class _Author:
    """Draws entities and writes questions. It holds the names and the rows of each kind, but no records."""

    def __init__(self, catalogue: Catalogue, frames: Frames, knobs: Knobs, seed: int, without: Collection[str]) -> None:
        self.catalogue, self.frames, self.knobs, self.draws = catalogue, frames, knobs, random.Random(seed)
        self.first: dict[str, int] = {}  # case-folded name → its first row
        self.rows = {kind: array("I") for kind in frames.parents}  # with the rows of its children
        lines = {kind: frames.lineage(kind) for kind in frames.parents}
        for row, entity in enumerate(catalogue):
            for kind in lines[frames.kind_of(entity)] if entity.id not in without else ():
                self.rows[kind].append(row)
            for name in usable_names(entity):
                self.first.setdefault(name.casefold(), row)
        counts = Counter(word for name in self.first for word in {*name.split()}) if knobs.partial else Counter[str]()
        self.common = {word for word, count in counts.items() if count > max(COMMON_NAMES, COMMON_SHARE * len(catalogue))}
        if not self.rows[ROOT]:
            raise ElqError("every entity of the catalogue is held out of the template questions: hold out fewer")

    def chance(self, share: float) -> bool:
        return self.draws.random() < share

    def draw(self, kind: str) -> tuple[Entity, str]:
        """An entity of the kind and the name it goes by; u² for a uniform u has the density 1 / (2 sqrt(u²))."""
        rows = self.rows[kind]
        for _ in range(TRIES):
            place = self.draws.random() ** (2 if self.chance(self.knobs.fame) else 1)
            row = rows[int(place * len(rows))]
            entity = self.catalogue[row]
            label, *aliases = usable_names(entity)
            name = self.draws.choice(aliases) if self.chance(self.knobs.alias) and aliases else label
            if self.first[name.casefold()] == row or self.chance(self.knobs.namesake):
                break
        if self.knobs.partial and self.chance(self.knobs.partial):  # no draw is spent where nobody asks for parts
            name = self.part_of(name)
        return entity, name

    def part_of(self, name: str) -> str:
        """A part of a name that no other entity has for its own; the whole name where there is none."""
        words = re.sub(r"[,(].*", "", name).split()
        while words and words[-1].casefold() in self.common | FUNCTION_WORDS:
            words.pop()
        first = self.draws.randrange(len(words)) if words else 0
        while first < len(words) and words[first].casefold() in self.common | FUNCTION_WORDS:
            first += 1
        part = " ".join(words[first:])
        return part if sum(map(str.isalpha, part)) > 2 and part.casefold() not in self.first else name

    def pick(self, kind: str, table: dict[str, list[Frame]]) -> Frame | None:
        """A frame of the kind, or now and then of an ancestor; None where neither has one."""
        for name in self.frames.lineage(kind):
            if table.get(name) and (name == ROOT or not self.chance(CLIMB)):
                return self.draws.choice(table[name])
        return None

    def compose(self) -> tuple[Frame, dict[str, tuple[Entity, str]]]:
        """A frame, and an entity with a name for each of its slots."""
        if self.chance(self.knobs.no_mention):
            return self.draws.choice(self.frames.no_mention), {}
        entity, name = self.draw(ROOT)
        kind = self.frames.kind_of(entity)
        for _ in range(PAIR_TRIES if self.chance(self.knobs.two_mentions) else 0):
            frame = self.pick(kind, self.frames.pairs)
            if frame is not None and self.rows[frame.other or kind]:
                other, second = self.draw(frame.other or kind)
                if other.id != entity.id and second.casefold() != name.casefold():
                    return frame, {"entity": (entity, name), "other": (other, second)}
        single = self.pick(kind, self.frames.single)
        assert single is not None  # load_frames refuses an empty generic
        return single, {"entity": (entity, name)}

    def write(self, number: int) -> Question:
        """One question. Every piece is lower-cased before its offsets are taken: "İ".lower() has two characters."""
        frame, chosen = self.compose()
        small, bare = self.chance(self.knobs.lower_case), self.chance(self.knobs.bare_possessive)
        text, mentions, name = "", [], ""
        for place, part in enumerate(frame.parts):
            if place % 2:
                entity, name = chosen[part]
                text = re.sub(r"\ba $", "an ", text) if name[0] in "aeiouAEIOU" else text
                name = name.lower() if small else name
                if sum(map(str.isalpha, name)) >= 5 and self.chance(self.knobs.misspelling):
                    name = misspell(name, self.draws)
                mentions.append(Mention(len(text), len(text) + len(name), entity.id))
                text += name
            else:
                if name and part.startswith("'s"):
                    ending = "'" if name.endswith("s") else "'s"
                    part = (ending.replace("'", "") if bare else ending) + part.removeprefix("'s")
                text += part.lower() if small else part
        mark = "?" if frame.asks and self.chance(self.knobs.question_mark) else ""
        return Question(f"boot-{number}", text + mark, tuple(mentions))


def template_questions(
    catalogue: Catalogue,
    count: int,
    *,
    seed: int = 0,
    frames: str | Path | None = None,
    without: Collection[str] = (),
    **knobs: float,
) -> Iterator[Question]:
    """Write questions about a catalogue's entities, to train on where nobody has annotated any.

    The catalogue is read once for its names, before this returns (2 s for 150,000 records); the questions then come
    one at a time. They depend on the seed alone, and the first n of them are the same for every ``count``.

    Args:
        catalogue: its order is taken for the order of fame, the most famous entity first.
        count: number of questions, at least 1.
        seed: another seed gives other questions.
        frames: a YAML file in the form of elq/questions/frames.yaml that extends ours, or replaces them.
        without: ids of entities that no question is about, such as those of a test set.
        knobs: see :class:`Knobs`.

    Raises:
        ElqError: a count below 1, an unknown knob or one that is no probability, bad frames, or no entity left.
    """
    if count < 1:
        raise ElqError(f"count is {count}, but at least 1 question must be asked for: raise it")
    known = [knob.name for knob in fields(Knobs)]
    if unknown := sorted(knobs.keys() - set(known)):
        raise ElqError(f"{unknown[0]!r} is no knob of the template questions: choose among {', '.join(known)}")
    author = _Author(catalogue, load_frames(frames), Knobs(**knobs), seed, frozenset(without))
    return map(author.write, range(count))
