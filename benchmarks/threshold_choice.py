"""How well γ carries over: chosen on one half of annotated questions, measured on the other, by several rules.

    python benchmarks/threshold_choice.py ../shared/questions/webqsp_dev.jsonl runs/webqsp/s0/model runs/webqsp/s1/model

A rule is the slack and depth of elq/sweep.py: 0 and 0 is the best F1 itself. All rules see the same halves.
"""

import argparse
import random
import statistics

from elq.linker import Linker
from elq.metrics import Counts
from elq.questions import read_questions
from elq.sweep import OBJECTIVES, SWEEP_FLOOR, ThresholdSweep, predictions_by_score

RULES = ((0.0, 0.0), (0.0025, 0.5), (0.005, 0.5), (0.0075, 0.5), (0.01, 0.5), (0.0025, 1.0), (0.005, 1.0))


def main() -> None:
    """Print a line per rule."""
    parser = argparse.ArgumentParser(description="F1 on the other half, by rule.")
    parser.add_argument("questions")
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--objective", default=OBJECTIVES[0], choices=OBJECTIVES)
    parser.add_argument("--halves", type=int, default=60, metavar="N", help="per model (default: 60)")
    options = parser.parse_args()
    found = {rule: ([], []) for rule in RULES}
    for model in options.models:
        linker = Linker.from_pretrained(model)
        questions = read_questions(options.questions, linker.entities.catalogue)
        links = linker.link([question.text for question in questions], threshold=SWEEP_FLOOR)
        scored = [
            predictions_by_score(question, every, options.objective) for question, every in zip(questions, links, strict=True)
        ]
        part = [n for n, (_, gold) in enumerate(scored) if gold]
        for half in range(options.halves):
            random.Random(half).shuffle(order := [*part])
            left, right = order[: len(order) // 2], order[len(order) // 2 :]
            for (slack, depth), (thresholds, qualities) in found.items():
                sweep = ThresholdSweep(options.objective, slack, depth)
                sweep.update([questions[n] for n in left], [links[n] for n in left])
                thresholds.append(chosen := sweep.compute().threshold)
                kept = [right_one for n in right for score, right_one in scored[n][0] if score >= chosen]
                qualities.append(Counts(int(sum(kept)), len(kept), sum(scored[n][1] for n in right)).quality()["f1"])
    for (slack, depth), (thresholds, qualities) in found.items():
        mean, spread = statistics.mean(thresholds), statistics.stdev(thresholds)
        print(
            f"slack {slack}, depth {depth}: F1 on the other half {statistics.mean(qualities):.4f}, γ {mean:.2f} ± {spread:.2f}"
        )


if __name__ == "__main__":
    main()
