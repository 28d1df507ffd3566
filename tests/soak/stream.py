"""A long stream through ``elq predict``: ``python -m tests.soak.stream [--lines 1000000]``.

Memory must not grow with the number of lines, links come in order, and a run that is killed half-way ends with the same bytes.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.conftest import RECORDS, tiny_values, write_encoder, write_lines, write_questions

WORDS = ("who directed titanic", "where is paris", "what river is in texas", "who sang the queen song", "no mention here")


def make_model(folder: Path) -> Path:
    """A tiny trained model folder."""
    from elq.commands.train import fit

    (folder / "encoder").mkdir()
    parts = write_encoder(folder / "encoder"), folder / "catalogue.jsonl", folder / "questions.jsonl"
    write_lines(parts[1], RECORDS), write_questions(parts[2])
    fit(tiny_values(*parts, folder / "entities"), folder / "run")
    return folder / "run" / "model"


def command(model: Path, lines: Path, output: Path) -> list[str]:
    options = ["--model", str(model), "--input", str(lines), "--output", str(output), "--threshold", "-1"]
    return [sys.executable, "-m", "elq", "predict", *options]


def peak(arguments: list[str]) -> tuple[float, float]:
    """(peak resident memory in MB, seconds) of a command."""
    began = time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(arguments, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        said.seek(0)
        assert status == 0, said.read().decode()
    return usage.ru_maxrss / 1024, time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    count = parser.parse_args().lines
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = make_model(folder)
        memory = {}
        for number in (count // 100, count):
            lines = folder / f"{number}.txt"
            with lines.open("w") as stream:
                stream.writelines(f"{WORDS[n % len(WORDS)]} {n}?\n" for n in range(number))
            memory[number], seconds = peak(command(model, lines, folder / f"{number}.jsonl"))
            print(f"{number:,} lines: {memory[number]:.0f} MB at the peak, {number / seconds:.0f} lines a second", flush=True)
        with (folder / f"{count}.jsonl").open() as stream:
            for number, line in enumerate(stream):
                assert json.loads(line)["text"] == f"{WORDS[number % len(WORDS)]} {number}?"
        assert number == count - 1
        assert memory[count] < 1.1 * memory[count // 100]
        again = folder / "again.jsonl"
        process = subprocess.Popen(command(model, folder / f"{count}.txt", again))
        partial = folder / ".again.jsonl.partial"
        while not partial.is_file() or partial.stat().st_size < (folder / f"{count}.jsonl").stat().st_size // 2:
            time.sleep(0.1)
        process.kill()
        process.wait()
        began = time.monotonic()
        subprocess.run(command(model, folder / f"{count}.txt", again), check=True, capture_output=True)
        digests = {hashlib.file_digest(path.open("rb"), "sha256").hexdigest() for path in (again, folder / f"{count}.jsonl")}
        print(f"killed half-way and started again: done in {time.monotonic() - began:.0f} s, same bytes: {len(digests) == 1}")
        assert len(digests) == 1


if __name__ == "__main__":
    main()
