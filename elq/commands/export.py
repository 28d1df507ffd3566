"""``elq export``: writes a model folder in the layout of another program."""

import argparse
from collections.abc import Sequence

from elq.commands.console import ArgumentParser


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = ArgumentParser(prog="elq export", description="Write a model folder in the layout of another program.")
    made.add_argument("--model", required=True, metavar="DIR", help="model folder, such as one that `elq import` has made")
    made.add_argument("--format", required=True, choices=("blink",), help="blink: the files of the released ELQ")
    made.add_argument("--output", required=True, metavar="DIR", help="the folder to make")
    return made


def main(arguments: Sequence[str]) -> None:
    """Export the model folder."""
    options = parser().parse_args(arguments)
    from elq.released.exporting import export_blink

    export_blink(options.model, options.output)
