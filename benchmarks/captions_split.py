"""Divides captions for a cross-encoder behind a bi-encoder: for its training, and for the fit of its weights.

    python benchmarks/captions_split.py ../shared/questions/captions.jsonl runs/captions

It writes training.jsonl and fit.jsonl. Both lack the entities of the development part (elq/disambiguation/split.py). The
entities of fit.jsonl are those that experiment=biencoder keeps from its towers, so the bi-encoder is not too sure of them.
"""

import json
import sys
from pathlib import Path

from elq.disambiguation.examples import is_for_ranking
from elq.disambiguation.split import is_development


def main(source: Path, folder: Path) -> None:
    """Write both files."""
    folder.mkdir(parents=True, exist_ok=True)
    questions = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    for name, ranking in (("training", False), ("fit", True)):
        kept = []
        for question in questions:
            known = [m for m in question["mentions"] if m["entity"] and not is_development(m["entity"])]
            if own := [m for m in known if is_for_ranking(m["entity"]) is ranking]:
                kept.append({**question, "mentions": own})
        lines = [json.dumps(question, ensure_ascii=False) + "\n" for question in kept]
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
        print(f"{folder / name}.jsonl: {sum(len(question['mentions']) for question in kept):,} mentions")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
