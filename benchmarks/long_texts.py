"""Which links of questions are kept when the questions are joined to long texts.

``python benchmarks/long_texts.py MODEL QUESTIONS``
``--entities`` names an entities folder for a model without its own, and ``--whole`` reads the long texts as a whole.
"""

import argparse
import time
from pathlib import Path

from elq import Linker
from elq.entities.manifest import ENTITIES, open_entities
from elq.linking import sentences
from elq.questions.annotated import read_questions

Found = set[tuple[int, int, int, str]]  # text, start, end, entity


def main() -> None:
    """Link the questions one by one and joined, and print the share of the links that is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("questions", type=Path)
    parser.add_argument("--entities", type=Path)
    parser.add_argument("--together", type=int, default=10)
    parser.add_argument("--whole", action="store_true")
    options = parser.parse_args()
    linker = Linker.over(options.model, open_entities(options.entities or options.model / ENTITIES))
    texts = [question.text for question in read_questions(options.questions)]
    texts = [text if text.endswith(("?", ".", "!")) else f"{text}?" for text in texts]
    began = time.perf_counter()
    alone, after = linker.link(texts), time.perf_counter()
    joined, expected = [], set()
    for first in range(0, len(texts), options.together):
        at = 0
        for text, links in zip(texts[first : first + options.together], alone[first : first + options.together], strict=True):
            expected |= {(len(joined), at + one.start, at + one.end, one.entity) for one in links}
            at += len(text) + 1
        joined.append(" ".join(texts[first : first + options.together]))
    if options.whole:
        sentences.LONG = 10**9
    again = time.perf_counter()
    found: Found = {
        (number, one.start, one.end, one.entity) for number, links in enumerate(linker.link(joined)) for one in links
    }
    seconds = time.perf_counter() - again
    print(
        f"{len(expected)} links one by one ({after - began:.0f} s), {len(found)} joined ({seconds:.0f} s):"
        f" {len(expected & found) / len(expected):.3f} kept, {len(found - expected)} new"
    )


if __name__ == "__main__":
    main()
