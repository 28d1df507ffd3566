"""`elq push`: uploads a model folder to the Hub, with a model card."""

import argparse
from collections.abc import Sequence

from elq.commands.card import add_card_options
from elq.commands.console import ArgumentParser


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = ArgumentParser(
        prog="elq push",
        description="Upload a model folder to the Hub, with a model card. Log in first with `hf auth login`, or set HF_TOKEN to"
        " a token with the right to write. The entities of the model are uploaded too.",
    )
    made.add_argument("model", metavar="MODEL", help="a model folder")
    made.add_argument("name", metavar="OWNER/NAME", help="the name on the Hub; it is made if there is none")
    add_card_options(made)
    made.add_argument("--private", action="store_true", help="only you may see it (default: as your account has it)")
    made.add_argument("--revision", metavar="BRANCH", help="the branch to push to (default: main)")
    made.add_argument("--message", metavar="TEXT", help="the message of the commit")
    return made


def main(arguments: Sequence[str]) -> None:
    """Push the folder, and print the address of the commit."""
    options = parser().parse_args(arguments)
    from elq.hub.push import push_to_hub

    print(
        push_to_hub(
            options.model,
            options.name,
            private=options.private or None,
            revision=options.revision,
            message=options.message,
            evaluations=options.evaluation,
        )
    )
