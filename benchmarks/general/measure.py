"""Measures a model over catalogues that it has never seen, at its own threshold and at others.

The sets: the three catalogues of tests/data/catalogues (which nobody may train or choose on), the starter, and, if ../shared is there,
webqsp_dev over the 154,212 entities. "strong" is the F1 of spans and entities, "set" that of the set of entities of each question over
all questions, "false" the links per question without a mention.
"""

import argparse
import logging
from pathlib import Path

from elq.encoding.device import resolve_device
from elq.encoding.pretrained import GENERAL, load_tokenizer
from elq.entities.build import BuildSettings
from elq.entities.manifest import Entities, open_entities
from elq.evaluation.evaluate import evaluate_links, known_questions, measure, observe
from elq.linking.decision import Decision
from elq.linking.general import open_catalogue
from elq.linking.linker import Linker
from elq.model.network import ELQ
from elq.names.baseline import LongestName
from elq.names.dictionary import Dictionary
from elq.questions.annotated import read_questions

OWN = Path(__file__).parents[2] / "tests" / "data" / "catalogues"
STARTER = Path(__file__).parents[2] / "elq" / "starter"
SHARED = Path(__file__).parents[2] / ".." / "shared"
GRID = (-0.5, -1.0, -1.5, -2.0, -2.5, -3.0, -3.5, -4.0, -5.0)


def network_of(folder: Path) -> ELQ:
    """The network of a model folder, or of a checkpoint of a training that still runs."""
    if folder.suffix == ".ckpt":
        from elq.training.module import ELQModule

        return ELQModule.load_from_checkpoint(folder).model.eval()
    return ELQ.from_pretrained(folder)


def linker_of(network: ELQ, entities: Entities, encoder: str, decision: Decision) -> Linker:
    return Linker(
        network.to(resolve_device("cpu")),
        load_tokenizer(encoder),
        entities,
        threshold=decision.threshold,
        candidates=decision.candidates,
        score_mode=decision.score_mode,
        balance=decision.balance,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="model folder or checkpoint")
    parser.add_argument("--tower", default=GENERAL, help="encoder of the entities")
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--mode", default=None)
    parser.add_argument("--wikidata", type=Path, help="entities folder of the 154,212 entities with the prior qid, popularity")
    parser.add_argument("--only", nargs="*", help="names of sets")
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    network = network_of(args.model)
    decision = Decision.load(args.model) if (args.model / "decision.json").is_file() else Decision(threshold=-2.0)
    if args.mode:
        decision = Decision(threshold=decision.threshold, score_mode=args.mode)
    sets = {
        file.stem: (file, OWN / f"{file.stem}_questions.jsonl")
        for file in sorted(OWN.iterdir())
        if not file.stem.endswith(("_questions", "README"))
    }
    sets["starter"] = (STARTER / "catalogue.jsonl", STARTER / "test.jsonl")
    if args.wikidata:
        sets["webqsp_dev"] = (args.wikidata, SHARED / "questions" / "webqsp_dev.jsonl")
    settings = BuildSettings(encoder=args.tower, prior=tuple(network.config.prior))
    own = args.threshold if args.threshold is not None else decision.threshold
    sums: dict[float, list[tuple[float, float]]] = {}
    for name, (catalogue, file) in sets.items():
        if args.only and name not in args.only:
            continue
        entities = open_entities(catalogue) if catalogue.is_dir() else open_catalogue(catalogue, settings)
        linker = linker_of(network, entities, args.tower, decision)
        questions = known_questions(read_questions(file, entities.catalogue), entities.catalogue)
        baseline = LongestName(linker.dictionary or Dictionary(entities.catalogue))
        plain = evaluate_links(questions, baseline.link([question.text for question in questions]))
        observed = observe(linker, questions, threshold=-9.0)
        print(
            f"{name}: {len(entities.catalogue):,} records, {len(questions)} questions; dictionary set {plain['set_all_micro_f1']:.3f}, strong {plain['strong_micro_f1']:.3f}, false {plain['false_links_per_unmentioned_question']:.3f}"
        )
        for threshold in (own, *GRID):
            found = measure(observed.above(threshold))
            shown = {
                "set": "set_all_micro_f1",
                "in catalogue": "set_in_catalogue_micro_f1",
                "strong": "strong_micro_f1",
                "false": "false_links_per_unmentioned_question",
                "disambiguation": "disambiguation_accuracy",
            }
            print(f"  γ {threshold:6.2f}  " + "  ".join(f"{key} {found[metric]:.3f}" for key, metric in shown.items()))
            if name not in ("starter", "webqsp_dev"):
                sums.setdefault(threshold, []).append(
                    (found["set_all_micro_f1"], found["false_links_per_unmentioned_question"])
                )
    for threshold, pairs in sums.items():
        print(
            f"mean of {len(pairs)} own catalogues at γ {threshold:6.2f}: set {sum(p[0] for p in pairs) / len(pairs):.3f}  false {sum(p[1] for p in pairs) / len(pairs):.3f}"
        )


if __name__ == "__main__":
    main()
