"""Measures the names of synthetic catalogues: build, file, start, memory, and the time of a question.

    python benchmarks/names.py --model MODEL --sizes 10000 100000 1000000 --output growth_names.json

For each size, a catalogue and its names are made (benchmarks/synthetic.py) in a process of its own, and measured in another
process. A trained model says which spans of the questions are searched. The questions are linked in batches of 64, each of them
once, so that no kept result helps. All times are processor times of one thread, since other processes may use the machine.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from release_import import memory_of
from synthetic import REAL, real_entities, synthetic_entities

from elq.entities.catalogue import Catalogue, write_catalogue
from elq.linking.linker import Linker
from elq.names.dictionary import Dictionary, span_texts
from elq.names.stored import open_names
from elq.names.words import kept
from elq.names.writing import collect, write_names

BATCH = 64


def build(folder: Path, real: Path, entities: int) -> dict[str, Any]:
    """Write the catalogue and its names; seconds, bytes and the peak of memory."""
    folder.mkdir(parents=True)
    began = time.process_time()
    write_catalogue(synthetic_entities(real_entities(real), entities), folder / "catalogue.arrow")
    said = {"entities": entities, "catalogue seconds": time.process_time() - began}
    (folder / "sha256").write_text("")
    return said


def build_names(folder: Path) -> dict[str, Any]:
    began = time.process_time()
    digest = write_names(collect(Catalogue(folder / "catalogue.arrow").all_rows()), folder / "names.arrow")
    seconds = time.process_time() - began
    (folder / "sha256").write_text(digest)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"names seconds": seconds, "peak bytes": peak, "file bytes": (folder / "names.arrow").stat().st_size}


def questions_of(path: Path) -> list[str]:
    return [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]


def measure(folder: Path, model: Path, texts: Sequence[str], rounds: int) -> dict[str, Any]:
    """Microseconds a question of each part, the best round; seconds to open; private and mapped bytes."""
    linker = Linker.from_pretrained(model)
    before = memory_of(os.getpid())
    began = time.process_time()
    catalogue = Catalogue(folder / "catalogue.arrow")
    middle = time.process_time()
    catalogue.names = open_names(folder / "names.arrow", (folder / "sha256").read_text())
    dictionary = Dictionary(catalogue, fine=linker.model.config.fine_names)
    said: dict[str, Any] = {"names open seconds": time.process_time() - middle, "catalogue open seconds": middle - began}
    length = linker.model.config.max_span_tokens
    batches = [list(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
    rule = linker.rule()
    scored = [linker.scorer.score_tokens(b, linker.scorer.tokens(b), floor=rule.floor, candidates=10) for b in batches]
    tokens = [linker.scorer.plain_tokens(batch) for batch in batches]
    times: dict[str, list[float]] = {}
    spread = len(catalogue) // len(linker.entities.catalogue) or 1
    for _ in range(rounds):
        dictionary = Dictionary(catalogue, fine=linker.model.config.fine_names)
        kept.cache_clear()
        total: dict[str, float] = dict.fromkeys(("gaps", "named", "matches", "decoding"), 0.0)
        for batch, there, found in zip(batches, tokens, scored, strict=True):
            places = (found.spans.rows * spread + torch.arange(10) % spread).clamp(-1, len(catalogue) - 1)
            rows = torch.where(found.spans.rows < 0, -1, places)
            other = replace(found, catalogue=catalogue, spans=replace(found.spans, rows=rows))
            start = time.process_time()
            for text in batch:
                dictionary.gaps(text), dictionary.cuts(text)
            gaps = time.process_time()
            dictionary.named(batch, there, length)
            named = time.process_time()
            dictionary.name_matches(span_texts(batch, there, found.spans.spans))
            matched = time.process_time()
            other.decoded(rule)
            end = time.process_time()
            for name, seconds in zip(total, (gaps - start, named - gaps, matched - named, end - matched), strict=True):
                total[name] += seconds
        for name, seconds in total.items():
            times.setdefault(name, []).append(1e6 * seconds / len(texts))
    after = memory_of(os.getpid())
    said |= {f"{name} microseconds": sorted(found)[len(found) // 2] for name, found in times.items()}
    said["spans a question"] = sum(len(one.spans.spans) for one in scored) / len(texts)
    return said | {"private bytes": after[0] - before[0], "mapped bytes": after[1] - before[1]}


def in_a_process(*arguments: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("runs/webqsp/latest/model"))
    parser.add_argument("--real", type=Path, default=REAL)
    parser.add_argument("--questions", type=Path, default=Path("../shared/questions/webqsp_dev.jsonl"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--folder", type=Path, default=Path("runs/synthetic"), help="where the catalogues are made")
    parser.add_argument("--keep", action="store_true", help="keep the catalogues")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, help="JSON file with the figures, for growth.py")
    parser.add_argument("--child", choices=["build", "names", "measure"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        [size] = given.sizes
        one = given.folder
        said = (
            build(one, given.real, size)
            if given.child == "build"
            else build_names(one)
            if given.child == "names"
            else measure(one, given.model, questions_of(given.questions), given.rounds)
        )
        print(json.dumps(said))
        return
    rows = []
    for size in given.sizes:
        folder = given.folder / f"names_{size}"
        common = ["--model", str(given.model), "--real", str(given.real), "--questions", str(given.questions)]
        common += ["--sizes", str(size), "--folder", str(folder), "--rounds", str(given.rounds), "--child"]
        row = {} if folder.exists() else in_a_process(*common, "build")
        row |= {} if (folder / "names.arrow").exists() else in_a_process(*common, "names")
        row |= in_a_process(*common, "measure")
        row["entities"] = size
        rows.append(row)
        print(json.dumps(row), flush=True)
        if not given.keep:
            shutil.rmtree(folder)
    if given.output:
        given.output.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
