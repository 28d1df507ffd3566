"""kill -9 at random moments in a build and in a fit: ``python -m tests.soak.kills [--times 20] [--seed 0]``.

A killed build may lose one part, a killed fit one epoch; both end with the files of the unbroken run.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from elq.entities.manifest import TABLE
from tests.conftest import RECORDS, tiny_values, write_encoder, write_lines, write_questions

BUILD = """
import sys, elq.entities.assembly as a, elq.entities.build as b
a.PART, claimed = 256, a.claimed_parts
def told(*arguments):
    for part in claimed(*arguments):
        print("part", part[0], flush=True)
        yield part
a.claimed_parts = told
b.build_entities(sys.argv[2], sys.argv[3], b.BuildSettings(encoder=sys.argv[1], precision="fp32", dtype="float32"))
"""


def killed_at_random(command: list[str], longest: float) -> tuple[bool, list[str]]:
    """Start a command and kill it at a random moment: (whether it was killed in time, the lines it printed)."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            process.wait(random.uniform(0, longest))
        except subprocess.TimeoutExpired:
            process.kill()
        code = process.wait()
        output.seek(0)
        lines = output.read().splitlines()
    assert code in (0, -9), "\n".join(lines)
    return code == -9, lines


def trial(
    command: Callable[[Path], list[str]], folder: Path, times: int, check: Callable[[Path, list[str]], None]
) -> list[Path]:
    """Kill a job ``times`` times, starting it again each time, and anew in another folder when it got through."""
    began = time.monotonic()
    subprocess.run(command(folder / "unbroken"), check=True, capture_output=True)
    longest = time.monotonic() - began
    kills, outputs = 0, [folder / "0"]
    while kills < times:
        killed, lines = killed_at_random(command(outputs[-1]), longest)
        kills += killed
        check(outputs[-1], lines)
        if not killed:
            outputs.append(folder / str(len(outputs)))
    subprocess.run(command(outputs[-1]), check=True, capture_output=True)
    return outputs


def build_trial(folder: Path, times: int) -> None:
    encoder = write_encoder(folder / "encoder")
    records = [{"id": f"E{n}", "title": f"{['river', 'city', 'film'][n % 3]} {n}"} for n in range(20_000)]
    source = write_lines(folder / "catalogue.jsonl", records)
    lost: list[int] = []

    def check(output: Path, lines: list[str]) -> None:
        parts = [line.split()[1] for line in lines if line.startswith("part")]
        markers = output.with_name(f".{output.name}.building") / "parts"
        lost.append(sum(not (markers / part).is_file() for part in parts) if markers.is_dir() else 0)

    outputs = trial(lambda output: [sys.executable, "-c", BUILD, str(encoder), str(source), str(output)], folder, times, check)
    unbroken = np.load(folder / "unbroken" / TABLE)
    difference = max(float(np.abs(np.load(output / TABLE) - unbroken).max()) for output in outputs)
    print(
        f"build: {times} kills, {len(outputs)} builds, most parts lost at a kill {max(lost)}, largest difference {difference}"
    )
    assert max(lost) <= 1
    assert difference == 0


def fit_trial(folder: Path, times: int) -> None:
    parts = write_encoder(folder / "encoder"), folder / "catalogue.jsonl", folder / "questions.jsonl"
    write_lines(parts[1], RECORDS), write_questions(parts[2])
    values = tiny_values(*parts, folder / "entities")
    values["data"]["train"][1]["sources"][0]["repeat"] = 80
    (folder / "config.json").write_text(json.dumps(values))
    lost: list[int] = []

    def command(output: Path) -> list[str]:
        options = ["--config", str(folder / "config.json"), "--trainer.default_root_dir", str(output), "--ckpt_path", "last"]
        return [sys.executable, "-m", "elq", "fit", *options]

    def check(output: Path, lines: list[str]) -> None:
        seen = [int(line.split()[1].rstrip(":")) for line in lines if line.startswith("epoch ")]
        checkpoint = output / "checkpoints" / "last.ckpt"
        saved = torch.load(checkpoint, weights_only=True)["epoch"] if checkpoint.is_file() else -1
        lost.append(max(seen, default=-1) - saved)

    outputs = trial(command, folder, times, check)
    unbroken, *ends = (
        torch.load(output / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for output in (folder / "unbroken", *outputs)
    )
    difference = max(float((unbroken[key] - end[key]).abs().max()) for end in ends for key in unbroken)
    print(f"fit: {times} kills, {len(outputs)} fits, most finished epochs lost {max(lost)}, largest difference {difference}")
    assert max(lost) <= 1
    assert difference == 0
    metrics = {(output / "metrics.json").read_text() for output in (folder / "unbroken", *outputs)}
    assert len(metrics) == 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    random.seed(options.seed)
    for number, run in enumerate((build_trial, fit_trial)):
        with tempfile.TemporaryDirectory() as name:
            (Path(name) / "encoder").mkdir()
            began = time.monotonic()
            run(Path(name), options.times)
            print(f"{('build', 'fit')[number]} trial: {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
