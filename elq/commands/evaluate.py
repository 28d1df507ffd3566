"""``elq evaluate``: all metrics of a linker on annotated questions, with the dictionary beside it on request."""

import argparse
import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path

from elq.commands.predict import default_model
from elq.errors import ElqError
from elq.files import write_json

QUALITIES_IN_WORDS = "precision / recall / F1"


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser(prog="elq evaluate", description="Measure a linker on annotated questions.")
    made.add_argument("--questions", required=True, metavar="FILE", help="JSON lines with text and mentions")
    made.add_argument(
        "--model", metavar="DIR", help="model folder or Hub name (default: the starter, trained first if it is missing)"
    )
    made.add_argument("--output", metavar="FILE", help="write all metrics here as JSON")
    made.add_argument("--all", action="store_true", help="print every metric, and not only those that matter")
    made.add_argument("--threshold", type=float, help="instead of the model's own")
    made.add_argument("--baseline", choices=("dictionary",), help="longest name or alias in the question, lowest QID")
    made.add_argument("--scoring", metavar="MODE", help="candidates, table, or elq as released (default: the model's own)")
    made.add_argument("--device", default="cpu", help="where the encoder runs: cpu, cuda, … (default: cpu)")
    made.add_argument(
        "--report", metavar="FILE", help="write a page (HTML) with intervals, plots, slices and examples of each kind of error"
    )
    made.add_argument(
        "--training",
        nargs="+",
        metavar="FILE",
        help="the model's training questions: the report tells seen entities from unseen",
    )
    made.add_argument("--date", type=date_of, metavar="YYYY-MM-DD", help="what stands on the report (default: today)")
    return made


def date_of(text: str) -> dt.date:
    """A date as it is given to ``--date``. Raises ElqError if it is none."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ElqError(f"--date is {text!r}, but must be a date of the form YYYY-MM-DD, such as 2026-01-31") from None


def check(options: argparse.Namespace) -> None:
    """Refuse with an ElqError what could not be measured or written, before anything is loaded."""
    for name in ("training", "date"):
        if getattr(options, name) and not options.report:
            raise ElqError(f"--{name} is given, but only a report looks at it: give --report FILE too, or leave it out")
    if options.report:
        from elq.report.plots import require_matplotlib

        require_matplotlib()  # said now, and not after minutes of linking
    if not Path(options.questions).is_file():
        raise ElqError(f"{options.questions} does not exist: give a file of annotated questions")


def main(arguments: Sequence[str]) -> None:
    """Measure, print a table, write the metrics and the report."""
    options = parser().parse_args(arguments)
    check(options)
    from elq.evaluation.evaluate import Observed, known_questions, measure, observe
    from elq.evaluation.sweep import SWEEP_FLOOR
    from elq.linking.linker import Linker
    from elq.names.baseline import LongestName
    from elq.names.dictionary import Dictionary
    from elq.questions.annotated import read_questions

    if options.model is None:
        for file in (options.questions, *(options.training or ())):
            read_questions(file)  # a bad line is named now, and not after minutes of training the starter
    model = options.model or default_model()
    linker = Linker.from_pretrained(model, device=options.device, scoring=options.scoring)
    catalogue = linker.entities.catalogue
    questions = known_questions(read_questions(options.questions, catalogue), catalogue)
    training = [question for file in options.training or () for question in read_questions(file, catalogue)]
    threshold = linker.threshold if options.threshold is None else options.threshold
    low = observe(linker, questions, threshold=min(threshold, SWEEP_FLOOR) if options.report else threshold)
    metrics: dict[str, Mapping[str, float]] = {"model": measure(low.above(threshold))}
    dictionary = linker.dictionary or Dictionary(catalogue) if options.baseline or options.report else None
    baseline = None
    if options.baseline and dictionary is not None:
        baseline = Observed(questions, LongestName(dictionary).link([question.text for question in questions]))
        metrics[options.baseline] = measure(baseline)
    print_table(metrics, f"{options.questions}, {model}, threshold {threshold:.3f}", every=options.all)
    about = {"questions_file": options.questions, "model_folder": str(model), "threshold": threshold}
    if options.output:
        write_json(options.output, {**about, **metrics})
    if options.report and dictionary is not None:
        from elq.report.page import Material, write_report

        files = {"Questions": options.questions, "Model": str(model), "Training questions": ", ".join(options.training or ())}
        date = options.date or dt.date.today()
        write_report(options.report, Material(files, low, threshold, catalogue, dictionary, baseline, training or None, date))


def print_table(metrics: Mapping[str, Mapping[str, float]], title: str, *, every: bool = False) -> None:
    """Print a table, a column per linker.

    Args:
        metrics: linker → flat names → values.
        title: of the table.
        every: all metrics; otherwise those that matter, without the ones that no question was measured for.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    rows = all_rows(metrics) if every else main_rows(metrics)
    table = Table()
    table.add_column("metric")
    for name in metrics:
        table.add_column(name, justify="right")
    for name, cells in rows:
        table.add_row(name, *cells)
    console = Console(width=150)
    console.print(escape(title), style="italic", highlight=False, soft_wrap=True)  # a path is not broken
    console.print(table)
    if not every:
        console.print("--all prints every metric, --output FILE writes them as JSON.", highlight=False)


Rows = list[tuple[str, list[str]]]  # a name in words, and a cell per linker


def main_rows(metrics: Mapping[str, Mapping[str, float]]) -> Rows:
    """The six rows that matter; one that no linker was measured for is left out."""
    from elq.report.wording import HEADLINES, is_defined

    start, qualities = "set_in_catalogue_micro_", ("precision", "recall", "f1")
    lines = {f"entities: {QUALITIES_IN_WORDS}": [f"{start}{quality}" for quality in qualities]}
    lines |= {words: [name] for name, (words, _) in HEADLINES.items() if not name.startswith(start)}
    return [
        (words, [cell(names, values) for values in metrics.values()])
        for words, names in lines.items()
        if any(is_defined(names[0], values) for values in metrics.values())
    ]


def all_rows(metrics: Mapping[str, Mapping[str, float]]) -> Rows:
    """Precision, recall and F1 of each task, then the single figures."""
    from elq.report.wording import TASKS, is_count, metric_name

    rows: Rows = []
    tasks = [f"{task}_{average}_" for task in TASKS for average in ("micro", "macro")]
    for task in tasks:
        names = [f"{task}{quality}" for quality in ("precision", "recall", "f1")]
        words = metric_name(names[0]).removesuffix("precision") + QUALITIES_IN_WORDS
        rows.append((words, [cell(names, values) for values in metrics.values()]))
    for name in dict.fromkeys(name for values in metrics.values() for name in values if not name.startswith(tuple(tasks))):
        digits = 0 if is_count(name) else 3
        rows.append((metric_name(name), [cell([name], values, digits) for values in metrics.values()]))
    return rows


def cell(names: Sequence[str], values: Mapping[str, float], digits: int = 3) -> str:
    """Some figures of a linker side by side; a dash where they were not measured."""
    from elq.report.wording import UNDEFINED, is_defined

    if not all(is_defined(name, values) for name in names):
        return UNDEFINED
    return " / ".join(f"{values[name]:,.{digits}f}" for name in names)
