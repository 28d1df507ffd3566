"""The table and the queries that the tests of all index kinds share, and a Milvus in this process for the remote index."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch

from elq.search.table import EntityTable
from tests.search.slow import SIZE, WIDTH


@pytest.fixture(scope="session")
def table() -> EntityTable:
    return EntityTable(np.random.default_rng(0).standard_normal((SIZE, WIDTH)).astype(np.float16))


@pytest.fixture(scope="session")
def queries() -> torch.Tensor:
    return torch.randn(50, WIDTH, generator=torch.Generator().manual_seed(1)) * 3


@pytest.fixture(scope="session")
def milvus_folder(tmp_path_factory) -> str:
    """The address of a Milvus that runs in this process, and keeps its data in a folder."""
    if not (find_spec("pymilvus") and find_spec("milvus_lite")):
        pytest.skip("pymilvus or milvus-lite is not here")
    return str(tmp_path_factory.mktemp("milvus") / "own.db")


@pytest.fixture(autouse=True)
def _server_of_the_remote_index(request, monkeypatch) -> None:
    if "kind" in request.fixturenames and request.getfixturevalue("kind") == "remote":
        monkeypatch.setenv("ELQ_MILVUS_URL", request.getfixturevalue("milvus_folder"))
