"""`elq discover`: lists the new entities that mentions of a corpus seem to mean, as records of a catalogue."""

import argparse
import json
import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from elq.commands.console import ArgumentParser, refuse_overwriting
from elq.commands.opening import add_model_options, open_linker
from elq.errors import ElqError
from elq.linking.inputs import read_threshold

if TYPE_CHECKING:
    from elq.emerging import CorpusText

log = logging.getLogger(__name__)


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = ArgumentParser(
        prog="elq discover",
        description="List the groups of mentions without an entity that seem to mean one new entity, most mentions first, as"
        " records for `elq add`.",
    )
    made.add_argument(
        "--input",
        required=True,
        metavar="FILE",
        help="file of texts, as for `elq predict`; records of JSON may give mentions: [{start, end}], with entity: null for"
        " those of which it is known that they have no entity",
    )
    made.add_argument(
        "--text-column", metavar="COLUMN", help="column or key of --input that has the texts (default: text or question)"
    )
    made.add_argument("--output", required=True, metavar="FILE", help="file to write: JSON lines for `elq add --catalogue`")
    add_model_options(made)
    made.add_argument(
        "--threshold",
        type=read_threshold,
        metavar="T",
        help="a mention has no entity if log p(entity | mention) of its best candidate is below T (default: if NIL is the"
        " best candidate)",
    )
    made.add_argument("--at-least", type=int, default=2, metavar="N", help="mentions of a group (default: 2)")
    made.add_argument(
        "--same-name",
        type=float,
        metavar="COSINE",
        help="how alike mentions of the same name must be; -1: the name decides alone (default: 0.5)",
    )
    made.add_argument(
        "--part",
        type=float,
        metavar="COSINE",
        help='how alike "Gretzky" and "Janet Gretzky" must be; 2: parts of names stay apart (default: 0.5)',
    )
    made.add_argument("--contexts", type=int, metavar="N", help="contexts of a group that are written (default: 5)")
    made.add_argument("--describe", action="store_true", help="write the first context as the description")
    return made


def main(arguments: Sequence[str]) -> None:
    """Read the corpus, and write the records of its groups."""
    options = parser().parse_args(arguments)
    if options.at_least < 1:
        raise ElqError(f"--at-least is {options.at_least}, but must be at least 1: give --at-least 1 or more")
    if not options.output.lower().endswith((".jsonl", ".ndjson")) and options.output != "/dev/stdout":
        raise ElqError(f"--output is {options.output}, but the records are JSON lines: give a name that ends in .jsonl")
    refuse_overwriting(options.output, options.input, options.model, options.catalogue)
    texts = _texts(options)
    from elq.emerging import GroupSettings, discover, records
    from elq.files import replacing
    from elq.progress import track

    given = {name: getattr(options, name) for name in ("same_name", "part", "contexts")}
    settings = GroupSettings(**{name: value for name, value in given.items() if value is not None})
    linker = open_linker(options)
    how = {"threshold": options.threshold, "settings": settings, "at_least": options.at_least}
    with replacing(options.output) as stream:
        groups = discover(linker, track(texts, "reading"), **how)
        for record in records(groups, linker.entities.catalogue, describe=options.describe):
            stream.write(json.dumps(record, ensure_ascii=False) + "\n")
    if not groups:
        said = (
            "no group was found in %s: a group needs %d mentions of one name that have no entity; --at-least N asks for fewer"
        )
        log.warning(said, options.input, options.at_least)
    mentions = sum(group.mentions for group in groups)
    log.info("%s groups of %s mentions are in %s", f"{len(groups):,}", f"{mentions:,}", options.output)


def _texts(options: argparse.Namespace) -> "Iterable[CorpusText]":
    """The texts of the corpus. What can be checked is checked before the first is read."""
    from elq.commands.question_sources import open_source
    from elq.emerging.corpus import may_give_mentions, read_corpus, text_of
    from elq.questions.inputs import check_input

    if may_give_mentions(options.input):
        check_input(options.input, options.text_column)
        return read_corpus(options.input, options.text_column)
    return map(text_of, open_source(options.input, options.text_column))
