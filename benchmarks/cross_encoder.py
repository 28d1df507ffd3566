"""Measures cross-encoders on given mentions: which part has the right entity first, before and after, and ms a mention.

    python benchmarks/cross_encoder.py runs/crossencoder/*/model --behind MODEL --questions ../shared/questions/captions.jsonl \
      --development

Several folders are trainings with different seeds. Differences have a 95% interval by a paired bootstrap over mentions.
"""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from elq.disambiguation.cross_batches import CrossCollator
from elq.disambiguation.cross_data import ORDERING
from elq.disambiguation.cross_examples import Example, find_examples, open_first_stage, within
from elq.disambiguation.cross_fit import accuracies
from elq.disambiguation.cross_module import Scored
from elq.disambiguation.split import part_of
from elq.encoding.pretrained import load_tokenizer
from elq.entities.catalogue import Catalogue
from elq.evaluation.comparison import RESAMPLES
from elq.evaluation.intervals import Ratio, interval, resampled
from elq.files import digest_of
from elq.linking.rerank import Reranker, divided_anew
from elq.questions.annotated import read_questions

BATCH = 8  # mentions
CANDIDATES = 16


def scores_of(
    reranker: Reranker, padding: int, catalogue: Catalogue, examples: list[Example]
) -> tuple[Tensor, Tensor, Tensor, float]:
    """log p (Q, K), scores (Q, K), targets (Q,), and the milliseconds of a mention."""
    ordered = sorted(examples, key=lambda example: len(example.text))
    made, collate = Scored(CANDIDATES), CrossCollator(reranker.texts, catalogue, padding)
    spent = 0.0
    with torch.inference_mode():
        for at in range(0, len(ordered), BATCH):
            batch = collate(ordered[at : at + BATCH])
            began = time.perf_counter()
            scores = reranker.network.candidate_scores(batch.pairs, batch.there)
            spent += time.perf_counter() - began
            made.add(batch, scores)
    return *made.tensors(), 1000 * spent / len(ordered)


def main() -> None:
    """Print the figures of each cross-encoder, and their means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rerankers", nargs="+")
    parser.add_argument("--behind", required=True)
    parser.add_argument("--questions", required=True)
    parser.add_argument("--development", action="store_true", help="only mentions of the development part of the entities")
    parser.add_argument("--cache", default="runs/candidates")
    parser.add_argument("--most", type=int, help="only so many mentions, drawn at random")
    parser.add_argument("--dtype", default="bf16")
    options = parser.parse_args()
    first = open_first_stage(options.behind)
    questions, name = read_questions(options.questions), Path(options.questions).stem
    if options.development:
        questions, name = part_of(questions, development=True), f"{name}-development"
    files = [Path(options.behind) / each for each in ORDERING]
    key = digest_of([file for file in files if file.is_file()], str(first.entities.manifest))
    found = find_examples(first, questions, CANDIDATES, Path(options.cache), name, key)
    if options.most:
        found = [found[i] for i in np.random.default_rng(0).permutation(len(found))[: options.most]]
    reached = {k: sum(0 <= example.target < k for example in found) / len(found) for k in (1, 4, 16)}
    print(f"{len(found):,} mentions; first stage: " + "  ".join(f"@{k} {value:.4f}" for k, value in reached.items()))
    seen = []
    for folder in options.rerankers:
        reranker = Reranker.from_pretrained(folder, dtype=options.dtype)
        examples = [within(example, reranker.stage.margin) for example in found]
        log_probs, scores, targets, spent = scores_of(
            reranker, load_tokenizer(folder).id_of("[PAD]") or 0, first.entities.catalogue, examples
        )
        figures = accuracies(log_probs, scores, targets, reranker.stage)
        before = (log_probs.argmax(-1) == targets).numpy().astype(float)
        after = (divided_anew(log_probs, scores, reranker.stage).argmax(-1) == targets).numpy().astype(float)
        drawn = resampled({"difference": Ratio(after - before, np.ones(len(after)))}, resamples=RESAMPLES)
        _, low, high = interval(drawn["difference"])
        pairs = sum(len(example.candidates) for example in examples) / len(examples)
        print(
            f"{folder}: {figures['first_stage_accuracy']:.4f} → {figures['both_accuracy']:.4f} ({low:+.4f} to {high:+.4f},"
            f" {int((after > before).sum())} won, {int((after < before).sum())} lost); of those with their entity"
            f" {figures['both_accuracy_with_gold']:.4f}; alone {figures['cross_encoder_accuracy']:.4f}; weights"
            f" {reranker.stage.log_weight:.3f} {reranker.stage.score_weight:.3f}; {pairs:.1f} pairs, {spent:.1f} ms a mention"
        )
        seen.append(figures["both_accuracy"])
    print(f"mean of {len(seen)}: {statistics.mean(seen):.4f}, lowest {min(seen):.4f}, highest {max(seen):.4f}")


if __name__ == "__main__":
    main()
