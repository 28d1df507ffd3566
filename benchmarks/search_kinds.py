"""Measures every kind of index over a table with the vectors for which a model searches.

    PYTHONPATH=. python benchmarks/search_kinds.py --model MODEL --questions FILE --work FOLDER [--kinds sq8,hnsw] \\
        [--options hnsw:ef_search=256]

MODEL is a model folder with exact search. For each kind, the index is built, saved into FOLDER, and opened in a new process,
which searches with it and with the exact index in turn. Recall is that against exact search. Private memory is what the process
has for itself, without mapped files, beyond what it had before it opened the index and the table.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elq.entities.prior import typical_weights
from elq.linking.linker import Linker
from elq.linking.name_vectors import name_vectors
from elq.search.exact import ExactIndex
from elq.search.kinds import INDEX_KINDS, build_index, open_index
from elq.search.mentions import mention_like
from elq.search.recall import recall
from elq.search.table import EntityTable

REPEATS = 11


def searched(linker: Linker, texts: list[str]) -> Tensor:
    """The different vectors (Q, D) with which a linker searches its index for some questions."""
    index, seen = linker.entities.index, []
    plain = index._checked

    def record(vectors: Tensor, k: int, normalise: bool) -> Any:
        seen.append(vectors.detach().float().cpu())
        return plain(vectors, k, normalise)

    index._checked = record  # type: ignore[method-assign]
    linker.link(texts)
    index._checked = plain  # type: ignore[method-assign]
    return torch.cat(seen).unique(dim=0)


def private_bytes() -> int:
    """The memory that this process shares with no file and no other process."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))


def milliseconds(one: Callable[[], object], other: Callable[[], object]) -> tuple[float, float]:
    """The medians of the times of two calls that are made in turn."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(REPEATS):
        for call, own in zip((one, other), times, strict=True):
            began = time.perf_counter()
            call()
            own.append(1000 * (time.perf_counter() - began))
    return statistics.median(times[0]), statistics.median(times[1])


def child(kind: str, table_file: str, folder: str, vectors_file: str, options: str) -> None:
    """Open an index in this new process, and print its figures as JSON."""
    vectors = torch.from_numpy(np.load(vectors_file))
    ExactIndex(EntityTable(np.eye(vectors.shape[1], dtype=np.float16))).search(vectors[:64], 3)  # libraries are loaded
    import faiss  # noqa: F401

    before = private_bytes()
    began = time.perf_counter()
    table = EntityTable.open(table_file)
    index = open_index(kind, table, folder, json.loads(options))
    opened = time.perf_counter() - began
    index.search(vectors[:64], 10)
    made: dict[str, float] = {"open_s": opened, "private_mb": (private_bytes() - before) / 1e6}
    first, ten = recall(index, vectors)
    exact, few, many = ExactIndex(table), vectors[:1], vectors[:64]
    made |= {"recall@1": first, "recall@10": ten}
    made["ms_1"], made["exact_ms_1"] = milliseconds(lambda: index.search(few, 10), lambda: exact.search(few, 10))
    made["ms_64"], made["exact_ms_64"] = milliseconds(lambda: index.search(many, 10), lambda: exact.search(many, 10))
    print(json.dumps(made))


def measure(kind: str, table_file: Path, prior: int, work: Path, chosen: dict[str, str]) -> dict[str, float]:
    """Build an index, save it, and measure it in another process."""
    folder, table = work / kind, EntityTable.open(table_file)
    folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    index = build_index(kind, table, chosen, prior)
    built = time.perf_counter() - began
    index.save(folder)
    size = sum(path.stat().st_size for path in folder.iterdir())
    command = [
        sys.executable,
        __file__,
        "--child",
        kind,
        str(table_file),
        str(folder),
        str(work / "vectors.npy"),
        json.dumps(chosen),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {"build_s": built, "disk_mb": size / 1e6, **json.loads(done.stdout)}


def main() -> None:
    """Measure all kinds, one after the other."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--model", required=True)
    options.add_argument("--questions", required=True, nargs="+")
    options.add_argument("--work", required=True, type=Path)
    options.add_argument("--kinds", default=",".join(INDEX_KINDS))
    options.add_argument("--options", nargs="*", default=[], help="KIND:OPTION=VALUE")
    given = options.parse_args()
    linker = Linker.from_pretrained(given.model)
    texts = [json.loads(line)["text"] for file in given.questions for line in Path(file).read_text("utf-8").splitlines()]
    vectors = searched(linker, texts)
    order = torch.randperm(len(vectors), generator=torch.Generator().manual_seed(0))
    given.work.mkdir(parents=True, exist_ok=True)
    np.save(given.work / "vectors.npy", vectors[order].numpy())
    features, catalogue = linker.entities.manifest.prior, linker.entities.catalogue
    weights = torch.tensor(typical_weights(features))
    for kind in given.kinds.split(","):
        pairs = [pair.partition(":")[2].partition("=") for pair in given.options if pair.startswith(f"{kind}:")]
        table_file = Path(given.model) / "entities" / linker.entities.manifest.base / "table.npy"
        chosen = {name: value for name, _, value in pairs}
        row = measure(kind, table_file, len(weights), given.work, chosen)
        index = open_index(kind, linker.entities.table, given.work / kind, chosen)
        for name, made in (("names", name_vectors(Path(given.model))(catalogue)), ("rows", mention_like(index.table, weights))):
            row[f"{name}@1"], row[f"{name}@10"] = recall(index, made.vectors)
        print(kind, len(vectors), json.dumps({name: round(value, 4) for name, value in row.items()}), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
    else:
        main()
