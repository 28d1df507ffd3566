"""Pairs: the pictures that show the same entity, from a catalogue and from annotated questions."""

import logging
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from elq.entities.catalogue import temporary_catalogue
from elq.entities.catalogue_files import read_entities
from elq.entities.image_build import paths_of
from elq.multimodal.examples import PicturedMention, pictured_examples
from elq.progress import track
from elq.questions.annotated import read_questions
from elq.vision.encoding import View, open_view
from elq.vision.problems import PictureProblem, Problems

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PicturedEntity:
    """An entity, its pictures in the catalogue, and those of questions that show it."""

    row: int
    own: tuple[View, ...]
    shown: tuple[View, ...] = ()

    @property
    def paired(self) -> bool:
        """Whether there are two pictures."""
        return len(self.own) + len(self.shown) > 1

    def pair(self, draws: random.Random) -> tuple[View, View]:
        """Two pictures: one of the catalogue and one of a question, or two of the same kind if there is only one kind."""
        if self.own and self.shown:
            return draws.choice(self.own), draws.choice(self.shown)
        first, second = draws.sample(self.own or self.shown, 2)
        return first, second


@dataclass(frozen=True, slots=True)
class Material:
    """The pictures of a training.

    Args:
        catalogue: row → the pictures of each entity that has one.
        train: the entities of training questions that have two pictures or more.
        dev: for each file of development questions, the rows of entities and the pictures of questions that show them.
    """

    catalogue: Mapping[int, tuple[View, ...]]
    train: Sequence[PicturedEntity]
    dev: Mapping[str, Sequence[tuple[int, View]]]


def clear_pictures(examples: Iterable[PicturedMention]) -> list[tuple[int, View]]:
    """The rows and pictures of the questions whose picture can only show one entity, each picture of an entity once.

    A question with a box shows the entity of the box, or of its only mention. One without a box counts only if all its
    mentions mean the same entity, since nothing says which of several entities the picture shows.
    """
    by_question: dict[int, list[PicturedMention]] = defaultdict(list)
    for one in examples:
        by_question[one.document].append(one)
    found: dict[tuple[int, str, object], tuple[int, View]] = {}
    for members in by_question.values():
        rows = {one.row for one in members}
        first = members[0]
        if len(rows) == 1 and first.image is not None:
            found.setdefault((first.row, str(first.image), first.box), (first.row, View(first.image, first.box)))
    return [*found.values()]


def read_material(
    catalogue: str, train: Sequence[str], dev: Sequence[str], columns: Mapping[str, str] | None = None
) -> Material:
    """Read the catalogue and the questions. Pictures that cannot be used are reported, and left out.

    Args:
        catalogue: the catalogue file, to whose folder the paths of its pictures are relative.
        train: files of annotated questions with pictures.
        dev: the same for development.
        columns: elq's field → the catalogue file's column, for each name that differs.

    Raises:
        ElqError: a file is missing or wrong.
    """
    folder, problems = Path(catalogue).parent, Problems()
    with temporary_catalogue(read_entities(catalogue, columns)) as opened:
        own = {row: tuple(View(folder / path) for path in paths_of(entity)) for row, entity in enumerate(opened)}
        read = {file: clear_pictures(pictured_examples(read_questions(file, opened), opened, file)) for file in [*train, *dev]}
    views = {view for some in own.values() for view in some} | {view for some in read.values() for _, view in some}
    usable = {view for view in track(sorted(views, key=str), "reading pictures") if _opens(view, problems)}
    if problems.count:
        problems.report(len(views))
    kept = {row: tuple(view for view in some if view in usable) for row, some in own.items()}
    shown: dict[int, list[View]] = defaultdict(list)
    for file in train:
        for row, view in read[file]:
            shown[row] += [view] if view in usable and view not in shown[row] else []
    entities = [PicturedEntity(row, kept[row], tuple(some)) for row, some in sorted(shown.items())]
    found = {file: [(row, view) for row, view in read[file] if view in usable] for file in dev}
    return Material({row: some for row, some in kept.items() if some}, [one for one in entities if one.paired], found)


def _opens(view: View, problems: Problems) -> bool:
    try:
        open_view(view)
    except PictureProblem as problem:
        problems.add(problem)
        return False
    return True
