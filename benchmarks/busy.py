"""Measures the latency of one question beside busy loops, with and without sleeping threads; it is not part of the tests.

    python benchmarks/busy.py --model runs/starter/latest/model

Each turn starts a process for every setting, one after the other, so that slow changes of the machine reach all alike.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from elq.threads import SLEEPING

TEXT = "how deep does the titanic lie on the sea floor"
SETTINGS: dict[str, dict[str, str]] = {"default": {}, "sleeping": SLEEPING, "one thread": {"OMP_NUM_THREADS": "1"}}
LOOP = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n for _ in range(10**6): pass"


def measure(model: str, questions: int) -> None:
    """Print the median latency of one question, and of 64 at once, in milliseconds."""
    from elq import Linker

    linker = Linker.from_pretrained(model)
    for text, turns in ((TEXT, questions), ([TEXT] * 64, max(3, questions // 10))):
        linker.link(text)
        times = []
        for _ in range(turns):
            began = time.perf_counter()
            linker.link(text)
            times.append(1000 * (time.perf_counter() - began))
        print(statistics.median(times))


@contextmanager
def busy(loops: int) -> Iterator[None]:
    running = [subprocess.Popen([sys.executable, "-c", LOOP]) for _ in range(loops)]
    try:
        yield
    finally:
        for one in running:
            one.kill()
            one.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="the latency of one question beside busy loops")
    parser.add_argument("--model", default="runs/starter/latest/model")
    parser.add_argument("--questions", type=int, default=50)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--loops", type=int, nargs="*", default=[0, 2, 4])
    parser.add_argument("--spin", nargs="*", default=[], metavar="N", help="measure these values of GOMP_SPINCOUNT too")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        measure(given.model, given.questions)
        return
    settings = SETTINGS | {f"spin {count}": {"GOMP_SPINCOUNT": count} for count in given.spin}
    clean = {name: value for name, value in os.environ.items() if name not in {*SLEEPING, "OMP_NUM_THREADS"}}
    command = [sys.executable, __file__, "--child", "--model", given.model, "--questions", str(given.questions)]
    for loops in given.loops:
        medians: dict[str, list[list[float]]] = {name: [] for name in settings}
        for _ in range(given.turns):
            for name, variables in settings.items():
                with busy(loops):
                    done = subprocess.run(command, env={**clean, **variables}, capture_output=True, text=True, check=True)
                medians[name].append([float(line) for line in done.stdout.split()])
        for name, found in medians.items():
            one, many = (statistics.median(side) for side in zip(*found, strict=True))
            print(f"{loops} busy loops, {name:10}: one question {one:7.1f} ms, 64 questions {many:7.1f} ms", flush=True)


if __name__ == "__main__":
    main()
