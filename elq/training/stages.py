"""Stages: which questions the epochs of a training have."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from elq.configuration.data_folder import remedy
from elq.errors import ElqError

EPSILON = 1e-9  # of rounding, when shares of questions are counted
Item = TypeVar("Item")
EPOCHS = 6  # of question files that are given by their paths alone; the best epoch is exported


@dataclass
class Source:
    """A question file.

    ``repeat`` is the weight of the file: how often each question comes in an epoch. It may be a fraction: with 0.5 every second
    question comes. ``partial`` says that the annotation is incomplete. Then a name that overlaps no mention is not a negative.
    Further entities of a question become mentions too (silver mentions, which nobody has annotated), if their longest name is
    in the text and overlaps no other mention. ``swapped`` is how often a copy of each question with other entities comes beside
    it (elq/questions/swapped.py); each copy has others.
    """

    file: str
    repeat: float = 1
    partial: bool = False
    swapped: float = 0


@dataclass
class Stage:
    """The questions of ``epochs`` successive epochs: question files, and template questions from the catalogue.

    ``templates`` is the number of template questions, and ``knobs`` are their probabilities (elq/questions/knobs.py).
    ``held_out`` lists question files; there are no template questions about the entities in them.
    """

    epochs: int = 1
    sources: list[Source] = field(default_factory=list)
    templates: int = 0
    knobs: dict[str, float] = field(default_factory=dict)
    held_out: list[str] = field(default_factory=list)


def with_stages(values: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values of a training, in which the paths of question files in ``data.train`` have become one stage.

    Args:
        values: plain values; ``data.train`` is a path, a list of paths, or already a list of stages.

    >>> with_stages({"data": {"train": "mine.jsonl"}})
    {'data': {'train': [{'epochs': 6, 'sources': [{'file': 'mine.jsonl'}]}]}}
    """
    data = values.get("data")
    train = data.get("train") if isinstance(data, Mapping) else None
    files = [train] if isinstance(train, str) else train
    if not isinstance(data, Mapping) or not files or not all(isinstance(file, str) for file in files):
        return dict(values)
    return {**values, "data": {**data, "train": [{"epochs": EPOCHS, "sources": [{"file": file} for file in files]}]}}


def repeated(questions: Sequence[Item], repeat: float) -> list[Sequence[Item]]:
    """The questions as often as they come in an epoch: whole copies, and a share of them, evenly drawn from the whole file.

    >>> repeated(["a", "b", "c", "d"], 1.5)
    [['a', 'b', 'c', 'd'], ['b', 'd']]

    Raises:
        ElqError: the number is not above 0.
    """
    if not 0 < repeat < math.inf:
        raise ElqError(f"repeat is {repeat}, but must be a number above 0: give 1, or leave the file out")
    whole, rest = divmod(repeat, 1)
    part = [one for n, one in enumerate(questions) if int((n + 1) * rest + EPSILON) > int(n * rest + EPSILON)] if rest else []
    return [questions] * int(whole) + ([part] if part else [])


class HasEpochs(Protocol):
    """A stage of any training."""

    epochs: int


def stage_of(stages: Sequence[HasEpochs], epoch: int) -> int:
    """Number of the stage that an epoch belongs to; epochs after the last stage belong to it.

    >>> [stage_of([Stage(epochs=1), Stage(epochs=2)], epoch) for epoch in range(5)]
    [0, 1, 1, 1, 1]
    """
    for number, stage in enumerate(stages):
        epoch -= stage.epochs
        if epoch < 0:
            return number
    return len(stages) - 1


def check_stages(stages: Sequence[Stage]) -> None:
    """Raise an ElqError if there are no stages, a stage has no epochs or no questions, or ``swapped`` is below 0."""
    if not stages or any(stage.epochs < 1 or not (stage.sources or stage.templates) for stage in stages):
        raise ElqError(
            f"data.train is {stages}, but needs stages with at least one epoch and with sources or templates: give for"
            " example data.train=[{epochs: 1, templates: 1000}]"
        )
    for source in (source for stage in stages for source in stage.sources):
        if not 0 <= source.swapped < math.inf:
            raise ElqError(
                f"swapped of {source.file} is {source.swapped}, but must be a number of at least 0: give 1, or leave it out"
            )


def require_files(files: Sequence[str | None]) -> None:
    """Raise an ElqError if a file does not exist or is a folder; None is passed over."""
    wanted = [*dict.fromkeys(file for file in files if file is not None)]
    if folders := [file for file in wanted if Path(file).is_dir()]:
        raise ElqError(f"{folders[0]!r} is a folder, but must be a file: give another path, such as data.catalogue=FILE")
    if missing := [file for file in wanted if not Path(file).is_file()]:
        paths = f"data files are missing: {', '.join(missing)}; correct their paths, such as data.catalogue=FILE"
        raise ElqError(paths + remedy(missing))
