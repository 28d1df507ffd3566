"""Question sources: opens what a command's option for questions names: a file in any format, standard input or a dataset."""

from collections.abc import Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING

from elq.errors import ElqError
from elq.exchange.hub_datasets import is_dataset, open_dataset, records_of
from elq.exchange.nif import read_nif_file
from elq.exchange.question_formats import GIVEN, guessed_format, read_given
from elq.questions.annotated import read_questions
from elq.questions.inputs import check_input, questions_of, read_input
from elq.types import Question

if TYPE_CHECKING:
    from elq.entities.catalogue import Catalogue


def open_source(
    source: str,
    text_column: str | None = None,
    prefix: str | None = None,
    *,
    skip_bad_lines: bool = False,
    form: str | None = None,
) -> Iterator[Question]:
    """The questions that ``elq predict --input`` links. What can be checked is checked before the first is read.

    Args:
        source: a file, "-" for standard input, or a dataset (``hf:NAME:SPLIT``).
        text_column: the column of the questions.
        prefix: the beginning of the IRIs of entities, for NIF.
        skip_bad_lines: report bad lines in the log, and continue.
        form: one of ``GIVEN``: a file in which all mentions are given; None: its first bytes say so.

    Raises:
        ElqError: the source cannot be opened, or a line is bad.
    """
    if is_dataset(source):
        dataset = open_dataset(source)
        records = questions_of(records_of(dataset), source, skip_bad_lines=skip_bad_lines, text_column=text_column, table=True)
        return chain([*islice(records, 1)], records)  # the first, to see that there is a column of questions
    kind = "annotated" if source == "-" else form or guessed_format(source)
    if kind != "annotated":
        if text_column is not None:
            what = "RDF" if kind == "nif" else f"in the format {kind}"
            raise ElqError(f"--text-column is given, but {source} is {what} and has no columns: leave out --text-column")
        if skip_bad_lines and kind != "nif":
            raise ElqError(
                f"--skip-bad-lines is given, but {source} is in the format {kind}, of which no line can be left out: leave out"
                " --skip-bad-lines, and correct the lines that are refused"
            )
        return iter(read_nif_file(source, prefix) if kind == "nif" else read_given(source, kind))
    check_input(source, text_column)
    return read_input(source, skip_bad_lines=skip_bad_lines, text_column=text_column)


def read_annotated(
    path: str, catalogue: "Catalogue | None" = None, prefix: str | None = None, *, form: str | None = None
) -> list[Question]:
    """Annotated questions from JSON lines, a JSON array, NIF, or a format of given mentions.

    Args:
        path: the file.
        catalogue: the catalogue whose ids the entities get, where the format has other ids.
        prefix: the beginning of the IRIs of entities, for NIF.
        form: one of ``QUESTION_FORMATS``; None: the suffix and the first bytes say it.

    Raises:
        ElqError: the file is missing or has no questions, or a record is bad.
    """
    form = form or guessed_format(path)
    if form in GIVEN:
        return [*read_given(path, form, catalogue)]
    return [*read_nif_file(path, prefix)] if form == "nif" else read_questions(path, catalogue)
