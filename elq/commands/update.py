"""`elq update`: gives a folder the entities of a changed catalogue file."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from elq.commands.console import ArgumentParser, add_columns, add_folder, parse_columns

if TYPE_CHECKING:
    from elq.entities.edit import Change

SHOWN = 5  # ids of a kind that are printed


def add_encoder_options(made: argparse.ArgumentParser) -> None:
    """Add the options of every command that may encode records."""
    made.add_argument(
        "--encoder", metavar="DIR", help="the encoder that made the folder, if it is not found under the name in the manifest"
    )
    made.add_argument("--device", default="cpu", help="where the encoder runs: cpu, cuda, … (default: cpu)")


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = ArgumentParser(
        prog="elq update",
        description="Give a folder the entities of a catalogue file: add what is new, remove what is not in the file, and"
        " change what is different. Only new and changed entities are encoded. Nothing is trained.",
    )
    add_folder(made)
    made.add_argument("--catalogue", required=True, metavar="FILE", help="the catalogue file: JSONL, CSV or Parquet")
    add_columns(made)
    made.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
    add_encoder_options(made)
    return made


def tell(change: "Change", *, dry_run: bool = False) -> None:
    """Print what was changed, a line for each kind."""
    for what, ids in (("new", change.new), ("gone", change.gone), ("changed", change.changed)):
        some = ", ".join(ids[:SHOWN]) + (", …" if len(ids) > SHOWN else "")
        print(f"{what}: {len(ids):,}" + (f" ({some})" if ids else ""))
    print("nothing was written" if dry_run else f"version {change.version}: {change.entities:,} entities")


def main(arguments: Sequence[str]) -> None:
    """Update the folder, and print what was changed."""
    options = parser().parse_args(arguments)
    columns = parse_columns(options.columns)
    from elq.encoding.device import own_device
    from elq.entities.edit import update_entities

    change = update_entities(
        options.folder,
        options.catalogue,
        columns=columns,
        encoder=options.encoder,
        device=own_device(options.device),
        dry_run=options.dry_run,
    )
    tell(change, dry_run=options.dry_run)
