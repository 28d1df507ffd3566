"""Tasks: which network a training is of, and the parser of its settings."""

import importlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from elq.errors import ElqError

LINKER = "linker"
CLIS = {  # task → module and class of its parser
    LINKER: ("elq.training.parser", "ELQCLI"),
    "biencoder": ("elq.disambiguation.parser", "BiEncoderCLI"),
    "crossencoder": ("elq.disambiguation.cross_parser", "CrossCLI"),
    "multimodal": ("elq.multimodal.training.parser", "MultimodalCLI"),
    "image_tower": ("elq.multimodal.tower.parser", "TowerCLI"),
}


def cli_of(task: object) -> Any:
    """The class of the parser of a task.

    Raises:
        ElqError: there is no such task.
    """
    if not isinstance(task, str) or task not in CLIS:
        raise ElqError(f"task is {task!r}, but must be one of {', '.join(CLIS)}: give one, as task=biencoder")
    module, name = CLIS[task]
    return getattr(importlib.import_module(module), name)


def without_task(values: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The task of plain values, by default that of a linker, and the values without it."""
    return values.get("task") or LINKER, {key: value for key, value in values.items() if key != "task"}


def task_of(arguments: Sequence[str]) -> str:
    """The task that the arguments of `elq fit` name: with --task, or in a file that is given with --config."""
    task = LINKER
    for place, argument in enumerate(arguments):
        option, _, value = argument.partition("=")
        value = value or next(iter(arguments[place + 1 :]), "")
        if option == "--task":
            return value
        if option in ("--config", "-c") and Path(value).is_file():
            try:
                found = yaml.safe_load(Path(value).read_text(encoding="utf-8"))
            except (OSError, ValueError, yaml.YAMLError):
                continue  # the parser says what is wrong with the file
            task = found.get("task") or task if isinstance(found, dict) else task
    return task


def main(arguments: Sequence[str]) -> None:
    """``elq fit | validate | test`` of any task."""
    task = task_of(arguments)
    if task == LINKER:
        from elq.training.parser import main as linker

        linker(arguments)
        return
    given = [*arguments] if arguments else sys.argv[1:]
    cli_of(task)(["--help" if argument == "--help_all" else argument for argument in given])
