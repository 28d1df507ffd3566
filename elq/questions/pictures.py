"""Pictures of questions: checks the keys ``image``, ``box`` and ``entity`` of a record, and counts missing pictures.

``image`` is the path of a picture, relative to the folder of the question file. ``box`` is [left, top, right, bottom] in pixels
of the picture. ``entity`` is the gold entity of the box, where no mention of the text is meant; null if it is not in the
catalogue.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from elq.errors import ElqError
from elq.files import is_file
from elq.reading.ids import id_text
from elq.types import Question
from elq.vision.boxes import checked_box

log = logging.getLogger(__name__)


def with_picture(question: Question, record: Mapping[str, Any], folder: Path | None = None) -> Question:
    """A question with what its record says about its picture; records without a picture leave it as it is.

    Args:
        question: the question.
        record: the raw record.
        folder: the folder of the question file, to which paths are relative; None: the working folder.

    Raises:
        ElqError: the path or the box is bad, or there is a box without a picture.

    >>> with_picture(Question("1", "the winner"), {"image": "a.png", "box": [0, 0, 9, 9]}).box
    (0.0, 0.0, 9.0, 9.0)
    """
    image, box, entity = (record.get(key) for key in ("image", "box", "entity"))
    if image is not None and (not isinstance(image, str) or not image.strip() or "\0" in image):
        raise ElqError(f"image is {image!r}, but must be the path of a picture: correct it or remove it")
    if box is None:
        return question if image is None else replace(question, image=_path(image, folder))
    if image is None:
        raise ElqError(f'box is {box!r}, but there is no picture: give the path of the picture as "image", or remove the box')
    if entity is not None and (type(entity) not in (str, int) or not str(entity).strip()):
        raise ElqError(f"entity is {entity!r}, but must be the id of the entity in the box, or null: correct it")
    gold = None if entity is None else id_text(entity)
    return replace(question, image=_path(image, folder), box=checked_box(box), box_entity=gold)


def _path(image: str, folder: Path | None) -> str:
    return str(image if folder is None else folder / image)


def without_missing(questions: Sequence[Question], source: str) -> list[Question]:
    """The questions, of which those whose picture does not exist have none. The log says how many these are.

    Args:
        questions: the questions.
        source: the name of their file, for the log.
    """
    known = {image: is_file(image) for image in {one.image for one in questions} if image is not None}
    missing = [one.image for one in questions if one.image is not None and not known[one.image]]
    if missing:
        total = sum(one.image is not None for one in questions)
        log.warning(
            "%s: %s of %s pictures do not exist, such as %s: these questions count as having no picture",
            *(source, f"{len(missing):,}", f"{total:,}", missing[0][:200]),
        )
    return [one if one.image is None or known[one.image] else replace(one, image=None) for one in questions]


def picture_record(question: Question) -> dict[str, Any]:
    """The keys of a question's picture, as :func:`with_picture` reads them; the path is absolute. None if it has no picture.

    >>> picture_record(Question("1", "who?"))
    {}
    """
    if question.image is None:
        return {}
    record: dict[str, Any] = {"image": str(Path(question.image).absolute())}
    if question.box is not None:
        record |= {"box": [*question.box]}
        record |= {} if question.box_entity is None else {"entity": question.box_entity}
    return record
