"""`elq edit`: changes the record of an entity."""

import argparse
from collections.abc import Sequence

from elq.commands.console import ArgumentParser, add_folder
from elq.commands.update import add_encoder_options, tell
from elq.errors import ElqError

FIELDS = ("title", "label", "description", "aliases", "types", "popularity")


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = ArgumentParser(
        prog="elq edit", description="Change fields of an entity. Fields that are not given stay as they are."
    )
    add_folder(made)
    made.add_argument("id", metavar="ID", help="the id of the entity")
    made.add_argument("--title", help="the new title")
    made.add_argument("--label", help="the new label")
    made.add_argument("--description", help="the new description")
    made.add_argument(
        "--alias",
        dest="aliases",
        action="append",
        metavar="NAME",
        help="a name; all aliases are replaced by those given",
    )
    made.add_argument(
        "--type", dest="types", action="append", metavar="TYPE", help="a type; all types are replaced by those given"
    )
    made.add_argument("--popularity", type=int, help="the new number of page views")
    add_encoder_options(made)
    return made


def main(arguments: Sequence[str]) -> None:
    """Change the record, and print whether it was changed."""
    options = parser().parse_args(arguments)
    fields = {name: value for name in FIELDS if (value := getattr(options, name)) is not None}
    if not fields:
        raise ElqError(f"nothing to change in entity {options.id} was given: give for example --title or --alias")
    from elq.encoding.device import own_device
    from elq.entities.edit import edit_entity

    tell(edit_entity(options.folder, options.id, encoder=options.encoder, device=own_device(options.device), **fields))
