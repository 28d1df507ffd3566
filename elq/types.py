"""Types: the records that users of elq see: questions, entities and links.

All of them are frozen, and none of them needs torch.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from html import escape
from math import exp
from typing import Any

QID = re.compile(r"Q([0-9]{1,15})")  # a Wikidata id; Wikidata has no ids with more digits
# The style of a mention in a notebook. It inherits the colour of the text, so it fits a light and a dark page.
MARK = "background:rgba(90,140,250,.22);color:inherit;border-bottom:2px solid rgb(90,140,250);padding:0 .15em"
NIL = "NIL"  # the entity of a link whose mention means no entity of the catalogue
# The ways in which a name may mean an entity. elq/names/lookup.py finds them, and the network learns a bonus for each.
NAME_KINDS = ("name", "spelling", "misspelling", "adjective", "end", "beginning", "both ends", "more before", "more behind")


@dataclass(frozen=True, slots=True)
class Mention:
    """A gold mention: characters ``[start, end)`` of the text, and its entity id (None: it is not in the catalogue, NIL)."""

    start: int
    end: int
    entity: str | None


@dataclass(frozen=True, slots=True)
class Question:
    """A question and, if it is annotated, its gold mentions in the order of the file.

    ``other_entities`` are further gold entities without an annotated span: they count only in metrics over sets of entities.
    ``partial`` means that the annotation is incomplete: a name in the text without a gold mention may still be a mention.
    ``image`` is the path of the picture of the text, or None if it has none. ``box`` is the part of the picture that is meant:
    left, top, right and bottom in pixels. A question without mentions in its text may ask for what is in its box; then
    ``box_entity`` is the gold entity of the box.
    """

    id: str
    text: str
    mentions: tuple[Mention, ...] = ()
    other_entities: tuple[str, ...] = ()
    partial: bool = False
    image: str | None = field(default=None, repr=False)
    box: tuple[float, float, float, float] | None = field(default=None, repr=False)
    box_entity: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Entity:
    """One record of the catalogue.

    ``popularity`` is a number of page views, or 0 if it is unknown. ``data`` has the further columns of the user's file, name
    → text, such as a URL; elq only keeps them.
    """

    id: str
    title: str
    label: str
    description: str = ""
    aliases: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    popularity: int = 0
    data: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, repr=False)
class Candidate:
    """One of the K entities that were retrieved for a mention. ``score`` is log p(entity | mention), a natural logarithm.

    >>> Candidate("Q44578", "Titanic (1997 film)", -0.1)
    Candidate(Q44578 'Titanic (1997 film)', p .90)
    """

    entity: str
    title: str
    score: float

    def __repr__(self) -> str:
        return f"Candidate({self.entity} {self.title!r}, p {_two_digits(exp(self.score))})"

    def to_dict(self) -> dict[str, Any]:
        """The candidate as a dictionary of plain values, which can be written as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, repr=False)
class Link:
    """A linked mention: characters ``[start, end)`` of the original text, and the chosen entity.

    ``score`` is the joint score log p(mention) + log p(entity | mention) (a natural logarithm, at most 0), and
    ``mention_score`` is log p(mention). ``candidates`` are the retrieved entities, best first. ``probability`` is the
    probability that the link is right, which means that the question asks for this entity: of links with the probability 0.8 in
    questions like those on which the model was calibrated, about 8 of 10 are right. It grows with the score
    (elq/linking/calibration.py). It is None if the model has no calibration.

    If NIL was asked for, the entity of a link may be "NIL" ("not in the catalogue"). Such a link has no title, no description
    and no probability.

    ``types`` are the types of the entity in the catalogue, and ``data`` are its further columns there (column → text).

    ``nil_score`` is log p(NIL | mention), also if NIL was not asked for; None if the model was trained without NIL. What the
    shares of the candidates and of NIL leave of 1 belongs to other entities of the catalogue.

    ``type_scores`` are the types that the model predicts for the mention, with their probabilities, the most probable first.
    They depend on the text alone, and not on the chosen entity. It is empty if the model was trained without types.

    >>> Link(13, 20, "titanic", "Q44578", "Titanic (1997 film)", "1997 romance", -0.04, probability=0.958)
    Link(Q44578 'Titanic (1997 film)' at 13:20 'titanic', p .96)
    """

    start: int
    end: int
    mention: str
    entity: str
    title: str
    description: str
    score: float
    candidates: tuple[Candidate, ...] = ()
    mention_score: float = 0.0
    probability: float | None = None
    types: tuple[str, ...] = ()
    data: Mapping[str, str] = field(default_factory=dict, hash=False)
    nil_score: float | None = None
    type_scores: Mapping[str, float] = field(default_factory=dict, hash=False)

    def __repr__(self) -> str:
        return f"Link({self.entity} {self.title!r} at {self.start}:{self.end} {self.mention!r}, {self._sure})"

    @property
    def _sure(self) -> str:
        """The probability in short words; the score, if the link has no probability."""
        return f"score {self.score:.2f}" if self.probability is None else f"p {_two_digits(self.probability)}"

    def to_dict(self) -> dict[str, Any]:
        """The link as a dictionary of plain values, which can be written as JSON. :meth:`from_dict` reads it again."""
        return {**asdict(self), "types": list(self.types), "candidates": [one.to_dict() for one in self.candidates]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Link":
        """The link of which :meth:`to_dict` made these values, also after they were written as JSON."""
        candidates = tuple(Candidate(**one) for one in values["candidates"])
        return cls(**{**values, "types": tuple(values["types"]), "candidates": candidates})

    def _repr_html_(self) -> str:
        """The link as a notebook shows it: mention, title, id, probability and description."""
        about = ", ".join(part for part in (self.entity, self._sure, self.description) if part)
        return f"<div>{marked(self.mention)} → {in_html(self.title)} <small>{in_html(about)}</small></div>"


@dataclass(frozen=True, slots=True, repr=False)
class BoxLink(Link):
    """A link whose mention is a box in a picture: left, top, right and bottom in pixels. It has no words, so it starts at 0."""

    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    def __repr__(self) -> str:
        return f"BoxLink({self.entity} {self.title!r} in {self.box}, {self._sure})"

    def to_dict(self) -> dict[str, Any]:
        """The link as a dictionary of plain values, which can be written as JSON."""
        return {**Link.to_dict(self), "box": [*self.box]}


def in_html(text: str) -> str:
    """A text that can stand in HTML. A lone surrogate, which is half a character, becomes a question mark.

    >>> in_html("a < b")
    'a &lt; b'
    """
    return escape(text).encode("utf-8", "replace").decode()


def marked(mention: str) -> str:
    """The words of a mention in HTML, with a coloured background."""
    return f'<mark style="{MARK}">{in_html(mention)}</mark>'


def _two_digits(p: float) -> str:
    return f"{p:.2f}".removeprefix("0")
