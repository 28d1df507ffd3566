from pathlib import Path

import numpy as np
import pytest
import torch

from elq.errors import ElqError
from elq.search.table import EntityTable


def test_rows_come_back_in_every_form(tmp_path):
    vectors = np.random.default_rng(0).standard_normal((10, 4)).astype(np.float16)
    np.save(tmp_path / "table.npy", vectors)
    table = EntityTable.open(tmp_path / "table.npy")
    expected = torch.from_numpy(vectors.astype(np.float32))
    assert (len(table), table.width, table.dtype) == (10, 4, "float16")
    assert isinstance(table.vectors, np.memmap)  # mapped, not read
    assert torch.equal(table.tensor(3, 9), expected[3:9])
    assert torch.equal(table.gather(torch.tensor([[9, 0], [4, 4]])), expected[torch.tensor([[9, 0], [4, 4]])])
    assert torch.equal(table.tensor(), expected)


def test_a_float32_table_is_never_copied_so_that_processes_share_its_pages(tmp_path):
    np.save(tmp_path / "table.npy", np.random.default_rng(0).standard_normal((1_000, 64)).astype(np.float32))
    table = EntityTable.open(tmp_path / "table.npy")
    address = table.vectors.ctypes.data
    assert table.tensor().data_ptr() == address
    assert table.tensor(10, 20).data_ptr() == address + 10 * 64 * 4
    mapped = next(line for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith("table.npy"))
    assert mapped.split()[1] == "r--s"  # shared, and nobody can write to it


def test_blocks_are_the_mapped_rows_of_the_base_and_of_the_segments(tmp_path):
    parts = [np.random.default_rng(rows).standard_normal((rows, 4)).astype(np.float16) for rows in (10, 1, 5)]
    for number, part in enumerate(parts):
        np.save(tmp_path / f"{number}.npy", part)
    table = EntityTable.open(*(tmp_path / f"{number}.npy" for number in range(3)))
    found = list(table.blocks(4))
    assert [(first, len(block)) for first, block in found] == [(0, 4), (4, 4), (8, 2), (10, 1), (11, 4), (15, 1)]
    assert np.array_equal(np.concatenate([block.numpy() for _, block in found]), np.concatenate(parts))
    assert found[1][1].data_ptr() == table.vectors.ctypes.data + 4 * 4 * 2
    assert found[0][1].dtype == torch.float16


def test_refuses_what_is_no_table(tmp_path):
    path = tmp_path / "table.npy"
    np.save(path, np.zeros((10, 4), np.float32))
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ElqError, match="not a readable entity table"):
        EntityTable.open(path)
    np.save(path, np.array([{"code": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ElqError, match="not a readable entity table"):
        EntityTable.open(path)
    with pytest.raises(ElqError, match="not a readable entity table"):
        EntityTable.open(tmp_path / "missing.npy")
    with pytest.raises(ElqError, match="float64"):
        EntityTable(np.zeros((2, 2)))
