"""``elq templates``: writes training questions from names and template sentences."""

import argparse
import json
from collections.abc import Sequence

from elq.commands.console import ArgumentParser, parse_columns, parse_names, refuse_overwriting
from elq.errors import ElqError

RENAMED_KNOBS = {"partial": "name_part"}  # an old name works for one more release


def parse_knobs(text: str) -> dict[str, float]:
    """Name → value, from ``alias=0.5,no_mention=0.1``.

    >>> parse_knobs("alias=0.5,no_mention=0.1")
    {'alias': 0.5, 'no_mention': 0.1}
    """
    pairs = [pair.partition("=") for pair in text.split(",")] if text else []
    try:
        return {RENAMED_KNOBS.get(name.strip(), name.strip()): float(value) for name, _, value in pairs}
    except ValueError:
        raise ElqError(f"--knobs is {text!r}, but must be NAME=NUMBER pairs such as alias=0.5,no_mention=0.1") from None


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = ArgumentParser(
        prog="elq templates",
        description="Write training questions about a catalogue's entities: sentences with a slot for a name or an alias.",
    )
    made.add_argument(
        "--catalogue",
        required=True,
        metavar="FILE",
        help="JSONL, JSON, CSV or Parquet file with the most famous entities first",
    )
    made.add_argument("--output", required=True, metavar="FILE", help="file to write: JSON lines with text and mentions")
    made.add_argument(
        "--columns", default="", metavar="F=C,…", help="elq's field=your file's column, for each name that differs"
    )
    made.add_argument("--count", type=int, default=10_000, help="number of questions to write (default: 10000)")
    made.add_argument("--seed", type=int, default=0, help="random seed; another seed gives other questions (default: 0)")
    made.add_argument(
        "--frames",
        metavar="FILE",
        help="YAML file with your own template sentences, in the form of elq/questions/template_sentences/en.yaml",
    )
    made.add_argument(
        "--language",
        default="en",
        metavar="L,…",
        help="languages of the template sentences: de, en, es, fr, zh; several with commas (default: en)",
    )
    made.add_argument(
        "--knobs",
        default="",
        metavar="K=P,…",
        help="probabilities: no_mention, two_mentions, alias, name_part, lower_case, misspelling, bare_possessive,"
        " question_mark, namesake, fame, clue, unknown (see elq/questions/knobs.py)",
    )
    return made


def main(arguments: Sequence[str]) -> None:
    """Write the questions."""
    options = parser().parse_args(arguments)
    refuse_overwriting(options.output, options.catalogue, options.frames)
    columns, knobs = parse_columns(options.columns), parse_knobs(options.knobs)
    from elq.entities.catalogue import temporary_catalogue
    from elq.entities.catalogue_files import read_entities
    from elq.files import replacing
    from elq.progress import track
    from elq.questions.records import record_of
    from elq.questions.templates import template_questions

    with temporary_catalogue(track(read_entities(options.catalogue, columns), "reading the catalogue")) as catalogue:
        count, seed, languages = options.count, options.seed, parse_names(options.language)
        questions = template_questions(
            catalogue, count, seed=seed, frames=options.frames, languages=languages, without=(), tell_kinds=True, **knobs
        )
        with replacing(options.output) as stream:
            for question in track(questions, "writing questions", count):
                stream.write(json.dumps(record_of(question), ensure_ascii=False) + "\n")
