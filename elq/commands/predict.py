"""``elq predict``: links questions from arguments, a file or standard input."""

import argparse
import logging
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elq.commands.console import ArgumentParser, add_entity_prefix, refuse_below_one, refuse_overwriting
from elq.commands.link_files import FORMATS, format_of_output, opened_output
from elq.commands.opening import add_concepts, add_model_options, add_rerank, add_type_score_weight, open_linker
from elq.commands.question_sources import open_source
from elq.commands.shown import as_coloured, as_text, has_colours
from elq.errors import ElqError
from elq.exchange.annotator import Mentions, link_documents
from elq.exchange.iris import check_prefix
from elq.exchange.question_formats import GIVEN
from elq.linking.inputs import read_candidates, read_probability, read_threshold
from elq.progress import track
from elq.questions.inputs import CHUNK
from elq.types import Link, Question

if TYPE_CHECKING:
    from elq.linking.linker import Linker

log = logging.getLogger(__name__)


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = ArgumentParser(prog="elq predict", description="Link the entities in questions.")
    made.add_argument(
        "questions", nargs="*", metavar="QUESTION", help="text of a question; every argument is a question of its own"
    )
    made.add_argument(
        "--input",
        metavar="FILE",
        help="file of questions: .txt, .jsonl, .json, .csv, .tsv, .parquet or .ttl (NIF), also compressed; - is standard input;"
        " hf:NAME:SPLIT or hf:FOLDER is a dataset of the library datasets",
    )
    made.add_argument(
        "--text-column",
        metavar="COLUMN",
        help="column or key of --input that has the questions (default: text or question)",
    )
    made.add_argument(
        "--input-format",
        choices=tuple(GIVEN),
        help="the format of an --input whose mentions are given: only these are linked (default: guessed by the content)",
    )
    made.add_argument("--skip-bad-lines", action="store_true", help="report bad lines of the input, and link the others")
    made.add_argument(
        "--output",
        metavar="FILE",
        help="write to this file instead of standard output; it appears when it is complete, and an interrupted run from a file"
        " to a .jsonl file resumes when the same command is given again",
    )
    add_model_options(made)
    add_rerank(made)
    add_type_score_weight(made)
    add_concepts(made)
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
        "--document",
        action="store_true",
        help="mentions of one text help each other: a later part of a name takes the candidates of the whole name into account",
    )
    made.add_argument(
        "--format",
        choices=FORMATS,
        help="format of the output (default: what the name of --output ends in: .jsonl, .csv, .parquet, .ttl and .nt for NIF,"
        " .elevant.jsonl; else text)",
    )
    add_entity_prefix(made)
    made.add_argument(
        "--scores", action="store_true", help="write the probability of each link in NIF too (itsrdf:taConfidence)"
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
    form = format_of_output(options.output, options.format, scores=options.scores)
    check_prefix(options.entity_prefix)
    questions: Iterable[Question]
    if options.input:
        questions = open_source(
            options.input,
            options.text_column,
            options.entity_prefix,
            skip_bad_lines=options.skip_bad_lines,
            form=options.input_format,
        )
        questions = track(questions, "linking") if options.output else questions
    else:
        questions = [Question(str(number), text) for number, text in enumerate(options.questions, 1)]
    linker = open_linker(options, **({} if options.mentions is None else {"max_mentions": options.mentions}))
    from elq.linking.scoring import OVER_ALL

    if options.candidates not in (None, linker.candidates) and linker.score_mode not in OVER_ALL:
        remedy = "give one by --threshold; " if options.threshold is None else ""
        log.warning(
            "the model's own threshold γ was chosen for K = %d candidates, not %d: %slinks have no probability",
            *(linker.candidates, options.candidates, remedy),
        )
    how = {name: getattr(options, name) for name in ("threshold", "min_probability", "candidates", "nil")}
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    if asks:
        from elq.commands.prompt import Settings, converse

        converse(linker, Settings(**how), history=not options.no_history)
        return
    how["document"] = options.document
    plan = _plan(options, linker)
    text = as_coloured if not options.output and has_colours(sys.stdout) else as_text

    def link(texts: list[str], mentions: Mentions | None) -> Sequence[Sequence[Link]]:
        return linker.link(texts, **how) if mentions is None else linker.link(texts, mentions=mentions, **how)

    with opened_output(options.output, form, text, prefix=options.entity_prefix, scores=options.scores, plan=plan) as (
        write,
        done,
    ):
        if done:
            log.info("%s questions are linked already: the run resumes after them", f"{done:,}")
        stream = islice(questions, done, None)
        while chunk := list(islice(stream, CHUNK)):
            write(chunk, link_documents(chunk, link))


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
    if options.input_format and options.input in (None, "-"):
        raise ElqError(f"--input-format {options.input_format} is given, but no file to read: give --input FILE too")
    if asks and options.document:
        raise ElqError("--document is given, but at the prompt each line is a text of its own: give --input FILE, or a text")
    refuse_below_one(options, "mentions", "candidates")


def _plan(options: argparse.Namespace, linker: "Linker") -> dict[str, Any] | None:
    """What the links of a file are made from; None if the input is no file, or the output is a device."""
    if options.input in (None, "-") or not Path(options.input).is_file() or Path(options.output or "").is_char_device():
        return None
    from elq.linking.exports import weights_of

    about = Path(options.input).stat()
    return {
        "input": [str(Path(options.input).resolve()), about.st_size, about.st_mtime_ns],
        "model": asdict(linker.entities.manifest),
        "decision": [linker.threshold, linker.mention_threshold, linker.candidates, linker.score_mode, linker.calibration],
        "settings": [
            *(options.threshold, options.min_probability, options.candidates, options.scoring),
            *(
                options.mentions,
                options.nil,
                options.skip_bad_lines,
                options.text_column,
                options.input_format,
                options.document,
            ),
            *(options.backend, options.dtype),
            *([] if options.rerank is None else [weights_of(Path(options.rerank).expanduser())]),
            *([linker.type_score_weight] if linker.type_score_weight else []),
            *linker.further(),
        ],
    }
