"""The kinds of index: registered here, built and opened by their names."""

import dataclasses
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import torch

from elq.errors import ElqError
from elq.search.exact import ExactIndex
from elq.search.hnsw import HnswIndex
from elq.search.index import EntityIndex
from elq.search.options import WANTED, Value, chosen_options, defaults_of, list_options
from elq.search.table import EntityTable

INDEX_KINDS: dict[str, type[EntityIndex]] = {}  # by name; change it by `register`
DEFAULT_INDEX = ExactIndex.kind

Kind = TypeVar("Kind", bound=type[EntityIndex])


def register(kind: Kind) -> Kind:
    """Make an index kind known by its name, to builds, folders and commands of this process. Also a class decorator.

    Raises:
        ElqError: no complete kind of index, or a name that another kind has.
    """
    if not (isinstance(kind, type) and issubclass(kind, EntityIndex)):
        raise ElqError(f"{kind!r} is no kind of index: register a subclass of elq.search.index.EntityIndex")
    if inspect.isabstract(kind):
        raise ElqError(f"{kind.__name__} lacks {', '.join(sorted(kind.__abstractmethods__))}: write it, then register the kind")
    name = getattr(kind, "kind", None)
    if not (isinstance(name, str) and name.isidentifier()):
        raise ElqError(
            f"{kind.__name__} has the kind {name!r}, but must have a name of letters and digits: set it in the class"
        )
    if INDEX_KINDS.get(name, kind) is not kind:
        raise ElqError(f"index kind {name!r} is taken by {INDEX_KINDS[name].__name__}: give {kind.__name__} another name")
    if wrong := [file for file in kind.files if not file.startswith("index.") or Path(file).name != file]:
        raise ElqError(
            f'{kind.__name__} has the file {wrong[0]!r}, but the name of its files must begin with "index.": rename it'
        )
    plain = isinstance(kind.options, type) and dataclasses.is_dataclass(kind.options)
    if not (plain and all(type(default) in WANTED for default in defaults_of(kind.options).values())):
        raise ElqError(
            f"{kind.__name__} has the options {kind.options!r}, but they must be a dataclass of numbers and texts, all with a"
            " default: change them"
        )
    INDEX_KINDS[name] = kind
    return kind


register(ExactIndex)
register(HnswIndex)


def kind_of(name: str) -> type[EntityIndex]:
    """The index kind of a name.

    Raises:
        ElqError: an unknown kind.
    """
    if name not in INDEX_KINDS:
        raise ElqError(f"index kind {name!r} is unknown: choose one of {', '.join(INDEX_KINDS)}")
    return INDEX_KINDS[name]


def index_files() -> tuple[str, ...]:
    """The files that an index of some registered kind may have."""
    return tuple(dict.fromkeys(file for kind in INDEX_KINDS.values() for file in kind.files))


def index_options(name: str, chosen: Mapping[str, object]) -> dict[str, Value]:
    """The chosen options of a kind, checked and in their own types.

    Raises:
        ElqError: an unknown kind or option, or a bad value; the sentence lists the options of the kind.
    """
    return chosen_options(name, kind_of(name).options, chosen)


def describe_options() -> str:
    """The options of all kinds with their defaults and meanings, for `elq build --help`."""
    return "; ".join(f"{name}: {list_options(kind.options, meanings=True)}" for name, kind in INDEX_KINDS.items())


def build_index(name: str, table: EntityTable, chosen: Mapping[str, object] | None = None) -> EntityIndex:
    """Build an index of a kind over a table, with the chosen options and the defaults of the others.

    Raises:
        ElqError: an unknown kind or option, or a bad value.
    """
    kind = kind_of(name)
    return kind.build(table, kind.options(**index_options(name, chosen or {})))


def open_index(name: str, table: EntityTable, folder: str | Path, chosen: Mapping[str, object] | None = None) -> EntityIndex:
    """Open the index that :meth:`EntityIndex.save` wrote into a folder.

    Raises:
        ElqError: an unknown kind or option, a bad value, or a bad file.
    """
    return kind_of(name).open(table, Path(folder), index_options(name, chosen or {}))


def recall_against_exact(index: EntityIndex, *, k: int = 10, queries: int = 256) -> float:
    """Share of the true k nearest that an index finds, with entities spread over the table as queries."""
    table = index.table
    vectors = table.gather(torch.arange(0, len(table), max(1, len(table) // queries)))  # (Q, D)
    truth, found = ExactIndex(table).search(vectors, k)[1], index.search(vectors, k)[1]  # (Q, K)
    return float((truth.unsqueeze(-1) == found.unsqueeze(-2)).any(-1).float().mean())
