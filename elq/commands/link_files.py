"""Link files: the formats in which `elq predict` writes links, and how a format is chosen."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

from elq.errors import ElqError
from elq.exchange.elevant import prediction_line
from elq.exchange.nif_writer import NifWriter
from elq.exchange.tables import ParquetWriter, csv_head, csv_rows
from elq.files import continuing, replacing
from elq.questions.inputs import CHUNK
from elq.questions.predicted import as_json
from elq.types import Link, Question

FORMATS = ("text", "jsonl", "nif", "parquet", "csv", "elevant")
SUFFIXES = {  # of --output → its format, if --format does not say it
    **{"": "text", ".txt": "text", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"},
    **{".ttl": "nif", ".nt": "nif"},
}
ELEVANT = (".elevant.jsonl", ".elevant.ndjson")
NAMES = "a name that ends in .jsonl, .txt, .csv, .parquet, .ttl or .elevant.jsonl"


def format_of_output(path: str | None, form: str | None, *, scores: bool = False) -> str:
    """The format of the output, before a model is loaded.

    Args:
        path: the file; None is standard output.
        form: the format that the user chose, one of FORMATS; None: it follows from the name.
        scores: whether confidences are asked for, which only NIF has as an option.

    Raises:
        ElqError: the suffix is that of no format, or the format does not go with the output or the scores.
    """
    if path is not None and form is None:
        name = Path(path).name.lower()
        form = "elevant" if name.endswith(ELEVANT) else SUFFIXES.get(Path(name).suffix)
        if form is None:
            raise ElqError(
                f"--output {path} ends in {Path(name).suffix}, but links are written as {', '.join(FORMATS[:-1])} or"
                f" {FORMATS[-1]}: give {NAMES}, or choose a --format"
            )
    form = form or "text"
    if form == "parquet" and path is None:
        raise ElqError("--format parquet is given, but Parquet cannot be printed: give --output FILE.parquet too")
    if scores and form != "nif":
        raise ElqError(f"--scores is given, but the format is {form}, which has them anyway or not at all: leave out --scores")
    return form


Write = Callable[[Sequence[Question], Sequence[Sequence[Link]]], object]  # writes the links of some questions
Show = Callable[[Question, Sequence[Link]], str]


@contextmanager
def opened_output(
    path: str | None,
    form: str,
    as_text: Show,
    *,
    prefix: str | None = None,
    scores: bool = False,
    plan: dict[str, Any] | None = None,
) -> Iterator[tuple[Write, int]]:
    """Open the output. A file appears under its name when it is complete.

    Args:
        path: the file; None is standard output.
        form: the format, one of FORMATS.
        as_text: how a question is shown as text.
        prefix: the beginning of the IRIs of entities, for NIF and ELEVANT.
        scores: whether NIF has confidences.
        plan: what the links are made from, for JSON lines: an interrupted run with the same plan resumes.

    Returns:
        What writes the links of some questions, and the number of questions that an interrupted run has linked.
    """
    if path is not None and form == "jsonl" and plan is not None:
        with continuing(path, plan, CHUNK) as (text, done):
            yield _lines(text, as_json), done
    elif form in ("text", "jsonl"):
        with nullcontext(sys.stdout) if path is None else replacing(path) as text:
            yield _lines(text, as_json if form == "jsonl" else as_text), 0
    else:
        with nullcontext(sys.stdout.buffer) if path is None else replacing(path, "wb") as stream:
            if form == "parquet":
                with closing(ParquetWriter(stream)) as table:
                    yield table.write, 0
            else:
                yield _bytes(stream, *_rendered(path, form, prefix, scores)), 0


def _lines(stream: IO[str], show: Show) -> Write:
    def write(questions: Sequence[Question], links: Sequence[Sequence[Link]]) -> None:
        stream.writelines(f"{show(*pair)}\n" for pair in zip(questions, links, strict=True))
        stream.flush()

    return write


def _bytes(stream: IO[bytes], head: bytes, render: Callable[[Question, Sequence[Link]], bytes]) -> Write:
    stream.write(head)

    def write(questions: Sequence[Question], links: Sequence[Sequence[Link]]) -> None:
        stream.writelines(render(*pair) for pair in zip(questions, links, strict=True))
        stream.flush()

    return write


def _rendered(
    path: str | None, form: str, prefix: str | None, scores: bool
) -> tuple[bytes, Callable[[Question, Sequence[Link]], bytes]]:
    """What stands at the beginning of the output, and how a question is written."""
    if form == "csv":
        return csv_head(), csv_rows
    if form == "elevant":
        return b"", lambda _, links: f"{prediction_line(links, prefix)}\n".encode()
    writer = NifWriter("nt" if str(path).lower().endswith(".nt") else "turtle", prefix=prefix, scores=scores)
    return writer.head(), writer.links
