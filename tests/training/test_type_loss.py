"""The loss of types equals loops over mentions and types."""

import math

import pytest
import torch

from elq.entities.hierarchy import Hierarchy
from elq.training.type_loss import ramp, type_loss, type_targets

PARENTS = (-1, 0, 1, 1, 2, 2, 2, 3, -1, 8, 8, 8, 10, 10)
HIERARCHY = Hierarchy(tuple("abcdefghijklmn"), PARENTS)
ABOVE = torch.from_numpy(HIERARCHY.above())


def line(place: int) -> set[int]:
    return set() if place < 0 else {place} | line(PARENTS[place])


def slow_targets(direct: set[int]) -> tuple[set[int], set[int]]:
    positive = set().union(*map(line, direct))
    finest = {one for one in positive if not any(one in line(other) - {other} for other in positive)}
    below = {one for one in range(14) if any(top in line(one) - {one} for top in finest)}
    return positive, set(range(14)) - positive - below if positive else set()


def test_ancestors_are_gold_and_what_is_below_the_finest_takes_no_part():
    positive, negative = type_targets(torch.eye(14).bool()[[2]], ABOVE)
    assert positive[0].nonzero().flatten().tolist() == [0, 1, 2]
    assert negative[0].nonzero().flatten().tolist() == [3, 7, 8, 9, 10, 11, 12, 13]  # without 4, 5 and 6, which are below 2


def test_targets_equal_the_loops():
    direct = torch.rand(60, 14, generator=torch.Generator().manual_seed(1)) < 0.1
    positive, negative = type_targets(direct, ABOVE)
    for q, row in enumerate(direct):
        found = [{*part[q].nonzero().flatten().tolist()} for part in (positive, negative)]
        assert tuple(found) == slow_targets({*row.nonzero().flatten().tolist()})
    assert not positive[~direct.any(-1)].any()


def test_the_loss_equals_the_loops():
    generator = torch.Generator().manual_seed(2)
    direct, p = torch.rand(20, 14, generator=generator) < 0.1, torch.rand(20, 14, generator=generator)
    total, count = 0.0, 0
    for q, row in enumerate(direct):
        positive, negative = slow_targets({*row.nonzero().flatten().tolist()})
        if positive:
            total += 3.0 * sum(-math.log(p[q, one]) for one in positive) / len(positive)
            total += 0.5 * sum(-math.log(1 - p[q, one]) for one in negative) / max(1, len(negative))
            count += 1
    found = type_loss(p, *type_targets(direct, ABOVE), positive_weight=3.0, negative_weight=0.5)
    assert (found[0].item(), found[1].item()) == (pytest.approx(total, rel=1e-5), count)
    assert 0 < count < 20


def test_certain_probabilities_have_a_finite_loss_and_gradient():
    p = torch.tensor([[0.0, 1.0]], requires_grad=True)
    loss, _ = type_loss(p, torch.tensor([[True, False]]), torch.tensor([[False, True]]))
    loss.backward()
    assert loss.isfinite()
    assert p.grad.isfinite().all()


def test_nothing_known_has_no_loss():
    nothing = torch.zeros(3, 14).bool()
    loss, count = type_loss(torch.full((3, 14), 0.5), *type_targets(nothing, ABOVE))
    assert (loss.item(), count.item()) == (0.0, 0)


def test_the_weight_rises_with_the_progress():
    values = [ramp(step / 10) for step in range(11)]
    assert values[0] == 0
    assert values == sorted(values)
    assert values[-1] == pytest.approx(2 / (1 + math.exp(-10)) - 1)
