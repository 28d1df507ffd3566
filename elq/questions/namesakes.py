"""Namesakes: template questions about entities that share their name, with words that say which of them is meant.

Where several entities have one name, most template questions fit all of them, so a model learns to choose the most famous one.
Here the words beside the name come from the description and the types of the entity: "the film titanic", "salem in oregon".
"""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable

from elq.names.words import folded
from elq.questions.frames import head_phrases
from elq.types import Entity

MOST_WORDS = 3  # of a clue; a longer one is a sentence
LEAST_LETTERS = 3
EMPTY = frozenset(("human", "one", "place", "common name"))  # they say nothing
MAKER = re.compile(r"\sby (?P<words>[^\W\d][^,;()]{2,40})")
PLACE = re.compile(r"\sin (?P<words>[^\W\d][^;()]{2,80})")


def clues(entity: Entity, name: str) -> list[str]:
    """Words that say what an entity is: the head phrases of its description and of its types, without the words of the name.

    >>> clues(Entity("Q1", "Titanic (1997 film)", "Titanic", "1997 American film by James Cameron", types=("film",)), "Titanic")
    ['1997 american film', 'film']
    """
    texts = (entity.description, *entity.types)
    found = dict.fromkeys(phrase for text in texts if text for phrase in head_phrases(text))
    return [phrase for phrase in found if _fits(phrase, name)]


def tails(entity: Entity, name: str) -> list[str]:
    """Words that say where an entity is, or who made it, from its description. Of several places, it is the second largest.

    >>> tails(Entity("Q1", "Salem", "Salem", "city in Marion County, Oregon, United States"), "Salem")
    ['in Oregon']
    >>> tails(Entity("Q1", "Titanic", "Titanic", "1997 film by James Cameron"), "Titanic")
    ['by James Cameron']
    """
    found = [f"by {match['words'].strip()}" for match in [MAKER.search(entity.description)] if match]
    if match := PLACE.search(entity.description):
        parts = [part.strip(" .") for part in match["words"].split(",")]
        found.append(f"in {parts[-2] if len(parts) > 1 else parts[-1]}")
    return [tail for tail in found if _fits(tail, name)]


def _fits(clue: str, name: str) -> bool:
    words = folded(clue).split()
    short = len(words) <= MOST_WORDS + clue.startswith(("in ", "by "))
    if clue in EMPTY or words[:1] == ["born"]:
        return False
    return short and sum(map(str.isalpha, clue)) >= LEAST_LETTERS and {*folded(name).split()}.isdisjoint(words)


def shared(names: Iterable[tuple[int, str]]) -> list[tuple[int, str]]:
    """The pairs of a row and a name whose name stands in the pair of another row too; letter case plays no part.

    >>> shared([(0, "Paris"), (1, "Rome"), (2, "paris")])
    [(0, 'Paris'), (2, 'paris')]
    """
    every = list(dict.fromkeys(names))
    counts = Counter(name.casefold() for _, name in every)
    return [(row, name) for row, name in every if counts[name.casefold()] > 1]


def surname(label: str) -> str | None:
    """The last word of the name of a person, if it has several words and the last one is a name.

    >>> surname("Michael Jordan"), surname("Sade"), surname("Robert Downey Jr.")
    ('Jordan', None, None)
    """
    first, _, last = label.rpartition(" ")
    return last if first and last.isalpha() and len(last) >= LEAST_LETTERS and last.istitle() else None


class Shared:
    """The names that several entities of a catalogue share, from which entities for template questions are drawn.

    Args:
        entities: the row, the label and the record of each entity, and the highest of its kinds below ``generic``.
        person: that kind of people, who are asked for by their surname too.
    """

    def __init__(self, entities: Iterable[tuple[int, str, Entity, str]], person: str = "person") -> None:
        labels: list[tuple[int, str]] = []
        surnames: list[tuple[int, str]] = []
        kinds: dict[int, str] = {}
        for row, label, entity, kind in entities:
            labels.append((row, label))
            last = surname(label) if kind == person else None
            surnames += [(row, last)] if last else []
            if clues(entity, label) or tails(entity, label):
                kinds[row] = kind
        self.drawn: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        for row, name in (*shared(labels), *shared(surnames)):
            if row in kinds:
                self.drawn[kinds[row]].append((row, name))

    def draw(self, draws: random.Random) -> tuple[int, str]:
        """Draw a row with a name of it. A kind of n names has the weight √n, and earlier rows are somewhat likelier."""
        kinds = sorted(self.drawn)
        [kind] = draws.choices(kinds, [len(self.drawn[kind]) ** 0.5 for kind in kinds])
        pairs = self.drawn[kind]
        return pairs[int(draws.random() ** draws.choice((1, 2)) * len(pairs))]


def beside(entity: Entity, name: str, before: str, behind: str, draws: random.Random) -> tuple[str, str]:
    """What is written before and behind a name, so that the words beside it say which entity is meant.

    Args:
        entity: the record of the entity.
        name: its name in the question.
        before: the text before the name.
        behind: the part of the sentence that follows the name.
        draws: draws which words are taken, and their place.

    Returns:
        Both are empty if the record says nothing that fits.

    >>> ship = Entity("Q1", "Titanic", "Titanic", types=("ship",))
    >>> beside(ship, "Titanic", "where is the ", "'s wreck", random.Random(0))
    ('ship ', '')
    """
    what, where = clues(entity, name), tails(entity, name)
    if behind.startswith("'s"):
        where = []
    if where and (not what or draws.random() < 0.5):
        return "", f" {draws.choice(where)}"
    if not what:
        return "", ""
    clue = draws.choice(what)
    if draws.random() < 0.5 and not behind.startswith("'s"):
        return "", f" the {clue}"
    return (f"{clue} ", "") if before.lower().endswith((" the ", " a ", " an ")) else (f"the {clue} ", "")
