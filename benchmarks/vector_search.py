"""Measures search with sentence vectors, which needs no entity linker, beside the general model and the dictionary.

    PYTHONPATH=. python benchmarks/vector_search.py

The texts of the entities are embedded with all-MiniLM-L6-v2, once. Then a question is searched in one of these ways:

- *question*: the vector of the whole question finds its nearest entity, by the entity's text or by its names.
- *n-grams*: each run of words of the question finds its nearest entity. Of overlapping runs, the best cosine stays.
- *n-grams and question*: the same over names, with part of the cosine of the whole question and the entity's text added. So the
  question can decide between entities of one name.

For every way, the least cosine (and the weight of the question) is chosen on the development questions of the starter, by the
rule by which elq chooses its own threshold. The general model is measured at its own threshold, and at one that is chosen like
the cosines. Nothing is chosen on the test questions, or on the catalogues of tests/data/catalogues, which are linked with the
same cosines, weights and thresholds.
"""

import argparse
import statistics
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from elq.encoding.entity_texts import EntityEncoder
from elq.encoding.pretrained import DEFAULT
from elq.entities.catalogue import Catalogue
from elq.entities.texts import EntityText
from elq.evaluation.evaluate import evaluate_links, known_questions
from elq.evaluation.sweep import ALL_CHOICE, SWEEP_FLOOR, Threshold, ThresholdSweep
from elq.linking.linker import Linker
from elq.names.baseline import LongestName
from elq.names.dictionary import Dictionary
from elq.names.surface import FUNCTION_WORDS, names_of
from elq.names.words import words
from elq.questions.annotated import read_questions
from elq.types import Link, Question

ROOT = Path(__file__).parents[1]
STARTER, OWN = ROOT / "elq" / "starter", ROOT / "tests" / "data" / "catalogues"
LONGEST = 6  # words of an n-gram; the longest mention of the development questions has 6
WEIGHTS = (0.1, 0.2, 0.3, 0.5, 0.75, 1.0)  # of the cosine of the question, where it is added to that of an n-gram
SHOWN = ("set_all_micro_f1", "set_all_micro_precision", "set_all_micro_recall", "false_links_per_unmentioned_question")
SHOWN += ("strong_micro_f1",)
TUNED = "elq, general model, threshold chosen here"
Links = list[list[Link]]


def ngrams(text: str) -> Iterator[tuple[int, int]]:
    """The characters [start, end) of all runs of words that contain more than function words."""
    found = words(text)
    for first in range(len(found)):
        for last in range(first, min(first + LONGEST, len(found))):
            if any(word.text not in FUNCTION_WORDS for word in found[first : last + 1]):
                yield found[first].start, found[last].end


class VectorSearch:
    """The vectors of a catalogue: one for the text of each of E entities, and one for each of N names."""

    def __init__(self, encoder: EntityEncoder, catalogue: Catalogue) -> None:
        self.encoder = encoder
        self.entities = [catalogue[row] for row in range(len(catalogue))]
        self.texts = encoder([EntityText()(entity) for entity in self.entities])  # (E, D)
        named = [(name, row) for row, entity in enumerate(self.entities) for name in names_of(entity)]
        self.rows = torch.tensor([row for _, row in named])  # (N,)
        self.names = encoder([name for name, _ in named])  # (N, D)

    def by_text(self, vectors: Tensor) -> Tensor:
        """The cosines (Q, E) of Q vectors with the text of each entity."""
        return vectors @ self.texts.T

    def by_name(self, vectors: Tensor) -> Tensor:
        """The cosines (Q, E) of Q vectors with the best name of each entity."""
        cosines = vectors @ self.names.T  # (Q, N)
        best = torch.full((len(vectors), len(self.entities)), -1.0)
        return best.scatter_reduce(1, self.rows.expand_as(cosines), cosines, "amax")

    def link(self, text: str, start: int, end: int, row: int, score: float) -> Link:
        """The link of a span to the entity of a row."""
        entity = self.entities[row]
        return Link(start, end, text[start:end], entity.id, entity.title, entity.description, score)

    def whole(self, text: str, cosines: Tensor) -> list[Link]:
        """The nearest entity of a whole question, from the cosines (E,)."""
        score, row = cosines.max(dim=0)
        return [self.link(text, 0, len(text), int(row), float(score))]

    def runs(self, text: str, spans: Sequence[tuple[int, int]], cosines: Tensor) -> list[Link]:
        """The nearest entities of S n-grams, without overlaps, from the cosines (S, E); the best cosines first."""
        scores, rows = cosines.max(dim=1)
        kept: list[Link] = []
        for score, (start, end), row in sorted(
            zip(scores.tolist(), spans, rows.tolist(), strict=True), key=lambda one: (-one[0], one[1])
        ):
            if all(end <= link.start or link.end <= start for link in kept):
                kept.append(self.link(text, start, end, row, score))
        return kept


def ways(search: VectorSearch, questions: Sequence[Question]) -> dict[str, Links]:
    """Way of searching → all its links for each question. Every text is encoded once."""
    spans = [list(ngrams(question.text)) for question in questions]
    ends = [0, *torch.tensor([len(found) for found in spans]).cumsum(0).tolist()]
    texts = [question.text[start:end] for question, found in zip(questions, spans, strict=True) for start, end in found]
    vectors, whole = search.encoder(texts), search.encoder([question.text for question in questions])
    links: dict[str, Links] = {}
    for place, (question, (first, last)) in enumerate(zip(questions, pairwise(ends), strict=True)):
        text, own = question.text, spans[place]
        by_text, by_name = search.by_text(whole[place : place + 1]), search.by_name(whole[place : place + 1])  # (1, E)
        names = search.by_name(vectors[first:last])  # (S, E)
        found = {"question, texts": search.whole(text, by_text[0]), "question, names": search.whole(text, by_name[0])}
        found["n-grams, texts"] = search.runs(text, own, search.by_text(vectors[first:last]))
        found["n-grams, names"] = search.runs(text, own, names)
        for weight in WEIGHTS:
            found[f"n-grams, names, and question {weight}"] = search.runs(text, own, (names + weight * by_text) / (1 + weight))
        for way, one in found.items():
            links.setdefault(way, []).append(one)
    return links


def least_score(questions: Sequence[Question], links: Links) -> Threshold:
    """The threshold with which links are best, by the rule of elq's trainings."""
    sweep = ThresholdSweep(*ALL_CHOICE)
    sweep.update(questions, links)
    return sweep.compute()


def choose(search: VectorSearch, linker: Linker, questions: Sequence[Question]) -> dict[str, float]:
    """Way → least score on development questions; of the weights of the question, only the best stays."""
    chosen: dict[str, float] = {}
    best: dict[str, tuple[str, float]] = {}
    every = ways(search, questions) | {TUNED: linker.link([question.text for question in questions], threshold=SWEEP_FLOOR)}
    for way, links in every.items():
        found, kind = least_score(questions, links), way.rstrip("0123456789.")
        print(f"development questions: {way}: F1 {found.f1:.3f} from {found.threshold:.3f} on")
        if kind not in best or found.f1 > best[kind][1]:
            chosen.pop(best[kind][0] if kind in best else "", None)
            chosen[way], best[kind] = found.threshold, (way, found.f1)
    return chosen


def figures(questions: Sequence[Question], links: Links) -> list[float]:
    """The metrics of ``SHOWN``."""
    found = evaluate_links(questions, links)
    return [found[name] for name in SHOWN]


def measured(encoder: EntityEncoder, catalogue: Path, file: Path, least: dict[str, float]) -> dict[str, list[float]]:
    """The figures of every linker on one set: name of the linker → its figures."""
    linker = Linker.from_catalogue(catalogue)
    records = linker.entities.catalogue
    questions = known_questions(read_questions(file, records), records)
    texts = [question.text for question in questions]
    search = VectorSearch(encoder, records)
    rows = {
        way: figures(questions, [[link for link in found if link.score >= least[way]] for found in links])
        for way, links in ways(search, questions).items()
        if way in least
    }
    rows["dictionary"] = figures(questions, LongestName(linker.dictionary or Dictionary(records)).link(texts))
    rows["elq, general model"] = figures(questions, linker.link(texts))
    rows[TUNED] = figures(questions, linker.link(texts, threshold=least[TUNED]))
    return rows


def show(name: str, rows: dict[str, list[float]]) -> None:
    """Print one table."""
    print(f"\n| {name} | F1 | precision | recall | false | exact links |\n|---|---|---|---|---|---|")
    for linker, values in rows.items():
        print(f"| {linker} | " + " | ".join(f"{value:.3f}" for value in values) + " |")


def main() -> None:
    """Choose on the development questions of the starter, and measure."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--encoder", default=DEFAULT, help="name or folder of the sentence encoder")
    encoder = EntityEncoder(options.parse_args().encoder, precision="fp32")
    starter = STARTER / "catalogue.jsonl"
    linker = Linker.from_catalogue(starter)
    records = linker.entities.catalogue
    questions = known_questions(read_questions(STARTER / "dev.jsonl", records), records)
    least = choose(VectorSearch(encoder, records), linker, questions)
    show("starter, test questions", measured(encoder, starter, STARTER / "test.jsonl", least))
    own = [
        measured(encoder, file, OWN / f"{file.stem}_questions.jsonl", least)
        for file in sorted(OWN.iterdir())
        if not file.stem.endswith(("_questions", "README"))
    ]
    mean = {way: [statistics.fmean(values) for values in zip(*(rows[way] for rows in own), strict=True)] for way in own[0]}
    show("hospital, shop and transport operator (mean)", mean)


if __name__ == "__main__":
    main()
