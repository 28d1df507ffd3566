"""Tests of the exact index only; the laws of all kinds are in test_kinds.py."""

import numpy as np
import pytest
import torch

from elq.errors import ElqError
from elq.search import exact
from elq.search.exact import FEW, LARGE, LOOSE, ExactIndex, halves_of, multiplies_half
from elq.search.table import EntityTable
from tests.search.slow import SIZE, WIDTH, brute_force


@pytest.mark.parametrize("block", [1, 7, 100, SIZE - 1, SIZE, SIZE + 5])
@pytest.mark.parametrize("piece", [3, 2_048])
def test_no_block_is_skipped_nor_the_last_partial_one(block, piece, table, queries, monkeypatch):
    monkeypatch.setattr("elq.search.exact.PIECE", piece)
    index = ExactIndex(table, block=block)
    _, rows = index.search(queries, 3)
    assert (rows.numpy() == brute_force(table, queries, 3)[1]).all()
    last = torch.from_numpy(table.vectors[-1:].astype(np.float32)) * 100
    assert index.search(last, 1)[1].item() == SIZE - 1
    expected = np.log(np.exp(queries.double().numpy() @ table.vectors.astype(np.float64).T).sum(1))
    for some in (queries, queries[:1], queries[:3]):  # a few take another way
        scores, rows, total = index.search_normalised(some, 3)
        np.testing.assert_allclose(total.numpy(), expected[: len(some)], rtol=1e-5)
        assert (rows.numpy() == brute_force(table, some, 3)[1]).all()
        np.testing.assert_allclose(scores.numpy(), brute_force(table, some, 3)[0], rtol=1e-5, atol=1e-5)


# ── two passes over a large float16 table ──

needs_half = pytest.mark.skipif(not multiplies_half(), reason="this processor multiplies no float16 matrices, or only slowly")
ROWS = LARGE + 3_000


@pytest.fixture(scope="module")
def large() -> np.ndarray:
    """The vectors of a table that is searched in two passes; some rows are equal, and row 5 is equal to row 4,000."""
    vectors = np.random.default_rng(3).standard_normal((ROWS, WIDTH)).astype(np.float16)
    vectors[[100, 9_000, ROWS - 1]] = vectors[7]
    vectors[4_000] = vectors[5]
    return vectors


@pytest.fixture(scope="module")
def short(queries) -> torch.Tensor:
    """Vectors that are so short that log Σ exp may come from the first pass."""
    return queries * 0.2


class Watched(ExactIndex):
    """Remembers which searches were made: "half" and a number of vectors, or "fp32" and a number of vectors."""

    def __init__(self, table, **options):
        super().__init__(table, **options)
        self.made = []

    def _scan(self, vectors, k, normalise):
        self.made.append(("half" if vectors.ndim == 3 else "fp32", vectors.shape[-2]))
        return super()._scan(vectors, k, normalise)


def slow(vectors, queries, k, removed=()):
    """The scores, rows and log Σ exp of all rows that were not removed, in float64 and one query after the other."""
    found = []
    for query in queries.double().numpy():
        products = vectors.astype(np.float64) @ query
        products[list(removed)] = -np.inf
        rows = np.argsort(-products, kind="stable")[:k]
        found.append((products[rows], rows, np.logaddexp.reduce(products)))
    return tuple(np.array(column) for column in zip(*found, strict=True))


def check(index, vectors, queries, k, removed=()):
    scores, rows, total = index.search_normalised(queries, k)
    expected = slow(vectors, queries, k, removed)
    assert (rows.numpy() == expected[1]).all()
    np.testing.assert_allclose(scores.numpy(), expected[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(total.numpy(), expected[2], atol=1e-3)
    assert torch.equal(index.search(queries, k)[1], rows)


@needs_half
@pytest.mark.parametrize("number", [1, 2, FEW])
@pytest.mark.parametrize("cuts", [[], [LARGE, LARGE + 1]])
def test_two_passes_find_what_the_slow_search_finds(number, cuts, large, short):
    removed = {int(row) for row in slow(large, short[:1], 3)[1][0]} | {0, LARGE, ROWS - 1}
    for gone in ((), removed):
        index = Watched(EntityTable(*np.split(large, cuts)), removed=gone)
        check(index, large, short[:number], 10, gone)
        assert index.made == [("half", number)] * 2


@needs_half
def test_equal_rows_come_in_their_order(large):
    index = Watched(EntityTable(large))
    query = torch.from_numpy(large[7:8].astype(np.float32))
    assert index.search(query, 5)[1][0, :4].tolist() == [7, 100, 9_000, ROWS - 1]
    assert index.made == [("half", 1)]


@needs_half
def test_the_two_passes_are_for_few_vectors_and_many_rows(large, queries):
    for table, number, k in (
        (EntityTable(large), FEW + 1, 10),
        (EntityTable(large[: LARGE - 1]), 1, 10),
        (EntityTable(large), 1, 1_000),
        (EntityTable(large.astype(np.float32)), 1, 10),
    ):
        index = Watched(table)
        check(index, large[: len(table)], queries[:number], k)
        assert index.made == [("fp32", number)] * 2


@needs_half
@pytest.mark.parametrize("scale", [1e-7, 1e-3, 1.0, 300.0])
def test_the_error_of_the_first_pass_is_below_its_bound(scale, large, queries):
    vectors = (large * np.float16(0.01)) if scale < 1 else large  # some numbers of float16 without their full precision
    index, some = ExactIndex(EntityTable(vectors)), queries[:8] * scale
    halves = halves_of(some)
    found = index._products(halves, torch.from_numpy(vectors)).double()
    error = (found - some.double() @ torch.from_numpy(vectors).double().T).abs().amax(-1)
    bound = index._error(some, halves)
    assert (error <= bound).all()
    assert (bound <= 2**-10 * index._longest * some.norm(dim=-1) + 1e-7).all()  # a bound that is worth something


@needs_half
def test_a_vector_whose_shortlist_is_unsure_is_searched_again(large, short):
    """More rows than the shortlist has differ by less than a product in float16 can tell apart."""
    vectors = large.copy()
    near = np.random.default_rng(4).permutation(ROWS)[:400]
    vectors[near] = vectors[near[0]] * np.float16(8)
    vectors[near, 0] = np.arange(400) * np.float16(2**-10)
    hard = torch.from_numpy(vectors[near[:1]].astype(np.float32))
    hard[:, 0] = 1.0
    index, some = Watched(EntityTable(vectors)), torch.cat([short[:1], hard / hard.norm(), short[1:2]])
    scores, rows = index.search(some, 10)
    expected = slow(vectors, some, 10)
    assert (rows.numpy() == expected[1]).all()
    np.testing.assert_allclose(scores.numpy(), expected[0], rtol=1e-5, atol=1e-5)
    assert index.made == [("half", 3), ("fp32", 1)]


@needs_half
def test_of_removed_rows_none_is_found_when_hardly_one_is_left(large, short):
    left = [3, 500, ROWS - 2]
    index = Watched(EntityTable(large), removed=set(range(ROWS)) - set(left))
    scores, rows, total = index.search_normalised(short[:2], 10)
    assert index.made == [("half", 2)]
    expected = slow(large[left], short[:2], 3)
    assert (np.array(left)[expected[1]] == rows.numpy()).all()
    np.testing.assert_allclose(scores.numpy(), expected[0], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(total.numpy(), expected[2], atol=1e-3)


@needs_half
def test_vectors_that_are_too_long_are_searched_in_fp32(large, short):
    index, some = Watched(EntityTable(large)), torch.cat([short[:1], short[1:2] * 1e2, short[2:3] * 1e6])
    assert (index._error(some, halves_of(some)) < LOOSE).tolist() == [True, False, False]
    expected = index._scan(some, 10, True)
    for number, normalised, plain in ((1, "half", "half"), (2, "fp32", "half"), (3, "fp32", "fp32")):
        index.made.clear()
        found = index.search_normalised(some[:number], 10)
        again = index.search(some[:number], 10)
        assert index.made == [(normalised, number), (plain, number)]
        assert torch.equal(found[1], expected[1][:number])
        assert torch.equal(again[1], expected[1][:number])
        torch.testing.assert_close(found[2], expected[2][:number], rtol=1e-5, atol=1e-3)


@needs_half
def test_nan_and_infinity_are_refused(large, queries):
    for wrong in (np.nan, np.inf):
        vectors = large.copy()
        vectors[11, 2] = wrong
        with pytest.raises(ElqError, match="the score of row 11 of the entity table is"):
            ExactIndex(EntityTable(vectors)).search(queries[:1].abs(), 3)
    with pytest.raises(ElqError, match="contains NaN or Inf"):
        ExactIndex(EntityTable(large)).search(queries[:1] * torch.nan, 3)


def test_processors_without_float16_products_search_in_fp32(large, queries, monkeypatch):
    monkeypatch.setattr(exact, "multiplies_half", lambda: False)
    index = Watched(EntityTable(large))
    check(index, large, queries[:2], 10)
    assert index.made == [("fp32", 2)] * 2


def test_only_the_shortlist_is_copied(large, queries, monkeypatch):
    copied = []
    plain = EntityTable.gather
    monkeypatch.setattr(EntityTable, "tensor", lambda *_: pytest.fail("a part of the table was copied"))
    monkeypatch.setattr(EntityTable, "gather", lambda self, rows: copied.append(len(rows)) or plain(self, rows))
    ExactIndex(EntityTable(large)).search(queries[:2], 10)
    assert copied == ([104, 104] if multiplies_half() else [])
