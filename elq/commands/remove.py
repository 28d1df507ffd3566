"""`elq remove`: removes entities from a folder."""

import argparse
from collections.abc import Sequence

from elq.commands.console import ArgumentParser, add_folder
from elq.commands.update import tell


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = ArgumentParser(prog="elq remove", description="Remove entities from a folder.")
    add_folder(made)
    made.add_argument("ids", nargs="+", metavar="ID", help="the id of an entity")
    return made


def main(arguments: Sequence[str]) -> None:
    """Remove the entities, and print what was removed."""
    options = parser().parse_args(arguments)
    from elq.entities.edit import remove_entities

    tell(remove_entities(options.folder, options.ids))
