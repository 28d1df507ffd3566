"""Compares ways of exact search over one table: their times, and whether two passes find what fp32 finds.

    OMP_NUM_THREADS=1 python benchmarks/search_exact.py --model MODEL --questions ../shared/questions/webqsp_dev.jsonl

The mention vectors are those of the model for the questions. The ways take turns in one process. CPU time and wall time are
medians. Beside other work, the CPU time of one thread is the figure that can be compared.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from elq import Linker
from elq.questions.annotated import read_questions
from elq.search.exact import FEW, ExactIndex, multiplies_half
from elq.search.table import BLOCK, EntityTable

Found = tuple[Tensor, Tensor, Tensor]
Search = Callable[[ExactIndex, Tensor, int, bool], Found]
K = 10
TOGETHER = 12  # questions that are linked together: their mentions are few enough for two passes


def converted(index: ExactIndex, vectors: Tensor, k: int, normalise: bool) -> Found:
    """Plain search: each block is converted to new memory, and multiplied."""
    blocks = [vectors @ index.table.tensor(start, start + BLOCK).T for start in range(0, len(index.table), BLOCK)]
    products = torch.cat(blocks, -1)  # (Q, N)
    return *products.topk(k), products.logsumexp(-1)


WAYS: dict[str, Search] = {"blocks": converted, "fp32 pieces": ExactIndex._scan, "as elq": ExactIndex._search}


@contextmanager
def searched_with(way: Search, seen: list[Tensor]) -> Iterator[None]:
    """Let all exact indexes search in one way, and collect the vectors that they search."""

    def search(index: ExactIndex, vectors: Tensor, k: int, normalise: bool) -> Found:
        seen.append(vectors)
        return way(index, vectors, k, normalise)

    own, ExactIndex._search = ExactIndex._search, search  # type: ignore[method-assign]
    try:
        yield
    finally:
        ExactIndex._search = own  # type: ignore[method-assign]


def agreement(index: ExactIndex, vectors: Tensor) -> None:
    """Print how the search differs from that in fp32, over all mention vectors, as many at a time as it searches twice."""
    rows, scores, totals = 0, 0.0, 0.0
    for one in vectors.split(FEW):
        found, expected = index._search(one, K, True), index._scan(one, K, True)
        rows += int((found[1] != expected[1]).sum())
        scores = max(scores, float((found[0] - expected[0]).abs().max()))
        totals = max(totals, float((found[2] - expected[2]).abs().max()))
    print(f"{len(vectors)} vectors: {rows} of {len(vectors) * K} rows differ", end=", ")
    print(f"scores by {scores:.1e}, log Σ exp by {totals:.1e}", flush=True)


def timings(index: ExactIndex, vectors: Tensor, turns: int) -> None:
    """Print the times of all ways for some numbers of vectors."""
    for number in (1, 2, 8, 64):
        times: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
        for turn in range(turns):
            some = vectors.roll(-turn * number, 0)[:number]
            for way, search in WAYS.items():
                cpu, wall = time.process_time(), time.perf_counter()
                search(index, some, K, True)
                times[way].append((1000 * (time.process_time() - cpu), 1000 * (time.perf_counter() - wall)))
        for way, both in times.items():
            used, taken = (statistics.median(column) for column in zip(*both, strict=True))
            print(f"N={len(index.table)} Q={number} {way}: CPU {used:.1f} ms, wall {taken:.1f} ms", flush=True)


def links(linker: Linker, texts: list[str]) -> None:
    """Print how many questions have other links than with fp32."""
    every = []
    for way in ("fp32 pieces", "as elq"):
        with searched_with(WAYS[way], []):
            parts = [linker.link(texts[start : start + TOGETHER]) for start in range(0, len(texts), TOGETHER)]
        every.append([[(link.start, link.end, link.entity) for link in found] for part in parts for found in part])
    print(f"{sum(one != other for one, other in zip(*every, strict=True))} of {len(texts)} questions have other links")


def main() -> None:
    """Measure on one table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--model", required=True, help="a model folder")
    options.add_argument("--questions", required=True, type=Path, help="a file of questions")
    options.add_argument("--table", help="measure times over another table of the same width, and nothing else")
    options.add_argument("--turns", type=int, default=7)
    given = options.parse_args()
    linker, seen = Linker.from_pretrained(given.model), []
    texts = [question.text for question in read_questions(given.questions)]
    with searched_with(ExactIndex._search, seen):
        linker.link(texts)
    vectors, index = torch.cat(seen), linker.entities.index
    print(f"float16 products: {multiplies_half()}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}")
    with torch.inference_mode():
        if given.table:
            index = ExactIndex(EntityTable.open(given.table))
        timings(index, vectors, given.turns)
        if not given.table:
            agreement(index, vectors)
            links(linker, texts)


if __name__ == "__main__":
    main()
