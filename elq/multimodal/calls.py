"""Calls: checks what a multimodal disambiguator is asked for: texts with their mentions, pictures and boxes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elq.errors import ElqError
from elq.linking.given import Span
from elq.vision.boxes import Box, checked_box
from elq.vision.pictures import Source


@dataclass(frozen=True, slots=True)
class Call:
    """One text, and what is given with it."""

    text: str
    mentions: Sequence[Span]
    image: "Source | None"
    box: Box | None


def called(texts: str | Sequence[str], mentions: Any, image: Any, box: Any) -> list[Call]:
    """The calls for one text, or for each of several.

    Args:
        texts: one text, or several.
        mentions, image, box: as the caller gave them; None or one for each text.

    Raises:
        ElqError: there is not one for each text, a box has no picture or is bad, an image is no picture, or there is
            neither a mention nor a box.
    """
    if isinstance(texts, str):
        texts, mentions, image, box = [texts], None if mentions is None else [mentions], [image], [box]
    if not all(isinstance(text, str) for text in texts):
        wrong = next(text for text in texts if not isinstance(text, str))
        raise ElqError(f"a text is no string but of the type {type(wrong).__name__}: give a text, or a list of texts")
    wanted = {"mentions": mentions, "image": image, "box": box}
    for name, given in wanted.items():
        if given is not None and (isinstance(given, str | bytes) or not hasattr(given, "__len__") or len(given) != len(texts)):
            raise ElqError(f"there are {len(texts)} texts, but {name} is {given!r}: give a list with one for each text")
    calls = []
    for place, text in enumerate(texts):
        own = () if mentions is None or mentions[place] is None else mentions[place]
        picture = None if image is None else _checked_image(image[place], place)
        part = None if box is None or box[place] is None else checked_box(box[place])
        if part is not None and picture is None:
            raise ElqError(
                f"text {place} has the box {list(part)}, but no picture: give its picture as image, or leave out box"
            )
        if mentions is None and part is None:
            raise ElqError(
                f'text {place} has neither mentions nor a box: give mentions, such as [(13, 20)] for "titanic" in "who directed'
                ' titanic?", or a box in its picture'
            )
        calls.append(Call(text, own, picture, part))
    return calls


def _checked_image(image: Any, place: int) -> "Source | None":
    if image is None or isinstance(image, str | Path | bytes) or hasattr(image, "getexif"):
        return image  # type: ignore[no-any-return]
    raise ElqError(f"the image of text {place} is {image!r}: give a path, the bytes of a file, or a picture of Pillow")
