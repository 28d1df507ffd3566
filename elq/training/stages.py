"""Stages: which questions the epochs of a training have."""

from dataclasses import dataclass, field


@dataclass
class Source:
    """A question file.

    ``repeat`` says how often each question comes in an epoch. ``partial`` says that the annotation is incomplete. Then a name
    that overlaps no mention is not a negative. Further entities of a question become mentions too (silver mentions, which no
    person has annotated), if their longest name is in the text and overlaps no other mention.
    """

    file: str
    repeat: int = 1
    partial: bool = False


@dataclass
class Stage:
    """The questions of ``epochs`` successive epochs: question files, and template questions from the catalogue.

    ``templates`` is the number of template questions, and ``knobs`` are their probabilities (elq/questions/templates.py).
    ``held_out`` lists question files; there are no template questions about the entities in them.
    """

    epochs: int = 1
    sources: list[Source] = field(default_factory=list)
    templates: int = 0
    knobs: dict[str, float] = field(default_factory=dict)
    held_out: list[str] = field(default_factory=list)
