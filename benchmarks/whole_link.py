"""Measures the whole link, from texts to links, beside the plain baseline, with the same random weights and the same table.

    python benchmarks/whole_link.py --folder FOLDER                       BERT-large shapes, 154,212 x 1,024
    python benchmarks/whole_link.py --folder FOLDER --way dtype=bf16  with further arguments of Linker.from_pretrained
    python benchmarks/whole_link.py --folder FOLDER --way index=pq4,backend=openvino,dtype=bf16       with another index
    python benchmarks/whole_link.py --folder FOLDER --way index=pq4:columns@2:shortlist@1000,dtype=bf16       and its options
    python benchmarks/whole_link.py --folder FOLDER --layers 2 --rows 10000 --texts 128

The weights of the encoder are random. The bias of its last layer norm is chosen so that the mean of all token vectors is 0 (the
tokens of a random encoder are nearly equal otherwise), and its weight so that mention vectors are as long as those of the real
model. The bias of the mention scores is chosen so that as many spans of a question are searched as by the real model. The
table is made for these mention vectors (benchmarks/synthetic.py), with the scores that real mention vectors have on the real
table. So links depend on rounding as much as real links do.

All ways are loaded into one process and measured in turn. Start-up and memory are measured in a process for each way.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from baseline import Baseline
from release_import import memory_of
from synthetic import SyntheticTable, read_statistics

from elq.encoding.tokens import QuestionTokenizer
from elq.entities.catalogue import write_catalogue
from elq.entities.manifest import CATALOGUE, TABLE, Manifest, file_sizes, open_entities
from elq.linking.decision import Decision
from elq.linking.linker import Linker
from elq.model.config import ELQConfig
from elq.model.network import ELQ
from elq.model.spans import keep_spans
from elq.search.kinds import build_index, open_index
from elq.search.table import allocate_table
from elq.types import Entity

QUESTIONS = Path("../shared/questions/webqsp_dev.jsonl")
TOKENIZER = Path(__file__).parents[1] / "elq" / "weights" / "tokenizer.json"
BATCHES = (1, 8, 64)
SPANS = 8.0  # spans of a question that are searched
LENGTH = 20.0  # of a mention vector
THRESHOLD = -4.5
LARGE = {"hidden_size": 1024, "num_attention_heads": 16, "intermediate_size": 4096, "vocab_size": 30_522, "model_type": "bert"}
LARGE |= {
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "pad_token_id": 0,
    "layer_norm_eps": 1e-12,
    "hidden_act": "gelu",
}
LARGE |= {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}  # a whole configuration needs no transformers
Link = Callable[[Sequence[str]], list[list[tuple[int, int, str, float]]]]


def read_texts(path: Path) -> list[str]:
    return [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]


@torch.inference_mode()
def random_model(texts: Sequence[str], tokenizer: QuestionTokenizer, layers: int) -> tuple[ELQ, torch.Tensor]:
    """A model with random weights, see the head of this module, and the vectors of the mentions that it finds in the texts."""
    torch.manual_seed(0)
    config = ELQConfig(encoder={**LARGE, "num_hidden_layers": layers}, max_span_tokens=11, projection=False, unit_norm=False)
    model = ELQ(config).eval()
    tokens = tokenizer(texts)
    norm = model.encoder.transformer.encoder.layer[-1].output.LayerNorm
    hidden = model.encode(tokens)  # (B, T, D)
    mean = hidden[tokens.attention].mean(0)  # (D,)
    length = (hidden[tokens.attention] - mean).norm(dim=-1).mean()
    norm.weight.mul_(LENGTH / length)
    norm.bias.copy_((norm.bias - mean) * LENGTH / length)
    hidden = (hidden - mean) * LENGTH / length
    model.scorer.linear.weight.copy_(torch.randn(3, hidden.shape[-1]) / LENGTH)
    model.scorer.linear.bias.zero_()
    logits = model.mention_logits(hidden, tokens)  # (B, T, L)
    least = logits.flatten().topk(int(SPANS * len(texts))).values[-1]
    model.scorer.linear.bias[0] = np.log(np.exp(THRESHOLD) / (1 - np.exp(THRESHOLD))) - least
    spans, _ = keep_spans(logits + model.scorer.linear.bias[0], THRESHOLD, torch.full((len(texts),), 50))
    return model, model.mention_vectors(hidden, spans)


def distinct(vectors: torch.Tensor, most: float = 0.5) -> torch.Tensor:
    """Mention vectors of which no two are alike (cosine)."""
    unit, kept = torch.nn.functional.normalize(vectors, dim=-1), [0]
    for place in range(1, len(unit)):
        if float((unit[kept] @ unit[place]).max()) < most:
            kept.append(place)
    return vectors[kept]


def make_folder(folder: Path, texts: Sequence[str], rows: int, layers: int, statistics_of: Path) -> None:
    """Write the model folder."""
    entities = folder / "entities"
    entities.mkdir(parents=True, exist_ok=True)
    tokenizer = QuestionTokenizer.from_file(TOKENIZER).released(32)
    model, vectors = random_model(texts, tokenizer, layers)
    model.save_pretrained(folder, tokenizer)
    real = read_statistics(statistics_of)
    mentions = distinct(vectors).numpy()
    made = SyntheticTable(mentions, real.profiles, rows, real.spectrum, norm=real.norm_for(LENGTH))
    allocate_table(entities / TABLE, rows, made.width, "float32")
    table, start = np.lib.format.open_memmap(entities / TABLE, "r+"), 0
    for block in made.blocks():
        table[start : start + len(block)] = block
        start += len(block)
    table.flush()
    records = (Entity(f"Q{row}", f"Entity {row}", f"Entity {row}", f"the entity with the number {row}") for row in range(rows))
    digest = write_catalogue(records, entities / CATALOGUE)
    facts: dict[str, Any] = {"encoder": "random", "pooling": "cls", "text": {}, "precision": "fp32", "source_sha256": ""}
    Manifest(
        entities=rows, width=made.width, dtype="float32", catalogue_sha256=digest, index="exact", **facts,
        files=file_sizes(entities),
    ).save(entities)  # fmt: skip
    Decision(score_mode="elq", threshold=THRESHOLD, candidates=10).save(folder)


def linker_of(folder: Path, arguments: dict[str, Any]) -> Linker:
    """A linker with an index of a kind, which is built beside the entities if it is not there yet."""
    kind, *pairs = arguments.pop("index", "exact").split(":")
    if kind == "exact":
        return Linker.from_pretrained(folder, **arguments)
    options = {name: int(value) for name, value in (pair.split("@") for pair in pairs)}
    entities, own = open_entities(folder / "entities"), folder / "_".join(["index", kind, *pairs])
    if not own.is_dir():
        own.mkdir()
        build_index(kind, entities.table, options).save(own)
    return Linker.over(folder, replace(entities, index=open_index(kind, entities.table, own, options)), **arguments)


def opened(way: str, folder: Path) -> Link:
    """The linker of a way: ``baseline``, or arguments of from_pretrained and ``index``, such as ``dtype=bf16,index=pq4``."""
    if way == "baseline":
        return Baseline(folder).link
    linker = linker_of(folder, dict(pair.split("=") for pair in way.split(",") if "=" in pair))

    def link(texts: Sequence[str]) -> list[list[tuple[int, int, str, float]]]:
        return [[(one.start, one.end, one.entity, one.score) for one in found] for found in linker.link(list(texts))]

    return link


def batches(texts: Sequence[str], size: int, seconds: float) -> Iterator[Sequence[str]]:
    """Batches of the texts for so long, again from the beginning where they end, but at least 3."""
    began, number = time.monotonic(), 0
    while number < 3 or time.monotonic() - began < seconds:
        start = number * size % max(1, len(texts) - size + 1)
        yield texts[start : start + size]
        number += 1


def timed(links: dict[str, Link], texts: Sequence[str], size: int, seconds: float) -> dict[str, list[float]]:
    """The seconds of each batch for every way; the ways take turns."""
    for link in links.values():
        link(texts[:size])
    found: dict[str, list[float]] = {way: [] for way in links}
    for batch in batches(texts, size, seconds):
        for way, link in links.items():
            began = time.perf_counter()
            link(batch)
            found[way].append(time.perf_counter() - began)
    return found


def child(way: str, folder: Path, texts: Sequence[str]) -> None:
    """Print when the way was ready, and its memory after a batch of every size."""
    began = float(os.environ["BEGAN"])
    link = opened(way, folder)
    link(texts[:1])
    ready = time.time() - began
    for size in BATCHES[1:]:
        link(texts[:size])
    print(json.dumps([ready, *memory_of(os.getpid())]))


def in_a_process(way: str, given: argparse.Namespace) -> list[float]:
    command = [sys.executable, __file__, "--folder", str(given.folder), "--questions", str(given.questions), "--child", way]
    done = subprocess.run(command, env={**os.environ, "BEGAN": str(time.time())}, capture_output=True, text=True, check=True)
    return [float(value) for value in json.loads(done.stdout.splitlines()[-1])]


def compare(links: dict[str, Link], texts: Sequence[str]) -> None:
    """Print how many questions have the same links as in the baseline, in batches of 64."""
    everything = {
        way: [one for start in range(0, len(texts), 64) for one in link(texts[start : start + 64])]
        for way, link in links.items()
    }
    own = everything.pop("baseline")
    print(f"baseline: {sum(map(len, own)) / len(own):.2f} links a question")
    for way, found in everything.items():
        same = [[link[:3] for link in one] == [link[:3] for link in other] for one, other in zip(own, found, strict=True)]
        print(f"{way}: {statistics.fmean(same):.2%} of {len(texts)} questions have the links of the baseline")


def report(found: dict[str, list[float]], size: int) -> None:
    """Print the table rows of one batch size."""
    slowest = statistics.median(found["baseline"])
    for way, times in found.items():
        p50, p95, p99 = (1000 * float(value) for value in np.percentile(times, (50, 95, 99)))
        rate = size / statistics.median(times)
        ratio = slowest / statistics.median(times)
        print(f"| {size} | {way} | {rate:.1f} | {ratio:.2f} | {p50:.0f} / {p95:.0f} / {p99:.0f} | {len(times)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="model folder, made if it does not exist")
    parser.add_argument("--questions", type=Path, default=QUESTIONS)
    parser.add_argument("--statistics", type=Path, help="the file of `synthetic.py statistics`, if the folder is to be made")
    parser.add_argument("--rows", type=int, default=154_212)
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--way", action="append", default=[], help="arguments of from_pretrained, and index, such as index=pq4")
    parser.add_argument("--texts", type=int, default=592, help="questions that are used, at least 64")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each batch size")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    texts = read_texts(given.questions)[: given.texts]
    if given.child:
        child(given.child, given.folder, texts)
        return
    if not given.folder.exists():
        make_folder(given.folder, texts, given.rows, given.layers, given.statistics)
    ways = ["baseline", "elq", *given.way]
    print(f"{os.getloadavg()[0]:.1f} load, {torch.get_num_threads()} threads")
    for way in ways:
        ready, private, mapped = in_a_process(way, given)
        print(f"{way}: ready after {ready:.1f} s, private {private / 1e6:,.0f} MB, mapped {mapped / 1e6:,.0f} MB", flush=True)
    links = {way: opened(way, given.folder) for way in ways}
    compare(links, texts)
    print("\n| batch | way | questions a second | ratio | p50 / p95 / p99, ms | batches |\n|---|---|---|---|---|---|")
    for size in BATCHES:
        report(timed(links, texts, size, given.seconds), size)


if __name__ == "__main__":
    main()
