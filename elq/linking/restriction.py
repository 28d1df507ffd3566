"""Restriction: finds the candidates of mentions among some entities only, those of given types or ids.

A restriction changes which entities may be answered, and not how likely each of them is: p(entity | mention) is normalised over
the same entities as without a restriction. So γ and the calibration stay valid, and an entity that the question hardly asks for
has a low score, although no likelier entity is allowed.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from elq.entities.catalogue import Catalogue
from elq.errors import ElqError
from elq.linking.inputs import shown
from elq.search.table import EntityTable

BLOCK = 65_536  # rows of the table that are compared with the mention vectors at a time
SHOWN = 8  # types that a message names

_ids_of_type: WeakKeyDictionary[Catalogue, tuple[int, Mapping[str, list[str]]]] = WeakKeyDictionary()


def allowed_rows(
    catalogue: Catalogue, types: str | Iterable[str] | None = None, ids: str | Iterable[str] | None = None
) -> Tensor | None:
    """The catalogue rows that a restriction allows, (A,) int64 in ascending order; None if there is no restriction.

    Args:
        catalogue: the catalogue.
        types: entities that have one of these types are allowed.
        ids: entities with one of these ids are allowed. If types are given too, an entity must be allowed by both.

    Raises:
        ElqError: a value is not a string, the catalogue has no such type or id, or no entity is allowed by both.
    """
    if types is None and ids is None:
        return None
    wanted = None if ids is None else set(_strings(ids, "ids"))
    found = set() if wanted is None else wanted
    if types is not None:
        of_type = _types(catalogue)
        found = {one for name in _known(_strings(types, "types"), of_type) for one in of_type[name]}
    if wanted is not None:
        ordered = sorted(wanted)
        if lacking := [one for one, row in zip(ordered, catalogue.rows(ordered).tolist(), strict=True) if row < 0]:
            raise ElqError(f"the catalogue has no entity with the id {shown(lacking[0])}: give ids of the catalogue")
        found = found & wanted
    if not found:
        raise ElqError("no entity has one of these types and one of these ids: give others, or only types or only ids")
    return torch.from_numpy(catalogue.rows(sorted(found))).sort().values


def _strings(values: str | Iterable[str], name: str) -> list[str]:
    found = [values] if isinstance(values, str) else list(values) if isinstance(values, Iterable) else [values]
    if not found or not all(isinstance(value, str) for value in found):
        wrong = next((value for value in found if not isinstance(value, str)), found)
        raise ElqError(f"{name} has {shown(wrong)}, but must be strings, at least one: give a list of strings")
    return found


def _types(catalogue: Catalogue) -> Mapping[str, list[str]]:
    """The ids of the entities of each type. They are collected once for each catalogue."""
    size, found = _ids_of_type.get(catalogue, (-1, {}))
    if size != len(catalogue):
        collected: dict[str, list[str]] = {}
        for entity in catalogue:
            for name in entity.types:
                collected.setdefault(name, []).append(entity.id)
        found = collected
        _ids_of_type[catalogue] = len(catalogue), found
    return found


def _known(types: list[str], of_type: Mapping[str, list[str]]) -> list[str]:
    if lacking := [name for name in types if name not in of_type]:
        alike = get_close_matches(lacking[0], of_type) or sorted(of_type, key=lambda name: -len(of_type[name]))[:SHOWN]
        choice = f"give one that it has, such as {', '.join(alike)}" if alike else "its entities have no types, so give ids"
        raise ElqError(f"no entity of the catalogue has the type {shown(lacking[0])}: {choice}")
    return types


def best_allowed(table: EntityTable, vectors: Tensor, allowed: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The best of the allowed rows for each of Q mentions, by comparing all of them.

    Args:
        table: the entity table.
        vectors: (Q, D) mention vectors on the CPU, fp32.
        allowed: (A,) int64 rows.
        k: the number of rows for each mention; if k is larger than A, A is used.

    Returns:
        Inner products (Q, K) fp32, best first, and rows (Q, K) int64.
    """
    scores, rows = vectors.new_empty(len(vectors), 0), allowed.new_empty(len(vectors), 0)
    for block in torch.split(allowed, BLOCK):
        products = vectors @ table.gather(block).T  # (Q, block)
        everyone = torch.cat([scores, products], -1)  # (Q, K + block)
        places = torch.cat([rows, block.expand(len(vectors), -1)], -1)  # (Q, K + block)
        scores, order = everyone.topk(min(k, everyone.shape[-1]), dim=-1)  # (Q, K)
        rows = places.gather(-1, order)  # (Q, K)
    return scores, rows
