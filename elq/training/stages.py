"""Stages: what the epochs of a training are made of."""

from dataclasses import dataclass, field


@dataclass
class Source:
    """A question file, and how often each of its questions comes in an epoch.

    ``partial``: not every mention is annotated. Names that no mention touches are then no negatives, and further entities of a
    question become mentions (silver) where their longest name stands in the text, off all other mentions.
    """

    file: str
    repeat: int = 1
    partial: bool = False


@dataclass
class Stage:
    """What ``epochs`` epochs in a row are made of: question files, and template questions from the catalogue.

    ``templates`` counts the template questions, ``knobs`` are those of elq/questions/templates.py, and ``held_out`` names
    question files whose entities no template question is about.
    """

    epochs: int = 1
    sources: list[Source] = field(default_factory=list)
    templates: int = 0
    knobs: dict[str, float] = field(default_factory=dict)
    held_out: list[str] = field(default_factory=list)
