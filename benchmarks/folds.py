"""Cross-validates experiment=webqsp_context: model k of m is measured on the questions that its training did not have.

    python benchmarks/folds.py data --fold 0/3 --output FOLDER0
    ELQ_DATA=FOLDER0 python train.py +experiment=webqsp_context seed_everything=0
    python benchmarks/context.py MODEL0 --fold 0/3 --output OUTPUT0
    …                                                                          and the same with 1/3 and 2/3
    python benchmarks/folds.py join OUTPUT0 OUTPUT1 OUTPUT2 --base BASE …      BASE: output of a model without folds

`data` makes a data folder (`ELQ_DATA`) in which mintaka_a, erd and lcquad2 lack the questions k, k + m, k + 2m, … `join` puts
the links of all models together, each for the questions that it was not trained on, and prints the figures of the whole sets.
Of webqsp_dev and simplequestions_dev, which are in no training, it prints those of each model, and their mean.
"""

import argparse
import json
import statistics
from itertools import chain
from pathlib import Path

from context import FOLDED, figures, known, paired_f1

from elq.configuration.data_folder import data_folder
from elq.evaluation.comparison import matched
from elq.evaluation.evaluate import known_questions
from elq.linking.linker import Linker
from elq.questions.annotated import read_questions

WHOLE = ("webqsp_dev", "simplequestions_dev")  # in no training


def make_data(given: argparse.Namespace) -> None:
    """Make the data folder of a fold; what has all questions is a link to the file of the developers."""
    first, step = map(int, given.fold.split("/"))
    source, folder = given.data.resolve(), given.output
    for file in (source / "catalogue" / "wikidata_154k.jsonl", *sorted((source / "questions").glob("*.jsonl"))):
        made = folder / file.relative_to(source)
        made.parent.mkdir(parents=True, exist_ok=True)
        if made.stem not in FOLDED:
            made.unlink(missing_ok=True)
            made.symlink_to(file)
            continue
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        made.write_text("".join(line for place, line in enumerate(lines) if place % step != first), encoding="utf-8")


def join(given: argparse.Namespace) -> None:
    """Print the figures of all folds together."""
    of_models = [json.loads((folder / "figures.json").read_text(encoding="utf-8")) for folder in given.outputs]
    linker = Linker.from_pretrained(of_models[0]["model"])
    for name in WHOLE:
        every = [one["figures"][name] for one in of_models]
        keys = [key for key, value in every[0].items() if type(value) is float]
        mean = {key: round(statistics.fmean(one[key] for one in every), 4) for key in keys}
        print(f"{name}: mean {mean}", *every, sep="\n    ")
    for name in FOLDED:
        read = read_questions(given.data / "questions" / f"{name}.jsonl", linker.entities.catalogue)
        questions = known_questions(read, linker.entities.catalogue)
        parts = [known(name, questions[k :: len(given.outputs)], linker) for k in range(len(given.outputs))]
        links = [matched(folder / f"{name}.jsonl", part) for folder, part in zip(given.outputs, parts, strict=True)]
        everything, found = [*chain(*parts)], [*chain(*links)]
        print(f"{name}: {figures(name, everything, found)}")
        bases = [matched(folder / f"{name}.jsonl", everything) for folder in given.base]
        for folder, links in zip(given.base, bases, strict=True):
            print(f"    against {folder}", paired_f1(everything, [links], found))
        if len(bases) > 1:
            print("    against all of them together", paired_f1(everything, bases, found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=data_folder(), help="folder with catalogue/ and questions/")
    commands = parser.add_subparsers(required=True)
    data = commands.add_parser("data")
    data.add_argument("--fold", required=True, help="k/m: without the questions k, k + m, …")
    data.add_argument("--output", type=Path, required=True)
    data.set_defaults(call=make_data)
    joined = commands.add_parser("join")
    joined.add_argument("outputs", nargs="+", type=Path, help="output folders of context.py, that of fold 0 first")
    joined.add_argument("--base", type=Path, nargs="+", default=[], help="output folders of models measured without --fold")
    joined.set_defaults(call=join)
    given = parser.parse_args()
    given.call(given)


if __name__ == "__main__":
    main()
