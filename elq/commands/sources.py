"""`elq catalogue check` and `elq catalogue links`: checks a catalogue, and makes questions of the links of articles."""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from elq.commands.console import ArgumentParser, add_columns, parse_columns, refuse_overwriting
from elq.errors import ElqError


def check_parser() -> argparse.ArgumentParser:
    """The arguments of ``elq catalogue check``."""
    made = ArgumentParser(
        prog="elq catalogue check",
        description="Say what is doubtful in a catalogue, how ambiguous its names are, and what should be added first. It"
        " changes nothing.",
    )
    made.add_argument("file", metavar="FILE", help="a catalogue: JSONL, JSON, CSV or Parquet")
    add_columns(made)
    made.add_argument("--json", action="store_true", help="print one JSON object instead of sentences")
    return made


def links_parser() -> argparse.ArgumentParser:
    """The arguments of ``elq catalogue links``."""
    made = ArgumentParser(
        prog="elq catalogue links",
        description="Make training questions of the paragraphs of Wikipedia's articles: their links are the mentions.",
    )
    made.add_argument("file", metavar="FILE", help="articles as JSON lines, in the layout of Wikimedia Enterprise")
    made.add_argument("--output", required=True, metavar="FILE", help="file to write: JSON lines with text and mentions")
    made.add_argument(
        "--catalogue", metavar="FILE", help="links to entities that this catalogue lacks become null (default: none)"
    )
    add_columns(made)
    return made


def check(arguments: Sequence[str]) -> None:
    """Print the results of a check."""
    options = check_parser().parse_args(arguments)
    from elq.checking.advice import lines_of, report_of
    from elq.checking.check import check_catalogue

    report = report_of(check_catalogue(options.file, parse_columns(options.columns)), options.file)
    print(json.dumps(report, ensure_ascii=False, indent=2) if options.json else "\n".join(lines_of(report)))


def links(arguments: Sequence[str]) -> None:
    """Write the questions, and say how many there are."""
    options = links_parser().parse_args(arguments)
    refuse_overwriting(options.output, options.file, options.catalogue)
    from elq.entities.catalogue_files import read_entities
    from elq.files import replacing
    from elq.progress import track
    from elq.questions.records import record_of
    from elq.reading.lines import require_file
    from elq.sources.article_links import article_questions
    from elq.sources.source import Skips

    require_file(options.file, options.file, "give a file of articles")
    skips, count, mentions = Skips(), 0, 0
    ids = (
        {entity.id for entity in read_entities(options.catalogue, parse_columns(options.columns))}
        if options.catalogue
        else None
    )
    known = None if ids is None else ids.__contains__
    with replacing(options.output) as stream:
        for question in track(article_questions(Path(options.file), skips, known), "writing questions"):
            stream.write(json.dumps(record_of(question), ensure_ascii=False) + "\n")
            count, mentions = count + 1, mentions + len(question.mentions)
        skips.report(options.file)
        if not count:
            raise ElqError(
                f"{options.file} has no paragraph with a link to an entity: give a file of articles that has their sections and"
                " links"
            )
    print(f"{count:,} questions with {mentions:,} mentions: train on them with partial: true, since other names have no link")


OTHERS: dict[str, Callable[[Sequence[str]], None]] = {"check": check, "links": links}
