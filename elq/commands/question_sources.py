"""Question sources: opens what a command's option for questions names: a file, standard input, NIF or a dataset."""

from collections.abc import Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING

from elq.errors import ElqError
from elq.exchange.hub_datasets import is_dataset, open_dataset, records_of
from elq.exchange.nif import is_nif, read_nif_file
from elq.questions.annotated import read_questions
from elq.questions.inputs import check_input, questions_of, read_input
from elq.types import Question

if TYPE_CHECKING:
    from elq.entities.catalogue import Catalogue


def open_source(
    source: str, text_column: str | None = None, prefix: str | None = None, *, skip_bad_lines: bool = False
) -> Iterator[Question]:
    """The questions that ``elq predict --input`` links. What can be checked is checked before the first is read.

    Args:
        source: a file, "-" for standard input, or a dataset (``hf:NAME:SPLIT``).
        text_column: the column of the questions.
        prefix: the beginning of the IRIs of entities, for NIF.
        skip_bad_lines: report bad lines in the log, and continue.

    Raises:
        ElqError: the source cannot be opened, or a line is bad.
    """
    if is_dataset(source):
        dataset = open_dataset(source)
        records = questions_of(records_of(dataset), source, skip_bad_lines=skip_bad_lines, text_column=text_column, table=True)
        return chain([*islice(records, 1)], records)  # the first, to see that there is a column of questions
    if source != "-" and is_nif(source):
        if text_column is not None:
            raise ElqError(f"--text-column is given, but {source} is RDF and has no columns: leave out --text-column")
        return iter(read_nif_file(source, prefix))
    check_input(source, text_column)
    return read_input(source, skip_bad_lines=skip_bad_lines, text_column=text_column)


def read_annotated(
    path: str, catalogue: "Catalogue | None" = None, prefix: str | None = None, *, nif: bool | None = None
) -> list[Question]:
    """Annotated questions from JSON lines, a JSON array or NIF.

    Args:
        path: the file.
        catalogue: see :func:`elq.questions.annotated.read_questions`.
        prefix: the beginning of the IRIs of entities, for NIF.
        nif: whether the file is NIF; None: its suffix says so.

    Raises:
        ElqError: the file is missing or has no questions, or a record is bad.
    """
    nif = is_nif(path) if nif is None else nif
    return [*read_nif_file(path, prefix)] if nif else read_questions(path, catalogue)
