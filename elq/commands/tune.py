"""``elq tune``: chooses the thresholds and the calibration of a trained model.

The threshold γ, the mention threshold and the calibration are stored in the model folder.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from elq.commands.console import ArgumentParser
from elq.errors import ElqError

if TYPE_CHECKING:
    from elq.evaluation.reliability import Reliability
    from elq.evaluation.tune import Choice
    from elq.linking.balance import Balance
    from elq.linking.calibration import Calibration
    from elq.linking.linker import Linker
    from elq.types import Link, Question

log = logging.getLogger(__name__)


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = ArgumentParser(
        prog="elq tune", description="Choose the thresholds of a model and fit its probabilities on annotated questions."
    )
    made.add_argument(
        "--model", required=True, metavar="DIR", help="model folder; what is chosen is written to its decision.json"
    )
    made.add_argument(
        "--questions", required=True, nargs="+", metavar="FILE", help="annotated questions; several files are used together"
    )
    made.add_argument(
        "--objective",
        default="set_in_catalogue",
        help="task whose F1 is maximised: set_in_catalogue, set_all, strong or weak (default: set_in_catalogue)",
    )
    made.add_argument(
        "--balance",
        action="store_true",
        help="also choose how much NIL and names count, by cross-fitting; links every question several times",
    )
    made.add_argument(
        "--predictions",
        metavar="FILE",
        help="file that keeps the links; if it has this model's links for these questions, they are used again"
        " (default: DIR/tune.jsonl; a dry run keeps no file)",
    )
    made.add_argument(
        "--seed", type=int, default=0, help="random seed of the folds for measuring the probabilities (default: 0)"
    )
    made.add_argument("--dry-run", action="store_true", help="print the choice, but change nothing in the model folder")
    made.add_argument("--device", default="cpu", help="where the encoder runs: cpu, cuda, auto, … (default: cpu)")
    return made


def main(arguments: Sequence[str]) -> None:
    """Link the questions once, choose the thresholds, print them, and store them."""
    options = parser().parse_args(arguments)
    folder, files = Path(options.model), [Path(file) for file in options.questions]
    check(options, folder, files)
    from elq.evaluation import tune
    from elq.evaluation.evaluate import known_questions
    from elq.evaluation.reliability import cross_fitted, fit_calibration, reliability
    from elq.linking.linker import Linker
    from elq.questions.annotated import read_questions

    linker = Linker.from_pretrained(folder, device=options.device)
    catalogue = linker.entities.catalogue
    questions = known_questions([question for file in files for question in read_questions(file, catalogue)], catalogue)
    balance = None
    with TemporaryDirectory() as elsewhere:  # a dry run does not change the model folder
        kept = Path(elsewhere) if options.dry_run else folder
        if options.balance:
            balance, spans, old = choose_balance(linker, questions, kept, options)
        else:
            path = Path(options.predictions) if options.predictions else kept / "tune.jsonl"
            spans = old = tune.all_spans(linker, questions, path, tune.origin(folder, linker, files))
    found = tune.choices(questions, spans, options.objective)
    chosen = tune.best_of(found)
    own = tune.reached_at(questions, old, options.objective, linker.mention_threshold, linker.threshold)
    rows = {"the folder's own": own, "best γ alone": found[0], "chosen": chosen}
    print_choice(rows, f"{options.objective} F1 on {len(questions):,} questions, {folder}")
    links = tune.links_at(spans, chosen.mention_threshold)
    calibration = fit_calibration(questions, links)
    probabilities, labels = cross_fitted(questions, links, seed=options.seed)
    shown = [link.score >= chosen.reached.threshold for one in links for link in one]
    measured = {"links above the floor": reliability(probabilities, labels)}
    measured["links at least γ"] = reliability(probabilities[shown], labels[shown])
    print_reliability(measured, calibration)
    if options.dry_run:
        log.info("%s is not changed (--dry-run)", folder)
        return
    tune.store(folder, chosen, calibration, files, options.objective, linker.score_mode, balance)
    log.info(
        "the choice is stored in %s; metrics.json there is still from training: run `elq evaluate` for new metrics", folder
    )


def choose_balance(
    linker: "Linker", questions: "Sequence[Question]", kept: Path, options: argparse.Namespace
) -> "tuple[Balance, list[list[Link]], list[list[Link]]]":
    """Choose the balance, and print what it reaches.

    Args:
        linker: the linker of the model.
        questions: annotated questions.
        kept: the folder of the files that keep the links.
        options: the options of the command.

    Returns:
        The balance, the spans of the questions with it, and those with the linker's own.
    """
    from elq.evaluation import balance as balances

    folder, files = Path(options.model), [Path(file) for file in options.questions]
    found = balances.linked(linker, questions, kept, folder, files)
    scores = balances.every_balance(questions, found, balances.grid(linker)[1], options.objective)
    choice = balances.choose_balance(scores, seed=options.seed)
    shown = f"NIL {choice.best.nil_shift:+g}, name bonus times {choice.best.name_factor:g}"
    log.info(
        "balance: F1 %.4f where it was not chosen, and %.4f with γ alone; the best on all questions is %s, which is %s",
        *(choice.cross_fitted, choice.threshold_alone, shown),
        "chosen" if choice.balance == choice.best else "not better than γ alone, so nothing is changed",
    )
    spans, own = (balances.shifted_spans(found[each.name_factor], each.nil_shift) for each in (choice.balance, linker.balance))
    return choice.balance, spans, own


def check(options: argparse.Namespace, folder: Path, files: Sequence[Path]) -> None:
    """Raise an ElqError for options that cannot work, before anything is loaded."""
    from elq.evaluation.sweep import OBJECTIVES

    if not folder.is_dir():
        raise ElqError(
            f"--model {folder} is not a folder on this machine: give the path of a model folder, where the choice is stored"
        )
    if missing := [str(file) for file in files if not file.is_file()]:
        raise ElqError(f"{', '.join(missing)} does not exist: give the paths of files of annotated questions with --questions")
    if options.balance and options.predictions:
        raise ElqError("--balance and --predictions are given, but the links of --balance are in several files: leave out one")
    if options.seed < 0:
        raise ElqError(f"--seed is {options.seed}, but must be at least 0: give --seed 0 or a larger number")
    if options.objective not in OBJECTIVES:
        raise ElqError(f"--objective is {options.objective!r}, but must be one of {', '.join(OBJECTIVES)}")


def print_choice(rows: "dict[str, Choice]", title: str) -> None:
    """Print the precision, recall and F1 that the thresholds reach."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left")
    for column in ("", "γ", "mention threshold", "precision", "recall", "F1"):
        table.add_column(column, justify="right" if column else "left")
    for name, (least, reached) in rows.items():
        figures = [f"{value:.4f}" for value in (reached.precision, reached.recall, reached.f1)]
        table.add_row(name, f"{reached.threshold:.3f}", "none" if least is None else f"{least:.3f}", *figures)
    Console(width=150).print(table)


def print_reliability(rows: "dict[str, Reliability]", calibration: "Calibration") -> None:
    """Print how reliable the probabilities are; each comes from a calibration that was fitted without its question."""
    from rich.console import Console
    from rich.table import Table

    formula = f"σ({calibration.offset:.3f} + {calibration.slope:.3f} l(p)), p = exp(joint score)"
    table = Table(title=f"probability = {formula}, cross-fitted", title_justify="left")
    for column in ("", "links", "right", "ECE", "95% band if perfect", "AUROC"):
        table.add_column(column, justify="right" if column else "left")
    for name, row in rows.items():
        band = f"{row.band[0]:.4f} … {row.band[1]:.4f}"
        table.add_row(name, f"{row.links:,}", f"{row.right:.3f}", f"{row.ece:.4f}", band, f"{row.auroc:.4f}")
    Console(width=150).print(table)
