"""The kinds of index: registers them, and builds and opens an index by name."""

import dataclasses
import inspect
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TypeVar

from elq.errors import ElqError
from elq.search.exact import ExactIndex
from elq.search.fast_scan import Pq4Index
from elq.search.grown import GrownIndex
from elq.search.hnsw import HnswIndex
from elq.search.index import EntityIndex
from elq.search.inverted import IvfPqIndex, IvfSq8Index
from elq.search.options import WANTED, Value, chosen_options, defaults_of, list_options
from elq.search.quantised import Sq8Index
from elq.search.remote import RemoteIndex
from elq.search.shortlist import ShortlistIndex
from elq.search.table import EntityTable

INDEX_KINDS: dict[str, type[EntityIndex]] = {}  # by name; only `register` adds to it
DEFAULT_INDEX = ExactIndex.kind

Kind = TypeVar("Kind", bound=type[EntityIndex])


def register(kind: Kind) -> Kind:
    """Register an index kind by its name, for all builds, folders and commands of this process. Also a class decorator.

    Raises:
        ElqError: the kind of index is not complete, or another kind has the same name.
    """
    if not (isinstance(kind, type) and issubclass(kind, EntityIndex)):
        raise ElqError(f"{kind!r} is not a kind of index: register a subclass of elq.search.index.EntityIndex")
    if inspect.isabstract(kind):
        raise ElqError(
            f"{kind.__name__} lacks the methods {', '.join(sorted(kind.__abstractmethods__))}: write them, then register it"
        )
    name = getattr(kind, "kind", None)
    if not (isinstance(name, str) and name.isidentifier()):
        raise ElqError(
            f"{kind.__name__} has the kind {name!r}, but must have a name of letters and digits: set `kind` in the class"
        )
    if INDEX_KINDS.get(name, kind) is not kind:
        raise ElqError(f"index kind {name!r} is taken by {INDEX_KINDS[name].__name__}: give {kind.__name__} another name")
    if wrong := [file for file in kind.files if not file.startswith("index.") or Path(file).name != file]:
        raise ElqError(
            f'{kind.__name__} has the file {wrong[0]!r}, but the names of its files must begin with "index." and contain no'
            " folder: rename the file"
        )
    plain = isinstance(kind.options, type) and dataclasses.is_dataclass(kind.options)
    if not (plain and all(type(default) in WANTED for default in defaults_of(kind.options).values())):
        raise ElqError(
            f"{kind.__name__} has the options {kind.options!r}, but they must be a dataclass of numbers and texts, all with a"
            " default: set `options` to such a class"
        )
    INDEX_KINDS[name] = kind
    return kind


for _kind in (ExactIndex, HnswIndex, Pq4Index, Sq8Index, IvfSq8Index, IvfPqIndex, RemoteIndex):
    register(_kind)


def kind_of(name: str) -> type[EntityIndex]:
    """The index kind of a name.

    Raises:
        ElqError: there is no kind of this name.
    """
    if name not in INDEX_KINDS:
        raise ElqError(f"index kind {name!r} is unknown: choose one of {', '.join(INDEX_KINDS)}")
    return INDEX_KINDS[name]


def index_files() -> tuple[str, ...]:
    """The files that an index of any registered kind may have."""
    return tuple(dict.fromkeys(file for kind in INDEX_KINDS.values() for file in kind.files))


def index_options(name: str, chosen: Mapping[str, object]) -> dict[str, Value]:
    """Check the chosen options of a kind, and convert them to their types.

    Raises:
        ElqError: the kind or an option is unknown, or a value is bad; the message lists the options of the kind.
    """
    return chosen_options(name, kind_of(name).options, chosen)


def describe_options() -> str:
    """The options of all kinds with their defaults and meanings, for `elq build --help`."""
    return "; ".join(f"{name}: {list_options(kind.options, meanings=True)}" for name, kind in INDEX_KINDS.items())


def build_index(name: str, table: EntityTable, chosen: Mapping[str, object] | None = None, prior: int = 0) -> EntityIndex:
    """Build an index of a kind over a table.

    Args:
        name: the kind.
        table: the entity table.
        chosen: the options that were chosen; the others have their defaults.
        prior: P, the number of columns of the prior, which are the last of the table.

    Raises:
        ElqError: the kind or an option is unknown, or a value is bad.
    """
    kind = kind_of(name)
    options = kind.options(**index_options(name, chosen or {}))
    if issubclass(kind, ShortlistIndex):
        return kind.build_with(table, options, prior)
    return kind.build(table, options)


def open_index(
    name: str,
    table: EntityTable,
    folder: str | Path,
    chosen: Mapping[str, object] | None = None,
    removed: Collection[int] = (),
) -> EntityIndex:
    """Open the index that :meth:`EntityIndex.save` wrote into a folder.

    Args:
        name: the kind of the index.
        table: the entity table. If it has segments, the index in the folder is that of its base.
        folder: the folder with the files of the index.
        chosen: the options that were chosen.
        removed: rows that no search may find.

    Raises:
        ElqError: the kind or an option is unknown, or a value or a file is bad.
    """
    options = index_options(name, chosen or {})
    if not (table.segments or removed):
        return kind_of(name).open(table, Path(folder), options)
    if kind_of(name).sees_all:
        return ExactIndex(table, removed=removed)
    return GrownIndex(kind_of(name).open(table.base, Path(folder), options), table, removed)
