"""The two weights of a first stage and a cross-encoder, against a search over a grid, and the accuracies."""

import math

import pytest
import torch

from elq.disambiguation.cross_fit import accuracies, fit_weights
from elq.linking.rerank import divided_anew
from elq.model.cross_config import FirstStage


def made(seed: int, good: float, mentions: int = 200) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Random log p, scores that know the gold entity as well as ``good`` says, and targets; some have fewer candidates."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randint(-1, 4, (mentions,), generator=generator)
    known = torch.nn.functional.one_hot(targets.clamp_min(0), 5).float()
    log_probs = (torch.randn(mentions, 5, generator=generator) + 1.5 * known).log_softmax(-1) - 0.1
    log_probs[::3, 4] = -torch.inf
    scores = torch.randn(mentions, 5, generator=generator) + good * known
    return log_probs, scores, targets


def loss_of(log_probs, scores, targets, first, second) -> float:
    """The mean of −log p of the gold entities, with loops."""
    losses = []
    for q, target in enumerate(targets.tolist()):
        if target >= 0:
            places = [k for k in range(5) if log_probs[q, k] > -torch.inf]
            sums = {k: first * float(log_probs[q, k]) + second * float(scores[q, k]) for k in places}
            losses.append(math.log(sum(map(math.exp, sums.values()))) - sums[target])
    return sum(losses) / len(losses)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_weights_have_the_lowest_loss_of_a_grid(seed):
    tensors = made(seed, 1.0)
    found = fit_weights(*tensors)
    assert min(found) > 0.3
    best = loss_of(*tensors, *found)
    for first in (-0.2, -0.05, 0.05, 0.2):
        for second in (-0.2, -0.05, 0.05, 0.2):
            assert best <= loss_of(*tensors, found[0] + first, found[1] + second) + 1e-4


@pytest.mark.parametrize("good", [-1.0, -0.2, 0.0, 0.2, 2.0])
def test_both_together_are_never_worse_than_the_first_stage(good):
    for seed in range(5):
        tensors = made(seed, good, mentions=60)
        first, second = fit_weights(*tensors)
        assert min(first, second) >= 0
        found = accuracies(*tensors, FirstStage(log_weight=first, score_weight=second))
        assert found["both_accuracy"] >= found["first_stage_accuracy"]


def test_a_cross_encoder_that_only_harms_is_not_used():
    log_probs, scores, targets = made(0, -3.0)
    assert fit_weights(log_probs, scores, targets) == (1.0, 0.0)
    none = torch.empty(0, 5)
    assert fit_weights(none, none, torch.empty(0, dtype=torch.int64)) == (1.0, 0.0)


def test_mentions_that_are_all_right_give_finite_weights():
    log_probs = torch.tensor([[0.9, 0.1]] * 20).log()
    found = fit_weights(log_probs, torch.tensor([[5.0, -5.0]] * 20), torch.zeros(20, dtype=torch.int64))
    assert all(map(math.isfinite, found))


def test_the_accuracies_count_mentions_without_their_entity_as_wrong():
    log_probs, scores, targets = made(3, 1.0)
    stage = FirstStage(log_weight=0.5, score_weight=1.0)
    found = accuracies(log_probs, scores, targets, stage)
    right = [int(row.argmax()) == target for row, target in zip(divided_anew(log_probs, scores, stage), targets, strict=True)]
    assert found["both_accuracy"] == pytest.approx(sum(right) / 200)
    assert found["with_gold"] == sum(target >= 0 for target in targets.tolist())
    assert found["both_accuracy_with_gold"] == pytest.approx(sum(right) / found["with_gold"])
    assert found["first_stage_accuracy"] == pytest.approx(float((log_probs.argmax(-1) == targets).float().mean()))
    assert found["cross_encoder_accuracy"] != found["both_accuracy"]
