"""The slow way: what every index kind is compared with."""

import numpy as np

SIZE, WIDTH = 1_003, 24


def brute_force(table, queries, k):
    """Score every row in float64, sort, take k."""
    scores = queries.double().numpy() @ table.vectors.astype(np.float64).T
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, rows, axis=1), rows
