"""Compares the scores of score mode `shortlist` with those of `table`: the normaliser, links, F1, calibration and time.

    python benchmarks/shortlist_scores.py runs/webqsp/latest/model ../shared/questions/webqsp_dev.jsonl --graph

The first table has the error of several estimates of log Σ exp over all entities, for the vectors of all spans that a linker
searches for. The second one compares whole linkers. With `--graph`, one of them searches with an HNSW graph over the same
table; `elq build` refuses such a graph for a table with a prior.
"""

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from elq.evaluation.evaluate import evaluate_links, known_questions
from elq.evaluation.reliability import examples, reliability
from elq.evaluation.sweep import SWEEP_FLOOR
from elq.linking.linker import Linker
from elq.linking.retriever import SHORTLIST
from elq.model.spans import keep_spans
from elq.questions.annotated import read_questions
from elq.search.exact import ExactIndex
from elq.search.hnsw import HnswIndex, HnswOptions
from elq.search.kinds import recall_against_exact
from elq.search.normaliser import ROWS, Normaliser
from elq.search.table import EntityTable
from elq.types import Link, Question


def vectors_of(linker: Linker, texts: Sequence[str]) -> Iterator[Tensor]:
    """The vectors (Q, D) of all spans above the sweep's floor, batch by batch."""
    scorer, model = linker.scorer, linker.model
    for places in scorer.by_length(texts, linker.batch_size):
        with scorer.inference():
            tokens = scorer.tokens([texts[place] for place in places]).to(scorer.device)
            hidden = model.encode(tokens)  # (B, T, D)
            spans, _ = keep_spans(scorer.mention_logits(hidden, tokens), SWEEP_FLOOR, scorer.limits(tokens))  # Q spans
            yield model.search_vectors(model.mention_vectors(hidden, spans), hidden, tokens.text_mask, spans).float()


def log_normal(table: EntityTable, vectors: Tensor, worst: Tensor, *, matched: bool = False) -> Tensor:
    """log of the rest of the sum, (Q,), if the inner products of a mention have a normal distribution that ends at the worst.

    Args:
        table: the entity table.
        vectors: (Q, D) mention vectors.
        worst: (Q,) the worst inner product of the shortlist.
        matched: the variance is not that of the table, but that with which `SHORTLIST` entities are above the worst.
    """
    some = table.gather(torch.linspace(0, len(table) - 1, min(len(table), 65_536)).long())  # (S, D)
    mean = vectors @ some.mean(0)  # (Q,)
    variance = torch.einsum("qd,de,qe->q", vectors, torch.cov(some.T), vectors)  # (Q,)
    if matched:
        above = torch.special.ndtri(torch.tensor(1 - SHORTLIST / len(table), dtype=torch.float64))
        variance = ((worst - mean) / above.float()) ** 2
    below = torch.special.log_ndtr((worst - mean - variance) / variance.sqrt())
    return math.log(len(table)) + mean + variance / 2 + below


def compare_estimates(table: EntityTable, vectors: Tensor) -> None:
    """Print the errors of the estimates."""
    scores, rows, exact = ExactIndex(table).search_normalised(vectors, SHORTLIST)
    head, worst = scores.logsumexp(-1), scores[:, -1]  # (Q,)
    estimates = {
        "the shortlist alone": head,
        "log-normal, mean and variance of the table": head.logaddexp(log_normal(table, vectors, worst)),
        "log-normal, as many above the worst as there are": head.logaddexp(log_normal(table, vectors, worst, matched=True)),
    }
    for size in (1_024, 4_096, ROWS, 16_384):
        normaliser = Normaliser(table, rows=size)
        estimates[f"sample of {size:,} rows"] = normaliser(normaliser.products(vectors), scores, rows, worst)
    share = (head - exact).exp().quantile(torch.tensor([0.05, 0.5, 0.95])).tolist()
    shares = " / ".join(f"{value:.2f}" for value in share)
    print(f"{len(vectors):,} spans, N = {len(table):,}; share of the shortlist in the sum, 5% / 50% / 95%: {shares}")
    print("| estimate of the rest | mean error | 5% | 95% | largest |\n|---|---|---|---|---|")
    for name, estimate in estimates.items():
        error = estimate - exact
        low, high = error.quantile(torch.tensor([0.05, 0.95])).tolist()
        print(f"| {name} | {error.abs().mean():.3f} | {low:+.3f} | {high:+.3f} | {error.abs().max():.3f} |", flush=True)


def with_index(linker: Linker, index: HnswIndex) -> Linker:
    """The same linker with another index over the same table."""
    entities = replace(linker.entities, index=index)
    return Linker(
        linker.model,
        linker.tokenizer,
        entities,
        threshold=linker.threshold,
        mention_threshold=linker.mention_threshold,
        candidates=linker.candidates,
        score_mode="shortlist",
        dictionary=linker.dictionary,
        calibration=linker.calibration,
    )


def linked(linker: Linker, questions: Sequence[Question]) -> tuple[list[list[Link]], list[list[Link]], float]:
    """All links above the sweep's floor, those at γ, and the seconds that this took."""
    began = time.perf_counter()
    scored = linker.score([question.text for question in questions], threshold=SWEEP_FLOOR)
    took = time.perf_counter() - began
    low, shown = linker.links(scored, threshold=SWEEP_FLOOR), linker.links(scored)
    return [list(found) for found in low], [list(found) for found in shown], took


def compare_links(linkers: dict[str, Linker], questions: Sequence[Question]) -> None:
    """Print links, F1 and calibration of the linkers; the first one is that with which the others are compared."""
    first: list[list[Link]] = []
    scores: dict[tuple[int, int, int, str], float] = {}
    print(
        "| scores | questions with the same links | joint score, mean and largest difference | F1, in catalogue | F1, all"
        " | ECE above −8 | ECE at γ | seconds |\n|---|---|---|---|---|---|---|---|"
    )
    for name, linker in linkers.items():
        low, shown, took = linked(linker, questions)
        keys = [[(link.start, link.end, link.entity) for link in found] for found in shown]
        ours = {(n, x.start, x.end, x.entity): x.score for n, found in enumerate(low) for x in found}
        if not first:
            first, scores = shown, ours
        alike = [key == [(x.start, x.end, x.entity) for x in found] for key, found in zip(keys, first, strict=True)]
        gaps = np.array([abs(ours[key] - scores[key]) for key in ours.keys() & scores.keys()])
        metrics, errors = evaluate_links(questions, shown), []
        for links in (low, shown):
            features, labels, _ = examples(questions, links)
            given = np.array([math.nan if link.probability is None else link.probability for link in chain(*links)])
            errors.append(math.nan if np.isnan(given).any() else reliability(given, labels.numpy()).ece)
            assert len(features) == len(given)
        print(
            f"| {name} | {np.mean(alike):.2%} | {gaps.mean():.4f}, {gaps.max():.3f}"
            f" | {metrics['set_in_catalogue_micro_f1']:.4f} | {metrics['set_all_micro_f1']:.4f}"
            f" | {errors[0]:.4f} | {errors[1]:.4f} | {took:.1f} |",
            flush=True,
        )


def main() -> None:
    """Print the two tables for each file of questions."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("model", type=Path, help="model folder")
    options.add_argument("files", type=Path, nargs="+", help="files of annotated questions")
    options.add_argument("--graph", action="store_true", help="also link with an HNSW graph over the same table")
    given = options.parse_args()
    exact, estimated = (Linker.from_pretrained(given.model, scoring=mode) for mode in ("table", "shortlist"))
    linkers = {"`table`": exact, "`shortlist`, exact index": estimated}
    for seed in (1, 2):
        linkers[f"– another sample (seed {seed})"] = other = Linker.from_pretrained(given.model, scoring="shortlist")
        other.scorer.retriever.normaliser = Normaliser(other.entities.table, seed=seed)
    if given.graph:
        graph = HnswIndex.build(exact.entities.table, HnswOptions())
        print(f"graph: recall@10 {recall_against_exact(graph):.3f} with entities as queries")
        linkers["`shortlist`, HNSW graph"] = with_index(exact, graph)
    linkers["`candidates`, K = 10"] = candidates = Linker.from_pretrained(given.model, scoring="candidates")
    candidates.calibration = exact.calibration  # that of `table`, to see what it would say
    for file in given.files:
        print(f"\n{file.name}")
        questions = known_questions(read_questions(file, exact.entities.catalogue), exact.entities.catalogue)
        vectors = torch.cat([*vectors_of(exact, [question.text for question in questions])])
        compare_estimates(exact.entities.table, vectors)
        if given.graph:
            truth, found = (index.search(vectors, 10)[1] for index in (exact.entities.index, graph))
            print(f"graph, real mention vectors: recall@1 {(truth[:, 0] == found[:, 0]).float().mean():.3f}")
        compare_links(linkers, questions)


if __name__ == "__main__":
    main()
