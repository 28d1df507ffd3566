"""``elq download``: downloads public questions with a catalogue, or the files of the released ELQ."""

import argparse
import logging
import shlex
from collections.abc import Sequence
from pathlib import Path

from elq.commands.console import ArgumentParser
from elq.configuration.data_folder import DOWNLOADED, VARIABLE
from elq.errors import ElqError
from elq.public.sources import SETS as PUBLIC
from elq.released.download import OFFICIAL, SETS, download

log = logging.getLogger(__name__)


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = ArgumentParser(
        prog="elq download",
        description="Download public questions with a catalogue of Wikidata, or the files of the released ELQ. An interrupted"
        " download resumes when the command is given again.",
    )
    names = f"questions and a catalogue: {', '.join(PUBLIC)}; files of the released ELQ: {', '.join(SETS)}"
    made.add_argument("name", metavar="NAME", help=names)
    made.add_argument(
        "--output",
        metavar="DIR",
        help=f"folder for the files (default: {DOWNLOADED} for questions, ./NAME for the released ELQ)",
    )
    made.add_argument(
        "--mirror",
        metavar="URL",
        help=f"http or https address that has the same files (default: GitHub for questions, {OFFICIAL} for the released ELQ)",
    )
    made.add_argument(
        "--only",
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="download only these files of the released ELQ (the table alone has 24 GB)",
    )
    made.add_argument("--no-etag", action="store_true", help="do not use the server's ETag as an MD5 checksum (released ELQ)")
    made.add_argument("--no-extract", action="store_true", help="do not extract .tar.gz archives (released ELQ)")
    return made


def _public(options: argparse.Namespace) -> None:
    """Download a public set, and say how to train on it."""
    given = [name for name in ("only", "no_etag", "no_extract") if getattr(options, name)]
    if given:
        option = f"--{given[0].replace('_', '-')}"
        raise ElqError(f"{option} is for the files of the released ELQ, but {options.name} is always whole: leave out {option}")
    from elq.public.download import download as download_public  # here, because it imports torch, which takes seconds

    download_public(options.name, options.output, mirror=options.mirror)
    if options.name == "webqsp":
        elsewhere = options.output is not None and Path(options.output).resolve() != Path(DOWNLOADED).resolve()
        before = f"{VARIABLE}={shlex.quote(options.output)} " if elsewhere else ""
        log.info("to train on these files: %spython train.py +experiment=webqsp", before)


def main(arguments: Sequence[str]) -> None:
    """Download the files and extract the archives."""
    options = parser().parse_args(arguments)
    if options.name in PUBLIC:
        _public(options)
        return
    if options.name not in SETS:
        raise ElqError(f"{options.name!r} is not a set of files to download: choose one of {', '.join((*PUBLIC, *SETS))}")
    choices = {"only": options.only, "extract": not options.no_extract, "etag": not options.no_etag}
    download(options.name, options.output, mirror=options.mirror if options.mirror is not None else OFFICIAL, **choices)
