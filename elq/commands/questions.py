"""``elq questions``: turns files of questions into annotated questions: QALD, LC-QuAD, NIF, BLINK and others."""

import argparse
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING

from elq.commands.console import ArgumentParser, add_columns, add_entity_prefix, parse_columns, refuse_overwriting
from elq.errors import ElqError
from elq.exchange.question_formats import GIVEN, QUESTION_FORMATS, guessed_format
from elq.questions.records import annotated_record, record_of

if TYPE_CHECKING:
    from elq.entities.catalogue import Catalogue
    from elq.names.dictionary import Dictionary
    from elq.questions.kgqa import Read
    from elq.types import Question

log = logging.getLogger(__name__)
KGQA = ("qald", "lcquad")
BLINK = ".blink.jsonl"
FORMATS = (*KGQA, *QUESTION_FORMATS)


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = ArgumentParser(
        prog="elq questions",
        description="Turn a file of questions into annotated questions, for elq, GERBIL (NIF) or ELEVANT. Where questions have"
        " SPARQL queries (QALD, LC-QuAD), an entity of the query whose name stands in the question gets a silver mention; the"
        " others become other_entities.",
    )
    made.add_argument(
        "file",
        metavar="FILE",
        help="JSON file of QALD or LC-QuAD (1 or 2), annotated questions, NIF, BLINK, AIDA-CoNLL or mentions of ZESHEL; may be"
        " compressed",
    )
    made.add_argument(
        "--format",
        choices=FORMATS,
        help="what the file is (default: annotated for .jsonl, nif for .ttl, .nt and other suffixes of RDF; blink, aida and"
        " zeshel are guessed by the content)",
    )
    made.add_argument(
        "--catalogue",
        metavar="CATALOGUE",
        help="JSONL, JSON, CSV or Parquet file of entities; needed for QALD and LC-QuAD, and for BLINK, AIDA-CoNLL and ZESHEL"
        " if the entities shall have its ids",
    )
    made.add_argument(
        "--output",
        required=True,
        metavar="FILE",
        help="file to write: .ttl or .nt for NIF, .elevant.jsonl for a benchmark of ELEVANT, .blink.jsonl for BLINK, else elq's"
        " own JSON lines",
    )
    made.add_argument("--language", default="en", metavar="CODE", help="language of the questions, for QALD (default: en)")
    add_columns(made)
    add_entity_prefix(made)
    return made


def _checked(options: argparse.Namespace) -> str:
    """The format of the file.

    Raises:
        ElqError: it is not said, or the catalogue is missing or is not needed.
    """
    from elq.exchange.iris import check_prefix
    from elq.reading.lines import format_of
    from elq.reading.records import JSON_LINES

    check_prefix(options.entity_prefix)
    form: str | None = options.format
    if form is None:
        form = guessed_format(options.file)
    if options.format is None and form == "annotated" and format_of(options.file) not in JSON_LINES:
        raise ElqError(f"the name of {options.file} does not say what it is: give --format {', '.join(FORMATS)}")
    if form in KGQA and options.catalogue is None:
        raise ElqError(f"--format {form} is given, but no catalogue, whose names are looked for: give --catalogue FILE")
    if form not in (*KGQA, *GIVEN) and options.catalogue is not None:
        raise ElqError(f"--catalogue is given, but only QALD and LC-QuAD need one, not {form}: leave out --catalogue")
    return form


def _record(question: "Question") -> dict[str, object]:
    record = record_of(question)
    silver = [{**mention, "silver": True} for mention in record["mentions"]]
    return {**record, "mentions": silver, "other_entities": [*question.other_entities]}


def _json_line(record: dict[str, object]) -> bytes:
    """The line of a record. One with half a character, which UTF-8 cannot have, has only ASCII characters."""
    try:
        return f"{json.dumps(record, ensure_ascii=False)}\n".encode()
    except UnicodeEncodeError:
        return f"{json.dumps(record)}\n".encode()


@contextmanager
def _catalogue(file: str | None, columns: dict[str, str]) -> Iterator["Catalogue | None"]:
    """The catalogue of a file; None if there is none."""
    if file is None:
        yield None
        return
    from elq.entities.catalogue import temporary_catalogue
    from elq.entities.catalogue_files import read_entities
    from elq.progress import track

    with temporary_catalogue(track(read_entities(file, columns), "reading the catalogue")) as catalogue:
        yield catalogue


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


def _write(path: str, questions: Sequence["Question"], prefix: str | None, *, silver: bool) -> None:
    """Write the questions in the format that the name of the file says."""
    from elq.commands.link_files import ELEVANT
    from elq.exchange.blink import blink_lines
    from elq.exchange.elevant import benchmark_line
    from elq.exchange.nif_writer import NifWriter
    from elq.files import replacing

    name = path.lower()
    parts: Iterable[bytes]
    if name.endswith((".ttl", ".nt")):
        writer = NifWriter("nt" if name.endswith(".nt") else "turtle", prefix=prefix)
        parts = chain([writer.head()], map(writer.gold, questions))
    elif name.endswith(ELEVANT):
        parts = (f"{benchmark_line(question, prefix)}\n".encode() for question in questions)
    elif name.endswith(BLINK):
        parts = (f"{line}\n".encode() for question in questions for line in blink_lines(question))
    else:
        records = (_record(question) if silver else annotated_record(question) for question in questions)
        parts = (_json_line(record) for record in records)
    with replacing(path, "wb") as stream:
        stream.writelines(parts)
    if name.endswith((".ttl", ".nt", *ELEVANT, BLINK)) and (lost := sum(len(one.other_entities) for one in questions)):
        log.warning("%s: %s entities without a mention (other_entities) cannot be written in this format", path, f"{lost:,}")


def main(arguments: Sequence[str]) -> None:
    """Read the file, find the mentions and write the questions."""
    options = parser().parse_args(arguments)
    refuse_overwriting(options.output, options.file, options.catalogue)
    form, columns = _checked(options), parse_columns(options.columns)
    if form not in KGQA:
        from elq.commands.question_sources import read_annotated

        with _catalogue(options.catalogue, columns) as catalogue:
            questions = read_annotated(options.file, catalogue, options.entity_prefix, form=form)
        _write(options.output, questions, options.entity_prefix, silver=False)
        mentions = sum(len(question.mentions) for question in questions)
        log.info("%s: %s questions with %s mentions", options.output, f"{len(questions):,}", f"{mentions:,}")
        return
    from elq.entities.catalogue_files import read_entities
    from elq.progress import track
    from elq.questions.kgqa import linked, read_kgqa
    from elq.questions.silver import dictionary_of

    read = read_kgqa(options.file, form, options.language)
    with dictionary_of(track(read_entities(options.catalogue, columns), "reading the catalogue")) as dictionary:
        questions = linked(read, dictionary)
        _write(options.output, questions, options.entity_prefix, silver=True)
        _tell(options.output, read, questions, dictionary)
