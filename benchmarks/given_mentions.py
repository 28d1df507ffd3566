"""Measures a disambiguator on given mentions: recall@k with and without names, fame and views, and the time of a mention.

    python benchmarks/given_mentions.py --model runs/biencoder/latest/model --questions ../shared/questions/captions.jsonl

The mentions are those of the development part of the entities (elq/disambiguation/split.py).
"""

import argparse
import time
from dataclasses import replace

import torch

from elq.disambiguation.disambiguator import Disambiguator
from elq.disambiguation.examples import MentionExample, examples_of
from elq.disambiguation.export import RECALL_AT, recall_at
from elq.questions.annotated import read_questions


class Cached(Disambiguator):
    """A disambiguator that makes the vectors of the mentions only once."""

    made: dict[MentionExample, torch.Tensor]

    def vectors(self, examples):
        """The vectors (M, D) of mentions."""
        return torch.stack([self.made[example] for example in examples])  # (M, D)


def measured(model: Disambiguator, examples: list[MentionExample], *, vectors_alone: bool = False) -> str:
    """Recall@k in words."""
    found = model.candidates(examples, max(RECALL_AT), vectors_alone=vectors_alone)
    recall = recall_at(found.rows, torch.tensor([example.row for example in examples]))
    return "  ".join(f"@{k} {value:.4f}" for k, value in recall.items())


def milliseconds(model: Disambiguator, examples: list[MentionExample], together: int) -> float:
    """The time of a mention, in calls with this number of texts."""
    began = time.perf_counter()
    for at in range(0, len(examples), together):
        part = examples[at : at + together]
        model.link([e.text for e in part], [[(e.start, e.end)] for e in part])
    return 1000 * (time.perf_counter() - began) / len(examples)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--questions", required=True)
    parser.add_argument("--timed", type=int, default=64, help="mentions whose time is measured; 0: none")
    options = parser.parse_args()
    model = Disambiguator.from_pretrained(options.model)
    questions = read_questions(options.questions)
    examples = examples_of(questions, model.entities.catalogue, options.questions, development=True)
    print(f"{len(examples)} mentions, {len(model.entities.catalogue):,} entities; {model.ranking}")
    cached = Cached(model.network, model.texts, model.entities, model.ranking, views=model.views)
    cached.made = dict(zip(examples, model.vectors(examples), strict=True))
    print("vectors alone   ", measured(cached, examples, vectors_alone=True))
    ranking = model.ranking
    variants = {
        "vectors, names  ": replace(ranking, prior=(0.0,) * len(ranking.prior)),
        "vectors, fame   ": replace(ranking, names=(0.0,) * len(ranking.names)),
        "names, fame     ": replace(ranking, vectors=0.0),
        "all             ": ranking,
    }
    for name, cached.ranking in variants.items():
        print(name, measured(cached, examples))
    if cached.views is not None:
        cached.views = None
        print("all, no views   ", measured(cached, examples))
    for together in (1, 32) if options.timed else ():
        print(f"{milliseconds(model, examples[: options.timed], together):.1f} ms a mention, {together} texts a call")


if __name__ == "__main__":
    main()
