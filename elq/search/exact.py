"""The exact index: compares a mention vector with every entity of the table."""

from collections.abc import Collection, Mapping
from functools import cached_property

import torch
from torch import Tensor
from torch.linalg import vector_norm

from elq.search.index import EntityIndex
from elq.search.options import NoOptions
from elq.search.table import BLOCK, EntityTable

PIECE = 512  # rows that each thread converts to fp32 and multiplies while they are in the cache of its core
PRODUCTS = 1 << 20  # products that are in memory together; with more of them, log Σ exp takes twice as long for each
LARGE = 16_384  # rows from which on a float16 table is searched in two passes
FEW = 16  # vectors up to which it is; for more of them, fp32 products take no longer, and need no shortlist
LOOSE = 0.05  # largest proven error of log Σ exp that the first pass may have, in nats
HALF, SINGLE = 2.0**-11, 2.0**-24  # half of the distance of two neighbours in float16 and fp32, divided by their size


def multiplies_half() -> bool:
    """Whether torch multiplies float16 matrices quickly here, with sums in fp32: oneDNN on processors with AVX512-FP16.

    Elsewhere such a product takes up to a hundred times as long as one in fp32, or its sums are rounded to float16.
    """
    known: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # old versions of torch do not say it
    there = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return bool(known.get("avx512_fp16") and there and torch.backends.mkldnn.enabled)


def halves_of(vectors: Tensor) -> Tensor:
    """Vectors as sums of two float16 vectors: (Q, D) fp32 → (2, Q, D), the second of which is multiplied by 2¹¹.

    >>> joined(halves_of(torch.tensor([[0.1]]))), torch.tensor([[0.1]]).half().float()
    (tensor([[0.1000]]), tensor([[0.1000]]))
    """
    rounded = vectors.half()
    return torch.stack([rounded, ((vectors - rounded.float()) / HALF).half()])


def joined(halves: Tensor) -> Tensor:
    """The fp32 sum of two halves, or of their products: (2, …) → (…)."""
    return torch.add(halves[0].float(), halves[1].float(), alpha=HALF)


class ExactIndex(EntityIndex):
    """Brute force over the whole table, block by block. No copy of the table is kept.

    A float16 table is converted to fp32 in pieces that stay in the cache, in one buffer, since new memory for every piece costs
    more than the product. The product is queries · tableᵀ: for few queries it is quicker than table · queriesᵀ.

    A few vectors are searched in two passes in a large float16 table if torch multiplies float16 quickly
    (:func:`multiplies_half`). The first pass multiplies the stored rows with the vectors rounded to float16, and keeps a
    shortlist of 4 k + 64 rows. The second computes the scores of the shortlist from the table in fp32. The law, in which e is
    the proven bound of :meth:`_error` on the error of the first pass:

    - The rows are those of the search in fp32, since a vector is searched again in fp32 unless its k-th score is above the last
      score of the first pass by more than e. Only rows whose scores differ by no more than the rounding of fp32 may change
      their places.
    - log Σ exp has an error of at most e. The error is far smaller than e, since the scores of the shortlist are exact and the
      roundings of the others cancel out: at most 0.00004 over all mentions of webqsp_dev, where no link changes
      (benchmarks/RESULTS.md).
    - If an e is infinite, or log Σ exp is asked for and an e is not below ``LOOSE``, there is only a search in fp32.

    Args:
        table: the entity table.
        block: the most rows that are scored together.
        removed: rows that no search may find.
    """

    kind = "exact"
    sees_all = True

    @classmethod
    def memory_bytes(cls, rows: int, width: int, options: NoOptions) -> int:
        """The size of one block in fp32, of which only a piece is in memory at a time."""
        return min(rows, BLOCK) * width * 4

    @classmethod
    def disk_bytes(cls, rows: int, width: int, options: NoOptions) -> int:
        """0, since this index has no file."""
        return 0

    def __init__(self, table: EntityTable, *, block: int = BLOCK, removed: Collection[int] = ()) -> None:
        super().__init__(table)
        self.block = block
        self._removed = torch.tensor(sorted(removed), dtype=torch.int64)
        self.size = len(table) - len(removed)

    @cached_property
    def _longest(self) -> float:
        """The largest Euclidean norm of a row; NaN or infinity if the table contains them."""
        buffer = torch.empty(PIECE, self.table.width)
        norms = (vector_norm(buffer[: len(rows)].copy_(rows), dim=-1) for _, rows in self.table.blocks(PIECE))
        return float(torch.stack([own.amax() for own in norms]).amax())

    def _error(self, vectors: Tensor, halves: Tensor) -> Tensor:
        """A bound (Q,) on the error of the products of the first pass, for vectors (Q, D) and what :func:`halves_of` makes.

        With |v| the norm of a vector and R the largest norm of a row, |v − halves| R is the error by rounding the vector, and
        2⁻¹¹ |v| R that by rounding a product to float16. A sum of D products in fp32 has at most the error D 2⁻²⁴ |v| R in
        any order; the sums of both passes together, with terms of higher order, have less than D 2⁻²² |v| R. The last term is
        for products near 0.
        """
        lost = vector_norm(vectors - joined(halves), dim=-1)  # (Q,)
        error: Tensor = self._longest * (lost + (HALF + 4 * SINGLE * self.table.width) * vector_norm(vectors, dim=-1)) + SINGLE
        return error

    def _search(self, vectors: Tensor, k: int, normalise: bool) -> tuple[Tensor, Tensor, Tensor]:
        shortlist = 4 * k + 64
        if len(vectors) > FEW or self.table.dtype != "float16" or len(self.table) < max(LARGE, 16 * shortlist):
            return self._scan(vectors, k, normalise)
        return self._search_twice(vectors, k, normalise, shortlist) if multiplies_half() else self._scan(vectors, k, normalise)

    def _search_twice(self, vectors: Tensor, k: int, normalise: bool, shortlist: int) -> tuple[Tensor, Tensor, Tensor]:
        """The search in two passes. See the law of the class."""
        halves = halves_of(vectors)  # (2, Q, D)
        error = self._error(vectors, halves)  # (Q,)
        if not (error < (LOOSE if normalise else torch.inf)).all():
            return self._scan(vectors, k, normalise)
        near, rows, total = self._scan(halves, shortlist, normalise)  # (Q, S) twice, (Q,)
        rows, order = rows.sort(dim=-1)  # so that earlier rows come first among equals
        near = near.gather(-1, order)  # (Q, S)
        scores = self._exact(vectors, rows)  # (Q, S)
        worst = near.amin(-1).clamp_min(torch.finfo(torch.half).min)  # (Q,)
        share = (near - total.unsqueeze(-1)).exp()  # (Q, S) of log Σ exp
        total = total + (share * (scores - near).nan_to_num().expm1()).sum(-1).log1p()  # (Q,)
        scores, order = scores.sort(dim=-1, descending=True, stable=True)
        scores, rows = scores[:, :k], rows.gather(-1, order)[:, :k]
        unsure = ~(scores[:, -1] > worst + error)  # (Q,), also where something is NaN
        if unsure.any():
            for known, found in zip((scores, rows, total), self._scan(vectors[unsure], k, normalise), strict=True):
                known[unsure] = found
        return scores, rows, total

    def _exact(self, vectors: Tensor, rows: Tensor) -> Tensor:
        """The fp32 products of the vectors with some rows each: (Q, D) and (Q, S) → (Q, S), −inf for removed rows."""
        products = torch.stack([(self.table.gather(own) * one).sum(-1) for one, own in zip(vectors, rows, strict=True)])
        return products.masked_fill(torch.isin(rows, self._removed), -torch.inf) if len(self._removed) else products

    def _products(self, vectors: Tensor, block: Tensor) -> Tensor:
        """The fp32 inner products of vectors (Q, D), or of halves (2, Q, D), with a block of rows (block, D): (Q, block)."""
        if vectors.ndim == 3:
            return joined((vectors.flatten(0, 1) @ block.T).view(*vectors.shape[:2], -1))
        if block.dtype == torch.float32:
            return vectors @ block.T
        piece = PIECE * torch.get_num_threads()
        products, buffer = torch.empty(len(vectors), len(block)), torch.empty(min(piece, len(block)), self.table.width)
        for first in range(0, len(block), piece):
            rows = block[first : first + piece]
            torch.mm(vectors, buffer[: len(rows)].copy_(rows).T, out=products[:, first : first + piece])
        return products

    def _scan(self, vectors: Tensor, k: int, normalise: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Search all blocks with vectors (Q, D) or halves (2, Q, D); without ``normalise``, the totals are −inf."""
        count = vectors.shape[-2]  # Q
        scores, total = torch.full((count, 0), -torch.inf), torch.full((count,), -torch.inf)
        rows = torch.empty(count, 0, dtype=torch.int64)
        for start, block in self.table.blocks(min(self.block, max(PRODUCTS // count, PIECE))):
            products = self._products(vectors, block)  # (Q, block)
            if len(self._removed):
                low, high = torch.searchsorted(self._removed, torch.tensor([start, start + len(block)])).tolist()
                products[:, self._removed[low:high] - start] = -torch.inf
            if normalise:
                total = torch.logaddexp(total, products.logsumexp(-1))  # (Q,)
            best, found = products.topk(min(k, products.shape[-1]), dim=-1)  # (Q, ≤k)
            scores = torch.cat([scores, best], dim=-1)
            rows = torch.cat([rows, found + start], dim=-1)
            scores, order = scores.sort(dim=-1, descending=True, stable=True)  # earlier rows first among equals
            scores, rows = scores[:, :k], rows.gather(-1, order)[:, :k]
        return scores, rows, total
