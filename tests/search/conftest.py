"""The table and the queries that the tests of all index kinds share."""

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
