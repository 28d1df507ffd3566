"""Cross-validation over a question file that a recipe trains on: every question is linked by a model that never saw it.

    python benchmarks/cross_validation.py runs/webqsp/latest/config.yaml ../shared/questions/mintaka_a.jsonl

Question n belongs to fold n mod 5. A finished fold is not trained again, a broken one goes on.
The links go to links.jsonl, for `elq compare`.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import yaml

from elq.evaluate import evaluate_links
from elq.linker import Linker
from elq.predictions import as_json
from elq.questions import read_questions
from elq.types import Link, Question


def train(config: Path, questions: Path, folder: Path, fold: int, folds: int) -> Path:
    """Run the recipe without one fold of the questions; returns the model folder."""
    run = folder / f"fold{fold}"
    if not (run / "model").is_dir():
        run.mkdir(parents=True, exist_ok=True)
        lines = questions.read_text(encoding="utf-8").splitlines(keepends=True)
        part = run / "questions.jsonl"
        part.write_text("".join(line for n, line in enumerate(lines) if n % folds != fold), encoding="utf-8")
        settings = yaml.safe_load(config.read_text(encoding="utf-8"))
        used = [
            source for stage in settings["data"]["train"] for source in stage["sources"] if source["file"] == str(questions)
        ]
        if not used:
            sys.exit(f"{config} does not train on {questions}")
        for source in used:
            source["file"] = str(part)
        settings["trainer"]["default_root_dir"] = str(run)
        (run / "recipe.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        command = [sys.executable, "-m", "elq", "fit", "--config", str(run / "recipe.yaml")]
        if (last := run / "checkpoints" / "last.ckpt").is_file():
            command += ["--ckpt_path", str(last)]
        subprocess.run(command, check=True)
    return run / "model"


def main() -> None:
    """Train, link, pool the counts, print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("config", type=Path, help="config.yaml of a run")
    options.add_argument("questions", type=Path, help="a file that it trains on")
    options.add_argument("--folder", type=Path, default=Path("runs/folds"))
    options.add_argument("--folds", type=int, default=5)
    given = options.parse_args()
    pooled: list[tuple[Question, list[Link]]] = []
    for fold in range(given.folds):
        linker = Linker.from_pretrained(train(given.config, given.questions, given.folder, fold, given.folds))
        questions = read_questions(given.questions, linker.entities.catalogue)[fold :: given.folds]
        pooled += zip(questions, linker.link([question.text for question in questions]), strict=True)
        print(f"fold {fold}: γ = {linker.threshold:.3f}, {len(questions)} questions", flush=True)
    known = [(q, links) for q, links in pooled if q.mentions and all(mention.entity is not None for mention in q.mentions)]
    for name, pairs in (("all questions", pooled), ("fully in the catalogue", known)):
        questions, links = [q for q, _ in pairs], [found for _, found in pairs]
        metrics = evaluate_links(questions, links)
        print(f"{name}: {len(questions)}")
        for task in ("strong", "weak", "mention", "set_in_catalogue"):
            print(
                f"  {task:16} " + " / ".join(f"{metrics[f'{task}_micro_{part}']:.3f}" for part in ("precision", "recall", "f1"))
            )
    (given.folder / "links.jsonl").write_text("".join(f"{as_json(*pair)}\n" for pair in pooled), encoding="utf-8")


if __name__ == "__main__":
    main()
