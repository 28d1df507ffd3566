"""Measures every preset on the made data with pictures: trains it on the entities of train, and links those of test.

The data are those of benchmarks/multimodal/make.py. Every preset is trained once and kept with its figures, so a run that was
stopped goes on. See RESULTS.md.

    python -m benchmarks.multimodal.measure runs/multimodal --output runs/multimodal_measured
"""

import argparse
import json
import logging
import random
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from elq.commands.train import fit
from elq.evaluation.intervals import Ratio, interval, resampled
from elq.files import write_json
from elq.multimodal.combining import PictureLinking
from elq.multimodal.disambiguator import PICTURES, MultimodalDisambiguator
from elq.multimodal.feature_maker import EntityFeatures
from elq.multimodal.network import MultimodalNetwork
from elq.multimodal.presets import PRESETS
from elq.multimodal.text_features import TextTower
from elq.multimodal.training.data import MultimodalData
from elq.multimodal.training.module import Measured
from elq.multimodal.training.settings import MultimodalTraining
from elq.questions.annotated import read_questions

log = logging.getLogger(__name__)

KINDS = ("flags", "logos", "collages", "posts")
HITS = (1, 3, 5, 10)
IMAGE_ALONE = "image alone"  # trained with the unit `picture` only
TIMED = 48  # posts that are linked to take the time


def sampled(data: Path, output: Path, count: int, seed: int) -> Path:
    """A folder with a part of the data, for a shorter run: entities with pictures that are asked for, and some others.

    Of each kind, ``count`` questions of train, a quarter of that of dev, and as many of test as there are, at most ``count``.
    """
    made, draws = output / "sample", random.Random(seed)
    if (made / "catalogue.jsonl").is_file():
        return made
    made.mkdir(parents=True, exist_ok=True)
    wanted = set()
    for part, most in (("train", count), ("dev", count // 4), ("test", count)):
        for kind in KINDS:
            questions = [json.loads(one) for one in (data / f"{part}_{kind}.jsonl").open()]
            plain = [one for one in questions if "varied" not in str(one.get("rendering"))]
            chosen = draws.sample(plain, min(most, len(plain)))
            for one in chosen:
                one["image"] = str((data / one["image"]).resolve())
                wanted |= {one.get("entity"), *(mention["entity"] for mention in one["mentions"])}
            write_lines(made / f"{part}_{kind}.jsonl", chosen)
    records = [json.loads(one) for one in (data / "catalogue.jsonl").open()]
    names = {name.lower() for one in records if one["id"] in wanted for name in (one["label"], *one["aliases"])}
    same = [one for one in records if one["id"] in wanted or names & {one["label"].lower(), *map(str.lower, one["aliases"])}]
    others = [one for one in records if one not in same]
    kept = [*same, *draws.sample(others, min(len(others), 300))]
    write_lines(
        made / "catalogue.jsonl", [{**one, "images": [str((data / path).resolve()) for path in one["images"]]} for one in kept]
    )
    return made


def write_lines(path: Path, records: list[dict[str, Any]]) -> None:
    """Write a file of JSON lines."""
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records))


def training_values(data: Path, cache: Path, given: argparse.Namespace, model: dict[str, Any]) -> dict[str, Any]:
    """Plain values of a training."""
    files = {part: [str(data / f"{part}_{kind}.jsonl") for kind in KINDS] for part in ("train", "dev")}
    return {
        "task": "multimodal",
        "seed_everything": given.seed,
        "trainer": {
            "accelerator": "cpu",
            "devices": 1,
            "max_epochs": given.epochs,
            "gradient_clip_val": 1.0,
            "enable_model_summary": False,
        },
        "model": {"lr": given.lr, **model},
        "data": {
            "catalogue": str(data / "catalogue.jsonl"),
            "entities": str(cache / "entities"),
            "cache": str(cache / "features"),
            "most": given.most,
            "dev_most": 400,
            "negatives": {"hard": 16, "in_batch": 7},
            **files,
        },
    }


def choice(name: str) -> dict[str, Any]:
    """The settings of the model of one line of the table."""
    if name == IMAGE_ALONE:
        return {"units": ["picture"]}
    if name.endswith(" without filter"):
        return {"preset": name.removesuffix(" without filter"), "noise": False}
    return {"preset": name}


def trained(name: str, given: argparse.Namespace) -> tuple[Path, float]:
    """The model folder of a line of the table, and how many seconds its training took."""
    run = given.output / name.replace(" ", "_")
    if not (run / "model").is_dir():
        run.mkdir(parents=True, exist_ok=True)
        began = time.perf_counter()
        last = run / "checkpoints" / "last.ckpt"
        values = training_values(given.data, given.output, given, choice(name))
        values["data"]["prompt"] = "drawn" if name == "fbmel" else "crop"
        fit(values | ({"ckpt_path": str(last)} if last.is_file() else {}), run)
        write_json(run / "seconds.json", time.perf_counter() - began)
    return run / "model", json.loads((run / "seconds.json").read_text())


class Bench:
    """The test mentions, whose features are computed once.

    Args:
        given: the arguments.
        prompt: what shows a box.
    """

    def __init__(self, given: argparse.Namespace, prompt: str) -> None:
        values = training_values(given.data, given.output, given, {})["data"]
        chosen = {key: values[key] for key in ("catalogue", "entities", "cache", "train", "dev")}
        settings = MultimodalTraining(units=["text", "picture", "tglu", "cmfu", "dzmned"])  # together they read everything
        self.data = MultimodalData(**chosen, settings=settings, prompt=prompt, seed=given.seed)
        self.data.open()
        self.tests = {
            kind: self.data.maker.mentions(self.data.read([str(given.data / f"test_{kind}.jsonl")]), f"test {kind}")
            for kind in KINDS
        }
        self.questions = {kind: [json.loads(line) for line in (given.data / f"test_{kind}.jsonl").open()] for kind in KINDS}

    def measured(self, kind: str, network: MultimodalNetwork, linking: PictureLinking) -> Measured:
        """What texts and a network say about the test mentions of a kind."""
        material = self.tests[kind]
        entities = EntityFeatures(TextTower(self.data.base), self.data.pictures, network.needs | {"words"})
        entities._words = self.data.entities._words
        nearest = linking.nearest if "dxr" in network.config.units else replace(linking.nearest, joint=0)
        return Measured(network, self.data, material, range(len(material.rows)), nearest, entities)


def without_unit(network: MultimodalNetwork, name: str) -> MultimodalNetwork:
    """A trained network in which one unit is switched off."""
    units = {unit: values for unit, values in network.config.units.items() if unit != name}
    other = MultimodalNetwork(replace(network.config, units=units))
    state = {key: value for key, value in network.state_dict().items() if not key.startswith(f"units.{name}.")}
    if "log_weights" in state:
        keep = [place for place, unit in enumerate(network.config.units) if unit != name]
        state["log_weights"] = state["log_weights"][keep]
        if len(units) == 1:
            del state["log_weights"]
    other.load_state_dict(state)
    return other.eval()


def labels_of(question: dict[str, Any]) -> list[str]:
    """The groups of a question: its rendering, and for posts whether the picture is right, and what decides."""
    found = [str(question["rendering"]).removesuffix(", varied")] if "rendering" in question else []
    if "wrong" in question:
        found += ["wrong picture" if question["wrong"] else "right picture", f"{question['decides']} decides"]
    return found


def figures(ranks: torch.Tensor) -> dict[str, float]:
    """Hits@k, MRR of ranks counted from 0, −1 for none."""
    there = ranks >= 0
    found = {f"hits@{k}": float((there & (ranks < k)).float().mean()) for k in HITS}
    return {**found, "mrr": float(torch.where(there, 1 / (ranks + 1).clamp_min(1), 0.0).mean()), "mentions": float(len(ranks))}


def difference(one: torch.Tensor, other: torch.Tensor) -> list[float]:
    """How much higher Hits@1 is with the first ranks than with the others, and its 95% interval (paired bootstrap)."""
    sides = {name: (ranks == 0).double().numpy() for name, ranks in (("one", one), ("other", other))}
    drawn = resampled({name: Ratio(hits, np.ones_like(hits)) for name, hits in sides.items()})
    return [round(value, 4) for value in interval(drawn["one"] - drawn["other"])]


def milliseconds(model: Path, given: argparse.Namespace) -> float:
    """The time of a link of a post, with its picture read from the disk and encoded."""
    linker = MultimodalDisambiguator.from_pretrained(model)
    questions = [one for one in read_questions(given.data / "test_posts.jsonl") if one.mentions][:TIMED]
    spans = [[(one.mentions[0].start, one.mentions[0].end)] for one in questions]

    def link() -> None:
        linker.link([one.text for one in questions], spans, image=[one.image for one in questions])

    link()
    began = time.perf_counter()
    link()
    return 1000 * (time.perf_counter() - began) / len(questions)


def line(name: str, bench: Bench, given: argparse.Namespace) -> dict[str, Any]:
    """The figures of one line of the table."""
    file = given.output / f"{name.replace(' ', '_')}.json"
    if file.is_file():
        return dict(json.loads(file.read_text()))
    model, seconds = trained(name, given)
    network, linking = MultimodalNetwork.from_pretrained(model / PICTURES), PictureLinking.load(model / PICTURES)
    weights = torch.tensor([linking.named, linking.boxed])
    made: dict[str, Any] = {"seconds": seconds, "linking": asdict(linking)}
    made["parameters"] = sum(value.numel() for value in network.parameters())
    made["metrics"] = json.loads((model / "metrics.json").read_text())
    for kind in KINDS:
        measured = bench.measured(kind, network, linking)
        both, text, alone = (measured.ranks(each) for each in (measured.total(weights), measured.text, measured.scores))
        found: dict[str, Any] = {"both": figures(both), "text": figures(text), "network": figures(alone)}
        found["candidate"] = float((measured.targets >= 0).float().mean())
        found["against_text"] = difference(both, text)
        labels = [labels_of(one) for one in bench.questions[kind]]
        found["groups"] = {}
        for label in sorted({label for each in labels for label in each}):
            own = [number for number, each in enumerate(labels) if label in each]
            found["groups"][label] = {"both": figures(both[own]), "text": figures(text[own]), "network": figures(alone[own])}
        found["switched_off"] = {}
        for unit in network.config.units if len(network.config.units) > 1 else ():
            fewer = bench.measured(kind, without_unit(network, unit), linking)
            ranks = fewer.ranks(fewer.total(weights))
            found["switched_off"][unit] = [*difference(both, ranks)]
        made[kind] = found | {"ranks": both.tolist(), "network_ranks": alone.tolist()}
        log.info(
            "%s, %s: both %.3f, text %.3f, network %.3f", name, kind, *(found[w]["hits@1"] for w in ("both", "text", "network"))
        )
    made["ms"] = milliseconds(model, given)
    write_json(file, made)
    return made


def table(lines: dict[str, dict[str, Any]]) -> str:
    """The table, in Markdown."""
    head = "| line | " + " | ".join(f"{kind} H@1 / H@5 / MRR" for kind in KINDS) + " | parameters | ms a link | training, s |"
    rows = [head, "|---" * (len(KINDS) + 4) + "|"]

    def cells(name: str, way: str, one: dict[str, Any], parameters: str, ms: str, seconds: str) -> str:
        found = [one[kind][way] for kind in KINDS]
        shown = [f"{f['hits@1']:.3f} / {f['hits@5']:.3f} / {f['mrr']:.3f}" for f in found]
        return f"| {name} | {' | '.join(shown)} | {parameters} | {ms} | {seconds} |"

    first = next(iter(lines.values()))
    rows.append(cells("text alone (vectors, names, fame)", "text", first, "0", "", ""))
    for name, one in lines.items():
        way = "network" if name == IMAGE_ALONE else "both"
        rows.append(cells(name, way, one, f"{one['parameters']:,}", f"{one['ms']:.0f}", f"{one['seconds']:.0f}"))
    return "\n".join(rows)


def comparisons(lines: dict[str, dict[str, Any]]) -> str:
    """Text and picture against each alone, units switched off, renderings, and the noise filter, in Markdown."""
    made, image = [], lines.get(IMAGE_ALONE)
    for name, one in lines.items():
        parts = []
        for kind in KINDS:
            ranks = torch.tensor(one[kind]["ranks"])
            text = one[kind]["against_text"]
            alone = difference(ranks, torch.tensor(image[kind]["network_ranks"])) if image else []
            parts.append(f"{kind}: text {text}, image {alone}, off {one[kind]['switched_off']}")
        made.append(f"- {name}: " + "; ".join(parts))
    return "\n".join(made)


def main() -> None:
    """Train and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path, help="the folder of the made data")
    parser.add_argument("--output", type=Path, default=Path("runs/multimodal_measured"))
    parser.add_argument("--lines", nargs="+", default=[IMAGE_ALONE, *PRESETS, "hq without filter"])
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--most", type=int, default=2_500, help="mentions of an epoch")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sample", type=int, help="take only so many questions of each kind, and a smaller catalogue")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    random.seed(given.seed)
    torch.set_num_threads(2)
    given.output.mkdir(parents=True, exist_ok=True)
    if given.sample:
        given.data = sampled(given.data, given.output, given.sample, given.seed)
    lines: dict[str, dict[str, Any]] = {}
    benches: dict[str, Bench] = {}
    for name in given.lines:
        trained(name, given)
        prompt = "drawn" if name == "fbmel" else "crop"
        benches.setdefault(prompt, Bench(given, prompt))
        lines[name] = line(name, benches[prompt], given)
        print(table(lines), flush=True)
    print(comparisons(lines))


if __name__ == "__main__":
    main()
