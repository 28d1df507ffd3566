"""``elq explain``: says why the words of a question are linked or not, and what became of an entity."""

import argparse
import sys
from collections.abc import Sequence

from elq.commands.console import ArgumentParser
from elq.commands.opening import add_catalogue_options, add_concepts, add_type_score_weight, open_linker


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = ArgumentParser(
        prog="elq explain", description="Say why the words of a question are linked or not, and what became of an entity."
    )
    made.add_argument("model", metavar="MODEL", help="model folder or Hub name; elq/general is the model in the package")
    made.add_argument("question", metavar="QUESTION", help="text of a question")
    made.add_argument("--entity", metavar="ID", help="also say where this entity of the catalogue came")
    add_catalogue_options(made)
    add_type_score_weight(made)
    add_concepts(made)
    return made


def main(arguments: Sequence[str]) -> None:
    """Print the reasons for the best spans of the question."""
    options = parser().parse_args(arguments)
    explanation = open_linker(options).explain(options.question, options.entity)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    print(explanation)
