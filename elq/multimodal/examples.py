"""Examples: mentions with the pictures of their texts, of annotated questions or of a call."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from elq.disambiguation.examples import MentionExample
from elq.entities.catalogue import Catalogue
from elq.errors import ElqError
from elq.types import Question
from elq.vision.boxes import Box
from elq.vision.pictures import Source

NO_WORDS = "picture"  # the text of a box whose question has no letter or digit


@dataclass(frozen=True, slots=True)
class PicturedMention(MentionExample):
    """A mention, and the picture of its text.

    Where no words are meant, but a box in the picture, the mention is the whole text and ``named`` is False.
    """

    image: "Source | None" = None
    box: Box | None = None
    named: bool = True
    document: int = 0  # the number of its text


def boxed_mention(text: str, image: "Source | None", box: Box | None, row: int = -1, document: int = 0) -> PicturedMention:
    """The mention of a box that no words of the text name.

    >>> boxed_mention("?", None, (0, 0, 9, 9)).mention
    'picture'
    """
    text = text if any(character.isalnum() for character in text) else NO_WORDS
    return PicturedMention(text, 0, len(text), row, image, box, named=False, document=document)


def pictured_examples(questions: Iterable[Question], catalogue: Catalogue, source: str) -> list[PicturedMention]:
    """The mentions and boxes whose entity is in the catalogue.

    Args:
        questions: annotated questions.
        catalogue: the catalogue.
        source: the name of the questions, for messages.

    Raises:
        ElqError: an entity is not in the catalogue.
    """
    found: list[tuple[str, str, PicturedMention]] = []
    for number, question in enumerate(questions):
        for one in question.mentions:
            if one.entity is not None:
                mention = PicturedMention(question.text, one.start, one.end, -1, question.image, question.box, document=number)
                found.append((question.id, one.entity, mention))
        if question.box_entity is not None:
            boxed = boxed_mention(question.text, question.image, question.box, document=number)
            found.append((question.id, question.box_entity, boxed))
    rows = catalogue.rows([entity for _, entity, _ in found]).tolist()
    if -1 in rows:
        identity, entity, _ = found[rows.index(-1)]
        raise ElqError(
            f"{source}: question {identity} has the entity {entity}, which is not in the catalogue ({rows.count(-1)} such"
            " mentions): correct it, or write null for a mention without an entry"
        )
    return [with_row(mention, row) for (_, _, mention), row in zip(found, rows, strict=True)]


def with_row(mention: PicturedMention, row: int) -> PicturedMention:
    """A mention with the catalogue row of its gold entity."""
    return PicturedMention(
        mention.text, mention.start, mention.end, row, mention.image, mention.box, mention.named, mention.document
    )


def without_pictures(mentions: Sequence[PicturedMention]) -> list[PicturedMention]:
    """The mentions without their pictures."""
    return [PicturedMention(m.text, m.start, m.end, m.row, None, None, m.named, m.document) for m in mentions]
