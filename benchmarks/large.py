"""Makes an entities folder of any size by the build of the project, and measures opening, memory, search, links, and changes.

    python benchmarks/large.py make --entities 5900000 --folder FOLDER     makes it, with `pq4`; a killed run is continued
    python benchmarks/large.py measure --folder FOLDER                     opening, memory, search and links
    python benchmarks/large.py add --folder FOLDER --count 1000            adds entities by `elq add`, and removes them
    python benchmarks/large.py kill --folder FOLDER --turns 20             kills `elq add`, and checks what is left
    python benchmarks/large.py widen --folder WIDE --source FOLDER --model MODEL      the same ones, wide, without names

The records are those of `synthetic.py catalogue`, the vectors those of a clustered table, and the model is elq/general. A wide
folder has the model of `whole_link.py` (BERT-large, random weights). Its vectors are those of the narrow folder, turned into a
random subspace of 1,024 dimensions. So they have the same inner products, and every column is used.
"""

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from release_import import memory_of
from synthetic import BLOCK, REAL, ClusteredTable, mention_vectors, near_pairs, real_entities, synthetic_entities

from elq.encoding.pretrained import GENERAL, resolve_encoder
from elq.entities.assembly import Recipe, assemble
from elq.entities.catalogue import Catalogue
from elq.entities.manifest import CATALOGUE, TABLE, file_sizes, open_entities
from elq.linking.linker import Linker
from elq.model.config import read_config
from elq.questions.annotated import read_questions
from elq.search.exact import ExactIndex
from elq.search.kinds import build_index
from elq.search.table import EntityTable, allocate_table
from elq.tensors import Array

FACTS = ("encoder", "pooling", "text", "max_tokens", "precision", "prior", "encoder_sha256")
WEIGHTS = ("config.json", "decision.json", "facts.json", "model.safetensors", "tokenizer.json")


class Clustered:
    """The vectors of a clustered table, as the build of an entities folder wants them."""

    def __init__(self, real: Path, questions: Path, rows: int) -> None:
        linker = Linker.over(resolve_encoder(GENERAL), open_entities(real))
        mentions = mention_vectors(linker, [question.text for question in read_questions(questions)])
        best = linker.entities.index.search(mentions, 2)[0].numpy()
        vectors = np.asarray(linker.entities.table.vectors, np.float32)
        pairs = near_pairs(vectors, np.random.default_rng(0))
        self.made = ClusteredTable(vectors, pairs, mentions.numpy(), best[:, 1], rows)
        self.width, self._number, self._block = vectors.shape[1], -1, vectors[:0]

    def announce(self, catalogue: Catalogue, rows: int) -> None:
        """Nothing: the time is not known."""

    def steps(self, rows: int) -> int:
        return 1

    def pieces(self, catalogue: Catalogue, start: int, end: int) -> Iterator[tuple[Array | slice, Array]]:
        number = start // BLOCK
        if number != self._number:
            self._number, self._block = number, self.made.block(number)
        first = start - number * BLOCK
        yield slice(None), self._block[first : first + end - start]


def make(given: argparse.Namespace) -> None:
    """Build the entities folder, and put the weights of the general model beside it."""
    manifest = open_entities(given.real).manifest
    facts = {name: getattr(manifest, name) for name in FACTS}
    recipe = Recipe(
        plan={"source": "synthetic", "entities": given.entities, "settings": {}},
        entities=lambda: synthetic_entities(real_entities(given.real), given.entities),
        vectors=lambda: Clustered(given.real, given.questions, given.entities),
        maker="the clustered table",
        dtype="float16",
        index="pq4",
        index_options={"least_recall": 0.0, "shortlist": given.shortlist},
        facts={**facts, "source_sha256": "synthetic"},
    )
    given.folder.mkdir(parents=True, exist_ok=True)
    began, used = time.time(), time.process_time()
    assemble(given.folder / "entities", recipe)
    for name in WEIGHTS:
        shutil.copy(resolve_encoder(GENERAL) / name, given.folder / name)
    sizes = {path.name: path.stat().st_size for path in (given.folder / "entities").rglob("*") if path.is_file()}
    print(f"{time.time() - began:.0f} s, {time.process_time() - used:.0f} s of the processor; {sizes}")


def basis(width: int, wide: int) -> Array:
    """Orthonormal rows (width, wide) at random."""
    return np.linalg.qr(np.random.default_rng(0).standard_normal((wide, width)))[0].T.astype(np.float32)


def widen(given: argparse.Namespace) -> None:
    """Make the folder of the same entities with vectors of the width of a model, without names."""
    source, (own, began) = open_entities(given.source / "entities"), (given.folder / "entities", time.time())
    own.mkdir(parents=True)
    for name in WEIGHTS:
        if (given.model / name).is_file():
            os.link(given.model / name, given.folder / name)
    os.link(given.source / "entities" / CATALOGUE, own / CATALOGUE)
    narrow, wide = source.table.base, read_config(given.model / "config.json").encoder["hidden_size"]
    turned = torch.from_numpy(basis(narrow.width, wide))
    allocate_table(own / TABLE, len(narrow), wide, "float16")
    table = np.lib.format.open_memmap(own / TABLE, "r+")
    for start in range(0, len(narrow), BLOCK):
        table[start : start + BLOCK] = (narrow.tensor(start, start + BLOCK) @ turned).numpy()
    table.flush()
    print(f"table: {time.time() - began:.0f} s", flush=True)
    options = {"columns": given.columns, "dimensions": given.dimensions, "shortlist": given.shortlist, "least_recall": 0.0}
    build_index("pq4", EntityTable.open(own / TABLE), options).save(own)
    facts = {"prior": (), "text": {}, "names_sha256": "", "segments": (), "removed": "", "removed_rows": 0, "images": ""}
    replace(
        source.manifest, entities=len(narrow), width=wide, index_options=options, files=file_sizes(own), version=0, **facts
    ).save(own)  # fmt: skip
    print(f"{time.time() - began:.0f} s; {file_sizes(own)}")


def milliseconds(call: Any, arguments: Any) -> str:
    """The median and the 95th percentile of calls, one for each argument."""
    times = []
    for argument in arguments:
        began = time.perf_counter()
        call(argument)
        times.append(1000 * (time.perf_counter() - began))
    return f"{statistics.median(times):.1f} / {np.percentile(times, 95):.1f} ms"


def measure(given: argparse.Namespace) -> None:
    texts = [question.text for question in read_questions(given.questions)]
    print(f"load {os.getloadavg()[0]:.1f}, {torch.get_num_threads()} threads; p50 / p95")
    began = time.perf_counter()
    linker = Linker.from_pretrained(given.folder, backend=given.backend, dtype=given.dtype)
    print(f"opened in {time.perf_counter() - began:.2f} s")
    links = milliseconds(linker.link, texts[: given.texts])
    print(f"one question {links}; again {milliseconds(linker.link, texts[: given.texts])}")
    memory = "private {:,.0f} MB, mapped {:,.0f} MB"
    print(f"after single questions: {memory.format(*(size / 1e6 for size in memory_of(os.getpid())))}")
    began = time.perf_counter()
    linker.link(texts)
    print(f"{len(texts) / (time.perf_counter() - began):.0f} questions a second")
    print(f"after a batch of {len(texts)}: {memory.format(*(size / 1e6 for size in memory_of(os.getpid())))}")
    table, index = linker.entities.table, linker.entities.index
    mentions = mention_vectors(Linker.over(resolve_encoder(GENERAL), open_entities(given.real)), texts)
    if table.width != mentions.shape[1]:
        mentions = mentions @ torch.from_numpy(basis(mentions.shape[1], table.width))
    one = milliseconds(lambda at: index.search(mentions[at : at + 1], 10), range(100))
    print(f"search of one of {len(mentions)} vectors {one}")
    exact, found = ExactIndex(table).search(mentions, 10), index.search(mentions, 10)
    same = found[0][:, 0] >= exact[0][:, 0] - 1e-5 * exact[0][:, 0].abs()
    ten = found[0] >= exact[0][:, -1:] - 1e-5 * exact[0][:, -1:].abs()
    print(f"recall@1 {same.float().mean():.4f}, @10 {ten.float().mean():.4f}")


def new_records(folder: Path, count: int) -> Path:
    """A file of records that the folder does not have."""
    path = folder / "new.jsonl"
    records = (
        {"id": f"N{n}", "title": f"Quorvane {n} Institute", "description": f"institute number {n}"} for n in range(count)
    )
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "elq", *map(str, words)]


def state(folder: Path) -> tuple[int, bool]:
    """The number of entities that the folder has now, and whether a new one is found by its name."""
    linker = Linker.from_pretrained(folder)
    there = linker.link("who leads the Quorvane 7 Institute")
    return linker.entities.manifest.entities, any(link.entity == "N7" for link in there)


def add(given: argparse.Namespace) -> None:
    file = new_records(given.folder, given.count)
    ids = [f"N{number}" for number in range(given.count)]
    for what, words in (("add", [given.folder, "--catalogue", file]), ("remove", [given.folder, *ids])):
        began = time.perf_counter()
        subprocess.run(command(what, *words), check=True)
        print(f"elq {what} of {given.count:,}: {time.perf_counter() - began:.1f} s; {state(given.folder)}", flush=True)


def kill(given: argparse.Namespace) -> None:
    """Kill `elq add` at random moments. The folder must have the old or the new state, and the command must then succeed."""
    file, rng = new_records(given.folder, given.count), random.Random(0)
    ids = [f"N{number}" for number in range(given.count)]
    adding = command("add", given.folder, "--catalogue", file)
    before, longest, killed = state(given.folder), given.longest, 0
    for turn in range(given.turns):
        process = subprocess.Popen(adding, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            process.wait(rng.uniform(0.3, longest))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.wait()
        now = state(given.folder)
        if now not in (before, (before[0] + given.count, True)):
            raise SystemExit(f"turn {turn}: {now}, but before {before}")
        if now == before:
            subprocess.run(adding, check=True, capture_output=True)
        if (now := state(given.folder)) != (before[0] + given.count, True):
            raise SystemExit(f"turn {turn}: {now} after a complete run")
        subprocess.run(command("remove", given.folder, *ids), check=True, capture_output=True)
        if state(given.folder) != before:
            raise SystemExit(f"turn {turn}: {state(given.folder)} after the removal, but before {before}")
    print(f"{given.turns} turns, {killed} of them killed while they ran: nothing was lost")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["make", "measure", "add", "kill", "widen"])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--entities", type=int, default=5_900_000)
    parser.add_argument("--real", type=Path, default=REAL, help="entities folder of a real catalogue")
    parser.add_argument("--questions", type=Path, default=Path("../shared/questions/webqsp_dev.jsonl"))
    parser.add_argument("--texts", type=int, default=200, help="questions that are linked one by one")
    parser.add_argument("--shortlist", type=int, default=2_000, help="the option of `pq4`")
    parser.add_argument("--columns", type=int, default=3, help="the option of `pq4` of a wide folder")
    parser.add_argument("--dimensions", type=int, default=390, help="the option of `pq4` of a wide folder")
    parser.add_argument("--source", type=Path, help="the narrow folder of a wide one")
    parser.add_argument("--model", type=Path, help="the model of a wide folder")
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--dtype", default="fp32")
    parser.add_argument("--count", type=int, default=1_000, help="entities that are added")
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--longest", type=float, default=15.0, help="seconds after which a command is killed at the latest")
    given = parser.parse_args()
    {"make": make, "measure": measure, "add": add, "kill": kill, "widen": widen}[given.what](given)


if __name__ == "__main__":
    main()
