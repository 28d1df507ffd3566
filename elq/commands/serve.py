"""``elq serve``: answers HTTP requests with links."""

import argparse
import os
from collections.abc import Sequence

from elq.commands.console import ArgumentParser, add_ray
from elq.errors import ElqError
from elq.serving.settings import add_flags, read_settings


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = ArgumentParser(
        prog="elq serve",
        description="Answer HTTP requests with links: POST /link. Every flag is an environment variable too, as ELQ_HOST is"
        " --host. The flag wins, and a list has commas between its values.",
    )
    add_flags(made)
    made.add_argument("--replicas", metavar="N", help="serve N times behind the proxy of Ray Serve (default: without Ray)")
    add_ray(made)
    return made


def main(arguments: Sequence[str]) -> None:
    """Serve until SIGTERM or SIGINT."""
    options = parser().parse_args(arguments)
    settings = read_settings(vars(options), os.environ)
    if replicas := options.replicas or os.environ.get("ELQ_REPLICAS"):
        if not replicas.isdecimal() or int(replicas) < 1:
            raise ElqError(f"--replicas (ELQ_REPLICAS) is {replicas!r}, but must be a whole number of at least 1: give 2")
        from elq.serving.replicas import serve_replicas

        return serve_replicas(settings, int(replicas), options.ray or "")
    if options.ray is not None:
        raise ElqError("--ray is given, but only --replicas uses it: give --replicas N too, or leave out --ray")
    from elq.serving.server import leave, serve

    serve(settings)
    leave()
