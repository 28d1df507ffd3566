"""Measures how search and the whole link grow with the number of entities and tokens, and draws the pictures of growth.

    python benchmarks/growth.py search --statistics statistics.npz --output benchmarks/growth/search.json
    python benchmarks/growth.py link --model MODEL --folder runs/synthetic --output benchmarks/growth/link.json
    python benchmarks/growth.py tokens --model MODEL --output benchmarks/growth/tokens.json
    python benchmarks/growth.py draw

``search`` makes a table for each size and searches for its mention vectors with every kind of index that is named. ``link``
links with a trained model over the catalogues that `names.py --keep` made, with random tables. ``tokens`` links texts of 8 to
512 tokens over the model's own entities. All times are processor times, since other processes may use the machine.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from names import BATCH, questions_of
from synthetic import read_statistics, write_table

from elq.entities.catalogue import Catalogue
from elq.entities.manifest import Entities
from elq.linking.linker import Linker
from elq.names.stored import open_names
from elq.search.kinds import build_index
from elq.search.table import EntityTable

HERE = Path(__file__).parent / "growth"
TOKENS = (8, 16, 32, 64, 128, 256, 512)
RANDOM = 65_536  # different rows of a random table


def milliseconds(call: Callable[[], object], turns: int) -> float:
    """The median processor time of a call."""
    call()
    found = []
    for _ in range(turns):
        began = time.process_time()
        call()
        found.append(1000 * (time.process_time() - began))
    return statistics.median(found)


def search(given: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    for size in given.sizes:
        folder = given.folder / f"table_{size}_{given.width}"
        if not folder.exists():
            write_table(read_statistics(given.statistics), size, given.width, folder)
        table, mentions = EntityTable.open(folder / "table.npy"), torch.from_numpy(np.load(folder / "mentions.npy"))
        exact = build_index("exact", table)
        best = exact.search(mentions[:64], 10)[1]
        for kind in given.kinds:
            began = time.process_time()
            index = exact if kind == "exact" else build_index(kind, table)
            row = {"entities": size, "kind": kind, "build seconds": time.process_time() - began}
            found = index.search(mentions[:64], 10)[1]
            row["recall@1"] = float((found[:, 0] == best[:, 0]).float().mean())
            for queries in (1, 64):
                row[f"milliseconds, {queries}"] = milliseconds(lambda: index.search(mentions[:queries], 10), 5)  # noqa: B023
            rows.append(row)
            print(json.dumps(row), flush=True)
    return rows


def link(given: argparse.Namespace) -> list[dict[str, Any]]:
    texts, rows = questions_of(given.questions), []
    own = Linker.from_pretrained(given.model).entities
    for size in given.sizes:
        folder = given.folder / f"names_{size}"
        catalogue = Catalogue(folder / "catalogue.arrow")
        catalogue.names = open_names(folder / "names.arrow", (folder / "sha256").read_text())
        table = np.lib.format.open_memmap(folder / "table.npy", "w+", np.float16, (size, own.table.width))
        block = np.random.default_rng(0).permutation(own.table.vectors)[:RANDOM]
        for start in range(0, size, RANDOM):
            table[start : start + RANDOM] = block[: size - start]
        opened = EntityTable.open(folder / "table.npy")
        linker = Linker.over(given.model, Entities(own.manifest, catalogue, opened, build_index("exact", opened)))
        row: dict[str, Any] = {"entities": size}
        places = iter(range(10**6))
        row["milliseconds, 1"] = milliseconds(lambda: linker.link(texts[next(places)]), 20)  # noqa: B023
        row["milliseconds, 64"] = milliseconds(lambda: linker.link(texts[BATCH * (next(places) % 9) :][:BATCH]), 3)  # noqa: B023
        (folder / "table.npy").unlink()
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def text_of(linker: Linker, texts: Sequence[str], tokens: int) -> str:
    """Questions one after the other, cut to a number of tokens."""
    everything = " ".join(texts)
    offsets = linker.tokenizer([everything[: 12 * tokens]]).offsets[0]
    return everything[: offsets[min(tokens, len(offsets) - 1) - 2][1]]


def tokens(given: argparse.Namespace) -> list[dict[str, Any]]:
    linker, rows = Linker.from_pretrained(given.model), []
    texts = questions_of(given.questions)
    for count in TOKENS:
        text = text_of(linker, texts, count)
        row = {"tokens": count, "milliseconds": milliseconds(lambda: linker.link(text), 5)}  # noqa: B023
        named = linker.scorer.plain_tokens([text])
        row["names milliseconds"] = milliseconds(lambda: linker.dictionary.named([text], named, 10), 5)  # noqa: B023
        hidden = linker.scorer.inference
        with hidden():
            row["encoder milliseconds"] = milliseconds(lambda: linker.model.encode(named), 5)  # noqa: B023
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def lines(axes: Any, rows: Sequence[dict[str, Any]], across: str, what: dict[str, str], unit: str) -> None:
    """Draw some columns of rows against another, both on logarithmic scales."""
    for name, label in what.items():
        points = [(row[across], row[name]) for row in rows if row.get(name)]
        axes.plot(*zip(*points, strict=True), marker="o", label=label)
    axes.set(xscale="log", yscale="log", xlabel=across, ylabel=unit)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)


def draw() -> None:
    """Write a picture of each table in benchmarks/growth."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams |= {"svg.hashsalt": "elq", "svg.fonttype": "none", "font.size": 9}
    import matplotlib.pyplot as plt

    def picture(name: str, *draws: Callable[[Any], None]) -> None:
        figure, axes = plt.subplots(1, len(draws), figsize=(4.5 * len(draws), 3.4), layout="constrained")
        for draw_one, one in zip(draws, np.atleast_1d(axes), strict=True):
            draw_one(one)
        figure.savefig(HERE / f"{name}.svg", metadata={"Date": None})
        plt.close(figure)

    def read(name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads((HERE / f"{name}.json").read_text())
        return found

    there = {path.stem for path in HERE.glob("*.json")}
    if "names" in there:
        picture("names", *names_axes(read("names")))
    if "search" in there:
        picture("search", search_axes(read("search")))
    if {"link", "tokens"} <= there:
        picture("link", *link_axes(read("link"), read("tokens")))


def names_axes(rows: Sequence[dict[str, Any]]) -> list[Callable[[Any], None]]:
    made = [row | {"megabytes": row["file bytes"] / 1e6, "peak": row["peak bytes"] / 1e6} for row in rows]
    parts = {f"{part} microseconds": part for part in ("gaps", "named", "matches", "decoding")}
    seconds = {"names seconds": "build", "names open seconds": "open"}
    sizes = {"megabytes": "file", "peak": "memory at the peak of a build"}
    return [
        lambda axes: lines(axes, made, "entities", parts, "µs a question"),
        lambda axes: lines(axes, made, "entities", seconds, "seconds"),
        lambda axes: lines(axes, made, "entities", sizes, "MB"),
    ]


def search_axes(rows: Sequence[dict[str, Any]]) -> Callable[[Any], None]:
    by_size: dict[int, dict[str, Any]] = {}
    for row in rows:
        one = by_size.setdefault(row["entities"], {"entities": row["entities"]})
        one |= {f"{row['kind']}, {queries}": row[f"milliseconds, {queries}"] / queries for queries in (1, 64)}
    kinds = dict.fromkeys(row["kind"] for row in rows)
    labels = {f"{kind}, {queries}": f"{kind}, {queries} at once" for kind in kinds for queries in (1, 64)}
    return lambda axes: lines(axes, [*by_size.values()], "entities", labels, "ms a mention")


def link_axes(linked: Sequence[dict[str, Any]], by_tokens: Sequence[dict[str, Any]]) -> list[Callable[[Any], None]]:
    each = [row | {"each": row["milliseconds, 64"] / 64} for row in linked]
    at_once = {"milliseconds, 1": "one question", "each": "64 at once"}
    parts = {"milliseconds": "whole link", "encoder milliseconds": "encoder", "names milliseconds": "names"}
    return [
        lambda axes: lines(axes, each, "entities", at_once, "ms a question"),
        lambda axes: lines(axes, by_tokens, "tokens", parts, "ms a text"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["search", "link", "tokens", "draw"])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--kinds", nargs="+", default=["exact", "hnsw"])
    parser.add_argument("--statistics", type=Path)
    parser.add_argument("--model", type=Path, default=Path("runs/webqsp/latest/model"))
    parser.add_argument("--questions", type=Path, default=Path("../shared/questions/webqsp_dev.jsonl"))
    parser.add_argument("--folder", type=Path, default=Path("runs/synthetic"))
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    if given.what == "draw":
        draw()
        return
    rows = {"search": search, "link": link, "tokens": tokens}[given.what](given)
    if given.output:
        given.output.parent.mkdir(exist_ok=True)
        given.output.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
