"""Chooses the balance of a model: how much NIL and names count, together with the threshold γ.

The questions are linked once for each factor of the name bonus. A shift of NIL's score needs no new search, since it changes
only the sum by which probabilities are divided (:func:`elq.linking.balance.shifted`). Two more numbers can always be fitted to
some questions, so the choice is cross-fitted: it is made on four fifths of the questions, and measured on the last fifth. It is
kept only if it is better there than the threshold alone.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from elq.errors import ElqError
from elq.evaluation.counting import Counts, paired
from elq.evaluation.sweep import DEV_CHOICE, chosen, predictions_by_score, threshold_curve
from elq.evaluation.tune import Spans, all_spans, links_at, origin
from elq.linking.balance import AS_LEARNED, Balance, shifted
from elq.linking.linker import Linker
from elq.progress import track
from elq.types import Link, Question

SHIFTS = (
    0.0,
    -0.5,
    -1.0,
    -1.5,
    -2.0,
    -3.0,
    1.0,
)  # the least is far above the sweep's floor: no span is lost that it would show
FACTORS = (1.0, 0.8, 0.6)
FOLDS = 5
SLACK, DEPTH = DEV_CHOICE[1:]

Scores = list[
    tuple[list[tuple[float, float]], int]
]  # of each question: (score, correct) of its predictions, and its gold items


class BalanceChoice(NamedTuple):
    """The chosen balance, and what it reaches: F1 on questions on which it was not chosen, and that of γ alone."""

    balance: Balance
    cross_fitted: float
    threshold_alone: float
    best: Balance  # the best on all questions, which is not chosen if it is no better than γ alone


def grid(linker: Linker) -> tuple[list[float], list[float]]:
    """The factors and the shifts that are tried with a linker, its own first; a model without names or NIL has one of them."""
    own = linker.balance
    factors = [own.name_factor, 1.0, *(FACTORS if linker.model.config.names else ())]
    shifts = [own.nil_shift, 0.0, *(SHIFTS if linker.model.config.nil else ())]
    return [*dict.fromkeys(factors)], [*dict.fromkeys(shifts)]


def linked(
    linker: Linker, questions: Sequence[Question], folder: Path, model: Path, files: Sequence[Path]
) -> dict[float, list[list[Link]]]:
    """Every span above the sweep's floor for each factor of the name bonus, with NIL as it was learned: factor → spans.

    Args:
        linker: the linker of the model; its own balance is kept, and only its ``small_shift`` counts.
        questions: the questions to link.
        folder: the folder of the files that keep the spans, one for each factor.
        model, files: the model folder and the question files, see :func:`elq.evaluation.tune.origin`.
    """
    own, found = linker.balance, {}
    try:
        for factor in grid(linker)[0]:
            linker.scorer.retriever.balance = Balance(name_factor=factor, small_shift=own.small_shift)
            made_from = {**origin(model, linker, files), "nil": True}
            found[factor] = all_spans(linker, questions, folder / f"balance-{factor:g}.jsonl", made_from)
    finally:
        linker.scorer.retriever.balance = own
    return found


def every_balance(
    questions: Sequence[Question], found: Mapping[float, Spans], shifts: Iterable[float], objective: str
) -> dict[Balance, Scores]:
    """What every question adds to a threshold sweep, for each pair of a factor and a shift."""
    pairs = [(factor, shift) for shift in shifts for factor in found]
    return {
        Balance(nil_shift=shift, name_factor=factor): scores_of(questions, shifted_spans(found[factor], shift), objective)
        for factor, shift in track(pairs, "weighing")
    }


def shifted_spans(spans: Spans, shift: float) -> list[list[Link]]:
    """The spans as the linker gives them after a number is added to the score of NIL.

    Raises:
        ElqError: a span has no score of NIL.
    """
    return [[_shifted(link, shift) for link in found] for found in spans] if shift else [list(found) for found in spans]


def _shifted(link: Link, shift: float) -> Link:
    if link.nil_score is None:
        raise ElqError("the balance is asked for, but the model was trained without NIL: train with model.nil=true")
    moved = shifted(link.nil_score, link.nil_score, shift) + shift
    return replace(link, score=shifted(link.score, link.nil_score, shift), nil_score=moved)


def scores_of(questions: Sequence[Question], spans: Spans, objective: str) -> Scores:
    """What every question adds to a threshold sweep over these spans, without a mention threshold."""
    links = links_at(spans, None)
    return [predictions_by_score(question, found, objective) for question, found in paired(questions, links)]


def threshold_of(scores: Iterable[tuple[list[tuple[float, float]], int]]) -> tuple[float, float]:
    """The threshold γ in the middle of those whose F1 is nearly the best, and its F1."""
    rows, total = [], 0
    for predictions, gold in scores:
        rows += predictions
        total += gold
    reached = chosen(threshold_curve([score for score, _ in rows], [right for _, right in rows], total), SLACK, DEPTH)
    return reached.threshold, reached.f1


def counts_at(scores: Iterable[tuple[list[tuple[float, float]], int]], threshold: float) -> Counts:
    """The counts of some questions at a threshold."""
    correct = predicted = total = 0
    for predictions, gold in scores:
        kept = [right for score, right in predictions if score >= threshold]
        correct, predicted, total = correct + int(sum(kept)), predicted + len(kept), total + gold
    return Counts(correct, predicted, total)


def choose_balance(scores: Mapping[Balance, Scores], *, folds: int = FOLDS, seed: int = 0) -> BalanceChoice:
    """Choose a balance, and measure the choice by cross-fitting.

    Args:
        scores: balance → what every question adds; :data:`elq.linking.balance.AS_LEARNED` must be one of them.
        folds: the number of parts of the questions.
        seed: seed of the division.

    Returns:
        The best balance on all questions, if choosing it on some questions is better on the others than γ alone; else the
        balance as it was learned.

    Raises:
        ElqError: there are fewer questions than folds.
    """
    order = [*range(len(scores[AS_LEARNED]))]
    if len(order) < folds:
        raise ElqError(
            f"there are {len(order)} questions, but the balance is chosen on {folds} parts of them: give at least {folds}"
        )
    random.Random(seed).shuffle(order)
    pooled = {True: Counts(0, 0, 0), False: Counts(0, 0, 0)}  # whether the balance is chosen
    for fold in range(folds):
        outside = order[fold::folds]
        inside = sorted({*order} - {*outside})
        for free in pooled:
            best, threshold = _best(scores if free else {AS_LEARNED: scores[AS_LEARNED]}, inside)
            added = counts_at((scores[best][n] for n in outside), threshold)
            pooled[free] = Counts(*(one + other for one, other in zip(pooled[free], added, strict=True)))
    best, _ = _best(scores, order)
    crossed, alone = (pooled[free].quality()["f1"] for free in (True, False))
    return BalanceChoice(best if crossed > alone else AS_LEARNED, crossed, alone, best)


def _best(scores: Mapping[Balance, Scores], numbers: Sequence[int]) -> tuple[Balance, float]:
    """The balance with the best F1 on some questions, the first of equal ones, and its threshold γ."""
    found = {balance: threshold_of(of[n] for n in numbers) for balance, of in scores.items()}
    best = max(found, key=lambda balance: found[balance][1])
    return best, found[best][0]
