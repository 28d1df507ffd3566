"""Chooses the threshold γ and the calibration of the general model over many catalogues and question sets, by cross-fitting.

Every set counts the same. γ has the best mean F1 among the thresholds with at most ``MOST_FALSE`` false links per question without a
mention. Leaving out one set at a time, and choosing γ on the others, says how well the choice holds for a catalogue that took no part.
The sets took no part in training; tests/data/catalogues and elq/starter/test.jsonl take no part in the choice.
"""

import argparse
import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from measure import SHARED, STARTER, linker_of, network_of

from elq.encoding.pretrained import DEFAULT
from elq.entities.build import BuildSettings
from elq.entities.manifest import open_entities
from elq.evaluation.evaluate import Observed, known_questions, measure, observe
from elq.evaluation.reliability import calibration_error, examples
from elq.linking.calibration import LEAST_SCORE, Calibration, fit
from elq.linking.decision import Decision
from elq.linking.general import open_catalogue
from elq.questions.annotated import read_questions
from elq.types import Question

DEVELOPMENT = Path(__file__).parent / "development"
GRID = [round(-0.3 - 0.05 * step, 2) for step in range(115)]
MOST_FALSE = 0.04
FLOOR = LEAST_SCORE
PARTIAL = (
    "webqsp_dev",
)  # sets whose annotation is incomplete, so that a right link may count as wrong: not for the calibration
FOREIGN = 200  # questions of webqsp_dev that are asked of every development catalogue, where they name nothing


def sets_of(runs: Path, wikidata: Path) -> dict[str, tuple[Path, list[Question], str]]:
    """Name → catalogue, questions and the metric whose F1 counts."""
    made: dict[str, tuple[Path, list[Question], str]] = {}
    webqsp = [*read_questions(SHARED / "questions" / "webqsp_dev.jsonl")]
    foreign = [replace(q, mentions=(), other_entities=()) for q in webqsp[:FOREIGN]]
    for file in sorted(DEVELOPMENT.glob("*_questions.jsonl")):
        name = file.stem.removesuffix("_questions")
        made[name] = (DEVELOPMENT / f"{name}.jsonl", [*read_questions(file), *foreign], "set_all")
    starter = [*read_questions(STARTER / "dev.jsonl"), *[*read_questions(STARTER / "train.jsonl")][::5]]
    made["starter"] = (STARTER / "catalogue.jsonl", starter, "set_all")
    held = [*read_questions(runs / "held_out.jsonl")]
    made["webqsp_dev"] = (wikidata, webqsp, "set_in_catalogue")
    made["mintaka"] = (wikidata, held[:200], "set_all")
    made["erd"] = (wikidata, held[200:500], "set_all")
    return made


def quality(observed: Observed, metric: str) -> tuple[np.ndarray, np.ndarray, int]:
    """F1 and false links at every threshold of the grid, and the number of questions without a mention."""
    found = [measure(replace(observed.above(t), ranks=None, nil_links=None)) for t in GRID]
    return (
        np.array([f[f"{metric}_micro_f1"] for f in found]),
        np.array([f["false_links_per_unmentioned_question"] for f in found]),
        int(found[0]["questions_unmentioned"]),
    )


def best(curves: Mapping[str, tuple[np.ndarray, np.ndarray, int]], names: list[str]) -> int:
    """The place in the grid of the chosen threshold."""
    f1 = np.mean([curves[name][0] for name in names], axis=0)
    weights = [curves[name][2] for name in names]
    false = np.average([curves[name][1] for name in names], axis=0, weights=weights) if sum(weights) else np.zeros(len(GRID))
    allowed = np.where(false <= MOST_FALSE, f1, -1.0)
    return int(allowed.argmax())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs/general"))
    parser.add_argument("--tower", default=DEFAULT)
    parser.add_argument("--wikidata", type=Path, default=Path("runs/entities/wikidata_154k"))
    parser.add_argument("--mode", default="candidates")
    parser.add_argument("--small-shift", type=float, default=0.0, help="small_shift of the decision (elq/linking/balance.py)")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    network, decision = network_of(args.model), Decision(threshold=-2.0, score_mode=args.mode, small_shift=args.small_shift)
    settings = BuildSettings(encoder=args.tower, prior=tuple(network.config.prior))
    curves, data = {}, {}
    for name, (catalogue, questions, metric) in sets_of(args.runs, args.wikidata).items():
        entities = open_entities(catalogue) if catalogue.is_dir() else open_catalogue(catalogue, settings)
        linker = linker_of(network, entities, args.tower, decision)
        observed = observe(linker, known_questions(questions, entities.catalogue), threshold=FLOOR)
        curves[name] = quality(observed, metric)
        data[name] = examples(observed.questions, observed.links)[:2]
        place = int(curves[name][0].argmax())
        print(
            f"{name:12} {len(questions)} questions, best γ {GRID[place]:.2f}: F1 {curves[name][0][place]:.3f}, false {curves[name][1][place]:.3f}",
            flush=True,
        )
    names = [*curves]
    for name in names:
        others = [other for other in names if other != name]
        place = best(curves, others)
        calibration = fitted(data, others)
        mine, right = data[name]
        ece = calibration_error(calibration.probabilities(mine).numpy(), right.numpy())
        print(
            f"{name:12} left out: γ {GRID[place]:.2f}, F1 {curves[name][0][place]:.3f} (best {curves[name][0].max():.3f}), false {curves[name][1][place]:.3f}, ECE {ece:.3f}"
        )
    place = best(curves, names)
    calibration = fitted(data, names)
    print(
        "chosen γ",
        GRID[place],
        "mean F1",
        round(float(np.mean([c[0][place] for c in curves.values()])), 4),
        "calibration",
        calibration,
    )
    for name in names:
        print(f"{name:12} F1 {curves[name][0][place]:.3f}, false {curves[name][1][place]:.3f}")
    if args.output:
        chosen = {
            "by": "benchmarks/general/choose.py",
            "questions": names,
            "objective": "mean F1 of the sets",
            "f1": float(np.mean([c[0][place] for c in curves.values()])),
        }
        args.output.parent.mkdir(parents=True, exist_ok=True)
        replace(decision, threshold=GRID[place], calibration=[*calibration], chosen=chosen).save(args.output.parent)
        print(json.dumps(chosen))


def fitted(data: Mapping[str, tuple], names: list[str]) -> Calibration:
    """A calibration in which every set has the same weight (sets with more links are thinned)."""
    import torch

    names = [name for name in names if name not in PARTIAL]
    least = min(len(data[name][1]) for name in names)
    draws = np.random.default_rng(0)
    parts = [
        (data[name][0][places], data[name][1][places])
        for name in names
        for places in [draws.choice(len(data[name][1]), min(len(data[name][1]), 3 * least), replace=False)]
    ]
    return fit(torch.cat([features for features, _ in parts]), torch.cat([labels for _, labels in parts]))


if __name__ == "__main__":
    main()
