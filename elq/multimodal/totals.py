"""Totals: what a network says about the candidates of many mentions, a few mentions at a time."""

from collections.abc import Sequence

import torch
from torch import Tensor

from elq.multimodal.feature_maker import EntityFeatures, MentionFeatures
from elq.multimodal.features import UnitScores
from elq.multimodal.network import MultimodalNetwork

TOGETHER = 32  # mentions of one pass


def without_gaps(rows: Tensor) -> Tensor:
    """Catalogue rows (M, K) with another candidate of the mention where there is none.

    >>> without_gaps(torch.tensor([[4, 7, -1], [-1, -1, -1]]))
    tensor([[4, 7, 7],
            [0, 0, 0]])
    """
    return torch.where(rows >= 0, rows, rows.clamp_min(0).amax(-1, keepdim=True))  # (M, K)


@torch.inference_mode()
def totals(
    network: MultimodalNetwork, mentions: MentionFeatures, numbers: Sequence[int], entities: EntityFeatures, rows: Tensor
) -> UnitScores:
    """The scores (M, K) of the network for the candidates of M mentions, on the CPU; not valid where there is no candidate.

    Args:
        network: the network.
        mentions: the features of mentions.
        numbers: the numbers of M of them.
        entities: the features of entities.
        rows: (M, K) catalogue rows of the candidates, −1 where there is none.
    """
    device = next(iter(network.parameters()), torch.empty(0)).device
    scores, valid = [torch.empty(0, rows.shape[-1])], [torch.empty(0, rows.shape[-1], dtype=torch.bool)]
    for at in range(0, len(numbers), TOGETHER):
        part = rows[at : at + TOGETHER]  # (m, K)
        there = part >= 0
        different, places = torch.unique(without_gaps(part), return_inverse=True)  # (U,), (m, K)
        said = network(
            mentions.at(numbers[at : at + TOGETHER]).to(device), entities.at(different).to(device), places.to(device)
        )
        scores.append(said.scores.float().cpu())
        valid.append(said.valid.cpu() & there)
    return UnitScores(torch.cat(scores), torch.cat(valid))
