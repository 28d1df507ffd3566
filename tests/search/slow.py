"""The slow oracle with which every index kind is compared."""

import numpy as np

SIZE, WIDTH = 1_003, 24


def brute_force(table, queries, k):
    """Compute the score of every row in float64, sort them, and return the k best."""
    scores = queries.double().numpy() @ table.vectors.astype(np.float64).T
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, rows, axis=1), rows
