"""Damaged and hostile model folders: ``python -m tests.soak.fuzz_folder [--minutes 10] [--seed 0]``.

Whatever happens to a file of a model folder, loading it and linking with it either works or says in one ElqError what is wrong:
no other exception, no crash of the process, no code that runs, no memory or time beyond bounds. Each case runs in a forked
process, so that a crash is seen.
"""

import argparse
import collections
import json
import os
import pickle
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import torch

from elq.encoding.pretrained import load_tokenizer
from elq.entities.build import BuildSettings, build_entities
from elq.entities.manifest import open_entities
from elq.errors import ElqError
from elq.linking.decision import Decision
from elq.linking.folder import all_files
from elq.linking.linker import Linker
from elq.model.network import ELQ
from elq.training.export import export_folder
from tests.conftest import RECORDS, write_encoder, write_lines

MEMORY = 8 << 30  # address space of a case; a healthy one needs about 3 GiB
SECONDS = 20
ODD = [None, -1, 0, 1, 2**31, 2**63, 1e308, float("nan"), "", "x", "../x", [], {}, True, [[]], "bert", 10**9, "\ud800"]


class Payload:
    """A pickle of it leaves a file behind when it is loaded with code execution."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.path), "w"))


def make_folder(folder: Path) -> Path:
    (folder / "encoder").mkdir()
    encoder = write_encoder(folder / "encoder")
    catalogue = write_lines(
        folder / "catalogue.jsonl", [*RECORDS, *({"id": f"E{n}", "title": f"city {n}"} for n in range(300))]
    )
    build_entities(catalogue, folder / "entities", BuildSettings(encoder=str(encoder), precision="fp32", index="hnsw"))
    decision = Decision(threshold=-9.0, candidates=4)
    entities = open_entities(folder / "entities")
    export_folder(folder / "model", ELQ.from_encoder(encoder), load_tokenizer(encoder), entities, folder / "entities", decision)
    return folder / "model"


def bytes_changed(data: bytes) -> bytes:
    way = random.choice(["cut", "flip", "flip", "flip", "insert", "repeat", "zero", "grow", "empty"])
    at, size = random.randrange(len(data) + 1), random.choice([1, 4, 8, 64, 1000])
    if way == "cut":
        return data[:at]
    if way == "flip":
        changed = bytearray(data)
        for _ in range(random.choice([1, 1, 4, 32])):
            # the first bytes hold the headers of every format
            place = random.randrange(min(len(data), 4096) if random.random() < 0.5 else len(data))
            changed[place] ^= 1 << random.randrange(8) if random.random() < 0.5 else random.randrange(1, 256)
        return bytes(changed)
    if way == "insert":
        return data[:at] + random.randbytes(size) + data[at:]
    if way == "repeat":
        return data[:at] + data[max(0, at - size) : at] + data[at:]
    if way == "zero":
        return data[:at] + bytes(min(size, len(data) - at)) + data[at + size :]
    return data + random.randbytes(size) if way == "grow" else b""


def json_changed(value: Any) -> Any:
    """One value somewhere inside is replaced, removed, or given a new neighbour."""
    if isinstance(value, dict) and value and random.random() < 0.9:
        key = random.choice(list(value))
        changed = dict(value)
        way = random.random()
        if way < 0.1:
            del changed[key]
        elif way < 0.2:
            changed[random.choice(["surprise", "auto_map", "_attn_implementation", "model_type"])] = random.choice(ODD)
        else:
            changed[key] = json_changed(value[key])
        return changed
    if isinstance(value, list) and value and random.random() < 0.8:
        at = random.randrange(len(value))
        return [*value[:at], json_changed(value[at]), *value[at + 1 :]]
    return random.choice(ODD)


def damage(folder: Path, trap: Path) -> str:
    """Do something to one file; return what."""
    here = [name for name in all_files() if (folder / name).is_file()]  # an index has the files of one kind only
    name = random.choice([*here, "entities/manifest.json", "config.json", "entities/index.faiss"])
    path = folder / name
    way = random.choice(["bytes", "bytes", "bytes", "json", "pickle", "gone", "link", "folder", "other"])
    if way == "json" and name.endswith(".json"):
        path.write_text(json.dumps(json_changed(json.loads(path.read_text()))))
    elif way == "pickle":
        torch.save({"x": Payload(trap)}, path) if random.random() < 0.5 else path.write_bytes(pickle.dumps(Payload(trap)))
    elif way == "gone":
        path.unlink()
    elif way == "link":
        shutil.copy(path, trap.with_name("elsewhere"))
        path.unlink()
        path.symlink_to(trap.with_name("elsewhere"))
    elif way == "folder":
        path.unlink()
        path.mkdir()
    elif way == "other":
        shutil.copy(folder / random.choice(here), trap.with_name("other"))
        trap.with_name("other").replace(path)
    else:
        way = "bytes"
        path.write_bytes(bytes_changed(path.read_bytes()))
    manifest = folder / "entities" / "manifest.json"
    if random.random() < 0.7 and manifest.is_file() and manifest != path:  # an attacker writes the sizes as they are
        values = json.loads(manifest.read_text())
        values["files"] = {n: (manifest.parent / n).stat().st_size for n in values["files"] if (manifest.parent / n).is_file()}
        manifest.write_text(json.dumps(values))
    return f"{way} {name}"


def attempt(folder: Path) -> str:
    """Load and link, in this process: what came of it."""
    try:
        linker = Linker.from_pretrained(folder)
        linker.link(["who directed titanic in paris texas?", "queen", ""])
    except ElqError as error:
        return "refused" if "\n" not in str(error) else f"more than a sentence: {error}"
    return "works"


def forked(folder: Path, report: Path) -> str:
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        try:
            outcome = attempt(folder)
        except BaseException:
            outcome = traceback.format_exc()
        report.write_text(outcome, errors="replace")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return report.read_text() if status == 0 else f"the process died: wait status {status}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    random.seed(options.seed)
    torch.set_num_threads(1)  # threads do not survive a fork
    outcomes: collections.Counter[str] = collections.Counter()
    findings: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        good = make_folder(place)
        assert attempt(good) == "works"
        end = time.monotonic() + 60 * options.minutes
        while time.monotonic() < end:
            folder, trap = place / "case", place / "trap"
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(good, folder)
            what = damage(folder, trap)
            (place / "report").unlink(missing_ok=True)
            outcome = forked(folder, place / "report")
            if trap.exists():
                outcome = "CODE RAN"
                trap.unlink()
            if outcome not in ("refused", "works"):
                last = outcome.strip().splitlines()[-1][:150]
                if last not in findings:
                    findings[last] = what
                    print(f"--- {what}: {outcome[-1500:]}", flush=True)
                    shutil.copytree(folder, Path(tempfile.gettempdir()) / "elq_fuzz" / str(len(findings)), dirs_exist_ok=True)
                outcome = "finding"
            outcomes[outcome] += 1
    print(f"{outcomes.total():,} folders in {options.minutes:g} minutes: {dict(outcomes)}; {len(findings)} different findings")
    for last, what in findings.items():
        print(f"  {what}: {last}")
    sys.exit(bool(findings))


if __name__ == "__main__":
    main()
