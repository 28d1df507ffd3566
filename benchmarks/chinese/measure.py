"""Measures the Chinese bi-encoder on benchmarks/chinese/questions.jsonl: recall@k before and after the stages of its training.

    python benchmarks/chinese/measure.py --entities runs/entities/chinese --checkpoint RUN/checkpoints/epoch=0.ckpt --model RUN/model

The entities folder has the vectors of the encoder before the training. Each checkpoint and each model is one line.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from elq.disambiguation.disambiguator import Disambiguator
from elq.disambiguation.examples import MentionExample, examples_of
from elq.disambiguation.mining import entity_table, mention_table, nearest
from elq.disambiguation.module import BiEncoderModule
from elq.encoding import e5
from elq.encoding.marked import MarkedTexts
from elq.encoding.tokens import token_span
from elq.encoding.transformer import mean_vectors
from elq.entities.manifest import Entities, open_entities
from elq.entities.prior import prior_columns
from elq.entities.texts import EntityText
from elq.evaluation.comparison import RESAMPLES
from elq.evaluation.intervals import Ratio, interval, resampled
from elq.model.biencoder import BiEncoder
from elq.names.baseline import FamousName
from elq.names.dictionary import Dictionary
from elq.questions.annotated import read_questions
from elq.types import Mention

QUESTIONS = Path(__file__).parent / "questions.jsonl"
KS = (1, 4, 16, 128)
TEXT = EntityText(form="chinese")


def ways_of(file: Path) -> list[str]:
    """What each question needs, for its only mention; "all" where the file does not say it."""
    return [json.loads(line).get("needs", "all") for line in file.open(encoding="utf-8")]


@torch.inference_mode()
def plain_vectors(network: BiEncoder, texts: MarkedTexts, examples: Sequence[MentionExample], which: str) -> Tensor:
    """The vectors (M, D) of mentions in texts without markers: of the sentence, of the mention, or their sum."""
    made = []
    network.eval()
    for example in examples:
        tokens = texts.plain([example.text], cuts=[[example.start, example.end]])
        hidden = network.context(tokens.ids, tokens.attention)  # (1, T, D)
        span = token_span(Mention(example.start, example.end, ""), tokens.offsets[0], tokens.text_mask[0].tolist())
        assert span is not None
        inside = torch.zeros_like(tokens.attention)  # (1, T)
        inside[:, span[0] : span[1]] = True
        whole, mention = mean_vectors(hidden, tokens.attention), mean_vectors(hidden, inside)  # (1, D)
        made.append({"sentence": whole, "mention": mention, "sum": whole + mention}[which])
    return torch.cat(made)  # (M, D)


def dictionary_rows(entities: Entities, examples: Sequence[MentionExample], *, popular: bool) -> Tensor:
    """The catalogue rows (M, 128) that the dictionary gives, best first; −1 where there are no more.

    Args:
        entities: the entities.
        examples: M mentions.
        popular: whether, of entities with equally good names, the one with the largest popularity (inhabitants) comes first; if
            not, the one that is first in the catalogue does. This is how `elq evaluate --given --baseline dictionary` chooses.
    """
    dictionary, k = Dictionary(entities.catalogue), max(KS)
    links = FamousName(dictionary).link(
        [e.text for e in examples], mentions=[[(e.start, e.end)] for e in examples], candidates=k
    )
    rows = torch.full((len(examples), k), -1)  # (M, K)
    for m, [link] in enumerate(links):
        found = entities.catalogue.rows([candidate.entity for candidate in link.candidates]).tolist()
        if popular:
            matches = dictionary.name_matches([examples[m].mention])
            kinds = dict(zip(matches.rows[0].tolist(), matches.kinds[0].tolist(), strict=True))
            found.sort(key=lambda row: (kinds[row] // 2, -entities.catalogue[row].popularity))
        rows[m, : len(found)] = torch.tensor(found, dtype=torch.int64)
    return rows


class Report:
    """Prints one line for each score, and keeps which mentions were right.

    Args:
        gold: (M,) catalogue rows of the gold entities.
        ways: what each question needs.
    """

    def __init__(self, gold: Tensor, ways: Sequence[str]) -> None:
        self.gold, self.ways = gold, ways
        self.right: dict[str, np.ndarray] = {}

    def line(self, name: str, rows: Tensor) -> None:
        """Print recall@k of all mentions, and recall@1 of each kind of question. ``rows`` are (M, 128), best first."""
        same = rows == self.gold.unsqueeze(-1)  # (M, K)
        ranks = torch.where(same.any(-1), same.int().argmax(-1), -1).numpy()  # (M,) −1 where it is not there
        self.right[name] = ranks == 0
        kinds = {way: self.right[name][[w == way for w in self.ways]] for way in dict.fromkeys(self.ways)}
        parts = " ".join(f"{way} {hits.mean():.2f}" for way, hits in kinds.items())
        recall = " ".join(f"@{k} {((ranks >= 0) & (ranks < k)).mean():.3f}" for k in KS)
        print(f"{name:44s}", recall, "|", parts, flush=True)

    def difference(self, names: Sequence[str], other: str) -> None:
        """Print the mean difference of recall@1 and its 95% interval by a paired bootstrap over the questions."""
        terms = np.mean([self.right[name] for name in names], 0) - self.right[other]  # (M,)
        drawn = resampled({"difference": Ratio(terms, np.ones(len(terms)))}, resamples=RESAMPLES)
        mean, low, high = interval(drawn["difference"])
        print(f"{' and '.join(names)} minus {other}: {mean:+.3f} [{low:+.3f}, {high:+.3f}]")


def of_checkpoint(file: str, entities: Entities, examples: Sequence[MentionExample], table: Tensor) -> Tensor:
    """The catalogue rows (M, 128) of the nearest entities, by the towers of a checkpoint; ``table`` is that of a frozen tower."""
    module = BiEncoderModule.load_from_checkpoint(file).eval()
    if module.network.entity is not None:
        texts = [TEXT(record) for record in entities.catalogue.all_rows()]
        table = entity_table(module.network, module.texts, texts, half=True)  # (N, D)
    return nearest(mention_table(module.network, module.texts, examples), table, 128)[1]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=Path, default=QUESTIONS)
    parser.add_argument("--entities", required=True, help="entities folder that multilingual-e5-small made")
    parser.add_argument("--checkpoint", action="append", default=[])
    parser.add_argument("--model", action="append", default=[])
    args = parser.parse_args()
    entities, ways = open_entities(args.entities), ways_of(args.questions)
    examples = examples_of(read_questions(args.questions), entities.catalogue, str(args.questions))
    gold = torch.tensor([example.row for example in examples])
    report = Report(gold, ways if len(ways) == len(examples) else ["all"] * len(examples))
    print(f"{len(examples)} mentions, {len(entities.catalogue):,} entities")
    report.line("dictionary", dictionary_rows(entities, examples, popular=False))
    report.line("dictionary, most inhabitants", dictionary_rows(entities, examples, popular=True))
    table = entities.table.tensor()[:, : entities.table.width - prior_columns(entities.manifest.prior)].float()  # (N, D)
    network, texts = BiEncoder.from_encoder(e5.NAME, markers="chinese", entity_tower="frozen", context_tokens=48)
    for which in ("sentence", "mention", "sum"):
        vectors = plain_vectors(network, texts, examples, which)  # (M, D)
        report.line(f"untrained, plain text, {which}", nearest(vectors, table, 128)[1])
    report.line("untrained, marked", nearest(mention_table(network, texts, examples), table, 128)[1])
    for file in args.checkpoint:
        report.line(f"{file}, vectors", of_checkpoint(file, entities, examples, table))
    for folder in args.model:
        model = Disambiguator.from_pretrained(folder)
        report.line(f"{folder}, vectors", model.candidates(examples, 128, vectors_alone=True).rows)
        report.line(f"{folder}, names and fame", model.candidates(examples, 128).rows)
    for score in ("vectors", "names and fame") if args.model else ():
        for other in ("dictionary", "dictionary, most inhabitants"):
            report.difference([f"{folder}, {score}" for folder in args.model], other)


if __name__ == "__main__":
    main()
