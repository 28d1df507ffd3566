"""``elq import``: the files of the released ELQ → a model folder."""

import argparse
from collections.abc import Sequence
from pathlib import Path


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser(
        prog="elq import",
        description="Make a model folder from the files of the released ELQ (see `elq download`). A killed import goes on.",
        argument_default=argparse.SUPPRESS,  # what is not given keeps the default of Release and import_release
    )
    made.add_argument("--weights", required=True, type=Path, metavar="FILE", help="elq_*.bin")
    made.add_argument("--params", required=True, type=Path, metavar="FILE", help="elq_*_params.txt")
    made.add_argument(
        "--encoder", required=True, type=Path, metavar="DIR", help="folder with config.json and vocab.txt of bert-large-uncased"
    )
    made.add_argument("--catalogue", required=True, type=Path, metavar="FILE", help="entity.jsonl")
    made.add_argument("--table", required=True, type=Path, metavar="FILE", help="all_entities_*.t7")
    made.add_argument("--index", type=Path, metavar="FILE", help="faiss_*_index.pkl (default: exact search)")
    made.add_argument("--output", required=True, metavar="DIR", help="the model folder to make")
    made.add_argument("--dtype", help="of the table: float32 (default, as released) or float16")
    made.add_argument("--question-tokens", type=int, metavar="N", help="score mode elq cuts questions there (default: 32)")
    return made


def main(arguments: Sequence[str]) -> None:
    """Import, and say how to go on."""
    options = vars(parser().parse_args(arguments))
    output = options.pop("output")
    choices = {name: options.pop(name) for name in ("dtype", "question_tokens") if name in options}
    from elq.released.importing import Release, import_release

    import_release(Release(**options), output, **choices)
    print(f'link with: elq predict --model {output} "who directed titanic?"')
