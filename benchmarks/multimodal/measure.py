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
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.multimodal.tables import IMAGE_ALONE, KINDS, comparisons, figures, groups, table
from elq.commands.train import fit
from elq.disambiguation.disambiguator import Disambiguator
from elq.disambiguation.examples import MentionExample
from elq.files import write_json
from elq.multimodal.candidates import Nearest
from elq.multimodal.combining import PictureLinking
from elq.multimodal.disambiguator import PICTURES, MultimodalDisambiguator
from elq.multimodal.feature_maker import EntityFeatures
from elq.multimodal.network import MultimodalNetwork
from elq.multimodal.presets import PRESETS
from elq.multimodal.ranking_trees import RankingTrees
from elq.multimodal.text_features import TextTower
from elq.multimodal.training.data import MultimodalData
from elq.multimodal.training.module import Measured
from elq.multimodal.training.settings import MultimodalTraining
from elq.multimodal.trees import FILE as TREES
from elq.multimodal.trees import Trees
from elq.questions.annotated import read_questions
from elq.vision.opening import DEFAULT

log = logging.getLogger(__name__)

TIMED = 48  # posts that are linked to take the time


def sampled(data: Path, output: Path, count: int, dev: int | None, test: int, seed: int) -> Path:
    """A folder with a part of the questions, for a shorter run, and the whole catalogue.

    Of each kind, at most ``count`` questions of train, ``dev`` of dev (by default a quarter of ``count``), and ``test`` of test.
    The questions of train and test do not depend on ``dev``.
    """
    made, draws = output / "sample", random.Random(seed)
    if (made / "catalogue.jsonl").is_file():
        return made
    made.mkdir(parents=True, exist_ok=True)
    for part, most in (("train", count), ("dev", count // 4), ("test", test)):
        for kind in KINDS:
            questions = [json.loads(one) for one in (data / f"{part}_{kind}.jsonl").open()]
            plain = [one for one in questions if "varied" not in str(one.get("rendering"))]
            chosen = draws.sample(plain, min(most, len(plain)))
            if part == "dev" and dev is not None:
                chosen = random.Random(seed).sample(plain, min(dev, len(plain)))
            for one in chosen:
                one["image"] = str((data / one["image"]).absolute())
            write_lines(made / f"{part}_{kind}.jsonl", chosen)
    records = [json.loads(one) for one in (data / "catalogue.jsonl").open()]
    own = [{**one, "images": [str((data / path).absolute()) for path in one["images"]]} for one in records]
    write_lines(made / "catalogue.jsonl", own)
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
        "model": {"lr": given.lr, "tower": given.tower, **model},
        "data": {
            "catalogue": str(data / "catalogue.jsonl"),
            "entities": str(cache / "entities"),
            "cache": str(cache / "features"),
            "most": given.most,
            "dev_most": max(400, 4 * (given.dev or 0)),
            "parts": given.parts,
            "negatives": {"hard": 16, "in_batch": 7},
            **files,
        },
    }


def choice(name: str) -> dict[str, Any]:
    """The settings of the model of one line of the table."""
    if name == IMAGE_ALONE:
        return {"units": ["picture"]}
    for ending, noise in ((" without filter", False), (" with filter", True)):
        if name.endswith(ending):
            return {"preset": name.removesuffix(ending), "noise": noise}
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
        self.data = MultimodalData(**chosen, settings=settings, tower=given.tower, prompt=prompt, seed=given.seed)
        self.data.open()
        self.tests = {
            kind: self.data.maker.mentions(self.data.read([str(given.data / f"test_{kind}.jsonl")]), f"test {kind}")
            for kind in KINDS
        }
        self.known: dict[tuple[str, Nearest], tuple[Tensor, Tensor]] = {}
        self.questions = {kind: [json.loads(line) for line in (given.data / f"test_{kind}.jsonl").open()] for kind in KINDS}

    def measured(self, kind: str, network: MultimodalNetwork, linking: PictureLinking, trees: Trees | None = None) -> Measured:
        """What texts and a network say about the test mentions of a kind."""
        material = self.tests[kind]
        entities = EntityFeatures(TextTower(self.data.base), self.data.pictures, network.needs | {"words"})
        entities._words = self.data.entities._words
        nearest = linking.nearest if "dxr" in network.config.units else replace(linking.nearest, joint=0)
        found = None if nearest.joint else self.known.get((kind, nearest))
        ranking = None if trees is None else RankingTrees(self.data.base, trees)
        numbers = range(len(material.rows))
        made = Measured(network, self.data, material, numbers, nearest, entities, trees=ranking, found=found)
        if not nearest.joint:  # these candidates do not depend on the network
            self.known[kind, nearest] = made.rows, made.text
        return made


def remember_vectors() -> None:
    """Compute the vector of each mention once: the encoder of texts is the same in all lines of the table, and frozen."""
    compute, known = Disambiguator.vectors, dict[tuple[str, int, int], Tensor]()

    def vectors(base: Disambiguator, examples: Sequence[MentionExample]) -> Tensor:
        keys = [(one.text, one.start, one.end) for one in examples]
        lacking = {key: one for key, one in zip(keys, examples, strict=True) if key not in known}
        if lacking:
            known.update(zip(lacking, compute(base, [*lacking.values()]), strict=True))
        return torch.stack([known[key] for key in keys]) if keys else compute(base, examples)

    Disambiguator.vectors = vectors  # type: ignore[method-assign]


def without_filter(network: MultimodalNetwork) -> MultimodalNetwork:
    """A trained network whose filter of pictures is switched off."""
    other = MultimodalNetwork(replace(network.config, noise=None))
    other.load_state_dict({key: value for key, value in network.state_dict().items() if not key.startswith("noise.")})
    return other.eval()


def without_unit(network: MultimodalNetwork, name: str) -> MultimodalNetwork:
    """A trained network in which one unit is switched off."""
    units = {unit: values for unit, values in network.config.units.items() if unit != name}
    other = MultimodalNetwork(replace(network.config, units=units))
    state = {key: value for key, value in network.state_dict().items() if not key.startswith(f"units.{name}.")}
    if "log_weights" in state:
        keep = [place for place, unit in enumerate(network.config.units) if unit != name]
        state["log_weights"] = state["log_weights"][..., keep]
        if len(units) == 1:
            del state["log_weights"]
    other.load_state_dict(state)
    return other.eval()


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
    trees = Trees.load(model / PICTURES) if (model / PICTURES / TREES).is_file() else None
    weights = linking.weights
    made: dict[str, Any] = {"seconds": seconds, "linking": asdict(linking)}
    made["parameters"] = sum(value.numel() for value in network.parameters())
    made["metrics"] = json.loads((model / "metrics.json").read_text())
    for kind in KINDS:
        measured = bench.measured(kind, network, linking, trees)
        both, text, alone = (measured.ranks(each) for each in (measured.total(weights), measured.text, measured.scores))
        found: dict[str, Any] = {"candidate": float((measured.targets >= 0).float().mean())}
        found |= {"both": figures(both), "text": figures(text), "network": figures(alone)}
        found["groups"] = groups(bench.questions[kind], {"both": both, "text": text, "network": alone})
        fewer = {} if network.noise is None else {"filter": without_filter(network)}
        if len(network.config.units) > 1:
            fewer |= {unit: without_unit(network, unit) for unit in network.config.units}
        found["without"] = {}
        for part, other in fewer.items():
            less = bench.measured(kind, other, linking, trees)
            found["without"][part] = less.ranks(less.total(weights)).tolist()
        made[kind] = found | {"ranks": both.tolist(), "text_ranks": text.tolist(), "network_ranks": alone.tolist()}
        log.info(
            "%s, %s: both %.3f, text %.3f, network %.3f", name, kind, *(found[w]["hits@1"] for w in ("both", "text", "network"))
        )
    made["ms"] = milliseconds(model, given)
    write_json(file, made)
    return made


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
    parser.add_argument("--tower", default=DEFAULT, help="the image tower: a name or a folder")
    parser.add_argument("--parts", action="store_true", help="the main part of a picture of the catalogue is one more picture")
    parser.add_argument("--sample", type=int, help="train on at most so many questions of each kind")
    parser.add_argument(
        "--dev", type=int, help="with --sample, so many development questions of each kind (default: a quarter)"
    )
    parser.add_argument(
        "--test", type=int, default=500, help="with --sample, measure at most so many test questions of each kind"
    )
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    random.seed(given.seed)
    torch.set_num_threads(given.threads)
    remember_vectors()
    given.output.mkdir(parents=True, exist_ok=True)
    if given.sample:
        given.data = sampled(given.data, given.output, given.sample, given.dev, given.test, given.seed)
    lines: dict[str, dict[str, Any]] = {}
    benches: dict[str, Bench] = {}
    for name in given.lines:
        trained(name, given)
        prompt = "drawn" if name == "fbmel" else "crop"
        benches.setdefault(prompt, Bench(given, prompt))
        lines[name] = line(name, benches[prompt], given)
        print(table(lines), flush=True)
    print(comparisons(lines, {kind: bench.questions[kind] for bench in benches.values() for kind in KINDS}))


if __name__ == "__main__":
    main()
