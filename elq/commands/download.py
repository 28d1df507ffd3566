"""``elq download``: the files of the released ELQ → a folder, checked, and gone on with after a break."""

import argparse
from collections.abc import Sequence

from elq.released.download import OFFICIAL, SETS, download


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser(
        prog="elq download",
        description="Fetch the files of the released ELQ. A second run goes on where one broke off, and fetches nothing twice.",
    )
    made.add_argument("name", metavar="NAME", help=", ".join(SETS))
    made.add_argument("--output", metavar="DIR", help="folder to fill (default: ./NAME)")
    made.add_argument(
        "--mirror", default=OFFICIAL, metavar="URL", help=f"http or https address with the same files (default: {OFFICIAL})"
    )
    made.add_argument(
        "--only", nargs="+", action="extend", default=[], metavar="FILE", help="these files of the set (the table has 24 GB)"
    )
    made.add_argument("--no-etag", action="store_true", help="do not take the server's ETag for an MD5")
    made.add_argument("--no-extract", action="store_true", help="leave .tar.gz archives packed")
    return made


def main(arguments: Sequence[str]) -> None:
    """Fetch the files and unpack their archives."""
    options = parser().parse_args(arguments)
    choices = {"only": options.only, "extract": not options.no_extract, "etag": not options.no_etag}
    download(options.name, options.output, mirror=options.mirror, **choices)
