import numpy as np
import pytest
import torch

from elq.errors import ElqError
from elq.search.index import INDEX_KINDS, ExactIndex, HnswIndex, build_index, open_index, recall_against_exact
from elq.search.table import EntityTable

SIZE, WIDTH = 1_003, 24


@pytest.fixture(scope="module")
def table() -> EntityTable:
    return EntityTable(np.random.default_rng(0).standard_normal((SIZE, WIDTH)).astype(np.float16))


@pytest.fixture(scope="module")
def queries() -> torch.Tensor:
    return torch.randn(50, WIDTH, generator=torch.Generator().manual_seed(1)) * 3


def brute_force(table, queries, k):
    """Score every row in float64, sort, take k."""
    scores = queries.double().numpy() @ table.vectors.astype(np.float64).T
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, rows, axis=1), rows


@pytest.mark.parametrize("kind", INDEX_KINDS)
def test_equals_brute_force_in_values(kind, table, queries):
    scores, rows = build_index(kind, table).search(queries, 10)
    expected_scores, expected_rows = brute_force(table, queries, 10)
    assert scores.dtype == torch.float32
    assert rows.dtype == torch.int64
    np.testing.assert_allclose(scores.numpy(), expected_scores, rtol=1e-5, atol=1e-5)
    assert (rows.numpy() == expected_rows).mean() > 0.99  # hnsw finds all of them on a table this small


@pytest.mark.parametrize("block", [1, 7, 100, SIZE - 1, SIZE, SIZE + 5])
@pytest.mark.parametrize("resident", [True, False])
def test_no_block_is_skipped_nor_the_last_partial_one(block, resident, table, queries, monkeypatch):
    if not resident:
        monkeypatch.setattr("elq.search.index.RESIDENT_BYTES", 0)
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


@pytest.mark.parametrize("kind", INDEX_KINDS)
def test_batched_equals_single_and_saved_equals_built(kind, table, queries, tmp_path):
    index = build_index(kind, table)
    scores, rows = index.search(queries, 5)
    singles = [index.search(query[None], 5) for query in queries]
    torch.testing.assert_close(scores, torch.cat([s for s, _ in singles]), rtol=1e-5, atol=1e-5)
    assert torch.equal(rows, torch.cat([r for _, r in singles]))
    index.save(tmp_path)
    again = open_index(kind, table, tmp_path).search(queries, 5)
    assert torch.equal(again[0], scores)
    assert torch.equal(again[1], rows)


@pytest.mark.parametrize("kind", INDEX_KINDS)
def test_permuting_the_catalogue_permutes_rows_only(kind, table, queries):
    order = np.random.default_rng(5).permutation(SIZE)
    scores, rows = build_index(kind, table).search(queries, 4)
    shuffled_scores, shuffled_rows = build_index(kind, EntityTable(table.vectors[order])).search(queries, 4)
    torch.testing.assert_close(scores, shuffled_scores, rtol=1e-5, atol=1e-5)
    assert (order[shuffled_rows.numpy()] == rows.numpy()).mean() > 0.99


@pytest.mark.parametrize("kind", INDEX_KINDS)
def test_more_candidates_than_entities_and_no_queries(kind, table):
    small = EntityTable(table.vectors[:3])
    scores, rows = build_index(kind, small).search(torch.ones(2, WIDTH), 10)
    assert scores.shape == rows.shape == (2, 3)
    assert sorted(rows[0].tolist()) == [0, 1, 2]
    assert build_index(kind, small).search(torch.ones(0, WIDTH), 10)[0].shape == (0, 3)


def test_ef_search_is_a_knob(queries):
    # directions that make a search hard: many near-equal neighbours in high dimension
    table = EntityTable(np.random.default_rng(2).standard_normal((5_000, 64)).astype(np.float32))
    hard = torch.randn(200, 64, generator=torch.Generator().manual_seed(3))
    truth = ExactIndex(table).search(hard, 5)[1]
    recalls = [
        (HnswIndex(table, links=8, ef_construction=40, ef_search=ef).search(hard, 5)[1][..., None] == truth[:, None]).any(-1)
        for ef in (5, 400)
    ]
    assert recalls[0].float().mean() < recalls[1].float().mean()


def test_the_table_is_not_read_where_an_index_is_used(table, queries, tmp_path, monkeypatch):
    """The first ELQ loaded its 24 GB table beside the index; only the candidates' rows are wanted, for their scores."""
    HnswIndex(table).save(tmp_path)
    taken = []
    plain = EntityTable.gather
    monkeypatch.setattr(EntityTable, "tensor", lambda *_: pytest.fail("the whole table was read"))
    monkeypatch.setattr(EntityTable, "gather", lambda self, rows: taken.append(rows.shape) or plain(self, rows))
    open_index("hnsw", table, tmp_path).search(queries, 4)
    assert taken == [(len(queries), 4)]


def test_recall_against_exact_sees_a_worse_index(table):
    assert recall_against_exact(ExactIndex(table)) == 1.0
    narrow = HnswIndex(
        EntityTable(np.random.default_rng(2).standard_normal((5_000, 64)).astype(np.float32)), links=4, ef_search=10
    )
    assert 0.05 < recall_against_exact(narrow) < 0.95


def test_many_queries_are_searched_in_parts(table, monkeypatch, queries):
    expected = ExactIndex(table).search(queries, 5)
    monkeypatch.setattr("elq.search.index.QUERIES", 7)
    found = ExactIndex(table).search(queries, 5)
    torch.testing.assert_close(found[0], expected[0], rtol=1e-5, atol=1e-5)
    assert torch.equal(found[1], expected[1])


def test_bad_input(table, tmp_path):
    index = ExactIndex(table)
    with pytest.raises(ElqError, match="width 7, but the entity table has width 24"):
        index.search(torch.ones(1, 7), 3)
    with pytest.raises(ElqError, match="0 candidates"):
        index.search(torch.ones(1, WIDTH), 0)
    with pytest.raises(ElqError, match="'flatt' is unknown"):
        build_index("flatt", table)
    with pytest.raises(ElqError, match="the hnsw index does not see"):
        HnswIndex(EntityTable(table.vectors[:9])).search_normalised(torch.ones(1, WIDTH), 3)
    HnswIndex(EntityTable(table.vectors[:9])).save(tmp_path)
    with pytest.raises(ElqError, match="holds 9 × 24 vectors, but the table 1003 × 24"):
        open_index("hnsw", table, tmp_path)
    (tmp_path / "index.faiss").write_bytes(b"nonsense")
    with pytest.raises(ElqError, match="not a readable faiss index"):
        open_index("hnsw", table, tmp_path)
