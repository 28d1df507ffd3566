"""`elq add`: adds entities to a folder."""

import argparse
from collections.abc import Sequence

from elq.commands.console import ArgumentParser, add_columns, add_folder, parse_columns
from elq.commands.update import add_encoder_options, tell
from elq.errors import ElqError
from elq.reading.json_lines import parse_json_line


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = ArgumentParser(
        prog="elq add", description="Add entities to a folder: those of a catalogue file, or records given as JSON."
    )
    add_folder(made)
    made.add_argument("records", nargs="*", metavar="JSON", help='a record, such as \'{"id": "Q1", "title": "Paris"}\'')
    made.add_argument("--catalogue", metavar="FILE", help="a file with the new entities: JSONL, CSV or Parquet")
    add_columns(made)
    add_encoder_options(made)
    return made


def main(arguments: Sequence[str]) -> None:
    """Add the entities, and print what was added."""
    options = parser().parse_args(arguments)
    if bool(options.catalogue) == bool(options.records):
        found = "both --catalogue FILE and records are given" if options.records else "no entity to add is given"
        raise ElqError(f"{found}: give the new entities either as --catalogue FILE or as JSON records behind the folder")
    columns = parse_columns(options.columns)
    records = [
        parse_json_line(text.encode("utf-8", "surrogateescape"), "the records on the command line", number)
        for number, text in enumerate(options.records, 1)
    ]
    from elq.encoding.device import own_device
    from elq.entities.edit import add_entities

    source = options.catalogue or records
    device = own_device(options.device)
    tell(add_entities(options.folder, source, columns=columns, encoder=options.encoder, device=device))
