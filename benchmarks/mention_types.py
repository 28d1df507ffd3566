"""Measures types of mentions: how well they are predicted, and what their loss does to linking with few training questions.

    python benchmarks/mention_types.py --entities DIR --train webqsp_train.jsonl --dev webqsp_dev.jsonl --output types.jsonl

It is a reduced recipe, for one thread and some minutes. The mentions are given. MiniLM's last layer and the heads are trained,
and the layers below run only once. The negatives are the other gold entities of the batch, the entities that the names may
mean, and 1,024 random entities. Every run (kind of types, share of the training questions, seed) is one line of the output, and
a run that is already there is left out.
"""

import argparse
import hashlib
import json
import random
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from elq.encoding.pretrained import DEFAULT, load_tokenizer
from elq.encoding.tokens import token_span
from elq.encoding.transformer import Encoder
from elq.entities.hierarchy import Hierarchy, RowTypes
from elq.entities.manifest import Entities, open_entities
from elq.evaluation.type_accuracy import type_accuracy
from elq.model.config import ELQConfig
from elq.model.network import ELQ
from elq.names.dictionary import Dictionary
from elq.questions.annotated import read_questions
from elq.tensors import Spans
from elq.training.losses import candidate_rows, sampled_loss
from elq.training.schedule import parameter_groups, warmup_and_decay
from elq.training.type_data import TypeSettings, types_of
from elq.training.type_loss import ramp, type_loss, type_targets

BATCH, RANDOM = 64, 1_024
SHARES = {100: 2, 10: 14, 1: 50}  # percent of the training questions → epochs, some 55 steps
SEEDS = (0, 1, 2)
KINDS = ("none", "goedel", "lukasiewicz", "flat", "goedel children", "lukasiewicz children")  # "children": the published pass
OWN = " children"
WEIGHTS = (0.0, 0.5, 1.0, 2.0, 4.0)  # of the types in the score of an entity
BASE = {"prior": ("qid", "popularity"), "names": True, "nil": True}


class Mentions(NamedTuple):
    """M gold mentions, each with its text."""

    hidden: Tensor  # (M, T, D) the input of the encoder's last layer
    attention: Tensor  # (M, T) bool
    start: Tensor  # (M,)
    end: Tensor  # (M,)
    rows: Tensor  # (M,) catalogue rows of the gold entities
    matches: Tensor  # (M, E) rows of the entities that the name may mean
    kinds: Tensor  # (M, E)
    positive: Tensor  # (M, Y) bool gold types
    negative: Tensor  # (M, Y) bool

    def of(self, places: list[int]) -> "Mentions":
        """Some of the mentions, without padding that none of them needs."""
        made = Mentions(*(part[places] for part in self))
        longest, most = int(made.attention.sum(-1).max()), max(1, int((made.matches >= 0).sum(-1).max()))
        return made._replace(
            hidden=made.hidden[:, :longest],
            attention=made.attention[:, :longest],
            matches=made.matches[:, :most],
            kinds=made.kinds[:, :most],
        )


def network(kind: str) -> ELQ:
    """A network over MiniLM with new heads, whose last layer is trained."""
    encoder = Encoder.from_pretrained(DEFAULT, trained=False)
    chosen = {"types": kind.removesuffix(OWN), "own_type_scores": not kind.endswith(OWN)}
    model = ELQ(ELQConfig(encoder=encoder.config, **BASE, **chosen), trained=False)
    model.encoder.load_state_dict(encoder.state_dict(), assign=True)
    return model


def read(path: Path, entities: Entities, dictionary: Dictionary, typed: tuple[Hierarchy, Any]) -> tuple[list[str], Mentions]:
    """The ids of the questions of all gold mentions in a file, and the mentions."""
    found = [(q, m) for q in read_questions(path) for m in q.mentions if m.entity is not None]
    rows = entities.catalogue.rows([str(m.entity) for _, m in found]).tolist()
    found = [pair for pair, row in zip(found, rows, strict=True) if row >= 0]
    rows = [row for row in rows if row >= 0]
    tokens = load_tokenizer(DEFAULT)([q.text for q, _ in found])
    spans = torch.tensor([token_span(m, tokens.offsets[n], tokens.text_mask[n].tolist()) for n, (_, m) in enumerate(found)])
    bert, hidden = network("none").encoder.transformer.eval(), []
    with torch.inference_mode():
        for ids, attention in zip(tokens.ids.split(BATCH), tokens.attention.split(BATCH), strict=True):
            vectors = bert.embeddings(ids)
            for layer in list(bert.encoder["layer"])[:-1]:
                vectors = layer(vectors, attention_mask(attention))
            hidden.append(vectors)
    names = dictionary.name_matches([q.text[m.start : m.end] for q, m in found])
    hierarchy, types = typed
    targets = type_targets(torch.from_numpy(types.of(rows)), torch.from_numpy(hierarchy.above()))
    whole = torch.cat(hidden).clone()
    made = Mentions(whole, tokens.attention, *spans.unbind(-1), torch.tensor(rows), names.rows, names.kinds, *targets)
    return [q.id for q, _ in found], made


def attention_mask(attention: Tensor) -> Tensor:
    """The mask (B, 1, T, T) of a layer."""
    return attention[:, None, None].expand(-1, 1, attention.shape[1], attention.shape[1])


def mention_vectors(model: ELQ, mentions: Mentions) -> Tensor:
    """The vectors (M, D + P) of mentions."""
    last = list(model.encoder.transformer.encoder["layer"])[-1]
    hidden = last(mentions.hidden, attention_mask(mentions.attention))  # (M, T, D)
    return model.mention_vectors(hidden, Spans(torch.arange(len(hidden)), mentions.start, mentions.end))


def train(model: ELQ, mentions: Mentions, entities: Entities, *, epochs: int, seed: int, negative: float) -> None:
    """Train the last layer and the heads. ``negative`` is the weight of negative types in their loss."""
    for name, weight in model.named_parameters():
        weight.requires_grad_(not name.startswith("encoder.") or ".layer.5." in name)
    vectors = {name for name, weight in model.named_parameters() if weight.ndim <= 1}
    rates = {("encoder.",): 5e-5, ("pooler.", "name_bonus."): 1e-3, ("types.",): 5e-3}  # few steps, so types learn fast
    optimizer = torch.optim.AdamW(parameter_groups(model, rates, weight_decay=0.01, undecayed=vectors))
    size, draws, number = len(mentions.rows), random.Random(seed), 0
    steps = epochs * -(-size // BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warmup_and_decay(step, steps // 10, steps))
    model.train()
    for _ in range(epochs):
        order = draws.sample(range(size), size)
        for start in range(0, size, BATCH):
            batch = mentions.of(order[start : start + BATCH])
            found = mention_vectors(model, batch)  # (M, D)
            others = torch.tensor(draws.sample(range(len(entities.table)), RANDOM))
            rows = candidate_rows(batch.rows, torch.cat([batch.matches.flatten(), others]))  # (C,)
            bonus = model.name_bonus(batch.kinds)  # (M, E)
            loss, count = sampled_loss(found, batch.rows, rows, entities.table.gather(rows), batch.matches, bonus)
            total = loss / count
            if model.types is not None:
                loss, count = type_loss(model.types(found), batch.positive, batch.negative, negative_weight=negative)
                total = total + ramp(number / steps) * loss / count.clamp_min(1)
            optimizer.zero_grad()
            total.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            number += 1
    model.eval()


@torch.inference_mode()
def measure(model: ELQ, mentions: Mentions, table: Tensor, types: RowTypes) -> dict[str, float]:
    """Accuracy of the best entity, by vectors alone, with names, and with the types of the best 16; the metrics of types.

    A candidate's types add weight · (2 · mean probability − 1) to its score, or nothing if the model does not know them.
    """
    places = torch.arange(len(mentions.rows)).split(BATCH)
    every = [mentions.of(part.tolist()) for part in places]
    vectors, found = torch.cat([mention_vectors(model, part) for part in every]), {}
    scores = vectors @ table.T  # (M, N)
    gold = scores.gather(-1, mentions.rows[:, None])  # (M, 1)
    better = (scores > gold).sum(-1)  # (M,)
    found |= {f"vectors@{k}": (better < k).float().mean().item() for k in (1, 16)}
    bonus = model.name_bonus(mentions.kinds).masked_fill(mentions.matches < 0, 0.0)  # (M, E)
    scores.scatter_add_(-1, mentions.matches.clamp_min(0), bonus)
    found["names@1"] = (scores.argmax(-1) == mentions.rows).float().mean().item()
    if model.types is not None:
        above = torch.from_numpy(model.types.hierarchy.above())
        p = model.types(vectors)  # (M, Y)
        found |= type_accuracy(p, mentions.positive, mentions.negative, above)
        best, rows = scores.topk(16, dim=-1)  # (M, 16) twice
        direct = torch.from_numpy(types.of(rows.flatten().tolist())).view(*rows.shape, -1).float()  # (M, 16, Y)
        known = direct.sum(-1)  # (M, 16)
        fit = torch.where(known > 0, 2 * torch.einsum("my,mky->mk", p, direct) / known.clamp_min(1) - 1, 0.0)  # (M, 16)
        for weight in WEIGHTS:
            chosen = rows.gather(-1, (best + weight * fit).argmax(-1, keepdim=True)).squeeze(-1)  # (M,)
            found[f"types {weight}@1"] = (chosen == mentions.rows).float().mean().item()
    return {name: round(value, 4) for name, value in found.items()}


def main() -> None:
    """Run what is not in the output yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--entities", "--train", "--dev", "--output"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--shares", type=int, nargs="+", default=[*SHARES], choices=SHARES)
    parser.add_argument("--kinds", nargs="+", default=KINDS, help="kinds of model.types, also with the word `children`")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--negative", type=float, default=1.0, help="weight of negative types in the loss of types")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    entities = open_entities(wanted.entities)
    dictionary, typed = Dictionary(entities.catalogue), types_of(entities.catalogue, TypeSettings())
    (ids, training), (_, dev) = (read(path, entities, dictionary, typed) for path in (wanted.train, wanted.dev))
    order = sorted(range(len(ids)), key=lambda n: hashlib.sha256(ids[n].encode()).hexdigest())
    table, done = entities.table.tensor().float(), set()
    if wanted.output.is_file():
        done = {tuple(json.loads(line)["run"]) for line in wanted.output.read_text().splitlines()}
    for seed in wanted.seeds:
        for share in wanted.shares:
            for kind in wanted.kinds:
                run = (kind, share, seed, *([] if wanted.negative == 1 else [wanted.negative]))
                if run in done:
                    continue
                torch.manual_seed(seed)
                model, began = network(kind), time.process_time()
                if kind != "none":
                    model.add_types(typed[0])
                mine = training.of(order[: round(len(ids) * share / 100)])
                train(model, mine, entities, epochs=SHARES[share], seed=seed, negative=wanted.negative)
                line = {"run": run, "trained_on": len(mine.rows), **measure(model, dev, table, typed[1])}
                line["seconds"] = round(time.process_time() - began, 1)
                with wanted.output.open("a") as stream:
                    stream.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
