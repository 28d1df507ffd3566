"""`elq compact`: merges the changes of a folder into one base."""

import argparse
from collections.abc import Sequence

from elq.commands.console import ArgumentParser, add_folder


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = ArgumentParser(
        prog="elq compact",
        description="Merge the changes of a folder into one base, so that it is read as fast as a new one. The names of a"
        " folder of an older version are stored.",
    )
    add_folder(made)
    return made


def main(arguments: Sequence[str]) -> None:
    """Compact the folder, and print what it contains."""
    options = parser().parse_args(arguments)
    from elq.entities.edit import compact_entities

    change = compact_entities(options.folder)
    print(f"version {change.version}: {change.entities:,} entities")
