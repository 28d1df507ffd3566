"""The estimate of log Σ exp over all entities, against the sum itself."""

import numpy as np
import pytest
import torch

from elq.search.exact import ExactIndex
from elq.search.normaliser import Normaliser
from elq.search.table import EntityTable
from tests.search.slow import SIZE


def exact(table, queries, removed=()):
    products = queries.double() @ torch.from_numpy(table.vectors.astype(np.float64)).T
    products[:, list(removed)] = -torch.inf
    return products.logsumexp(-1).float()


def estimates(table, queries, k, removed=(), **sample):
    scores, rows = ExactIndex(table, removed=removed).search(queries, k)
    return estimate(Normaliser(table, removed, **sample), queries, scores, rows, scores[:, -1])


def estimate(normaliser, queries, *found):
    return normaliser(normaliser.products(queries), *found)


def near(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("removed", [(), (0, 5, SIZE - 1, *range(100, 400))])
def test_it_is_the_sum_itself_if_all_entities_were_found_or_all_rows_are_sampled(removed, table, queries):
    near(estimates(table, queries, SIZE, removed, rows=7), exact(table, queries, removed))
    near(estimates(table, queries, 1, removed, rows=SIZE), exact(table, queries, removed))
    near(estimates(table, queries, 40, removed), exact(table, queries, removed))


@pytest.mark.parametrize("removed", [(), tuple(range(300, 900))])
def test_samples_are_right_on_average_and_larger_ones_and_shortlists_are_nearer(removed, table, queries):
    queries = queries / 8  # so that no entity has most of the sum
    truth, errors = exact(table, queries, removed), []
    for k, rows in ((20, 50), (20, 200), (100, 200)):
        found = torch.stack([estimates(table, queries, k, removed, rows=rows, seed=seed) for seed in range(100)])  # (100, Q)
        mean = found.double().logsumexp(0) - np.log(100)  # of the sums
        assert float((mean - truth).abs().mean()) < 0.02
        errors.append(float((found - truth).abs().mean()))
    assert errors[0] > 1.5 * errors[1] > 1.5 * errors[2]


def test_the_seed_decides_which_rows_are_sampled(table, queries):
    first, again, other = (estimates(table, queries / 8, 20, rows=50, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_entities_that_were_found_count_once(table, queries):
    """A sampled row that is on the shortlist is not counted again, in whatever order the shortlist is, with gaps too."""
    scores, rows = ExactIndex(table).search(queries, 40)
    worst, order = scores[:, -1], torch.randperm(40, generator=torch.Generator().manual_seed(2))
    padded = (
        torch.nn.functional.pad(scores[:, order], (0, 3), value=-torch.inf),
        torch.nn.functional.pad(rows[:, order], (0, 3), value=-1),
    )
    near(estimate(Normaliser(table), queries, *padded, worst), exact(table, queries))


def test_an_entity_that_the_search_missed_does_not_stand_for_many(queries):
    vectors = np.random.default_rng(1).standard_normal((1_000, 24)).astype(np.float32)
    vectors[500] = queries[0].numpy()  # by far the best one
    table = EntityTable(vectors)
    scores, rows = ExactIndex(table).search(queries[:1], 21)
    limited = estimate(Normaliser(table, rows=1_000), queries[:1], scores[:, 1:], rows[:, 1:], scores[:, -1])
    truth = exact(EntityTable(np.delete(vectors, 500, 0)), queries[:1])
    assert float((limited - truth).abs()) < 0.1 < float(exact(table, queries[:1]) - truth) - 10
