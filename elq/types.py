"""Types: the records that users of elq see: questions, entities and links.

All of them are frozen, and none of them needs torch.
"""

from dataclasses import dataclass

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
    """

    id: str
    text: str
    mentions: tuple[Mention, ...] = ()
    other_entities: tuple[str, ...] = ()
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Entity:
    """One record of the catalogue. ``popularity`` is a number of page views, or 0 if it is unknown."""

    id: str
    title: str
    label: str
    description: str = ""
    aliases: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    popularity: int = 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of the K entities that were retrieved for a mention. ``score`` is log p(entity | mention), a natural logarithm."""

    entity: str
    title: str
    score: float


@dataclass(frozen=True, slots=True)
class Link:
    """A linked mention: characters ``[start, end)`` of the original text, and the chosen entity.

    ``score`` is the joint score log p(mention) + log p(entity | mention) (a natural logarithm, at most 0), and
    ``mention_score`` is log p(mention). ``candidates`` are the retrieved entities, best first. ``probability`` is the
    probability that the link is right, which means that the question asks for this entity: of links with the probability 0.8 in
    questions like those on which the model was calibrated, about 8 of 10 are right. It grows with the score
    (elq/linking/calibration.py). It is None if the model has no calibration.

    If NIL was asked for, the entity of a link may be "NIL" ("not in the catalogue"). Such a link has no title, no description
    and no probability.
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
