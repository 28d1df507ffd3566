"""``elq import``: makes a model folder from the files of the released ELQ."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from elq.commands.console import ArgumentParser


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = ArgumentParser(
        prog="elq import",
        description="Make a model folder from the files that `elq download` gets. An interrupted import resumes"
        " when the same command is given again.",
        argument_default=argparse.SUPPRESS,  # Release and import_release have the defaults
    )
    made.add_argument("--weights", required=True, type=Path, metavar="FILE", help="the weights of the network, elq_*.bin")
    made.add_argument(
        "--params", required=True, type=Path, metavar="FILE", help="the settings of the network, elq_*_params.txt"
    )
    made.add_argument(
        "--encoder", required=True, type=Path, metavar="DIR", help="folder with config.json and vocab.txt of bert-large-uncased"
    )
    made.add_argument("--catalogue", required=True, type=Path, metavar="FILE", help="the catalogue, entity.jsonl")
    made.add_argument(
        "--table", required=True, type=Path, metavar="FILE", help="the table of entity vectors, all_entities_*.t7"
    )
    made.add_argument(
        "--index", type=Path, metavar="FILE", help="the index, faiss_*_index.pkl (default: exact search, without an index file)"
    )
    made.add_argument("--output", required=True, metavar="DIR", help="the model folder to make")
    made.add_argument("--dtype", help="number format of the table: float32 (default, as released) or float16")
    made.add_argument(
        "--question-tokens", type=int, metavar="N", help="in score mode elq, questions are cut after N tokens (default: 32)"
    )
    return made


def main(arguments: Sequence[str]) -> None:
    """Import the files, and print the command that links with the new model folder."""
    options = vars(parser().parse_args(arguments))
    output = options.pop("output")
    choices = {name: options.pop(name) for name in ("dtype", "question_tokens") if name in options}
    from elq.released.importing import Release, import_release

    import_release(Release(**options), output, **choices)
    print(f'link with: elq predict --model {output} "who directed titanic?"')
