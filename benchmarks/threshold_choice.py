"""Compares rules for choosing the threshold γ on annotated questions.

    python benchmarks/threshold_choice.py ../shared/questions/webqsp_dev.jsonl runs/webqsp/latest/model

γ is chosen on one half of the questions and measured on the other half. A rule is a slack and a depth of
elq/evaluation/sweep.py; with 0 and 0, γ is the threshold with the best F1. All rules use the same halves of the questions whose
main entity is in the catalogue.
"""

import argparse
import random
import statistics

from elq.evaluation.counting import Counts
from elq.evaluation.sweep import DEV_CHOICE, SWEEP_FLOOR, ThresholdSweep, predictions_by_score
from elq.linking.linker import Linker
from elq.questions.annotated import read_questions

OBJECTIVE = DEV_CHOICE[0]
RULES = ((0.0, 0.0), (0.0025, 0.5), (0.005, 0.5), (0.0075, 0.5), (0.01, 0.5), (0.0025, 1.0), (0.005, 1.0))
HALVES = 60  # number of divisions into halves for each model


def main() -> None:
    """Print one line for each rule."""
    parser = argparse.ArgumentParser(description="F1 on the other half, by rule.")
    parser.add_argument("questions")
    parser.add_argument("models", nargs="+", metavar="MODEL")
    options = parser.parse_args()
    found: dict[tuple[float, float], tuple[list[float], list[float]]] = {rule: ([], []) for rule in RULES}
    for model in options.models:
        linker = Linker.from_pretrained(model)
        questions = read_questions(options.questions, linker.entities.catalogue)
        links = linker.link([question.text for question in questions], threshold=SWEEP_FLOOR)
        scored = [predictions_by_score(question, every, OBJECTIVE) for question, every in zip(questions, links, strict=True)]
        order = [n for n, (_, gold) in enumerate(scored) if gold]
        for half in range(HALVES):
            random.Random(half).shuffle(order)
            chosen_on, measured_on = order[: len(order) // 2], order[len(order) // 2 :]
            for (slack, depth), (thresholds, qualities) in found.items():
                sweep = ThresholdSweep(OBJECTIVE, slack, depth)
                sweep.update([questions[n] for n in chosen_on], [links[n] for n in chosen_on])
                thresholds.append(threshold := sweep.compute().threshold)
                kept = [correct for n in measured_on for score, correct in scored[n][0] if score >= threshold]
                counts = Counts(int(sum(kept)), len(kept), sum(scored[n][1] for n in measured_on))
                qualities.append(counts.quality()["f1"])
    for (slack, depth), (thresholds, qualities) in found.items():
        mean, spread = statistics.mean(thresholds), statistics.stdev(thresholds)
        print(
            f"slack {slack}, depth {depth}: F1 on the other half {statistics.mean(qualities):.4f}, γ {mean:.2f} ± {spread:.2f}"
        )


if __name__ == "__main__":
    main()
