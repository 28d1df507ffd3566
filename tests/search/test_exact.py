"""Tests of the exact index only; the laws of all kinds are in test_kinds.py."""

import numpy as np
import pytest
import torch

from elq.search.exact import ExactIndex
from tests.search.slow import SIZE, brute_force


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
