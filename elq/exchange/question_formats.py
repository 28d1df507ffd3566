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
from elq.exchange.zeshel import read_zeshel
from elq.reading.lines import DAMAGED, opened, require_file

if TYPE_CHECKING:
    from elq.entities.catalogue import Catalogue

GIVEN: dict[str, Callable[[str | Path], Iterator[Annotated]]] = {"blink": read_blink, "aida": read_aida, "zeshel": read_zeshel}
QUESTION_FORMATS = ("annotated", "nif", *GIVEN)
HEAD = 1 << 16  # bytes of the file that are looked at
KEYS = {  # keys of JSON that only this format has
    "blink": ("context_left", "context_right", "mention"),
    "zeshel": ("context_document_id", "label_document_id"),
}


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
    return "annotated"


def read_given(path: str | Path, form: str, catalogue: "Catalogue | None" = None) -> list[GivenQuestion]:
    """Read the questions of a file in which all mentions are given: one of ``GIVEN``.

    Args:
        path: the file, which may be compressed.
        form: the name of the format.
        catalogue: the catalogue whose ids the gold entities get; see :func:`elq.exchange.gold.questions_of`.

    Raises:
        ElqError: the file is missing, has no text, or a line is bad.
    """
    require_file(path, str(path), f"give the path of a file in the format {form}")
    questions = questions_of(GIVEN[form](path), str(path), catalogue)
    if not questions:
        raise ElqError(f"{path} contains no texts, but at least one is needed: give another file, or another --format")
    return questions
