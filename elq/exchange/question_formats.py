"""Formats of questions: says in which format a file of annotated questions is, and reads it."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from elq.errors import ElqError
from elq.exchange.aida import DOCUMENT, read_aida
from elq.exchange.blink import read_blink
from elq.exchange.gold import Annotated, GivenQuestion, questions_of
from elq.exchange.nif import is_nif
from elq.exchange.pictured import read_melbench, read_wikidiverse
from elq.exchange.zeshel import read_zeshel
from elq.reading.lines import DAMAGED, opened, require_file

if TYPE_CHECKING:
    from elq.entities.catalogue import Catalogue

PICTURED: dict[str, Callable[..., Iterator[Annotated]]] = {"melbench": read_melbench, "wikidiverse": read_wikidiverse}
GIVEN: dict[str, Callable[..., Iterator[Annotated]]] = {
    "blink": read_blink,
    "aida": read_aida,
    "zeshel": read_zeshel,
    **PICTURED,
}
QUESTION_FORMATS = ("annotated", "nif", *GIVEN)
HEAD = 1 << 16  # bytes of the file that are looked at
KEYS = {  # keys of JSON that only this format has
    "blink": ("context_left", "context_right", "mention"),
    "zeshel": ("context_document_id", "label_document_id"),
    "melbench": ("sentence", "imgPath"),
}
NESTED = re.compile(r"\[\s*\[\s*\"")  # how an array of arrays that begin with a text begins: WikiDiverse


def guessed_format(path: str | Path) -> str:
    """The format of a file of questions, from its suffix and its first bytes; ``annotated`` is elq's own."""
    if is_nif(path):
        return "nif"
    if not Path(path).is_file():
        return "annotated"  # reading it says what is wrong
    try:
        with opened(path) as stream:
            head = stream.read(HEAD).decode("utf-8-sig", "replace").lstrip()
    except DAMAGED:
        return "annotated"
    if head.startswith(DOCUMENT):
        return "aida"
    if head.startswith(("{", "[")):
        for form, keys in KEYS.items():
            if all(re.search(rf'"{key}"\s*:', head) for key in keys):  # in a text, a quotation mark has a backslash before it
                return form
        if NESTED.match(head):
            return "wikidiverse"
    return "annotated"


def read_given(
    path: str | Path, form: str, catalogue: "Catalogue | None" = None, pictures: str | Path | None = None
) -> list[GivenQuestion]:
    """Read the questions of a file in which all mentions are given: one of ``GIVEN``.

    Args:
        path: the file, which may be compressed.
        form: the name of the format.
        catalogue: the catalogue whose ids the gold entities get; see :func:`elq.exchange.gold.questions_of`.
        pictures: the folder of the pictures, for one of ``PICTURED``; None: they are looked for beside the file.

    Raises:
        ElqError: the file is missing, has no text, or a line is bad.
    """
    require_file(path, str(path), f"give the path of a file in the format {form}")
    read = GIVEN[form](path) if form not in PICTURED else GIVEN[form](path, pictures)
    questions = questions_of(read, str(path), catalogue)
    if not questions:
        raise ElqError(f"{path} contains no texts, but at least one is needed: give another file, or another --format")
    return questions
