"""Tests of the HNSW index only; the laws of all kinds are in test_kinds.py."""

import numpy as np
import pytest
import torch

from elq.errors import ElqError
from elq.search.exact import ExactIndex
from elq.search.hnsw import HnswIndex, HnswOptions
from elq.search.kinds import build_index, open_index
from elq.search.recall import recall
from elq.search.table import EntityTable
from tests.search.slow import WIDTH


def built(table: EntityTable, **options: int) -> HnswIndex:
    return HnswIndex.build(table, HnswOptions(**options))


def test_ef_search_is_a_knob(queries):
    # directions that make a search hard: many near-equal neighbours in high dimension
    table = EntityTable(np.random.default_rng(2).standard_normal((5_000, 64)).astype(np.float32))
    hard = torch.randn(200, 64, generator=torch.Generator().manual_seed(3))
    truth = ExactIndex(table).search(hard, 5)[1]
    recalls = [
        (built(table, links=8, ef_construction=40, ef_search=ef).search(hard, 5)[1][..., None] == truth[:, None]).any(-1)
        for ef in (5, 400)
    ]
    assert recalls[0].float().mean() < recalls[1].float().mean()


def test_the_table_is_not_read_where_an_index_is_used(table, queries, tmp_path, monkeypatch):
    """The first ELQ loaded its 24 GB table in addition to the index; only the rows of the candidates are needed."""
    built(table).save(tmp_path)
    taken = []
    plain = EntityTable.gather
    monkeypatch.setattr(EntityTable, "tensor", lambda *_: pytest.fail("the whole table was read"))
    monkeypatch.setattr(EntityTable, "gather", lambda self, rows: taken.append(rows.shape) or plain(self, rows))
    open_index("hnsw", table, tmp_path).search(queries, 4)
    assert taken == [(len(queries), 4)]


def test_recall_sees_a_worse_index(table):
    assert recall(ExactIndex(table), table.tensor(0, 200)) == (1.0, 1.0)
    narrow = built(EntityTable(np.random.default_rng(2).standard_normal((5_000, 64)).astype(np.float32)), links=4, ef_search=10)
    found = recall(narrow, narrow.table.tensor(0, 200))
    assert 0.05 < found.ten < 0.95
    assert 0.05 < found.first < 1


def test_bad_files(table, tmp_path):
    with pytest.raises(ElqError, match="the hnsw index does not compute"):
        built(EntityTable(table.vectors[:9])).search_normalised(torch.ones(1, WIDTH), 3)
    built(EntityTable(table.vectors[:9])).save(tmp_path)
    with pytest.raises(ElqError, match="contains 9 × 24 vectors, but the table has 1003 × 24"):
        open_index("hnsw", table, tmp_path)
    (tmp_path / "index.faiss").write_bytes(b"nonsense")
    with pytest.raises(ElqError, match="not a readable faiss index"):
        open_index("hnsw", table, tmp_path)


@pytest.mark.parametrize("links", [2, 4, 48])
@pytest.mark.parametrize("rows", [1, 2, 30, 1_003])
def test_the_estimate_follows_the_links(links, rows, table, tmp_path):
    index = built(EntityTable(table.vectors[:rows]), links=links, ef_construction=10)
    index.save(tmp_path)
    size = (tmp_path / "index.faiss").stat().st_size
    assert size <= HnswIndex.disk_bytes(rows, WIDTH, HnswOptions(links=links)) <= 2 * size + 1_024


def test_every_option_reaches_the_graph(table):
    index = build_index("hnsw", table, {"links": 5, "ef_construction": 33, "ef_search": 44})
    graph = index._faiss.hnsw
    assert (graph.nb_neighbors(1), graph.efConstruction, graph.efSearch) == (5, 33, 44)


def test_the_breadth_of_an_opened_index_is_the_chosen_one_or_that_of_the_file(table, tmp_path):
    built(table, ef_search=77).save(tmp_path)
    assert open_index("hnsw", table, tmp_path).ef_search == 77
    assert open_index("hnsw", table, tmp_path, {"links": 32}).ef_search == 77
    assert open_index("hnsw", table, tmp_path, {"ef_search": 128}).ef_search == 128
    built(table, ef_search=100_000).save(tmp_path)
    assert open_index("hnsw", table, tmp_path).ef_search == len(table)
