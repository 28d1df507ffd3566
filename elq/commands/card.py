"""`elq card`: writes a model card from the files of a model and its evaluations."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from elq.commands.console import ArgumentParser, parse_names, refuse_overwriting
from elq.errors import ElqError
from elq.files import replacing


def add_card_options(parser: argparse.ArgumentParser) -> None:
    """Add what a card says beside the files of the model."""
    parser.add_argument(
        "--evaluation", nargs="+", default=[], metavar="FILE", help="files of `elq evaluate --output`, for scores and times"
    )


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = ArgumentParser(
        prog="elq card",
        description="Write a model card for the Hub. Edit it as you like: `elq push` uploads the README.md of a model folder.",
    )
    made.add_argument("model", metavar="MODEL", help="a model folder, or its name on the Hub")
    add_card_options(made)
    made.add_argument("--name", metavar="OWNER/NAME", help="the name that it will have on the Hub")
    made.add_argument("--license", metavar="ID", help="the licence of the model as the Hub writes it, such as mit or cc-by-4.0")
    made.add_argument("--language", default="", metavar="CODE,…", help="the languages of its questions, such as en,de")
    made.add_argument(
        "--output", metavar="FILE", help="write the card to this file, such as MODEL/README.md (default: print it)"
    )
    made.add_argument("--replace", action="store_true", help="replace the output if it exists")
    return made


def main(arguments: Sequence[str]) -> None:
    """Print the card, or write it to a file."""
    options = parser().parse_args(arguments)
    is_card = options.output and Path(options.output).name == "README.md"  # of the model folder: no command reads it
    refuse_overwriting(options.output, *options.evaluation, None if is_card else options.model)
    if options.output and Path(options.output).exists() and not options.replace:
        raise ElqError(f"{options.output} exists, and may have been edited: give another path, or --replace to write it anew")
    from elq.hub.card import model_card
    from elq.linking.folder import resolve_model

    card = model_card(
        resolve_model(options.model),
        name=options.name,
        evaluations=options.evaluation,
        licence=options.license,
        languages=parse_names(options.language),
    )
    if not options.output:
        print(card, end="")
        return
    with replacing(options.output) as stream:
        stream.write(card)
