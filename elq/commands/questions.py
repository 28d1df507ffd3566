"""``elq questions``: turns a KGQA file (QALD, LC-QuAD) into annotated questions."""

import argparse
import json
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from elq.commands.console import ArgumentParser, add_columns, parse_columns, refuse_overwriting
from elq.questions.records import record_of

if TYPE_CHECKING:
    from elq.names.dictionary import Dictionary
    from elq.questions.kgqa import Read
    from elq.types import Question

log = logging.getLogger(__name__)
FORMATS = ("qald", "lcquad")


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = ArgumentParser(
        prog="elq questions",
        description="Turn a file of questions with SPARQL queries into annotated questions. An entity of the query whose name"
        " stands in the question gets a silver mention; the others become other_entities.",
    )
    made.add_argument("file", metavar="FILE", help="JSON file of QALD or LC-QuAD (1 or 2), may be compressed")
    made.add_argument("--format", required=True, choices=FORMATS, help="what the file is")
    made.add_argument("--catalogue", required=True, metavar="CATALOGUE", help="JSONL, JSON, CSV or Parquet file of entities")
    made.add_argument("--output", required=True, metavar="FILE", help="file to write: JSON lines with text and mentions")
    made.add_argument("--language", default="en", metavar="CODE", help="language of the questions, for QALD (default: en)")
    add_columns(made)
    return made


def _record(question: "Question") -> dict[str, object]:
    record = record_of(question)
    silver = [{**mention, "silver": True} for mention in record["mentions"]]
    return {**record, "mentions": silver, "other_entities": [*question.other_entities]}


def _tell(output: str, read: "Read", questions: Sequence["Question"], dictionary: "Dictionary") -> None:
    """Log how many questions and entities there are, and why records were skipped."""
    others = [entity for question in questions for entity in question.other_entities]
    known = sum(row >= 0 for row in dictionary.rows_of(others))
    mentions = sum(len(question.mentions) for question in questions)
    told = (
        "%s: %s questions; of %s entities, %s have a silver mention, %s have no name in the text, %s are not in the catalogue"
    )
    numbers = (len(questions), mentions + len(others), mentions, known, len(others) - known)
    log.info(told, output, *(f"{number:,}" for number in numbers))
    if read.skipped:
        reasons = ", ".join(f"{reason}: {count:,}" for reason, count in read.skipped.most_common())
        log.warning("%s records were skipped (%s)", f"{read.skipped.total():,}", reasons)


def main(arguments: Sequence[str]) -> None:
    """Read the file, find the mentions and write the questions."""
    options = parser().parse_args(arguments)
    refuse_overwriting(options.output, options.file, options.catalogue)
    columns = parse_columns(options.columns)
    from elq.entities.catalogue_files import read_entities
    from elq.files import replacing
    from elq.progress import track
    from elq.questions.kgqa import linked, read_kgqa
    from elq.questions.silver import dictionary_of

    read = read_kgqa(options.file, options.format, options.language)
    with dictionary_of(track(read_entities(options.catalogue, columns), "reading the catalogue")) as dictionary:
        questions = linked(read, dictionary)
        with replacing(options.output) as stream:
            stream.writelines(json.dumps(_record(question), ensure_ascii=False) + "\n" for question in questions)
        _tell(options.output, read, questions, dictionary)
