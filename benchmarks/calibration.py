"""Measures the calibration error of links over several question files.

    python benchmarks/calibration.py runs/webqsp/latest/model ../shared/questions/webqsp_dev.jsonl \\
        ../shared/questions/simplequestions_dev.jsonl --folds runs/folds --folded ../shared/questions/mintaka_a.jsonl

The probabilities are cross-fitted: the calibration of each fifth of the questions was fitted on the other four fifths. A file
that the model was trained on is given as ``--folded``. Each of its questions is then linked by the model of
benchmarks/cross_validation.py that was trained without it.
"""

import argparse
from pathlib import Path

import numpy as np

from elq.evaluation.reliability import Reliability, cross_fitted, reliability
from elq.evaluation.sweep import SWEEP_FLOOR
from elq.linking.linker import Linker
from elq.questions.annotated import read_questions
from elq.types import Link, Question

Pairs = list[tuple[Question, list[Link]]]


def linked(linker: Linker, file: Path, fold: slice = slice(None)) -> tuple[Pairs, list[bool]]:
    """The questions of a file with all links above the floor, and for each link whether it reaches the threshold γ."""
    questions = read_questions(file, linker.entities.catalogue)[fold]
    links = linker.link([question.text for question in questions], threshold=SWEEP_FLOOR)
    shown = [link.score >= linker.threshold for found in links for link in found]
    return list(zip(questions, links, strict=True)), shown


def show(name: str, figures: Reliability) -> None:
    """Print one row of the table."""
    links, right, error, (low, high), area = figures
    print(f"| {name} | {links:,} | {right:.3f} | {error:.4f} | {low:.4f} to {high:.4f} | {area:.3f} |")


def main() -> None:
    """Link the questions, fit the calibrations, and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("model", type=Path, help="model folder")
    options.add_argument("files", type=Path, nargs="+", help="question files on which the model was not trained")
    options.add_argument("--folds", type=Path, help="output folder of benchmarks/cross_validation.py")
    options.add_argument("--folded", type=Path, help="the question file that was given to benchmarks/cross_validation.py")
    given = options.parse_args()
    sets: dict[str, Pairs] = {}
    shown: list[bool] = []
    linker = Linker.from_pretrained(given.model)
    for file in given.files:
        sets[file.stem], more = linked(linker, file)
        shown += more
    if given.folds:
        models = sorted(given.folds.glob("fold*/model"))
        sets[given.folded.stem] = []
        for fold, model in enumerate(models):
            pairs, more = linked(Linker.from_pretrained(model), given.folded, slice(fold, None, len(models)))
            sets[given.folded.stem] += pairs
            shown += more
    everyone = [pair for pairs in sets.values() for pair in pairs]
    questions, links = [question for question, _ in everyone], [found for _, found in everyone]
    probabilities, labels = cross_fitted(questions, links)
    print("| links | number | right | ECE | 95% of calibrated models | AUROC |\n|---|---|---|---|---|---|")
    show(f"all sets, joint score ≥ {SWEEP_FLOOR:g}", reliability(probabilities, labels))
    above = np.array(shown)
    show("all sets, at γ", reliability(probabilities[above], labels[above]))
    start = 0
    for name, pairs in sets.items():
        end = start + sum(len(found) for _, found in pairs)
        show(name, reliability(probabilities[start:end], labels[start:end]))
        start = end


if __name__ == "__main__":
    main()
