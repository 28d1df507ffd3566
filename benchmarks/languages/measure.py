"""Measures a multilingual model over a catalogue with names in five languages, and over the same catalogue with English names only.

With --choose, γ becomes the threshold with the best mean strong F1 of all languages on both catalogues, and it is written into the
model folder with a calibration. It is chosen on benchmarks/languages/development; nothing may be chosen on tests/data/languages.
"""

import argparse
import json
import logging
from pathlib import Path

from elq.encoding import e5
from elq.encoding.pretrained import load_tokenizer
from elq.entities.build import BuildSettings
from elq.evaluation.evaluate import Observed, evaluate_links, known_questions, measure, observe
from elq.evaluation.reliability import fit_calibration
from elq.linking.decision import Decision
from elq.linking.general import open_catalogue
from elq.linking.linker import Linker
from elq.model.network import ELQ
from elq.names.baseline import LongestName
from elq.questions.annotated import read_questions

LANGUAGES = ("en", "de", "es", "fr", "zh")
DEVELOPMENT = Path(__file__).parent / "development"
TEST = Path(__file__).parents[2] / "tests" / "data" / "languages"
FLOOR = -9.0
GRID = [round(-0.2 - 0.1 * step, 2) for step in range(40)]
MOST_FALSE = 0.05


def network_of(path: Path) -> ELQ:
    """The network of a model folder, or of a checkpoint of a training that still runs."""
    if path.suffix == ".ckpt":
        from elq.training.module import ELQModule

        return ELQModule.load_from_checkpoint(path).model.eval()
    return ELQ.from_pretrained(path)


def observed(network: ELQ, folder: Path, *, bare: bool) -> tuple[list[Observed], list[dict[str, float]]]:
    """What the model finds in the questions of each language, and the metrics of the dictionary."""
    records = [json.loads(line) for line in (folder / "catalogue.jsonl").open(encoding="utf-8")]
    records = [{**record, "aliases": []} if bare else record for record in records]
    entities = open_catalogue(records, BuildSettings(encoder=e5.NAME, prior=tuple(network.config.prior)))
    linker = Linker(network, load_tokenizer(e5.NAME), entities, threshold=FLOOR)
    assert linker.dictionary is not None
    found, plain = [], []
    for language in LANGUAGES:
        questions = known_questions(read_questions(folder / f"questions_{language}.jsonl"), entities.catalogue)
        found.append(observe(linker, questions, threshold=FLOOR))
        plain.append(evaluate_links(questions, LongestName(linker.dictionary).link([question.text for question in questions])))
    return found, plain


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="model folder or checkpoint")
    parser.add_argument("--choose", action="store_true")
    parser.add_argument("--test", action="store_true", help="measure on tests/data/languages")
    parser.add_argument("--threshold", type=float)
    args = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    network = network_of(args.model)
    sets = {bare: observed(network, TEST if args.test else DEVELOPMENT, bare=bare) for bare in (False, True)}
    every = [one for found, _ in sets.values() for one in found]
    threshold = args.threshold if args.threshold is not None else Decision.load(args.model).threshold
    if args.choose:
        assert not args.test
        means = {}
        for value in GRID:
            metrics = [measure(one.above(value)) for one in every]
            false = sum(m["false_links_per_unmentioned_question"] for m in metrics) / len(metrics)
            if false <= MOST_FALSE:
                means[value] = sum(m["strong_micro_f1"] for m in metrics) / len(metrics)
        threshold = max(means, key=lambda value: means[value])
        calibration = fit_calibration(
            [q for one in every for q in one.questions], [links for one in every for links in one.links]
        )
        chosen = {
            "by": "benchmarks/languages/measure.py",
            "questions": ["benchmarks/languages/development"],
            "objective": "mean strong F1",
            "f1": means[threshold],
        }
        Decision(threshold=threshold, calibration=[*calibration], chosen=chosen).save(args.model)
        print(" ".join(f"{value}:{mean:.3f}" for value, mean in means.items()))
    print(f"γ {threshold}")
    for bare, (found, plain) in sets.items():
        print("names in English only" if bare else "names in five languages")
        rows = []
        for language, one, dictionary in zip(LANGUAGES, found, plain, strict=True):
            m = measure(one.above(threshold))
            rows.append(
                (
                    m["strong_micro_f1"],
                    dictionary["strong_micro_f1"],
                    m["false_links_per_unmentioned_question"],
                    m["disambiguation_accuracy"],
                )
            )
            print(
                f"  {language}  strong F1 {rows[-1][0]:.3f}  dictionary {rows[-1][1]:.3f}  false {rows[-1][2]:.3f}  disambiguation {rows[-1][3]:.3f}"
            )
        print("  mean", " ".join(f"{sum(column) / len(rows):.3f}" for column in zip(*rows, strict=True)))


if __name__ == "__main__":
    main()
