"""Tests of the interface, whose code is the same for every kind of index."""

import pytest
import torch

from elq.errors import ElqError
from elq.search.exact import ExactIndex
from elq.search.kinds import build_index
from tests.search.slow import WIDTH


def test_many_queries_are_searched_in_parts(table, monkeypatch, queries):
    expected = ExactIndex(table).search(queries, 5)
    monkeypatch.setattr("elq.search.index.QUERIES", 7)
    found = ExactIndex(table).search(queries, 5)
    torch.testing.assert_close(found[0], expected[0], rtol=1e-5, atol=1e-5)
    assert torch.equal(found[1], expected[1])


def test_bad_input(table):
    index = ExactIndex(table)
    with pytest.raises(ElqError, match="width 7, but the entity table has width 24"):
        index.search(torch.ones(1, 7), 3)
    with pytest.raises(ElqError, match="0 candidates"):
        index.search(torch.ones(1, WIDTH), 0)
    with pytest.raises(ElqError, match="'flatt' is unknown"):
        build_index("flatt", table)
