"""What the commands share: reading arguments and options, and printing errors."""

import argparse
import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from elq.errors import ElqError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
EXTRAS = {  # module → the extra of elq that installs it
    **dict.fromkeys(("lightning", "hydra", "omegaconf", "antlr4", "jsonargparse", "torchmetrics"), "train"),
    **dict.fromkeys(("orjson", "rapidgzip", "pyoxigraph", "openpyxl"), "sources"),
    "ray": "ray",
    **dict.fromkeys(("fastapi", "uvicorn", "starlette", "pydantic", "prometheus_client"), "serve"),
    "opentelemetry": "tracing",
    "pandas": "pandas",
    "spacy": "spacy",
    "rdflib": "nif",
    "datasets": "datasets",
    **dict.fromkeys(("pymilvus", "grpc"), "milvus"),
    **dict.fromkeys(("onnx", "onnxruntime"), "onnx"),
    "openvino": "openvino",
    "sklearn": "emerging",
    "scipy": "multimodal",
}
FREE_SPACE = "free space on the disk or choose another folder, then give the same command again; finished work is kept"


class ArgumentParser(argparse.ArgumentParser):
    """The parser of a command's arguments. It reports a mistake as an ElqError, in one sentence and without the usage."""

    def error(self, message: str) -> NoReturn:
        """Raise an ElqError with the message of argparse."""
        raise ElqError(f"{' '.join(message.split())}: `{self.prog} --help` explains the options")


def add_folder(parser: argparse.ArgumentParser) -> None:
    """Add the folder of a command that changes entities."""
    parser.add_argument("folder", metavar="MODEL", help="a model folder or an entities folder")


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Add ``--columns`` of a command that reads a catalogue file."""
    parser.add_argument(
        "--columns", default="", metavar="F=C,…", help="elq's field=your file's column, for each name that differs"
    )


def add_ray(made: argparse.ArgumentParser) -> None:
    """Add ``--ray`` to the arguments of a command."""
    made.add_argument(
        "--ray",
        nargs="?",
        const="",
        metavar="ADDRESS",
        help="work on the machines of a Ray cluster: $RAY_ADDRESS, or the one of this machine, unless an address is given",
    )


def add_entity_prefix(parser: argparse.ArgumentParser) -> None:
    """Add ``--entity-prefix`` of a command that reads or writes NIF."""
    parser.add_argument(
        "--entity-prefix",
        metavar="IRI",
        help="beginning of the entities' IRIs in NIF and for ELEVANT, such as http://dbpedia.org/resource/ (default: that of"
        " Wikidata for Wikidata ids)",
    )


def speak(command: Callable[[], object]) -> int:
    """Run a command, and print one sentence if its input is wrong. Returns the exit code: 0, or 2 for wrong input."""
    try:
        command()
    except ElqError as error:
        print(f"elq: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if (said := missing_extra(error)) is None:
            raise  # the module belongs to no extra, so this is an error in elq
        print(f"elq: {said}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the program that reads the output has ended, as in `elq predict … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if error.errno in FULL:
            print(f"elq: a file could not be written ({error.strerror}): {FREE_SPACE}", file=sys.stderr)
            return 2
        if error.filename is None:
            raise  # the error is not about a file
        print(
            f"elq: {error.filename} cannot be used ({error.strerror}): give another path, or correct this one", file=sys.stderr
        )
        return 2
    return 0


def refuse_below_one(options: argparse.Namespace, *names: str) -> None:
    """Refuse numbers below 1.

    Args:
        options: the arguments.
        names: the options that are numbers of at least 1; one that is None was not given.

    Raises:
        ElqError: a number is below 1.
    """
    for name in names:
        if (value := getattr(options, name)) is not None and value < 1:
            raise ElqError(f"--{name} is {value}, but must be at least 1: give --{name} 1 or more")


def refuse_overwriting(output: str | None, *read: str | Path | None) -> None:
    """Refuse to write where the command reads.

    Args:
        output: the path to be written; None: the command writes no file.
        read: the files that the command reads, and the model folder, in which no file may be replaced. None and other names
            (a model on the Hub, - for standard input) are passed over.

    Raises:
        ElqError: the output is one of the files, or a file of the model folder, or it is a folder.
    """
    if output is not None and Path(output).is_dir():
        raise ElqError(f"{output} is a folder, but the output is a file: give the path of a file")
    if output is None or not Path(output).is_file():
        return
    for path in (Path(one) for one in read if one):
        inside = path.is_dir() and Path(output).resolve().is_relative_to(path.resolve())
        if inside or (path.is_file() and path.samefile(output)):
            raise ElqError(f"{output} is read by this command, and would be replaced: give another path for the output")


def missing_extra(error: ModuleNotFoundError) -> str | None:
    """The sentence that says what to install for a missing module; None if no extra of elq contains the module.

    >>> missing_extra(ModuleNotFoundError(name="hydra.core"))
    "this command needs hydra, which is not installed: pip install 'elq[train]'"
    """
    module = (error.name or "").partition(".")[0]
    if module not in EXTRAS:
        return None
    return f"this command needs {module}, which is not installed: pip install 'elq[{EXTRAS[module]}]'"


def parse_pairs(text: str, option: str, form: str) -> dict[str, str]:
    """Read pairs from ``a=1,b=2``; an empty text has none.

    Args:
        text: the value of the option.
        option: its name, for the message.
        form: what the pairs are, with an example, for the message.

    Raises:
        ElqError: a pair lacks a side.
    """
    pairs = [pair.partition("=") for pair in text.split(",")] if text else []
    if wrong := next((pair for pair in pairs if not (pair[0] and pair[2])), None):
        raise ElqError(f"{option} has {''.join(wrong)!r}, but must be {form}")
    return {left.strip(): right.strip() for left, _, right in pairs}


def parse_names(text: str) -> tuple[str, ...]:
    """The names in a list such as ``en,de``.

    >>> parse_names("en, de")
    ('en', 'de')
    """
    return tuple(name.strip() for name in text.split(",") if name.strip())


def parse_columns(text: str) -> dict[str, str]:
    """Read pairs of a field of elq and a column of the user's file from ``id=qid,title=name``.

    >>> parse_columns("id=qid,title=name")
    {'id': 'qid', 'title': 'name'}
    """
    return parse_pairs(text, "--columns", "FIELD=COLUMN pairs such as id=qid,title=name")
