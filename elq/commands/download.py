"""``elq download``: downloads and checks the files of the released ELQ."""

import argparse
from collections.abc import Sequence

from elq.commands.console import ArgumentParser
from elq.released.download import OFFICIAL, SETS, download


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = ArgumentParser(
        prog="elq download",
        description="Download the files of the released ELQ. An interrupted download resumes when the command is given again.",
    )
    made.add_argument("name", metavar="NAME", help=f"set of files: {', '.join(SETS)}")
    made.add_argument("--output", metavar="DIR", help="folder for the files (default: ./NAME)")
    made.add_argument(
        "--mirror", default=OFFICIAL, metavar="URL", help=f"http or https address that has the same files (default: {OFFICIAL})"
    )
    made.add_argument(
        "--only",
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="download only these files of the set (the table alone has 24 GB)",
    )
    made.add_argument("--no-etag", action="store_true", help="do not use the server's ETag as an MD5 checksum")
    made.add_argument("--no-extract", action="store_true", help="do not extract .tar.gz archives")
    return made


def main(arguments: Sequence[str]) -> None:
    """Download the files and extract the archives."""
    options = parser().parse_args(arguments)
    choices = {"only": options.only, "extract": not options.no_extract, "etag": not options.no_etag}
    download(options.name, options.output, mirror=options.mirror, **choices)
