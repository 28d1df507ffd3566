"""Given mentions with pictures: reads the files of WikiMEL, RichpediaMEL, VPWiki and WikiDiverse.

MELBench (WikiMEL and RichpediaMEL): an array of ``{"id", "sentence", "mentions", "imgPath", "entities", "answer"}``, an object
of such objects by id, or one a line. ``mentions`` is the name in the sentence, ``answer`` the id in Wikidata, and ``entities``
the title; each of them may be a list. VPWiki has the same keys and ``box``, [left, top, right, bottom] in pixels. What is in
the box is meant where the sentence does not name the entity.

WikiDiverse: an array of ``[sentence, address of the picture, topic, [[name, type, start, end, address in Wikipedia], …]]``.

The pictures are files in one folder. ``imgPath`` is a path in it. A picture of WikiDiverse has the name at the end of its
address, or, as in the published folder, the md5 sum of this name with its suffix.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

from elq.errors import ElqError
from elq.exchange.gold import Annotated, Gold
from elq.files import is_file
from elq.reading.ids import id_text
from elq.reading.records import listing, read_json
from elq.vision.boxes import checked_box

log = logging.getLogger(__name__)

Made = TypeVar("Made")

FOLDERS = ("", "images", "mentionImage", "wikinewsImgs")  # beside the file, in which pictures are looked for
BOXES = ("box", "bbox")
ARTICLE = "/wiki/"


def read_melbench(path: str | Path, pictures: str | Path | None = None) -> Iterator[Annotated]:
    """Read the mentions of WikiMEL, RichpediaMEL or VPWiki; each record is one text. A name that is not in its text is counted.

    Args:
        path: the file.
        pictures: the folder of the pictures; None: the first folder beside the file that has the picture.

    Raises:
        ElqError: the file is missing, or a record is bad.
    """
    lost = total = 0
    for found, unnamed in _made(path, pictures, _melbench_text):
        lost, total = lost + unnamed, total + unnamed + len(found.mentions)
        yield found
    if lost:
        log.warning("%s: %d of %d names do not stand in their sentences, and are left out", path, lost, total)


def _made(path: str | Path, pictures: str | Path | None, make: Callable[[object, str, Sequence[Path]], Made]) -> Iterator[Made]:
    """What a function makes of each record, of its number in the file, and of the folders of pictures."""
    folders = _folders(path, pictures)
    for place, record in read_json(Path(path)):
        try:
            made = make(record, place.rpartition(" ")[2], folders)
        except ElqError as error:
            raise ElqError(f"{path}, {place}: {error}") from None
        yield made


def _melbench_text(record: object, number: str, folders: Sequence[Path]) -> tuple[Annotated, int]:
    """One record as a text, and how many of its names are not in the text."""
    text = record.get("sentence") if isinstance(record, Mapping) else None
    if not isinstance(record, Mapping) or not isinstance(text, str):
        keys = listing(record) if isinstance(record, Mapping) else type(record).__name__
        raise ElqError(f'the record has no text as "sentence" (it has {keys}): give a file of WikiMEL, RichpediaMEL or VPWiki')
    names, answers, titles = (_texts(record, key) for key in ("mentions", "answer", "entities"))
    image = _found((str(record.get("imgPath") or ""),), folders)
    golds = [_gold(one(answers, place), one(titles, place)) for place in range(max(len(names), 1))]
    spans = [(place, text.casefold().find(name.casefold()), len(name)) for place, name in enumerate(names) if name]
    if len(text.casefold()) != len(text):  # a letter such as ß has another length
        spans = [(place, text.find(name), len(name)) for place, name in enumerate(names) if name]
    mentions = tuple((start, start + size, golds[place]) for place, start, size in spans if start >= 0)
    box = next((checked_box(record[key]) for key in BOXES if record.get(key) is not None), None)
    identity = id_text(record.get("id")) or number
    lost = len(spans) - len(mentions) if box is None else 0
    return Annotated(identity, text, mentions, image=image, box=box, box_gold=golds[0] if box and not mentions else None), lost


def one(values: Sequence[str], place: int) -> str:
    """The value at a place; a single value belongs to all places.

    >>> one(["a"], 2), one(["a", "b"], 1), one([], 0)
    ('a', 'b', '')
    """
    return values[place] if place < len(values) else values[0] if len(values) == 1 else ""


def _texts(record: Mapping[str, Any], key: str) -> list[str]:
    value = record.get(key)
    listed = value if isinstance(value, list) else [] if value is None else [value]
    if not all(type(each) in (str, int) for each in listed):
        raise ElqError(f"{key} is {value!r}, but must be a text or a list of texts: correct it")
    return [str(each).strip() for each in listed]


def _gold(answer: str, title: str) -> Gold:
    known = answer.casefold() not in ("", "nil", "-1", "none")
    return Gold((answer,) if known else (), (title,) if title and known else ())


def read_wikidiverse(path: str | Path, pictures: str | Path | None = None) -> Iterator[Annotated]:
    """Read the captions of WikiDiverse with their mentions; the topic is the world of a text.

    Args:
        path: the file.
        pictures: the folder of the pictures; None: the first folder beside the file that has the picture.

    Raises:
        ElqError: the file is missing, or a record is bad.
    """
    yield from _made(path, pictures, _wikidiverse_text)


def _wikidiverse_text(record: object, number: str, folders: Sequence[Path]) -> Annotated:
    listed = record if isinstance(record, list) and len(record) >= 4 else [None] * 4
    text, address, topic, mentions = listed[:4]
    if not isinstance(text, str) or not isinstance(address, str) or not isinstance(mentions, list):
        raise ElqError("the record is not [sentence, address of the picture, topic, list of mentions]: correct it")
    found = tuple(_wikidiverse_mention(each, text) for each in mentions)
    name = address.rpartition("/")[2]
    digest = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
    image = _found((name, unquote(name), digest + Path(name).suffix), folders) if name else None
    return Annotated(number, text, found, topic if isinstance(topic, str) else "", image=image)


def _wikidiverse_mention(each: object, text: str) -> tuple[int, int, Gold]:
    if not isinstance(each, list) or len(each) < 5 or type(each[2]) is not int or type(each[3]) is not int:
        raise ElqError(f"a mention is {each!r}, but must be [name, type, start, end, address in Wikipedia]: correct it")
    start, end, address = each[2], each[3], str(each[4] or "")
    if not 0 <= start < end <= len(text):
        raise ElqError(f"the mention [{start}, {end}) is empty or outside the text of {len(text)} characters: correct it")
    title = unquote(address.rpartition(ARTICLE)[2]).replace("_", " ") if ARTICLE in address else ""
    return start, end, Gold((), (title,) if title else ())


def _folders(path: str | Path, pictures: str | Path | None) -> list[Path]:
    return [Path(pictures)] if pictures is not None else [Path(path).parent / name for name in FOLDERS]


def _found(names: Sequence[str], folders: Sequence[Path]) -> str | None:
    """The path of the first of some names that is a file in a folder; else its path in the first folder, which is missing."""
    names = [name for name in names if name and "\0" not in name]
    paths = [folder / name for name in names for folder in folders]
    return str(next((path for path in paths if is_file(path)), paths[0])) if paths else None
