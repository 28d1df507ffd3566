"""Calls: checks what a multimodal disambiguator is asked for (texts with mentions, pictures and boxes), and divides it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from elq.errors import ElqError
from elq.linking.given import Span
from elq.types import NIL, BoxLink, Link
from elq.vision.boxes import Box, checked_box
from elq.vision.pictures import Source

NOTHING = Link(0, 0, "", NIL, "", "", 0.0)  # of a box in a picture that cannot be used
TOGETHER = 64  # mentions whose candidates are looked for together


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


def boxed(link: Link, box: Box | None) -> Link:
    """The link of a box that no words name: it has no characters, but the box."""
    if box is None:
        return link
    values = {each.name: getattr(link, each.name) for each in fields(Link)}
    return BoxLink(**{**values, "start": 0, "end": 0, "mention": ""}, box=box)


def in_parts(places: Sequence[int], documents: Sequence[int], size: int = TOGETHER) -> Iterator[list[int]]:
    """The places of mentions in parts of at most ``size``. The mentions of a text, which are matched together, are not divided.

    A text with more mentions is a part of its own.

    >>> [*in_parts([0, 1, 2, 3, 4], [7, 7, 8, 8, 8], size=4)]
    [[0, 1], [2, 3, 4]]
    """
    part: list[int] = []
    for _, of_text in groupby(zip(documents, places, strict=True), key=itemgetter(0)):
        own = [place for _, place in of_text]
        if part and len(part) + len(own) > size:
            yield part
            part = []
        part += own
    if part:
        yield part
