"""``elq serve``: answers HTTP requests with links."""

import argparse
import os
from collections.abc import Sequence

from elq.commands.console import ArgumentParser
from elq.serving.settings import add_flags, read_settings


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = ArgumentParser(
        prog="elq serve",
        description="Answer HTTP requests with links: POST /link. Every flag is an environment variable too, as ELQ_HOST is"
        " --host. The flag wins, and a list has commas between its values.",
    )
    add_flags(made)
    return made


def main(arguments: Sequence[str]) -> None:
    """Serve until SIGTERM or SIGINT."""
    settings = read_settings(vars(parser().parse_args(arguments)), os.environ)
    from elq.serving.server import serve

    serve(settings)
