"""Fits the two weights with which the scores of a first stage and of a cross-encoder become one, and measures the result."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from elq.linking.rerank import divided_anew
from elq.model.cross_config import FirstStage

STEPS = 100  # of Newton's method, which ends much earlier
FIRST_ALONE = (1.0, 0.0)
SHARES = (1.0, 0.5, 0.25, 0.125)  # of the fitted weight of the cross-encoder, which are tried too


def fit_weights(log_probs: Tensor, scores: Tensor, targets: Tensor) -> tuple[float, float]:
    """Fit log_weight and score_weight to Q annotated mentions: they make the gold entities as likely as possible.

    Neither is below 0. Weights with which fewer of these mentions are right than with the first stage alone are not taken: then
    a smaller weight of the cross-encoder is tried, and at last the first stage alone, (1, 0).

    Args:
        log_probs: (Q, K) log p(entity | mention) of the first stage, −inf where there is no candidate.
        scores: (Q, K) scores of the cross-encoder.
        targets: (Q,) places of the gold entities; −1 where it is not among the candidates: such mentions take no part.

    Returns:
        The weights of log p and of the scores.

    >>> log_probs = torch.tensor([[0.6, 0.4], [0.6, 0.4], [0.6, 0.4]]).log()
    >>> scores = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    >>> fit_weights(log_probs, -scores, torch.tensor([1, 0, 1]))  # a cross-encoder that is always wrong is not used
    (1.0, 0.0)
    """
    has = targets >= 0  # (Q,)
    features = torch.stack([log_probs[has], scores[has]], -1).double()  # (Q', K, 2)
    there = log_probs[has] > -torch.inf  # (Q', K)
    features = features.masked_fill(~there.unsqueeze(-1), 0.0)
    choices = [FIRST_ALONE]
    if len(features):
        for free in ((True, True), (False, True)):  # the second: the cross-encoder alone
            first, second = _fitted(features, there, targets[has], free)
            choices += [(first, second * share) for share in (SHARES if first > 0 else (1.0,))]
    allowed = [pair for pair in choices if min(pair) >= 0]
    stages = {pair: FirstStage(log_weight=pair[0], score_weight=pair[1]) for pair in allowed}
    right = {pair: _right(log_probs, scores, targets, stage) for pair, stage in stages.items()}
    loss = {pair: _loss(features, there, targets[has], torch.tensor(pair).double()) for pair in allowed}
    return max(allowed, key=lambda pair: (right[pair] >= right[FIRST_ALONE], -loss[pair]))


def _fitted(features: Tensor, there: Tensor, targets: Tensor, free: tuple[bool, bool]) -> tuple[float, float]:
    """The weights of the lowest loss, by Newton's method; those that are not free stay 0. The loss is convex."""
    weights = torch.zeros(2, dtype=torch.float64)
    mask = torch.tensor(free)
    ridge = 1e-3 * torch.eye(2, dtype=torch.float64)  # mentions that are all right would make the weights grow without end
    for _ in range(STEPS):
        shares = (features @ weights).masked_fill(~there, -torch.inf).softmax(-1)  # (Q, K)
        means = (shares.unsqueeze(-1) * features).sum(1)  # (Q, 2)
        gold = features[torch.arange(len(targets)), targets]  # (Q, 2)
        gradient = (means - gold).mean(0) + ridge @ weights  # (2,)
        around = features - means.unsqueeze(1)  # (Q, K, 2)
        hessian = torch.einsum("qk,qkd,qke->de", shares, around, around) / len(targets) + ridge  # (2, 2)
        step = torch.zeros_like(weights)
        step[mask] = torch.linalg.solve(hessian[mask][:, mask], gradient[mask])
        before = _loss(features, there, targets, weights) + float(weights @ ridge @ weights) / 2
        while float(step.abs().max()) > 1e-9:
            after = _loss(features, there, targets, weights - step) + float((weights - step) @ ridge @ (weights - step)) / 2
            if after <= before:
                break
            step /= 2
        if float(step.abs().max()) <= 1e-9:
            break
        weights = weights - step
    return float(weights[0]), float(weights[1])


def _loss(features: Tensor, there: Tensor, targets: Tensor, weights: Tensor) -> float:
    """The mean of −log p of the gold entities; 0 without mentions."""
    if not len(targets):
        return 0.0
    logs = (features @ weights).masked_fill(~there, -torch.inf).log_softmax(-1)  # (Q, K)
    return -float(logs[torch.arange(len(targets)), targets].mean())


def _right(log_probs: Tensor, scores: Tensor, targets: Tensor, stage: FirstStage) -> int:
    """The number of mentions whose best candidate is right."""
    return int((divided_anew(log_probs, scores, stage).argmax(-1) == targets).sum())


def accuracies(log_probs: Tensor, scores: Tensor, targets: Tensor, stage: FirstStage) -> Mapping[str, float]:
    """Which part of Q mentions has the right entity first: by the first stage, the cross-encoder alone, and both together.

    Each is a part of all mentions, and of those that have the right entity among their candidates.

    Args:
        log_probs, scores, targets: as in :func:`fit_weights`.
        stage: the weights.
    """
    made: dict[str, float] = {"mentions": float(len(targets)), "with_gold": float((targets >= 0).sum())}
    ways = {
        "first_stage": replace(stage, log_weight=1.0, score_weight=0.0),
        "cross_encoder": replace(stage, log_weight=0.0, score_weight=1.0),
        "both": stage,
    }
    for name, weights in ways.items():
        right = _right(log_probs, scores, targets, weights)
        made[f"{name}_accuracy"] = right / max(len(targets), 1)
        made[f"{name}_accuracy_with_gold"] = right / max(int(made["with_gold"]), 1)
    return made
