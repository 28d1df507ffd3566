"""Stored questions: the questions of a large file, which are read from the disk when a batch needs them."""

import logging
from abc import ABC, abstractmethod
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, overload

from elq.errors import ElqError
from elq.names.dictionary import Dictionary
from elq.progress import track
from elq.questions.annotated import question_of
from elq.questions.silver import with_silver
from elq.reading.json_lines import parse_json_line
from elq.reading.lines import format_of
from elq.reading.records import JSON_LINES
from elq.types import Question

if TYPE_CHECKING:
    from elq.entities.catalogue import Catalogue

log = logging.getLogger(__name__)

LARGE = 256 << 20  # bytes of a file whose questions are not held in memory
PLAIN = (b"{", b" ", b"\n", b"\r", b"\t")  # first bytes of JSON lines that are not compressed and have no byte-order mark


def is_large(path: str | Path) -> bool:
    """Whether the questions of a file are read from the disk: it is large, and has JSON lines without compression."""
    path = Path(path)
    if format_of(path) not in JSON_LINES or not path.is_file() or path.stat().st_size < LARGE:
        return False
    with path.open("rb") as stream:
        return stream.read(1) in PLAIN


class Questions(Sequence[Question], ABC):
    """Questions that are not all in memory. ``sizes`` are the numbers of characters of their texts."""

    sizes: "array[int]"

    @abstractmethod
    def question(self, place: int) -> Question:
        """The question at a place, from 0."""

    def __len__(self) -> int:
        return len(self.sizes)

    @overload
    def __getitem__(self, index: int) -> Question: ...

    @overload
    def __getitem__(self, index: slice) -> list[Question]: ...

    def __getitem__(self, index: int | slice) -> Question | list[Question]:
        if isinstance(index, slice):
            return [self.question(place) for place in range(*index.indices(len(self)))]
        return self.question(range(len(self))[index])


class StoredQuestions(Questions):
    """The questions of a file of JSON lines. Memory has only their places and sizes, 16 bytes for each.

    The file is read once at the start, and every question is checked. It must not change while it is used.

    Args:
        path: the file.
        catalogue: the catalogue to whose rows the released questions refer.
        silver: if given, the annotation is partial: further entities become mentions where the dictionary finds their names.
        without: texts of questions that are left out.

    Raises:
        ElqError: a record is bad, or there are no questions.
    """

    def __init__(
        self,
        path: str | Path,
        catalogue: "Catalogue",
        *,
        silver: Dictionary | None = None,
        without: frozenset[str] = frozenset(),
    ) -> None:
        self.path, self.catalogue, self.silver = Path(path), catalogue, silver
        self.places, self.sizes = array("q"), array("i")
        self.first: dict[str, str] = {}  # entity → the id of the first question with it
        self._numbers = array("i")
        self._stream: IO[bytes] | None = None
        log.info("%s is large, so its questions are read from the disk when they are needed", path)
        place = 0
        with self.path.open("rb") as stream:
            for number, raw in enumerate(track(stream, f"checking {path}"), 1):
                if raw.strip():
                    question = self._question(raw, number)
                    if question.text not in without:
                        self._keep(question, place, number)
                place += len(raw)
        if not self.places:
            raise ElqError(f"{path} contains no questions, but at least one is needed: give a file with one JSON object a line")

    def _keep(self, question: Question, place: int, number: int) -> None:
        self.places.append(place)
        self.sizes.append(len(question.text))
        self._numbers.append(number)
        for mention in question.mentions:
            if mention.entity is not None:
                self.first.setdefault(mention.entity, question.id)

    def _question(self, raw: bytes, number: int) -> Question:
        record = parse_json_line(raw, str(self.path), number)
        try:
            question = question_of(record, number, self.catalogue)
        except ElqError as error:
            raise ElqError(f"{self.path}, line {number}: {error}") from None
        if self.silver is None:
            return question
        [found] = with_silver([question], self.silver) if question.other_entities else [question]
        return replace(found, partial=True)

    def question(self, place: int) -> Question:
        """The question at a place, read from the file."""
        if self._stream is None:
            self._stream = self.path.open("rb")
        self._stream.seek(self.places[place])
        return self._question(self._stream.readline(), self._numbers[place])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_stream": None}  # every process opens the file for itself


class Together(Questions):
    """Several sequences of questions as one."""

    def __init__(self, parts: Sequence[Sequence[Question]]) -> None:
        self.parts = [part for part in parts if len(part)]
        self.ends = list(accumulate(map(len, self.parts)))
        self.sizes = array("i")
        for part in self.parts:
            self.sizes.extend(part.sizes if isinstance(part, Questions) else (len(question.text) for question in part))

    def question(self, place: int) -> Question:
        """The question at a place, from the sequence that has it."""
        part = bisect_right(self.ends, place)
        return self.parts[part][place - (self.ends[part - 1] if part else 0)]
