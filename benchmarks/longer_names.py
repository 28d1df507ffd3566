"""Measures what changes when names of more than L tokens may be mentions.

    PYTHONPATH=. python benchmarks/longer_names.py MODEL [--catalogue FILE] QUESTIONS…

MODEL is a model folder, or elq/general with --catalogue. For each file, the links are compared with those of spans of at most
L tokens, and the changed ones are printed, with the gold mentions if there are any. Then each entity that has only longer names
is asked for by its label, "what is LABEL?", and the questions are counted that have a link to it over the whole label. The time
of finding the names is measured one text after another, by turns.
"""

import argparse
import contextlib
import itertools
import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from elq.linking.linker import Linker
from elq.names.dictionary import Dictionary
from elq.names.lengths import Lengths
from elq.names.surface import names_of

ROUNDS = 5
NAMED = Dictionary.named


@contextlib.contextmanager
def short() -> Iterator[None]:
    """Spans of at most L tokens only."""
    Dictionary.named = lambda self, texts, tokens, limit, *, longer=False: NAMED(self, texts, tokens, limit)  # type: ignore[method-assign]
    yield
    Dictionary.named = NAMED  # type: ignore[method-assign]


def answers(linker: Linker, texts: list[str]) -> list[list[tuple[int, int, str]]]:
    """The links of texts, without scores."""
    return [[(link.start, link.end, link.entity) for link in found] for found in linker.link(texts)]


def compare(linker: Linker, file: Path) -> None:
    """Print how many questions of a file change, and how."""
    records: list[dict[str, Any]] = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    texts = [record["text"] for record in records]
    with short():
        before = answers(linker, texts)
    after = answers(linker, texts)
    changed = [place for place in range(len(texts)) if before[place] != after[place]]
    print(f"{file.stem}: {len(changed)} of {len(texts)} questions have other links")
    for place in changed:
        gold = [(mention["start"], mention["end"], mention["entity"]) for mention in records[place].get("mentions") or []]
        print(f"  {texts[place]}")
        for name, links in (("before", before[place]), ("after", after[place]), ("gold", gold)):
            print(f"    {name}: " + "; ".join(f"{texts[place][start:end]} → {entity}" for start, end, entity in links))
    print(f"  finding names: {times(linker, texts[:300])}")


def times(linker: Linker, texts: list[str]) -> str:
    """µs for a text, of spans of at most L tokens and of all."""
    dictionary, limit = linker.scorer.retriever.dictionary, linker.model.config.max_span_tokens
    assert dictionary is not None
    tokens = [linker.tokenizer([text]) for text in texts]
    taken: dict[bool, list[float]] = {False: [], True: []}
    for _, longer in itertools.product(range(ROUNDS), (False, True)):
        began = time.perf_counter()
        for text, read in zip(texts, tokens, strict=True):
            dictionary.named([text], read, limit, longer=longer)
        taken[longer].append((time.perf_counter() - began) / len(texts) * 1e6)
    before, after = (statistics.median(taken[longer]) for longer in (False, True))
    return f"{before:.0f} µs a text before, {after:.0f} after"


def main() -> None:
    """Measure all files, and the entities that have only longer names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--catalogue")
    given = parser.parse_args()
    linker = Linker.from_catalogue(given.catalogue) if given.catalogue else Linker.from_pretrained(given.model)
    for file in given.files:
        compare(linker, file)
    lengths, catalogue = Lengths(given.model), linker.scorer.retriever.entities.catalogue
    asked = [entity for entity in catalogue if all(lengths.too_long(names_of(entity)))]
    texts = [f"what is {entity.label}?" for entity in asked]
    with short():
        before = answers(linker, texts)
    for name, found in (("before", before), ("after", answers(linker, texts))):
        right = [(8, 8 + len(entity.label), entity.id) in links for entity, links in zip(asked, found, strict=True)]
        print(f"entities that have only longer names, asked for by their label, {name}: {sum(right)} of {len(right)} right")


if __name__ == "__main__":
    main()
