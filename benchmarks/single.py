"""Measures one question at a time, and questions in batches, for several ways of encoding and searching.

    OMP_NUM_THREADS=2 PYTHONPATH=. python benchmarks/single.py MODEL FILE BACKEND:DTYPE:INDEX[:FOLDER] … [--rounds 5]

MODEL is a model folder with exact search and with the exports of the backends, and FILE has questions. An index other than
`exact` is built into FOLDER if it is not there. The ways take turns, so that all have the same machine. The median over the
questions is given for the median of the rounds and, since other programs may run, for the best of the rounds. The links are
compared with those of the first way.
"""

import argparse
import json
import os
import statistics
import time
from dataclasses import replace
from pathlib import Path

from elq.threads import prepare

prepare()

from elq.entities.manifest import Entities, open_entities  # noqa: E402
from elq.entities.prior import prior_columns  # noqa: E402
from elq.linking.linker import Linker  # noqa: E402
from elq.search.kinds import build_index, open_index  # noqa: E402

QUESTIONS, TOGETHER = 150, 10  # questions that are linked one by one, and how many of them before the next way's turn


def opened(model: Path, entities: Entities, way: str) -> Linker:
    """The linker of a way."""
    backend, dtype, kind, *folder = way.split(":")
    if kind != "exact":
        path = Path(folder[0])
        if not path.is_dir():
            path.mkdir(parents=True)
            build_index(kind, entities.table, prior=prior_columns(entities.manifest.prior)).save(path)
        entities = replace(entities, index=open_index(kind, entities.table, path))
    return Linker.over(model, entities, backend=backend, dtype=dtype)


def links(linker: Linker, texts: list[str]) -> list[object]:
    """What a linker answers, without scores."""
    return [[(link.start, link.end, link.entity) for link in found] for found in linker.link(texts)]


def main() -> None:
    """Measure all ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("ways", nargs="+")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    texts = [json.loads(line)["text"] for line in given.file.read_text("utf-8").splitlines()]
    entities = open_entities(given.model / "entities")
    linkers = {way: opened(given.model, entities, way) for way in given.ways}
    answers = {way: links(linker, texts) for way, linker in linkers.items()}
    single: dict[str, list[list[float]]] = {way: [[] for _ in texts[:QUESTIONS]] for way in linkers}
    batches: dict[str, list[float]] = {way: [] for way in linkers}
    for _ in range(given.rounds):
        for first in range(0, min(QUESTIONS, len(texts)), TOGETHER):
            for way, linker in linkers.items():
                linker.link(texts[first])
                for place in range(first, min(first + TOGETHER, QUESTIONS, len(texts))):
                    began = time.perf_counter()
                    linker.link(texts[place])
                    single[way][place].append(1000 * (time.perf_counter() - began))
        for way, linker in linkers.items():
            began = time.perf_counter()
            linker.link(texts)
            batches[way].append(len(texts) / (time.perf_counter() - began))
    print(f"load {os.getloadavg()[0]:.1f}")
    for way in linkers:
        same = sum(one == other for one, other in zip(answers[given.ways[0]], answers[way], strict=True))
        median, best = (statistics.median(map(of, single[way])) for of in (statistics.median, min))
        rates = f"batches {statistics.median(batches[way]):.0f} a second, best {max(batches[way]):.0f}"
        print(f"{way}: {same} same links; one question {median:.1f} ms, best {best:.1f}; {rates}")


if __name__ == "__main__":
    main()
