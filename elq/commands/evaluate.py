"""``elq evaluate``: all metrics of a linker on annotated questions, with the dictionary beside it on request."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from elq.commands.predict import default_model
from elq.errors import ElqError
from elq.files import write_json


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser(prog="elq evaluate", description="Measure a linker on annotated questions.")
    made.add_argument("--questions", required=True, metavar="FILE", help="JSON lines with text and mentions")
    made.add_argument(
        "--model", metavar="DIR", help="model folder or Hub name (default: the starter, trained first if it is missing)"
    )
    made.add_argument("--output", metavar="FILE", help="write all metrics here as JSON")
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
    return made


def main(arguments: Sequence[str]) -> None:
    """Measure, print a table, write the metrics and the report."""
    options = parser().parse_args(arguments)
    if options.training and not options.report:
        raise ElqError("--training is given, but only a report looks at it: give --report FILE too, or leave it out")
    from elq.evaluation.evaluate import Observed, known_questions, measure, observe
    from elq.evaluation.sweep import SWEEP_FLOOR
    from elq.linking.linker import Linker
    from elq.names.baseline import LongestName
    from elq.names.dictionary import Dictionary
    from elq.questions.annotated import read_questions

    if options.report:
        from elq.report.plots import require_matplotlib

        require_matplotlib()  # said now, and not after minutes of linking
    if not Path(options.questions).is_file():
        raise ElqError(f"{options.questions} does not exist: give a file of annotated questions")
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
    print_table(metrics, f"{options.questions}, {model}, threshold {threshold:.3f}")
    about = {"questions_file": options.questions, "model_folder": str(model), "threshold": threshold}
    if options.output:
        write_json(options.output, {**about, **metrics})
    if options.report and dictionary is not None:
        from elq.report.page import Material, write_report

        files = {"Questions": options.questions, "Model": str(model), "Training questions": ", ".join(options.training or ())}
        write_report(options.report, Material(files, low, threshold, catalogue, dictionary, baseline, training or None))


def print_table(metrics: Mapping[str, Mapping[str, float]], title: str) -> None:
    """Print precision, recall and F1 of each task, then the single figures, a column per linker."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from elq.evaluation.counting import MEANINGS, QUALITIES

    table = Table(title=escape(title), title_justify="left")
    table.add_column("metric")
    for name in metrics:
        table.add_column(name, justify="right")
    for task, meaning in MEANINGS.items():
        for average in ("micro", "macro"):
            names = [f"{task}_{average}_{quality}" for quality in QUALITIES]
            cells = [" / ".join(f"{values[name]:.3f}" for name in names) for values in metrics.values()]
            table.add_row(f"{meaning}, {average} P/R/F1", *cells)
    tasks = tuple(f"{task}_{average}_" for task in MEANINGS for average in ("micro", "macro"))
    rest = dict.fromkeys(name for values in metrics.values() for name in values if not name.startswith(tasks))
    for name in rest:
        cells = [f"{values[name]:.4g}" if name in values else "" for values in metrics.values()]
        table.add_row(name.replace("_", " "), *cells)
    Console(width=150).print(table)
