"""``elq compare``: tests whether one file of links is better than another."""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from elq.commands.console import ArgumentParser, refuse_overwriting
from elq.errors import ElqError
from elq.files import replacing

if TYPE_CHECKING:
    from elq.evaluation.comparison import Change, Difference
    from elq.types import Link, Question

TASKS = {
    "set_in_catalogue": "entities, main one in the catalogue",
    "strong": "links, same span",
    "weak": "links, overlapping span",
    "main": "main entity",
}
KINDS = {"won": "won", "lost": "lost", "changed": "changed otherwise"}


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = ArgumentParser(prog="elq compare", description="Compare two files of predictions for the same annotated questions.")
    made.add_argument("a", metavar="A", help="first file of predictions, made by `elq predict --format jsonl`")
    made.add_argument("b", metavar="B", help="second file of predictions; every difference is B − A")
    made.add_argument(
        "--questions", required=True, metavar="FILE", help="the annotated questions that both files have links for"
    )
    made.add_argument("--model", metavar="DIR", help="model folder; gold entities that its catalogue lacks count as null")
    made.add_argument("--changed", metavar="FILE", help="write the questions whose links differ to this file, as JSON lines")
    made.add_argument(
        "--show", type=int, default=10, metavar="N", help="print the first N questions whose links differ (default: 10)"
    )
    made.add_argument(
        "--resamples", type=int, default=10_000, metavar="N", help="number of bootstrap resamples (default: 10,000)"
    )
    made.add_argument("--seed", type=int, default=0, help="seed of the bootstrap (default: 0)")
    return made


def main(arguments: Sequence[str]) -> None:
    """Compare the files, print a table and the first changes, and write all changes to ``--changed``."""
    options = parser().parse_args(arguments)
    refuse_overwriting(options.changed, options.a, options.b, options.questions, options.model)
    if options.seed < 0:
        raise ElqError(f"--seed is {options.seed}, but must be at least 0: give --seed 0 or a larger number")
    from elq.evaluation.comparison import change_record, changes, compare, matched

    questions = annotated(options.questions, options.model)
    a, b = matched(options.a, questions), matched(options.b, questions)
    print_differences(compare(questions, a, b, resamples=options.resamples, seed=options.seed), options, len(questions))
    found = changes(questions, a, b)
    if options.changed:
        with replacing(options.changed) as output:
            output.writelines(json.dumps(change_record(change)) + "\n" for change in found)
    print_changes(found, options.show)


def annotated(path: str, model: str | None) -> "list[Question]":
    """The annotated questions, with null for gold entities that the model's catalogue lacks."""
    from elq.questions.annotated import read_questions

    if model is None:
        return read_questions(path)
    from elq.entities.catalogue import Catalogue
    from elq.entities.manifest import CATALOGUE
    from elq.evaluation.evaluate import known_questions
    from elq.linking.folder import ENTITIES

    inside = Path(model) / ENTITIES
    catalogue = Catalogue((inside if inside.is_dir() else Path(model)) / CATALOGUE)
    return known_questions(read_questions(path, catalogue), catalogue)


def print_differences(differences: "Sequence[Difference]", options: argparse.Namespace, questions: int) -> None:
    """Print a table with one row for each figure."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    title = f"{options.questions}, {questions:,} questions; A {options.a}, B {options.b}"
    table = Table(title=escape(title), title_justify="left")
    for column in ("figure", "A", "B", "B − A", "95% interval", "p"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for row in differences:
        interval, p = f"{row.low:+.4f} … {row.high:+.4f}", f"{row.p:.4f}"
        name = f"{TASKS[row.task]}, {row.quality.replace('f1', 'F1')}"
        table.add_row(name, f"{row.a:.4f}", f"{row.b:.4f}", f"{row.b - row.a:+.4f}", interval, p)
    Console(width=150).print(table)


def print_changes(found: "Sequence[Change]", most: int) -> None:
    """Print how many questions have different links in A and B, and the first ``most`` of them."""
    kinds = Counter(change.kind for change in found)
    lines = [f"{len(found):,} questions changed: " + ", ".join(f"{kinds[kind]:,} {text}" for kind, text in KINDS.items())]
    for change in found[: max(most, 0)]:
        question = change.question
        gold = [f"{question.text[m.start : m.end]} → {m.entity}" for m in question.mentions] + list(question.other_entities)
        lines += [f"{change.kind}  {question.id}  {question.text}", f"  gold  {'; '.join(gold) or 'nothing'}"]
        lines += [f"  {side}  {shown(links)}" for side, links in (("A", change.a), ("B", change.b))]
    print(
        "\n".join(lines).encode("utf-8", "replace").decode()
    )  # a lone surrogate, which is half a character, cannot be written


def shown(links: "Sequence[Link]") -> str:
    """The links on one line."""
    return "; ".join(f"{x.mention} → {x.entity} {x.title} ({x.score:.3f})" for x in links) or "nothing"
