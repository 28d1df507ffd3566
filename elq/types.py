"""The records that a user of elq sees: questions, entities and links. All are frozen, and none needs torch."""

from dataclasses import dataclass

NIL = "NIL"  # the entity of a link whose mention means none of the catalogue
# In which way a name may mean an entity (elq/names/lookup.py finds them, the network learns what each is worth).
NAME_KINDS = ("name", "spelling", "misspelling", "adjective", "end", "beginning", "both ends", "more before", "more behind")


@dataclass(frozen=True, slots=True)
class Mention:
    """A gold mention: characters ``[start, end)`` of the text, and its entity id (None: not in the catalogue, NIL)."""

    start: int
    end: int
    entity: str | None


@dataclass(frozen=True, slots=True)
class Question:
    """A question and, where it is annotated, its gold mentions in reading order of the file.

    ``other_entities`` are further gold entities without an annotated span: they count in set-level scores only. ``partial``:
    further mentions may stand in the text, so that a name which is none says nothing.
    """

    id: str
    text: str
    mentions: tuple[Mention, ...] = ()
    other_entities: tuple[str, ...] = ()
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Entity:
    """One catalogue record. ``popularity`` is a count of page views, 0 where it is unknown."""

    id: str
    title: str
    label: str
    description: str = ""
    aliases: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    popularity: int = 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entity considered for a mention; ``score`` is log p(entity | mention), a natural logarithm."""

    entity: str
    title: str
    score: float


@dataclass(frozen=True, slots=True)
class Link:
    """A linked mention: characters ``[start, end)`` of the original text and the chosen entity.

    ``score`` is the joint score log p(mention) + log p(entity | mention) (natural logarithm, at most 0);
    ``candidates`` holds the retrieved entities, best first. ``mention_score`` is log p(mention) alone. ``probability`` that the
    entity is one the question asks for, from the model's calibration (None: it has none, see elq/linking/calibration.py).

    On request a link may have the entity "NIL", none of the catalogue: without title, description and probability.
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
