"""``elq export``: writes a model folder in the layout of another program, or its encoder for another backend."""

import argparse
from collections.abc import Sequence

from elq.commands.console import ArgumentParser
from elq.errors import ElqError


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = ArgumentParser(
        prog="elq export",
        description="Write a model folder in the layout of another program, or write the encoder of a model for ONNX Runtime or"
        " OpenVINO beside its weights; `--backend` of the other commands then uses it.",
    )
    made.add_argument("--model", required=True, metavar="DIR", help="model folder; for onnx and openvino also elq/general")
    made.add_argument(
        "--format",
        required=True,
        choices=("blink", "onnx", "openvino"),
        help="blink: the files of the released ELQ; onnx or openvino: the encoder for this backend",
    )
    made.add_argument("--output", metavar="DIR", help="the folder to make (only blink)")
    made.add_argument("--dtype", help="number format of the encoder: fp32 (default), or int8 (only onnx)")
    made.add_argument(
        "--questions",
        metavar="FILE",
        help="questions with which int8 is calibrated, like those that will be linked (default: those of the starter)",
    )
    return made


def main(arguments: Sequence[str]) -> None:
    """Export the model folder, or its encoder."""
    options = parser().parse_args(arguments)
    _check(options)
    if options.format == "blink":
        from elq.released.exporting import export_blink

        return export_blink(options.model, options.output)
    from itertools import islice

    from elq.commands.question_sources import open_source
    from elq.linking.exporting import QUESTIONS, export_encoder
    from elq.linking.general import STARTER

    texts: list[str] = []
    if options.dtype == "int8":
        source = options.questions or str(STARTER.with_name("train.jsonl"))
        texts = [question.text for question in islice(open_source(source, None, None), QUESTIONS)]
    print(export_encoder(options.model, options.format, options.dtype or "fp32", questions=texts))
    return None


def _check(options: argparse.Namespace) -> None:
    """Refuse options that the format does not use.

    Raises:
        ElqError: an option is missing, or has no use.
    """
    blink = options.format == "blink"
    if blink and options.output is None:
        raise ElqError("--format blink needs the folder to make: give --output DIR")
    unused = {"--output": not blink, "--dtype": blink, "--questions": options.dtype != "int8"}
    for name, has_no_use in unused.items():
        if has_no_use and getattr(options, name[2:]) is not None:
            needed = {"--output": "--format blink", "--dtype": "--format onnx or openvino", "--questions": "--dtype int8"}
            raise ElqError(f"{name} is given, but only {needed[name]} uses it: leave out {name}")
