"""``elq evaluate``: measures a linker on annotated questions."""

import argparse
import datetime as dt
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from elq.commands.console import ArgumentParser, add_entity_prefix, refuse_overwriting
from elq.commands.nil_ways import compare_ways
from elq.commands.opening import add_concepts, add_model_options, add_rerank, add_type_score_weight, open_linker
from elq.encoding.pretrained import GENERAL
from elq.errors import ElqError
from elq.exchange.iris import check_prefix
from elq.exchange.question_formats import QUESTION_FORMATS
from elq.files import write_json
from elq.linking.inputs import read_candidates, read_threshold

QUALITIES_IN_WORDS = "precision / recall / F1"


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = ArgumentParser(prog="elq evaluate", description="Measure a linker on annotated questions.")
    made.add_argument(
        "--questions",
        required=True,
        metavar="FILE",
        help="JSON lines with text and mentions, NIF (.ttl), BLINK, AIDA-CoNLL, or mentions of ZESHEL",
    )
    made.add_argument(
        "--format", choices=QUESTION_FORMATS, help="the format of --questions (default: guessed by its suffix and its content)"
    )
    add_model_options(made)
    add_rerank(made)
    add_type_score_weight(made)
    add_concepts(made)
    add_entity_prefix(made)
    made.add_argument(
        "--given",
        action="store_true",
        help="the mentions are given: measure only which entity is chosen for each (accuracy, candidates, worlds, time)",
    )
    made.add_argument(
        "--candidates", type=read_candidates, metavar="K", help="candidates of each mention, with --given (default: 128)"
    )
    made.add_argument(
        "--document", action="store_true", help="mentions of one text with the same name help each other, with --given"
    )
    made.add_argument("--output", metavar="FILE", help="write all metrics, with intervals and times, to this JSON file")
    made.add_argument("--all", action="store_true", help="print every metric, not only the six most important rows")
    made.add_argument("--threshold", type=read_threshold, help="least joint score of a link, γ (default: the model's own)")
    made.add_argument(
        "--baseline",
        choices=("dictionary",),
        help="also measure a baseline: the longest name or alias in the question, and its entity with the lowest QID",
    )
    made.add_argument(
        "--nil",
        choices=("lda",),
        help="also compare what finds mentions without an entity: the learned NIL, topics (LDA), and thresholds of scores",
    )
    made.add_argument(
        "--report",
        metavar="FILE",
        help="write a report to this HTML file: intervals, plots, slices, and examples of each kind of error",
    )
    made.add_argument(
        "--training",
        nargs="+",
        metavar="FILE",
        help="the model's training questions; the report then measures seen and unseen entities apart",
    )
    made.add_argument("--date", type=date_of, metavar="YYYY-MM-DD", help="date to print in the report (default: today)")
    return made


def date_of(text: str) -> dt.date:
    """Read the value of ``--date``. Raises ElqError if the text is not a date."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ElqError(f"--date is {text!r}, but must be a date of the form YYYY-MM-DD, such as 2026-01-31") from None


def check_together(options: argparse.Namespace) -> None:
    """Raise an ElqError for an option that needs another one, or that another one leaves without a meaning."""
    given = {name for name, value in vars(options).items() if value not in (None, False)}
    for name in ("training", "date"):
        if name in given and "report" not in given:
            raise ElqError(f"--{name} is given, but only the report uses it: give --report FILE too, or leave out --{name}")
    for name in ("threshold", "report", "nil"):
        if {name, "given"} <= given:
            raise ElqError(f"--{name} is given, but has no meaning for given mentions: leave out --{name} or --given")
    for name in ("candidates", "document"):
        if name in given and "given" not in given:
            raise ElqError(f"--{name} is given, but only --given uses it: give --given too, or leave out --{name}")


def check(options: argparse.Namespace) -> None:
    """Raise an ElqError for options that cannot work, before anything is loaded."""
    check_together(options)
    if options.report:
        from elq.report.plots import require_matplotlib

        require_matplotlib()  # check this now, and not after minutes of linking
    if options.nil:
        import sklearn  # noqa: F401 (as above)
    for written in (options.output, options.report):
        refuse_overwriting(written, options.questions, options.model, options.catalogue, *(options.training or ()))
    check_prefix(options.entity_prefix)
    if not Path(options.questions).is_file():
        raise ElqError(f"--questions {options.questions} does not exist: give the path of a file of annotated questions")


def main(arguments: Sequence[str]) -> None:
    """Measure the linker, print a table, and write the metrics and the report."""
    options = parser().parse_args(arguments)
    check(options)
    if options.given:
        from elq.commands.evaluate_given import measure_given

        return measure_given(options)
    from elq.commands.question_sources import read_annotated
    from elq.evaluation.evaluate import Observed, known_questions, measure, observe
    from elq.evaluation.record import record
    from elq.evaluation.sweep import SWEEP_FLOOR
    from elq.names.baseline import LongestName
    from elq.names.dictionary import Dictionary

    read_questions = partial(read_annotated, prefix=options.entity_prefix)
    if options.catalogue is not None:
        read_questions(options.questions, form=options.format)  # report a bad line now, and not after the vectors of a
        for file in options.training or ():  # catalogue are made
            read_questions(file)
    model = options.model or GENERAL
    linker = open_linker(options)
    catalogue = linker.entities.catalogue
    questions = known_questions(read_questions(options.questions, catalogue, form=options.format), catalogue)
    training = [question for file in options.training or () for question in read_questions(file, catalogue)]
    threshold = linker.threshold if options.threshold is None else options.threshold
    low = observe(linker, questions, threshold=min(threshold, SWEEP_FLOOR) if options.report else threshold)
    observed = {"model": low.above(threshold)}
    dictionary = linker.dictionary or Dictionary(catalogue) if options.baseline or options.report else None
    baseline = None
    if options.baseline and dictionary is not None:
        baseline = Observed(questions, LongestName(dictionary).link([question.text for question in questions]))
        observed[options.baseline] = baseline
    metrics = {name: measure(each) for name, each in observed.items()}
    print_table(metrics, f"{options.questions}, {model}, threshold {threshold:.3f}", every=options.all)
    about = {"questions_file": options.questions, "model_folder": str(model), "threshold": threshold}
    about |= {} if options.rerank is None else {"reranker": str(options.rerank)}
    about |= {"type_score_weight": linker.type_score_weight} if linker.type_score_weight else {}
    about |= dict(linker.further())
    written = {**about, **metrics, **record(linker, observed)}
    if options.output:
        write_json(options.output, written)
    if options.report and dictionary is not None:
        from elq.report.page import Material, write_report

        files = {"Questions": options.questions, "Model": str(model), "Training questions": ", ".join(options.training or ())}
        date = options.date or dt.date.today()
        write_report(options.report, Material(files, low, threshold, catalogue, dictionary, baseline, training or None, date))
    if options.nil:  # at the end, since it refuses questions without mentions of both kinds
        ways = compare_ways(linker, questions)
        if options.output:
            write_json(options.output, {**written, "nil_ways": ways})


def print_table(metrics: Mapping[str, Mapping[str, float]], title: str, *, every: bool = False) -> None:
    """Print a table of metrics with one column for each linker.

    Args:
        metrics: linker → flat names → values.
        title: title of the table.
        every: whether to print all metrics, or only the six most important rows.
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
    console.print(
        escape(title), style="italic", highlight=False, soft_wrap=True
    )  # soft_wrap: do not break a path into two lines
    console.print(table)
    if not every:
        console.print("--all prints every metric, --output FILE writes them as JSON.", highlight=False)


Rows = list[tuple[str, list[str]]]  # the name of a metric in words, and one cell for each linker


def main_rows(metrics: Mapping[str, Mapping[str, float]]) -> Rows:
    """The six most important rows, without those that are undefined for every linker."""
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
    """One cell: some figures of a linker, separated by slashes; a dash if one of them is undefined."""
    from elq.report.wording import UNDEFINED, is_defined

    if not all(is_defined(name, values) for name in names):
        return UNDEFINED
    return " / ".join(f"{values[name]:,.{digits}f}" for name in names)
