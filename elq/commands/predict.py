"""``elq predict``: question text (arguments, a file, standard input) → links. Nothing but arguments and printing."""

import argparse
import logging
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from textwrap import shorten
from typing import IO, TYPE_CHECKING

from elq.errors import ElqError
from elq.files import continuing, parse_json_line, replacing
from elq.progress import track
from elq.questions.annotated import question_from_record
from elq.questions.predicted import as_json
from elq.types import Link, Question

if TYPE_CHECKING:
    from elq.linking.linker import Linker

log = logging.getLogger(__name__)

STARTER = Path("runs/starter/latest/model")
DESCRIPTION = 120  # characters of one that are shown
CHUNK = 256  # questions linked at a time: what a run holds in memory
MENTIONS = 50  # spans of a question that are looked up


def default_model() -> Path:
    """The folder of the starter model, which is trained first where it is missing.

    Raises:
        ElqError: the training failed.
    """
    if not STARTER.is_dir():
        log.info("no --model is given and %s is missing: training the starter first (two to three minutes)", STARTER)
        began = time.monotonic()
        done = subprocess.run([sys.executable, "-m", "elq", "train", "+experiment=starter"], check=False, stdout=2)
        if done.returncode:
            raise ElqError(
                f"training the starter ended with exit code {done.returncode} (see above): give a folder with --model"
            )
        log.info("trained the starter in %.0f s", time.monotonic() - began)
    return STARTER


def as_text(question: Question, links: Sequence[Link]) -> str:
    """The question with its mentions in brackets, and a line for each link.

    A link shows its probability; one without (the model has no calibration, or it is a link to NIL) shows its score.

    >>> link = Link(8, 12, "peru", "Q419", "Peru", "country in South America", -0.25, probability=0.934)
    >>> print(as_text(Question("1", "what is peru?"), [link]))
    what is [peru]?
      peru → Q419  Peru  country in South America  (probability 0.93)
    """
    marked, at = "", 0
    for link in links:
        marked += f"{question.text[at : link.start]}[{link.mention}]"
        at = link.end
    lines = [marked + question.text[at:]]
    for link in links:
        about = shorten(link.description, DESCRIPTION, placeholder=" …")
        sure = f"score {link.score:.3f}" if link.probability is None else f"probability {link.probability:.2f}"
        parts = [f"  {link.mention} → {link.entity}", link.title, about, f"({sure})"]
        lines.append("  ".join(part for part in parts if part))
    return "\n".join(lines).encode("utf-8", "replace").decode()  # half a character (a lone surrogate) cannot be written


def read_input(source: str, *, skip_bad_lines: bool = False) -> Iterator[Question]:
    """Stream the questions of a file or of standard input ("-"): a question a line, or a JSON object a line.

    Files ending in .jsonl hold objects with a "text"; elsewhere a line that starts with "{" is such an object too.

    Args:
        source: path, or "-".
        skip_bad_lines: report a bad line in the log and go on, instead of stopping there.

    Raises:
        ElqError: a bad line, with its number.
    """
    with nullcontext(sys.stdin.buffer) if source == "-" else Path(source).open("rb") as stream:
        for line, raw in enumerate(stream, 1):
            try:
                question = _question(raw, source, line)
            except ElqError as error:
                if not skip_bad_lines:
                    raise
                log.warning("skipped: %s", error)
                continue
            if question is not None:
                yield question


def _question(raw: bytes, source: str, line: int) -> Question | None:
    """The question of one line; None for an empty line between JSON objects."""
    if source.endswith(".jsonl") or raw.startswith(b"{"):
        if not raw.strip():
            return None
        record = parse_json_line(raw, source, line)
        try:
            return question_from_record(record, line)
        except ElqError as error:
            raise ElqError(f"{source}, line {line}: {error}") from None
    try:
        return Question(str(line), raw.decode("utf-8").rstrip("\r\n"))
    except UnicodeDecodeError:
        raise ElqError(f"{source}, line {line}: not UTF-8: save the file as UTF-8") from None


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser(prog="elq predict", description="Link the entities in questions.")
    made.add_argument("questions", nargs="*", metavar="QUESTION", help="question text; several are linked one by one")
    made.add_argument("--input", metavar="FILE", help="file with a question, or a JSON object, a line; - is standard input")
    made.add_argument("--skip-bad-lines", action="store_true", help="report bad lines of the input and go on")
    made.add_argument(
        "--output",
        metavar="FILE",
        help="write here instead of standard output; appears when it is complete, and a killed run of a file goes on",
    )
    made.add_argument(
        "--model", metavar="DIR", help="model folder or Hub name (default: the starter, trained first if it is missing)"
    )
    made.add_argument("--threshold", type=float, help="least joint score of a link, at most 0 (default: the model's own)")
    made.add_argument("--candidates", type=int, metavar="K", help="entities retrieved per mention (default: the model's own)")
    made.add_argument("--mentions", type=int, metavar="N", help="spans per question that are looked up (default: 50)")
    made.add_argument("--nil", action="store_true", help="link mentions of what is not in the catalogue, too: to NIL")
    made.add_argument("--format", choices=("text", "jsonl"), help="default: text, and jsonl for an --output ending in .jsonl")
    made.add_argument("--scoring", metavar="MODE", help="candidates, table, or elq as released (default: the model's own)")
    made.add_argument("--device", default="cpu", help="where the encoder runs: cpu, cuda, … (default: cpu)")
    return made


def main(arguments: Sequence[str]) -> None:
    """Link and print."""
    options = parser().parse_intermixed_args(arguments)
    if bool(options.questions) == bool(options.input):
        raise ElqError('give either questions or --input FILE: for example `elq predict "who directed titanic?"`')
    if options.mentions is not None and options.mentions < 1:
        raise ElqError(f"--mentions is {options.mentions}, but must be at least 1")
    if options.input not in (None, "-") and not Path(options.input).is_file():
        raise ElqError(f"--input {options.input} does not exist: give a .jsonl or .txt file, or - for standard input")
    questions: Iterable[Question]
    if options.input:
        questions = read_input(options.input, skip_bad_lines=options.skip_bad_lines)
        questions = track(questions, "linking") if options.output else questions
    else:
        questions = [Question(str(number), text) for number, text in enumerate(options.questions, 1)]
    from elq.linking.linker import Linker

    linker = Linker.from_pretrained(
        options.model or default_model(),
        device=options.device,
        scoring=options.scoring,
        max_mentions=MENTIONS if options.mentions is None else options.mentions,
    )
    if options.candidates not in (None, linker.candidates) and linker.score_mode != "table":
        log.warning(
            "γ is that of K = %d, not %d: give --threshold; links have no probability",
            linker.candidates,
            options.candidates,
        )
    jsonl = options.format == "jsonl" or (options.format is None and str(options.output).endswith(".jsonl"))
    show = as_json if jsonl else as_text
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    with _opened(options, linker, jsonl) as (output, done):
        if done:
            log.info("%s questions are linked already: going on behind them", f"{done:,}")
        stream = islice(questions, done, None)
        while chunk := list(islice(stream, CHUNK)):
            texts = [question.text for question in chunk]
            found = linker.link(texts, threshold=options.threshold, candidates=options.candidates, nil=options.nil)
            output.writelines(f"{show(question, links)}\n" for question, links in zip(chunk, found, strict=True))
            output.flush()


@contextmanager
def _opened(options: argparse.Namespace, linker: "Linker", jsonl: bool) -> Iterator[tuple[IO[str], int]]:
    """Where the links go, and how many questions an earlier, killed run of the same kind has done."""
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
                *(options.threshold, options.candidates, options.scoring),
                *(options.mentions, options.nil, options.skip_bad_lines),
            ],
        }
        with continuing(options.output, plan, CHUNK) as opened:
            yield opened
