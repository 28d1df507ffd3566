"""``elq evaluate --given``: measures which entity a linker chooses for mentions that are given."""

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from elq.commands.opening import has_pictures, open_linker
from elq.commands.question_sources import read_annotated
from elq.encoding.pretrained import GENERAL
from elq.errors import ElqError
from elq.files import write_json
from elq.model.config import kind_of

if TYPE_CHECKING:
    from elq.entities.catalogue import Catalogue
    from elq.linking.document import LinksGiven

BIENCODER = "biencoder"
OF_LINKERS = {  # and their defaults
    "catalogue": None,
    "columns": None,
    "scoring": None,
    "type_score_weight": None,
    "concepts": None,
    "backend": "torch",
    "dtype": "fp32",
}
NAMES = {  # the figures of the table, in its order
    "given_accuracy": "accuracy: the entity is the first candidate",
    "given_normalised_accuracy": "normalised accuracy: of mentions whose entity is a candidate",
    "given_accuracy_macro": "accuracy, mean over worlds",
    "given_accuracy_macro_texts": "accuracy, mean over texts",
    "given_recall": "the entity is among the first",
    "given_mrr": "mean reciprocal rank (MRR)",
    "given_mean_rank": "mean rank",
    "given_mentions": "mentions whose entity is in the catalogue",
    "given_texts": "texts with such a mention",
    "given_ms_per_mention": "milliseconds a mention",
}
LONG = ("given_accuracy_macro_texts", "given_recall@1", "given_recall@4", "given_texts")  # only with --all


def measure_given(options: argparse.Namespace) -> None:
    """Link the given mentions, print a table, and write the figures with their intervals.

    Args:
        options: the arguments of ``elq evaluate``, which are checked.
    """
    if options.catalogue is not None:  # report a bad line now, and not after the vectors of a catalogue are made
        read_annotated(options.questions, prefix=options.entity_prefix, form=options.format)
    model: str = options.model or GENERAL
    linker, catalogue = _opened(options)
    from elq.evaluation.evaluate import known_questions
    from elq.evaluation.given import Choices, K, observe_given, world_of
    from elq.linking.document import Together
    from elq.names.baseline import FamousName
    from elq.names.dictionary import Dictionary

    k: int = options.candidates or K
    questions = known_questions(
        read_annotated(options.questions, catalogue, options.entity_prefix, form=options.format), catalogue
    )
    worlds = {world_of(question) for question in questions} - {""}
    restricted = kind_of(model) is None and worlds and worlds <= catalogue.type_counts().keys()
    types = worlds if restricted else set()  # a bi-encoder cannot be restricted to types
    linkers: dict[str, LinksGiven] = {"model": Together(linker, catalogue) if options.document else linker}
    if options.baseline:
        linkers[options.baseline] = FamousName(Dictionary(catalogue))
    found: dict[str, Choices] = {
        name: observe_given(one, questions, candidates=k, types=types) for name, one in linkers.items()
    }
    values = {name: one.values() for name, one in found.items()}
    by_world = {name: one.by_world() for name, one in found.items()}
    print_given(values, f"{options.questions}, {model}, {k} candidates", by_world=by_world if options.all else {})
    if options.output:
        about: dict[str, Any] = {"questions_file": options.questions, "model_folder": model, "candidates": k}
        about |= {"worlds": by_world, "within_worlds": bool(types), "document": options.document}
        about |= {} if options.rerank is None else {"reranker": str(options.rerank)}
        about |= {"type_score_weight": options.type_score_weight} if options.type_score_weight else {}
        about |= {"intervals": {name: one.bounds() for name, one in found.items()}}
        write_json(options.output, {**about, **values})


def _opened(options: argparse.Namespace) -> "tuple[LinksGiven, Catalogue]":
    """What links the given mentions, and its catalogue.

    Raises:
        ElqError: an option has no meaning for a bi-encoder, or the model cannot be opened.
    """
    if kind_of(options.model or GENERAL) != BIENCODER:
        linker = open_linker(options)
        return linker, linker.entities.catalogue
    if wrong := next((name for name, default in OF_LINKERS.items() if getattr(options, name) != default), None):
        wrong = wrong.replace("_", "-")
        raise ElqError(f"--{wrong} is given, but {options.model} is a bi-encoder, which does not use it: leave out --{wrong}")
    if has_pictures(options.model):
        from elq.multimodal.disambiguator import MultimodalDisambiguator

        for name in ("rerank", "document"):
            if getattr(options, name):
                raise ElqError(
                    f"--{name} is given, but {options.model} has pictures, with which it does not work: leave it out"
                )
        pictured = MultimodalDisambiguator.from_pretrained(options.model, device=options.device)
        return pictured, pictured.entities.catalogue
    from elq.disambiguation.disambiguator import Disambiguator

    disambiguator = Disambiguator.from_pretrained(options.model, device=options.device, reranker=options.rerank)
    return disambiguator, disambiguator.entities.catalogue


def print_given(values: Mapping[str, Mapping[str, float]], title: str, *, by_world: Mapping[str, Mapping[str, float]]) -> None:
    """Print the table of figures with one column for each linker.

    Args:
        values: linker → name → value.
        title: title of the table.
        by_world: linker → world → accuracy, for the long table; empty for the short one.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    table.add_column("given mentions")
    for linker in values:
        table.add_column(linker, justify="right")
    names = dict.fromkeys(name for of_linker in values.values() for name in of_linker)
    for name in sorted(names, key=lambda name: [*NAMES].index(name.partition("@")[0])):
        if by_world or name not in LONG:
            table.add_row(in_words(name), *(_cell(name, of_linker) for of_linker in values.values()))
    for world in dict.fromkeys(world for of_linker in by_world.values() for world in of_linker):
        table.add_row(f"accuracy, {escape(world)}", *(_cell(world, of_linker) for of_linker in by_world.values()))
    console = Console(width=150)
    console.print(escape(title), style="italic", highlight=False, soft_wrap=True)
    console.print(table)
    if not by_world:
        console.print("--all prints every figure, --output FILE writes them as JSON with intervals.", highlight=False)


def in_words(name: str) -> str:
    """The name of a figure in words.

    >>> in_words("given_recall@4")
    'the entity is among the first 4'
    """
    start, _, k = name.partition("@")
    return f"{NAMES[start]} {k}".strip()


def _cell(name: str, values: Mapping[str, float]) -> str:
    from elq.report.wording import UNDEFINED

    if name not in values:
        return UNDEFINED
    if name in ("given_mentions", "given_texts"):
        return f"{values[name]:,.0f}"
    return f"{values[name]:.2f}" if name in ("given_ms_per_mention", "given_mean_rank") else f"{values[name]:.3f}"
