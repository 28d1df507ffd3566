"""Opening: the options of a command that say which model links over which catalogue."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elq.collector import starting
from elq.commands.console import parse_columns
from elq.encoding.pretrained import GENERAL
from elq.errors import ElqError
from elq.linking.inputs import CONCEPTS, read_type_score_weight

if TYPE_CHECKING:
    from elq.linking.linker import Linker


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--model`` and the options of :func:`add_catalogue_options` to the arguments of a command."""
    parser.add_argument(
        "--model",
        metavar="DIR",
        help=f"model folder or Hub name (default: {GENERAL}, the model in the package, over the starter)",
    )
    add_catalogue_options(parser)


def add_rerank(parser: argparse.ArgumentParser) -> None:
    """Add ``--rerank`` to the arguments of a command."""
    parser.add_argument(
        "--rerank",
        metavar="DIR",
        help="folder of a cross-encoder (experiment=crossencoder), which re-ranks the candidates of each mention",
    )


def add_type_score_weight(parser: argparse.ArgumentParser) -> None:
    """Add ``--type-score-weight`` to the arguments of a command."""
    parser.add_argument(
        "--type-score-weight",
        type=read_type_score_weight,
        metavar="W",
        help="weight of types in the score of candidates, for a model with types (default: 0, they do not count)",
    )


def add_concepts(parser: argparse.ArgumentParser) -> None:
    """Add ``--concepts`` to the arguments of a command."""
    parser.add_argument(
        "--concepts",
        choices=CONCEPTS,
        help='whether generic nouns, such as "high school", are links (default: as the model says, which is mostly keep)',
    )


def add_catalogue_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--catalogue``, ``--columns``, ``--scoring`` and how the encoder computes to the arguments of a command."""
    parser.add_argument(
        "--catalogue",
        metavar="FILE",
        help="link over this catalogue (JSONL, JSON, CSV or Parquet), with no training; its vectors are kept in the cache",
    )
    parser.add_argument(
        "--columns",
        metavar="FIELD=COLUMN,…",
        help="names of the catalogue's columns where they differ from elq's, such as id=sku,title=name",
    )
    parser.add_argument(
        "--scoring",
        metavar="MODE",
        help="score mode: candidates, table, shortlist, or elq, that of the released ELQ (default: the model's own)",
    )
    parser.add_argument("--device", default="cpu", help="where the encoder runs: cpu, cuda, auto, … (default: cpu)")
    parser.add_argument(
        "--backend",
        default="torch",
        help="what computes the encoder: torch, or onnx or openvino after `elq export` (default: torch)",
    )
    parser.add_argument(
        "--dtype",
        default="fp32",
        help="number format of the encoder: fp32, bf16 (torch, openvino), int8 (onnx), or auto: bf16 where it is quick"
        " (default: fp32)",
    )


def has_pictures(model: str | None) -> bool:
    """Whether a model is the folder of a bi-encoder with pictures (elq/multimodal/disambiguator.py)."""
    return model is not None and (Path(model) / "pictures" / "linking.json").is_file()


def columns_of(options: argparse.Namespace) -> dict[str, str] | None:
    """The columns of the catalogue file; None if there are none.

    Raises:
        ElqError: ``--columns`` is wrong, or is given without ``--catalogue``.
    """
    if options.columns is not None and options.catalogue is None:
        raise ElqError("--columns is given, but only --catalogue uses it: give --catalogue FILE too, or leave out --columns")
    return parse_columns(options.columns) if options.columns else None


def open_linker(options: argparse.Namespace, **settings: Any) -> "Linker":
    """The linker that the model and the options of :func:`add_catalogue_options` choose.

    Raises:
        ElqError: ``--columns`` is given without ``--catalogue``, or the linker cannot be opened.
    """
    columns = columns_of(options)
    settings |= {name: getattr(options, name) for name in ("device", "backend", "dtype", "scoring")}
    if getattr(options, "rerank", None) is not None:
        settings["reranker"] = options.rerank
    if getattr(options, "type_score_weight", None) is not None:
        settings["type_score_weight"] = options.type_score_weight
    if getattr(options, "concepts", None) is not None:
        settings["concepts"] = options.concepts
    with starting():
        from elq.linking import opening

        return opening.open_linker(options.model, options.catalogue, columns=columns, **settings)
