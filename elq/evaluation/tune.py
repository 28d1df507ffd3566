"""Tune: chooses the thresholds and the calibration of a trained model.

The annotated questions are linked only once. Every span above the sweep's floor is kept, and overlapping spans too. So any pair
of γ (the threshold) and mention threshold gives exactly the links that the linker would give. Here overlaps are computed in
characters instead of tokens. This can only differ if two tokens share a character, or for spans of only [CLS] or [SEP] in score
mode ``elq``.
"""

import json
import logging
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from elq.entities.manifest import Manifest
from elq.errors import ElqError
from elq.evaluation.counting import QUALITIES
from elq.evaluation.evaluate import evaluate_links
from elq.evaluation.sweep import SWEEP_FLOOR, Threshold, ThresholdSweep, between
from elq.files import continuing, digest_of, holds_json, write_json
from elq.linking.balance import Balance
from elq.linking.calibration import Calibration
from elq.linking.decision import Decision
from elq.linking.decoding import without_overlaps
from elq.linking.folder import ENTITIES, MODEL_FILES
from elq.linking.linker import Linker
from elq.progress import track
from elq.questions.predicted import as_json, read_predictions
from elq.types import Link, Question

log = logging.getLogger(__name__)

GRID = 32  # number of mention thresholds to try, at quantiles of mention scores
CHUNK = 256  # questions linked at a time

Spans = Sequence[Sequence[Link]]  # every span above the floor as a link, question by question


class Choice(NamedTuple):
    """A mention threshold (None: no mention threshold), and a threshold γ with the quality that both reach."""

    mention_threshold: float | None
    reached: Threshold


def all_spans(linker: Linker, questions: Sequence[Question], path: Path, made_from: dict[str, Any]) -> list[list[Link]]:
    """Every span above the sweep's floor, as a link without candidates. A file keeps these links.

    The file has the format of elq/questions/predicted.py. Another file beside it, ``….json``, says from which model and
    questions it was made. The file is made if it is missing or was made from others; an interrupted run resumes.

    Args:
        linker: the linker of the model.
        questions: the questions to link.
        path: the file.
        made_from: what the links depend on, see :func:`origin`; with the key ``nil``, the file has the score of NIL too.

    Raises:
        ElqError: the file or the one beside it exists, but `elq tune` has not made it.
    """
    about = path.with_name(f"{path.name}.json")
    if foreign := _foreign(path, about):
        raise ElqError(
            f"{foreign} already exists, and `elq tune` has not made it: give another file with --predictions, or remove it"
        )
    if path.is_file() and holds_json(about, {**made_from, "bytes": path.stat().st_size}):
        log.info("the links in %s are used again", path)
    else:
        with continuing(path, made_from, CHUNK) as (stream, done):
            rest = islice(track(questions, "linking"), done, None)
            while chunk := list(islice(rest, CHUNK)):
                scored = linker.score([question.text for question in chunk], threshold=SWEEP_FLOOR)
                found = scored.links(SWEEP_FLOOR, overlaps=True)
                for question, spans in zip(chunk, found, strict=True):
                    stream.write(
                        as_json(question, [replace(span, candidates=()) for span in spans], nil="nil" in made_from) + "\n"
                    )
                stream.flush()
            write_json(
                about, {**made_from, "bytes": os.fstat(stream.fileno()).st_size}
            )  # written before the file gets its final name
    predicted, links = read_predictions(path)
    if [(q.id, q.text) for q in predicted] != [(q.id, q.text) for q in questions]:
        raise ElqError(f"{path} has other questions than --questions, although {about} was made for them: remove both files")
    return links


def _foreign(path: Path, about: Path) -> Path | None:
    """The first of the two files that exists but was not made by `elq tune`; None if there is no such file."""
    if not about.exists():
        return path if path.exists() else None
    try:
        known = json.loads(about.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return about
    return None if isinstance(known, dict) and "bytes" in known else about


def origin(folder: Path, linker: Linker, files: Sequence[Path]) -> dict[str, Any]:
    """Everything that the links of a model in question files depend on, as a JSON value."""
    manifest = asdict(linker.entities.manifest)
    return {
        "model": digest_of([folder / name for name in MODEL_FILES]),
        "manifest": {**manifest, "prior": list(manifest["prior"])},
        "questions": [[file.name, file.stat().st_size, digest_of([file])] for file in files],
        "floor": SWEEP_FLOOR,
        "scoring": [linker.score_mode, linker.candidates],
        "mentions": linker.scorer.max_mentions,
        **dict(linker.further()),
    }


def links_at(spans: Spans, mention_threshold: float | None, threshold: float = SWEEP_FLOOR) -> list[list[Link]]:
    """The links of a linker with these thresholds, from all spans above the floor; scores are compared in float32."""
    both = [threshold, -math.inf if mention_threshold is None else mention_threshold]
    least, least_mention = np.array(both, np.float32).tolist()
    links = []
    for found in spans:
        left = [span for span in found if span.score >= least and span.mention_score >= least_mention]
        kept = without_overlaps([(link.start, link.end) for link in left], [link.score for link in left])
        links.append([left[place] for place in sorted(kept, key=lambda place: (left[place].start, left[place].end))])
    return links


def mention_grid(spans: Spans, threshold: float) -> list[float]:
    """At most ``GRID`` mention thresholds, at quantiles of mention scores.

    They are the mention scores of the links at the sweep's floor, and of all spans that reach the threshold γ, overlapping or
    not. Each mention threshold is in the middle between two scores, so that small changes of scores do not change the spans.
    """
    links = [link for found in links_at(spans, None) for link in found]
    links += [span for found in spans for span in found if span.score >= threshold]
    scores = sorted({link.mention_score for link in links})
    places = {(len(scores) - 1) * place // GRID for place in range(GRID)} if len(scores) > 1 else set()
    return [between(scores[place], scores[place + 1]) for place in sorted(places)]


def choices(questions: Sequence[Question], spans: Spans, objective: str) -> list[Choice]:
    """The best threshold γ for each mention threshold of the grid. The first choice has no mention threshold.

    Args:
        questions: annotated questions.
        spans: the spans of these questions from :func:`all_spans`.
        objective: the task whose micro F1 is maximised, one of :data:`elq.evaluation.sweep.OBJECTIVES`.

    Raises:
        ElqError: F1 is 0 at every threshold, or the objective is unknown.
    """
    found = [_choice(questions, spans, objective, None)]
    grid = mention_grid(spans, found[0].reached.threshold)
    found += [_choice(questions, spans, objective, mention_threshold) for mention_threshold in track(grid, "sweeping")]
    if not any(choice.reached.f1 for choice in found):
        raise ElqError(f"{objective} F1 is 0 at every threshold: give questions whose entities are in the model's catalogue")
    return found


def _choice(questions: Sequence[Question], spans: Spans, objective: str, mention_threshold: float | None) -> Choice:
    sweep = ThresholdSweep(objective)
    sweep.update(questions, links_at(spans, mention_threshold))
    return Choice(mention_threshold, sweep.compute())


def best_of(found: Sequence[Choice]) -> Choice:
    """The choice with the best F1. Among equally good ones it is the first, which removes the fewest spans."""
    return max(found, key=lambda choice: choice.reached.f1)


def reached_at(
    questions: Sequence[Question], spans: Spans, objective: str, mention_threshold: float | None, threshold: float
) -> Choice:
    """The quality at given thresholds. A threshold γ below the sweep's floor counts as the floor."""
    metrics = evaluate_links(questions, links_at(spans, mention_threshold, threshold))
    precision, recall, f1 = (metrics[f"{objective}_micro_{quality}"] for quality in QUALITIES)
    return Choice(mention_threshold, Threshold(threshold, f1, precision, recall))


def store(
    folder: Path,
    choice: Choice,
    calibration: Calibration,
    files: Sequence[Path],
    objective: str,
    score_mode: str,
    balance: Balance | None = None,
) -> None:
    """Write the choice, its score mode, and on which questions it was made, into ``decision.json`` of a model folder.

    A balance replaces that of the folder; None leaves it.
    """
    decision = replace(Decision.load(folder), score_mode=score_mode)
    if balance is not None:
        decision = replace(decision, nil_shift=balance.nil_shift, name_factor=balance.name_factor)
    chosen = {
        "by": "elq tune",
        "questions": [file.name for file in files],
        "objective": objective,
        "f1": choice.reached.f1,
        **{key: getattr(decision, key) for key in ("score_mode", "candidates")},
        "index": Manifest.load(folder / ENTITIES).index,
    }
    threshold, least = choice.reached.threshold, choice.mention_threshold
    replace(decision, threshold=threshold, mention_threshold=least, calibration=calibration, chosen=chosen).save(folder)
