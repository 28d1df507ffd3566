"""``elq bulk``: links many files, in several processes or on many machines."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from elq.bulk.signals import handled
from elq.commands.console import ArgumentParser, add_ray, refuse_below_one
from elq.commands.opening import add_model_options, columns_of
from elq.encoding.pretrained import GENERAL
from elq.linking.inputs import read_candidates, read_probability, read_threshold


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = ArgumentParser(
        prog="elq bulk",
        description="Link many files of questions: each input file becomes one output file. Give the same command again after a"
        " break: finished files are not linked again.",
    )
    made.add_argument(
        "--input",
        required=True,
        metavar="FOLDER",
        help="folder of .txt, .jsonl, .json, .csv, .tsv or .parquet files, also compressed; or a pattern, 'data/*.csv'",
    )
    made.add_argument("--output", required=True, metavar="FOLDER", help="folder of the files with links")
    made.add_argument("--format", choices=("jsonl", "parquet"), default="jsonl", help="format of the output (default: jsonl)")
    made.add_argument(
        "--text-column", metavar="COLUMN", help="column or key that has the questions (default: text or question)"
    )
    add_model_options(made)
    made.add_argument("--threshold", type=read_threshold, help="least joint score of a link (default: the model's own)")
    made.add_argument("--min-probability", type=read_probability, metavar="P", help="least probability of a link, from 0 to 1")
    made.add_argument("--candidates", type=read_candidates, metavar="K", help="candidates of each mention")
    made.add_argument("--mentions", type=int, metavar="N", help="spans for which entities are searched (default: 50)")
    made.add_argument("--nil", action="store_true", help="also link mentions of entities that are not in the catalogue, to NIL")
    made.add_argument(
        "--workers", type=int, metavar="N", help="workers that link at the same time (default: one for each core, or each card)"
    )
    add_ray(made)
    made.add_argument(
        "--overwrite", action="store_true", help="delete links in the output that another model or other settings made"
    )
    return made


def main(arguments: Sequence[str]) -> None:
    """Link the files, and print what was done."""
    options = parser().parse_args(arguments)
    refuse_below_one(options, "workers", "mentions")
    columns = columns_of(options)
    if options.device == "auto" and options.ray is None:
        from elq.encoding.device import chosen_device

        options.device = chosen_device("auto")
    from elq.bulk.job import Job
    from elq.bulk.run import bulk

    model = options.model or GENERAL
    job = Job(
        output=Path(options.output).expanduser().resolve(),
        model=str(Path(model).expanduser().resolve()) if Path(model).expanduser().is_dir() else model,
        catalogue=None if options.catalogue is None else str(Path(options.catalogue).expanduser().resolve()),
        columns=columns,
        opening={
            **{name: getattr(options, name) for name in ("device", "scoring", "backend", "dtype")},
            **({} if options.mentions is None else {"max_mentions": options.mentions}),
        },
        how={name: getattr(options, name) for name in ("threshold", "min_probability", "candidates", "nil")},
        text_column=options.text_column,
        form=options.format,
    )
    with stoppable():
        print(bulk(job, options.input, workers=options.workers, ray=options.ray, overwrite=options.overwrite))


@contextmanager
def stoppable() -> Iterator[None]:
    """End the command with one sentence at SIGTERM and at Ctrl-C."""

    def stop(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    with handled(stop):
        try:
            yield
        except SystemExit:
            print("elq: stopped; the same command goes on where this one stopped", file=sys.stderr)
            raise
