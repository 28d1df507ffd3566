"""The metrics of predicted types equal those of loops."""

import pytest
import torch

from elq.entities.hierarchy import Hierarchy
from elq.evaluation.type_accuracy import finest_types, type_accuracy
from elq.training.type_loss import type_targets

PARENTS = (-1, 0, 1, 1, -1, 4)
ABOVE = torch.from_numpy(Hierarchy(tuple("abcdef"), PARENTS).above())


def line(place: int) -> list[int]:
    return [] if place < 0 else [place, *line(PARENTS[place])]


def slow(p, direct):
    """The metrics, mention by mention."""
    finest = exact = mentions = hits = found = gold = 0
    for row, types in zip(p.tolist(), direct.tolist(), strict=True):
        positive = {above for place in range(6) if types[place] for above in line(place)}
        if not positive:
            continue
        mentions += 1
        tops = {one for one in positive if not any(one in line(other)[1:] for other in positive)}
        below = {one for one in range(6) if tops.intersection(line(one)[1:])}
        predicted = {one for one in range(6) if row[one] >= 0.5}
        best = {one for one in predicted if not any(one in line(other)[1:] for other in predicted)} or {*range(6)}
        finest += max(best, key=lambda one: row[one]) in tops | below
        predicted -= below
        exact += predicted == positive
        hits, found, gold = hits + len(predicted & positive), found + len(predicted), gold + len(positive)
    return finest / mentions, exact / mentions, hits / found, hits / gold, 2 * hits / (found + gold), mentions


def test_the_metrics_equal_the_loops():
    generator = torch.Generator().manual_seed(7)
    direct, p = torch.rand(200, 6, generator=generator) < 0.2, torch.rand(200, 6, generator=generator) ** 2
    p[:40] = torch.where(type_targets(direct, ABOVE)[0][:40], 0.9, 0.1)  # so that some mentions are all right
    assert [*type_accuracy(p, *type_targets(direct, ABOVE), ABOVE).values()] == pytest.approx([*slow(p, direct)], abs=1e-6)


def test_the_finest_predicted_type_has_no_predicted_type_below_it():
    p = torch.tensor([[0.9, 0.8, 0.6, 0.55, 0.9, 0.1], [0.3, 0.2, 0.1, 0.1, 0.4, 0.1]])
    assert finest_types(p, ABOVE).tolist() == [4, 4]
    p[0, 4] = 0.2
    assert finest_types(p, ABOVE).tolist() == [2, 4]
