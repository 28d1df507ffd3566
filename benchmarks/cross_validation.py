"""Links every question of a training file with a model trained without it.

    python benchmarks/cross_validation.py runs/webqsp/latest/config.yaml ../shared/questions/mintaka_a.jsonl

Question n belongs to fold n mod 5. A finished fold is not trained again, and an interrupted one resumes. The links are written
to links.jsonl, for `elq compare`.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from elq.commands.evaluate import print_table
from elq.evaluation.evaluate import Observed, measure, observe
from elq.linking.linker import Linker
from elq.questions.annotated import read_questions
from elq.questions.predicted import as_json
from elq.types import Question


def train(config: Path, questions: Path, folder: Path, fold: int, folds: int) -> Path:
    """Run a training without one fold of the questions. Returns the model folder."""
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


def part(observed: Sequence[Observed], keep: Callable[[Question], bool]) -> Observed:
    """The questions of all folds whose links are kept, and the output of the linkers for them."""
    rows = [
        row
        for one in observed
        for row in zip(
            one.questions, one.links, one.ranks or (), one.nil_links or one.links, one.log_nil or one.links, strict=True
        )
        if keep(row[0])
    ]
    questions, links, ranks, nil_links, log_nil = map(list, zip(*rows, strict=True))
    asked = all(one.nil_links is not None for one in observed)
    return Observed(questions, links, ranks, nil_links=nil_links if asked else None, log_nil=log_nil if asked else [])


def main() -> None:
    """Train and link each fold, add up the counts, and print the metrics."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("config", type=Path, help="config.yaml of a run")
    options.add_argument("questions", type=Path, help="a question file on which that run trains")
    options.add_argument("--folder", type=Path, default=Path("runs/folds"))
    options.add_argument("--folds", type=int, default=5)
    given = options.parse_args()
    observed: list[Observed] = []
    for fold in range(given.folds):
        linker = Linker.from_pretrained(train(given.config, given.questions, given.folder, fold, given.folds))
        questions = read_questions(given.questions, linker.entities.catalogue)[fold :: given.folds]
        observed.append(observe(linker, questions))
        print(f"fold {fold}: γ = {linker.threshold:.3f}, {len(questions)} questions", flush=True)
    everyone = part(observed, lambda question: True)
    known = part(observed, lambda q: bool(q.mentions) and all(mention.entity is not None for mention in q.mentions))
    measured = {"all questions": measure(everyone), "fully in the catalogue": measure(known)}
    print_table(measured, f"{given.questions}, cross-validated", every=True)
    lines = (f"{as_json(*pair)}\n" for pair in zip(everyone.questions, everyone.links, strict=True))
    (given.folder / "links.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
