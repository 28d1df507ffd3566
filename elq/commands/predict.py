"""``elq predict``: links questions from arguments, a file, standard input or a prompt."""

import argparse
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING

from elq.commands.console import ArgumentParser, refuse_overwriting
from elq.commands.opening import add_model_options, open_linker
from elq.commands.shown import as_coloured, as_text, has_colours
from elq.errors import ElqError
from elq.files import continuing, replacing
from elq.linking.inputs import read_candidates, read_probability, read_threshold
from elq.progress import track
from elq.questions.inputs import check_input, read_input
from elq.questions.predicted import as_json, check_output
from elq.types import Question

if TYPE_CHECKING:
    from elq.linking.linker import Linker

log = logging.getLogger(__name__)

CHUNK = 256  # questions that are linked, and held in memory, at a time


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = ArgumentParser(prog="elq predict", description="Link the entities in questions.")
    made.add_argument(
        "questions",
        nargs="*",
        metavar="QUESTION",
        help="text of a question; every argument is a question of its own (without one, a terminal shows a prompt)",
    )
    made.add_argument(
        "--input",
        metavar="FILE",
        help="file of questions: .txt, .jsonl, .json, .csv, .tsv or .parquet, also compressed; - is standard input",
    )
    made.add_argument(
        "--text-column",
        metavar="COLUMN",
        help="column or key of --input that has the questions (default: text or question)",
    )
    made.add_argument("--skip-bad-lines", action="store_true", help="report bad lines of the input, and link the others")
    made.add_argument(
        "--output",
        metavar="FILE",
        help="write to this file instead of standard output; it appears when it is complete, and an interrupted run from a file"
        " to a .jsonl file resumes when the same command is given again",
    )
    add_model_options(made)
    made.add_argument(
        "--threshold", type=read_threshold, help="least joint score of a link, γ, at most 0 (default: the model's own)"
    )
    made.add_argument(
        "--min-probability",
        type=read_probability,
        metavar="P",
        help="least probability of a link, from 0 to 1, instead of the model's own threshold",
    )
    made.add_argument(
        "--candidates", type=read_candidates, metavar="K", help="candidates of each mention (default: the model's own number)"
    )
    made.add_argument(
        "--mentions",
        type=int,
        metavar="N",
        help="spans of a question for which entities are searched, and as many again for every 25 tokens more (default: 50)",
    )
    made.add_argument(
        "--nil",
        action="store_true",
        help="also link mentions of entities that are not in the catalogue; they are linked to NIL",
    )
    made.add_argument(
        "--format",
        choices=("text", "jsonl"),
        help="format of the output (default: jsonl if --output ends in .jsonl, else text)",
    )
    made.add_argument(
        "--no-history",
        action="store_true",
        help="at the prompt: do not offer the lines of earlier runs, and do not keep new ones",
    )
    return made


def main(arguments: Sequence[str]) -> None:
    """Link the questions, and print or write the links."""
    options = parser().parse_intermixed_args(arguments)
    asks = _asks_at_a_prompt(options)
    _check(options, asks)
    refuse_overwriting(options.output, options.input, options.model, options.catalogue)
    check_output(options.output, options.format)
    questions: Iterable[Question]
    if options.input:
        check_input(options.input, options.text_column)
        questions = read_input(options.input, skip_bad_lines=options.skip_bad_lines, text_column=options.text_column)
        questions = track(questions, "linking") if options.output else questions
    else:
        questions = [Question(str(number), text) for number, text in enumerate(options.questions, 1)]
    linker = open_linker(options, **({} if options.mentions is None else {"max_mentions": options.mentions}))
    if options.candidates not in (None, linker.candidates) and linker.score_mode != "table":
        remedy = "give one by --threshold; " if options.threshold is None else ""
        log.warning(
            "the model's own threshold γ was chosen for K = %d candidates, not %d: %slinks have no probability",
            *(linker.candidates, options.candidates, remedy),
        )
    how = {name: getattr(options, name) for name in ("threshold", "min_probability", "candidates", "nil")}
    jsonl = options.format == "jsonl" or (
        options.format is None and str(options.output).lower().endswith((".jsonl", ".ndjson"))
    )
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    if asks:
        from elq.commands.prompt import Settings, converse

        converse(linker, Settings(**how), history=not options.no_history)
        return
    text = as_coloured if not options.output and has_colours(sys.stdout) else as_text
    show = as_json if jsonl else text
    with _opened(options, linker, jsonl) as (output, done):
        if done:
            log.info("%s questions are linked already: the run resumes after them", f"{done:,}")
        stream = islice(questions, done, None)
        while chunk := list(islice(stream, CHUNK)):
            texts = [question.text for question in chunk]
            found = linker.link(texts, **how)
            output.writelines(f"{show(question, links)}\n" for question, links in zip(chunk, found, strict=True))
            output.flush()


def _asks_at_a_prompt(options: argparse.Namespace) -> bool:
    """Whether the questions are typed at a prompt: none is given, a person sits at the terminal, and wants text there."""
    given = options.questions or options.input or options.output or options.format not in (None, "text")
    return not given and sys.stdin is not None and sys.stdin.isatty()


def _check(options: argparse.Namespace, asks: bool) -> None:
    """Refuse arguments that do not fit together, and numbers below 1.

    Args:
        options: the arguments.
        asks: whether the questions are typed at a prompt.

    Raises:
        ElqError: an argument is wrong.
    """
    if not asks and bool(options.questions) == bool(options.input):
        given = "both questions and --input FILE are given" if options.questions else "no question is given"
        raise ElqError(
            f'{given}: write the question behind the command, as in `elq predict "who directed titanic?"`, or give --input FILE'
            " (`--input -` reads standard input)"
        )
    for name in ("mentions", "candidates"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            raise ElqError(f"--{name} is {getattr(options, name)}, but must be at least 1: give --{name} 1 or more")


@contextmanager
def _opened(options: argparse.Namespace, linker: "Linker", jsonl: bool) -> Iterator[tuple[IO[str], int]]:
    """The output for the links, and the number of questions that an interrupted run of the same command has linked."""
    if not options.output:
        yield sys.stdout, 0
    elif options.input in (None, "-") or not jsonl or Path(options.output).is_char_device():
        with replacing(options.output) as output:
            yield output, 0
    else:
        about = Path(options.input).stat()
        plan = {
            "input": [str(Path(options.input).resolve()), about.st_size, about.st_mtime_ns],
            "model": asdict(linker.entities.manifest),
            "decision": [linker.threshold, linker.mention_threshold, linker.candidates, linker.score_mode, linker.calibration],
            "settings": [
                *(options.threshold, options.min_probability, options.candidates, options.scoring),
                *(options.mentions, options.nil, options.skip_bad_lines, options.text_column),
            ],
        }
        with continuing(options.output, plan, CHUNK) as opened:
            yield opened
