"""Template questions: makes training questions from the records of a catalogue.

A template question is a template sentence (elq/questions/frames.py) whose slots are filled with names of entities. People who
have a catalogue of their own rarely have annotated questions too. Template questions teach a model which words are around a
name, and which entity a name means. They contain no facts: the answer to a question such as "did she play for them" may be no.
"""

import logging
import random
import re
from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import fields
from pathlib import Path

from elq.entities.catalogue import Catalogue
from elq.errors import ElqError
from elq.names.scripts import unspaced
from elq.names.surface import FUNCTION_WORDS, without_brackets
from elq.questions.frames import ENGLISH, ROOT, Frame, Frames, load_frames
from elq.questions.knobs import Knobs
from elq.questions.languages import before_name, in_script, misspell
from elq.questions.namesakes import Shared, beside
from elq.questions.unknown import Unknown
from elq.types import Entity, Mention, Question

log = logging.getLogger(__name__)

CLIMB = 0.3  # probability of a template sentence of the parent kind; "tell me about …" fits every kind, but says little
TRIES = 100  # draws after which an entity is taken even if its name belongs to an earlier row, so that the loop ends
COMMON_NAMES, COMMON_SHARE = 20, 0.01  # a word in more names than both this number and this share of N is not used alone
PAIR_TRIES = 10  # template sentences with two slots that are tried before one with one slot is taken


def usable_names(entity: Entity) -> list[str]:
    """The label, then the aliases that a person might type: at least 3 characters, at least one letter, no function word.

    Text in brackets at the end of the label is removed, since in a catalogue that has only titles the label is the title.

    >>> usable_names(Entity("Q16", "Canada", "Canada", aliases=("CA", "CAN", "🇨🇦🇨🇦", "British North America")))
    ['Canada', 'British North America']
    """
    label = without_brackets(entity.label) or entity.label
    taken = FUNCTION_WORDS | {label.casefold()}  # "CAN" would turn the question word into a mention
    long = [alias for alias in entity.aliases if len(alias) > 2 - unspaced(alias) and alias.casefold() not in taken]
    return [label, *(alias for alias in long if any(map(str.isalpha, alias)))]


class Author:
    """Draws entities and writes questions. It stores the names and the rows of each kind, but not the records.

    Args:
        catalogue: the records of the entities.
        frames: the template sentences and the kinds.
        knobs: the probabilities.
        seed: another seed draws others.
        without: ids of entities that are never drawn.
    """

    def __init__(self, catalogue: Catalogue, frames: Frames, knobs: Knobs, seed: int, without: Collection[str]) -> None:
        self.several = any(frame.language != ENGLISH for frame in frames.no_mention)
        self.catalogue, self.frames, self.knobs, self.draws = catalogue, frames, knobs, random.Random(seed)
        self.first: dict[str, int] = {}  # case-folded name → its first row
        self.rows = {kind: array("I") for kind in frames.parents}  # kind → rows of its entities and of those of its children
        lines = {kind: frames.lineage(kind) for kind in frames.parents}
        self.kinds = Counter[str]()  # the entities of each kind, without those of its children
        self.examples: dict[str, int] = {}  # kind → its first row
        for row, entity in enumerate(catalogue):
            if entity.id not in without:
                own = frames.kind_of(entity)
                self.kinds[own] += 1
                self.examples.setdefault(own, row)
                for kind in lines[own]:
                    self.rows[kind].append(row)
            for name in usable_names(entity):
                self.first.setdefault(name.casefold(), row)
        self.shared = self._shared(without) if knobs.clue else None
        self.unknown = self._unknown(lines, without) if knobs.unknown else None
        counts = Counter(word for name in self.first for word in {*name.split()}) if knobs.name_part else Counter[str]()
        self.common = {word for word, count in counts.items() if count > max(COMMON_NAMES, COMMON_SHARE * len(catalogue))}
        if not self.rows[ROOT]:
            raise ElqError(
                "no entity of the catalogue is left for template questions, since all are held out: name fewer files in"
                " held_out, or use a larger catalogue"
            )

    def _shared(self, without: Collection[str]) -> Shared:
        """The names that entities share; the highest kind of an entity stands before ``generic`` in its lineage."""
        lines = {kind: self.frames.lineage(kind)[-2:][0] for kind in self.frames.parents}
        allowed = ((row, entity) for row, entity in enumerate(self.catalogue) if entity.id not in without)
        return Shared((row, usable_names(e)[0], e, lines[self.frames.kind_of(e)]) for row, e in allowed)

    def _unknown(self, lines: dict[str, list[str]], without: Collection[str]) -> Unknown:
        """The names from which names that no entity has are made."""
        allowed = ((row, entity) for row, entity in enumerate(self.catalogue) if entity.id not in without)
        return Unknown(((row, usable_names(e), lines[self.frames.kind_of(e)]) for row, e in allowed), self.first)

    def tell_kinds(self) -> None:
        """Log the number of entities of each kind, with the longest sentence about the first of them."""
        for kind, count in self.kinds.most_common():
            place = next(name for name in self.frames.lineage(kind) if self.frames.single.get(name))
            frame = max(self.frames.single[place], key=lambda frame: sum(map(len, frame.parts)))
            text = usable_names(self.catalogue[self.examples[kind]])[0].join(frame.parts[::2])  # the frame has one slot
            log.info("template sentences of the kind %s: entities %s, such as %r", kind, f"{count:,}", text)

    def chance(self, share: float) -> bool:
        """True with this probability."""
        return self.draws.random() < share

    def draw(self, kind: str) -> tuple[Entity, str]:
        """Draw an entity of the kind, and one of its names. If u is uniform, u² has the density 1 / (2 sqrt(u²))."""
        rows = self.rows[kind]
        for _ in range(TRIES):
            place = self.draws.random() ** (2 if self.chance(self.knobs.fame) else 1)
            row = rows[int(place * len(rows))]
            entity = self.catalogue[row]
            label, *aliases = usable_names(entity)
            name = self.draws.choice(aliases) if self.chance(self.knobs.alias) and aliases else label
            if self.first[name.casefold()] == row or self.chance(self.knobs.namesake):
                break
        if self.knobs.name_part and self.chance(self.knobs.name_part):  # no draw if it is 0
            name = self.part_of(name)
        return entity, name

    def part_of(self, name: str) -> str:
        """A part of a name that is not the name of an entity; the whole name if there is no such part."""
        words = re.sub(r"[,(].*", "", name).split()
        while words and words[-1].casefold() in self.common | FUNCTION_WORDS:
            words.pop()
        first = self.draws.randrange(len(words)) if words else 0
        while first < len(words) and words[first].casefold() in self.common | FUNCTION_WORDS:
            first += 1
        part = " ".join(words[first:])
        return part if sum(map(str.isalpha, part)) > 2 and part.casefold() not in self.first else name

    def pick(self, kind: str, table: dict[str, list[Frame]]) -> Frame | None:
        """Draw a frame of the kind, or sometimes of one of its ancestors; None if none of them has a frame in ``table``."""
        for name in self.frames.lineage(kind):
            if table.get(name) and (name == ROOT or not self.chance(CLIMB)):
                return self.draws.choice(table[name])
        return None

    def compose(self) -> tuple[Frame, dict[str, tuple[Entity, str]]]:
        """Draw a frame, and for each of its slots an entity with one of its names."""
        if self.chance(self.knobs.no_mention):
            return self.draws.choice(self.frames.no_mention), {}
        entity, name = self.draw(ROOT)
        kind = self.frames.kind_of(entity)
        for _ in range(PAIR_TRIES if self.chance(self.knobs.two_mentions) else 0):
            frame = self.pick(kind, self.frames.pairs)
            if frame is not None and self.rows[frame.other or kind]:
                other, second = self.draw(frame.other or kind)
                if other.id != entity.id and second.casefold() != name.casefold():
                    return frame, {"entity": self.said(entity, name, frame), "other": self.said(other, second, frame)}
        single = self.pick(kind, self.frames.single)
        assert single is not None  # load_frames refuses an empty generic
        return single, {"entity": self.said(entity, name, single)}

    def compose_about(self, row: int, name: str) -> tuple[Frame, dict[str, tuple[Entity, str]]]:
        """Draw a frame with one slot that fits the entity of a row, for a name."""
        entity = self.catalogue[row]
        single = self.pick(self.frames.kind_of(entity), self.frames.single)
        assert single is not None
        return single, {"entity": (entity, name)}

    def compose_any(self) -> tuple[bool, bool, tuple[Frame, dict[str, tuple[Entity, str]]]]:
        """Draw a frame with its names, and say whether a clue stands beside the name, and whether the name is unknown."""
        if self.shared is not None and self.shared.drawn and self.chance(self.knobs.clue):
            return True, False, self.compose_about(*self.shared.draw(self.draws))
        drawn = self.unknown.draw(self.draws) if self.unknown is not None and self.chance(self.knobs.unknown) else None
        return (False, False, self.compose()) if drawn is None else (False, True, self.compose_about(*drawn))

    def said(self, entity: Entity, name: str, frame: Frame) -> tuple[Entity, str]:
        """An entity with its name: the drawn one, or one in the script of the sentence where not all are English."""
        if not self.several or name in (fitting := in_script(usable_names(entity), frame.language)):
            return entity, name
        return entity, self.draws.choice(fitting)

    def write(self, number: int) -> Question:
        """Write one question. Each part is lower-cased before offsets are counted, since "İ".lower() has two characters."""
        clued, unknown, (frame, chosen) = self.compose_any()
        small, bare = self.chance(self.knobs.lower_case), self.chance(self.knobs.bare_possessive)
        text, mentions, name = "", list[Mention](), ""
        for place, part in enumerate(frame.parts):
            if place % 2:
                entity, name = chosen[part]
                text = before_name(text, name, frame.language)
                name, extra = name.lower() if small else name, ("", "")
                if clued:
                    extra = beside(entity, name, text, frame.parts[place + 1], self.draws)
                    extra = (extra[0].lower(), extra[1].lower()) if small else extra
                text += extra[0]
                long = sum(map(str.isalpha, name)) >= 5 and not unspaced(name) and not unknown
                if long and self.chance(self.knobs.misspelling):
                    name = misspell(name, self.draws)
                mentions.append(Mention(len(text), len(text) + len(name), None if unknown else entity.id))
                text += name + extra[1]
            else:
                if name and part.startswith("'s"):
                    ending = "'" if name.endswith("s") else "'s"
                    part = (ending.replace("'", "") if bare else ending) + part.removeprefix("'s")
                text += part.lower() if small else part
        mark = frame.mark if frame.asks and self.chance(self.knobs.question_mark) else ""
        if text.startswith("¿") and not mark:
            text, mentions = text[1:], [Mention(m.start - 1, m.end - 1, m.entity) for m in mentions]
        return Question(f"template-{number}", text + mark, tuple(mentions), partial=clued)


def template_questions(
    catalogue: Catalogue,
    count: int,
    *,
    seed: int = 0,
    frames: str | Path | None = None,
    languages: Sequence[str] = (ENGLISH,),
    without: Collection[str] = (),
    tell_kinds: bool = False,
    **knobs: float,
) -> Iterator[Question]:
    """Make questions about the entities of a catalogue, for training without annotated questions.

    The function reads the names of the catalogue before it returns (2 s for 150,000 records); then the questions are made one
    by one. With the same arguments they are always the same, and the first n are the same for every ``count``.

    Args:
        catalogue: its entities, which should be ordered by fame, the most famous first.
        count: number of questions, at least 1.
        seed: another seed gives other questions.
        frames: a YAML file in the form of elq/questions/template_sentences/en.yaml, which extends or replaces ours.
        languages: the languages of our sentences. All questions are drawn from the sentences of all of them.
        without: ids of entities that no question is about, such as those of a test set.
        tell_kinds: log the kinds of the entities, each with an example, so that a person sees where a kind is wrong.
        knobs: see :class:`Knobs`.

    Raises:
        ElqError: ``count`` is less than 1, a knob is unknown or not a probability, a frame is bad, or no entity is left.
    """
    if count < 1:
        raise ElqError(f"count is {count}, but must be at least 1: raise it")
    known = [knob.name for knob in fields(Knobs)]
    if unknown := sorted(knobs.keys() - set(known)):
        raise ElqError(
            f"{unknown[0]!r} is not a knob of the template questions: the knobs are {', '.join(known)}, so use these"
        )
    author = Author(catalogue, load_frames(frames, languages), Knobs(**knobs), seed, frozenset(without))
    if tell_kinds:
        author.tell_kinds()
    return map(author.write, range(count))
