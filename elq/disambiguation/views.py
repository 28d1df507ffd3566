"""Views: further vectors of entities whose description has several sentences, one for each sentence.

An entity of which a text says several things has one vector for all of them, which is near to none. So the title with each
sentence of the description is a view with a vector of its own, and the score of the entity is that of its best view. The whole
text is a view too, so an entity with one sentence needs no other row than that of the table.

Source: MuVER (Ma et al. 2021), whose views are the sentences of an entity's text.

File format: the folder ``views`` in a model folder, with ``table.npy`` (V, D + P), the vectors of the views, as in an entity
table; ``rows.npy`` (V,) int64, their catalogue rows in ascending order; and ``views.json``, the catalogue to which they belong.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from elq.entities.catalogue import Catalogue
from elq.errors import ElqError
from elq.files import replacing_folder, write_json
from elq.search.exact import ExactIndex
from elq.search.table import EntityTable
from elq.tensors import Array
from elq.types import Entity

VIEWS, TABLE, ROWS, ABOUT = "views", "table.npy", "rows.npy", "views.json"
CHOICES = ("whole", "sentences")
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[^\Wa-z_])|(?<=[。！？])|;\s+")  # where a sentence ends and another begins


def sentences(text: str) -> list[str]:
    """The sentences of a text. Parts that a semicolon divides count as sentences.

    >>> sentences("American politician; former mayor of New York City. Born in St. louis. He won.")
    ['American politician', 'former mayor of New York City.', 'Born in St. louis.', 'He won.']
    """
    return [part.strip() for part in SENTENCE.split(text) if part and part.strip()]


def views_of(entity: Entity) -> list[Entity]:
    """The records of the views of an entity besides its whole text: one for each of several sentences of its description.

    >>> [view.description for view in views_of(Entity("Q1", "Volga", "Volga", "river in Russia; longest river in Europe"))]
    ['river in Russia', 'longest river in Europe']
    """
    found = sentences(entity.description)
    return [replace(entity, description=one) for one in found] if len(found) > 1 else []


def _all_views(catalogue: Catalogue) -> Iterator[tuple[int, Entity]]:
    for row, entity in enumerate(catalogue.all_rows()):
        if row not in catalogue.removed:
            yield from ((row, view) for view in views_of(entity))


class Views:
    """The views of the entities of a catalogue, in which can be searched.

    Args:
        rows: (V,) int64 catalogue rows in ascending order.
        table: V vectors.
        removed: catalogue rows of removed entities, whose views are not found.
    """

    def __init__(self, rows: Tensor, table: EntityTable, removed: Collection[int] = ()) -> None:
        gone = [place for place, row in enumerate(rows.tolist()) if row in removed]
        self.rows, self.table, self.index = rows, table, ExactIndex(table, removed=gone)
        self.most = int(torch.unique(rows, return_counts=True)[1].max())  # views of one entity

    @classmethod
    def open(cls, folder: str | Path, catalogue_sha256: str, removed: Collection[int] = ()) -> "Views | None":
        """Open the views in a model folder; None if there are none.

        Args:
            folder: the model folder.
            catalogue_sha256: the hash of the base of the catalogue beside them.
            removed: catalogue rows of removed entities.

        Raises:
            ElqError: the files are damaged, or belong to another catalogue.
        """
        place = Path(folder) / VIEWS
        if not place.is_dir():
            return None
        try:
            about = json.loads((place / ABOUT).read_text(encoding="utf-8"))
            rows = torch.from_numpy(np.load(place / ROWS, allow_pickle=False))
            table = EntityTable.open(place / TABLE)
        except (OSError, ValueError) as error:
            raise ElqError(f"{place} cannot be read ({error}): remove the folder, or export the model again") from None
        if about.get("catalogue_sha256") != catalogue_sha256 or len(rows) != len(table) or rows.dtype != torch.int64:
            raise ElqError(
                f"{place} belongs to another catalogue than the entities beside it, which were changed since: remove"
                " the folder, or export the model again"
            )
        return cls(rows, table, removed)

    def with_best(self, queries: Tensor, scores: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The K best entities by their best view.

        Args:
            queries: (M, D + P) vectors of mentions.
            scores, rows: (M, K) the scores and catalogue rows of the nearest whole texts, best first.

        Returns:
            Scores and catalogue rows (M, K), best first.
        """
        found, places = self.index.search(queries, rows.shape[-1] * self.most)  # (M, V')
        everyone = torch.cat([scores, found], -1)  # (M, K + V')
        whose = torch.cat([rows, torch.where(places < 0, -1, self.rows[places.clamp_min(0)])], -1)  # (M, K + V')
        return best_of_each(everyone, whose, rows.shape[-1])

    def best_products(self, queries: Tensor, products: Tensor, rows: Tensor) -> Tensor:
        """The inner products (M, E) of the best view of each of E entities.

        Args:
            queries: (M, D + P) vectors of mentions.
            products: (M, E) inner products of the whole texts.
            rows: (M, E) catalogue rows, −1 for none.
        """
        first = torch.searchsorted(self.rows, rows.contiguous())  # (M, E)
        for number in range(self.most):
            place = (first + number).clamp_max(len(self.rows) - 1)  # (M, E)
            same = self.rows[place] == rows  # (M, E)
            if same.any():
                other = torch.einsum("md,med->me", queries, self.table.gather(place))  # (M, E)
                products = torch.where(same, products.maximum(other), products)
        return products


def best_of_each(scores: Tensor, rows: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k best of entities that may be there several times: scores and rows (M, k), best first, each row once.

    Args:
        scores, rows: (M, C), −1 where there is no entity.
        k: how many; if there are fewer, −inf and −1 follow.

    >>> best_of_each(torch.tensor([[3.0, 2.0, 5.0]]), torch.tensor([[7, 4, 4]]), 2)
    (tensor([[5., 3.]]), tensor([[4, 7]]))
    """
    scores, order = scores.masked_fill(rows < 0, -torch.inf).sort(dim=-1, descending=True, stable=True)  # (M, C)
    rows = rows.gather(-1, order)  # (M, C)
    by_row, places = rows.sort(dim=-1, stable=True)  # of equal rows, the best first
    again = torch.zeros_like(rows, dtype=torch.bool)  # (M, C)
    again[:, 1:] = by_row[:, 1:] == by_row[:, :-1]
    again = torch.zeros_like(again).scatter(-1, places, again)  # (M, C) in the order of the scores
    best, order = scores.masked_fill(again, -torch.inf).topk(min(k, scores.shape[-1]), -1)  # (M, k)
    return best, rows.gather(-1, order).masked_fill(best == -torch.inf, -1)


def build_views(
    folder: str | Path, catalogue: Catalogue, catalogue_sha256: str, vectors: Callable[[Sequence[Entity]], Array], dtype: str
) -> int:
    """Make the folder ``views`` in a model folder, unless no entity has several sentences. Returns V, the number of views.

    Args:
        folder: the model folder.
        catalogue: the catalogue.
        catalogue_sha256: its hash, as in the manifest of the entities.
        vectors: makes the vectors (V, D + P) of records.
        dtype: the data type of the table.
    """
    found = [*_all_views(catalogue)]
    if found:
        with replacing_folder(Path(folder) / VIEWS) as made:
            np.save(made / TABLE, vectors([view for _, view in found]).astype(dtype))
            np.save(made / ROWS, np.array([row for row, _ in found], np.int64))
            write_json(made / ABOUT, {"catalogue_sha256": catalogue_sha256, "views": len(found)})
    return len(found)
