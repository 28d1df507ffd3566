"""Features of mentions and entities."""

import torch

from elq.multimodal.features import ModalityFeatures


def features(rows: int) -> ModalityFeatures:
    """Random features with two pictures a row."""
    return ModalityFeatures(
        torch.randn(rows, 4),
        torch.randn(rows, 3, 4),
        torch.rand(rows, 3) < 0.5,
        torch.randint(0, 9, (rows, 5)),
        torch.randn(rows, 2, 6),
        torch.randn(rows, 2, 7, 6),
        torch.rand(rows, 2) < 0.5,
        torch.rand(rows) < 0.5,
    )


def test_the_rows_of_candidates_are_taken_from_every_part():
    all_rows = features(8)
    rows = torch.tensor([[1, 7], [0, 1], [3, 3]])
    taken = all_rows.at(rows)
    for part, whole in zip(taken, all_rows, strict=True):
        assert part.shape == (3, 2, *whole.shape[1:])
        for m in range(3):
            for k in range(2):
                assert torch.equal(part[m, k], whole[rows[m, k]])
