"""Compares `predict.py --input` over many questions with one call of the linker that has all of them in memory.

    python benchmarks/many_questions.py --model MODEL --questions FILE --count 100000 --folder FOLDER

The questions of the file are repeated with numbers behind them, so that no two are the same. Both ways use the same model, each
in a process of its own, and take turns. Times are processor times as well as seconds on the clock, without the start.
Memory is read from the process that reads the file, after each tenth of the answers.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from release_import import memory_of

TICK = os.sysconf("SC_CLK_TCK")
ROOT = Path(__file__).resolve().parents[1]


def write_questions(file: Path, given: Path, count: int) -> None:
    texts = [json.loads(line)["text"] for line in given.read_text(encoding="utf-8").splitlines()]
    with file.open("w", encoding="utf-8") as stream:
        for number in range(count):
            text = texts[number % len(texts)] + (f" {number // len(texts)}" if number >= len(texts) else "")
            stream.write(json.dumps({"id": str(number), "text": text}) + "\n")


def seconds_of(process: int) -> float:
    """The processor time of a running process."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def in_memory(model: str, file: Path) -> dict[str, Any]:
    """Seconds of one call with all texts, in this process."""
    from elq.linking.linker import Linker

    texts = [json.loads(line)["text"] for line in file.read_text(encoding="utf-8").splitlines()]
    linker = Linker.from_pretrained(model)
    linker.link(texts[:64])
    wall, processor = time.perf_counter(), time.process_time()
    found = linker.link(texts)
    taken = {"seconds": time.perf_counter() - wall, "processor": time.process_time() - processor}
    return taken | {"links": sum(map(len, found)), "memory": [memory_of(os.getpid())[0]]}


def from_file(model: str, file: Path, count: int) -> dict[str, Any]:
    """Seconds from the first answer to the last one of `predict.py --input`, and its private memory on the way."""
    answers = file.with_suffix(".links.jsonl")
    command = [sys.executable, str(ROOT / "predict.py"), "--model", model, "--input", str(file), "--format", "jsonl"]
    with answers.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.DEVNULL)
        began = processor = -1.0
        first, seen, memory, used = 0, 0, list[int](), 0.0
        with answers.open("rb") as reader:
            while True:
                over = process.poll() is not None
                if not over:
                    used = seconds_of(process.pid)
                seen += reader.read().count(b"\n")
                if seen and began < 0:
                    began, processor, first = time.perf_counter(), used, seen
                if not over and seen >= (len(memory) + 1) * count / 10:
                    memory.append(memory_of(process.pid)[0])
                if over:
                    break
                time.sleep(0.02)
        ended = time.perf_counter()
    if (process.returncode, seen) != (0, count):
        raise SystemExit(f"predict.py ended with {process.returncode} after {seen} of {count} answers")
    links = sum(len(json.loads(line)["links"]) for line in answers.open(encoding="utf-8"))
    share = count / (count - first)
    return {"seconds": share * (ended - began), "processor": share * (used - processor), "links": links, "memory": memory}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--questions", type=Path, default=Path("../shared/questions/webqsp_dev.jsonl"))
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    file = given.folder / f"questions_{given.count}.jsonl"
    if given.child:
        print(json.dumps(in_memory(given.model, file)))
        return
    given.folder.mkdir(parents=True, exist_ok=True)
    write_questions(file, given.questions, given.count)
    ratios: dict[str, list[float]] = {"seconds": [], "processor": []}
    for _ in range(given.rounds):
        command = [sys.executable, __file__, "--model", given.model, "--count", str(given.count), "--folder", str(given.folder)]
        done = subprocess.run([*command, "--child"], capture_output=True, text=True, check=True)
        memory, stream = json.loads(done.stdout.splitlines()[-1]), from_file(given.model, file, given.count)
        for way, one in (("in memory", memory), ("--input", stream)):
            private = ", ".join(f"{size / 1e6:,.0f}" for size in one["memory"])
            print(
                f"{way}: {given.count / one['seconds']:.1f} questions a second, {given.count / one['processor']:.1f} a second"
                f" of the processor, {one['links']:,} links, private MB {private}",
                flush=True,
            )
        for name, values in ratios.items():
            values.append(stream[name] / memory[name])
    print(", ".join(f"--input takes {statistics.median(values):.3f} of the {name}" for name, values in ratios.items()))


if __name__ == "__main__":
    main()
