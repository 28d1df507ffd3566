"""Measures the processor time of a training step, with padding and without, and of its parts.

    OMP_NUM_THREADS=1 python benchmarks/step_time.py runs/webqsp/latest/config.yaml ../shared/questions/webqsp_train.jsonl

The settings are those of a run, the questions those of one file. The time is that of the process and not of the clock, so that
it depends less on other work on the machine. Batches are the same both times.
"""

import argparse
import itertools
import logging
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import yaml

from elq.encoding.transformer import Encoder
from elq.training.parser import ELQCLI
from elq.training.processes import Processes

SKIPPED = 2  # steps that are not measured, in which memory is taken


@contextmanager
def timed(times: Counter[str], name: str) -> Iterator[None]:
    """Adds the time of a block, in seconds."""
    start = time.process_time()
    yield
    times[name] += time.process_time() - start


def module_of(config: str, questions: str, folder: str) -> tuple[Any, Any]:
    """The module and the data module of a run's settings, prepared for a step; the only questions are those of the file."""
    values = yaml.safe_load(Path(config).read_text(encoding="utf-8"))
    data = {key: values["data"][key] for key in ("catalogue", "entities", "dev", "batch_size")}
    data["train"] = [{"epochs": 1, "sources": [{"file": questions, "partial": True}]}]
    trainer = {"accelerator": "cpu", "devices": 1, "max_epochs": 1, "precision": "bf16-mixed", "default_root_dir": folder}
    made = ELQCLI({"seed_everything": 0, "model": values["model"], "data": data, "trainer": trainer}, run=False)
    module, given = made.model, made.datamodule
    given.prepare_data()
    given.setup("fit")
    module._trainer, made.trainer.datamodule = made.trainer, given
    module.setup("fit")
    module.entity_loss.prepare(given.entities, torch.device("cpu"), Processes(), half=True)
    module.log_dict = lambda *_, **__: None
    return module.train(), given


def measure(module: Any, data: Any, steps: int) -> Counter[str]:
    """Seconds of processor time of each part of a step, the mean of some steps."""
    times = Counter[str]()
    nearest: Callable[..., Any] = type(module.entity_loss).nearest

    def counted(*args: Any) -> Any:
        with timed(times, "– of it, search for hard negatives"):
            return nearest(module.entity_loss, *args)

    module.entity_loss.nearest = counted
    optimizer = torch.optim.AdamW(
        [weight for weight in module.trained.parameters() if weight.requires_grad], lr=0.0, fused=True
    )
    batches = iter(data.train_dataloader())
    for step in itertools.count():
        if step == SKIPPED:
            times.clear()
        if step == SKIPPED + steps:
            return Counter({name: total / steps for name, total in times.items()})
        with timed(times, "the whole step"):
            with timed(times, "the batch"):
                batch = next(batches)
            with timed(times, "forward"), torch.autocast("cpu", dtype=torch.bfloat16):
                loss = module.training_step(batch, 0)
            with timed(times, "backward"):
                loss.backward()
            with timed(times, "optimiser"):
                optimizer.step()
                optimizer.zero_grad()
    raise AssertionError  # the loop has no end


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="config.yaml of a run folder")
    parser.add_argument("questions", help="file of annotated questions")
    parser.add_argument("--steps", type=int, default=12)
    options = parser.parse_args()
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        module, data = module_of(options.config, options.questions, folder)
        found = {"without padding": measure(module, data, options.steps)}
        Encoder._saves_padding = lambda *_: False  # type: ignore[method-assign]
        found["with padding"] = measure(module, data, options.steps)
    print("| seconds of processor time |", " | ".join(found), "|")
    print("|---|---|---|")
    for name in found["with padding"]:
        print(f"| {name} |", " | ".join(f"{times[name]:.3f}" for times in found.values()), "|")


if __name__ == "__main__":
    main()
