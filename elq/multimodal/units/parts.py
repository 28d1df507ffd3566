"""What units are built from: means, attention and projections that never read padding or a missing picture."""

import torch
from torch import Tensor, nn

from elq.multimodal.features import ModalityFeatures


class Kept:
    """The rows that a mask keeps, and the way back. What is masked is never computed with, so it may be NaN.

    Args:
        mask: (...) bool.
    """

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask
        self.all = bool(mask.all())
        self._rows = mask.flatten().nonzero().squeeze(-1)  # (n,)

    def take(self, values: Tensor) -> Tensor:
        """The kept rows (n, …) of values (..., …)."""
        rows: Tensor = values.flatten(0, self.mask.ndim - 1)
        return rows if self.all else rows.index_select(0, self._rows)

    def put(self, rows: Tensor) -> Tensor:
        """Rows (n, …) at their places in a tensor (..., …), which is 0 elsewhere."""
        if self.all:
            return rows.view(*self.mask.shape, *rows.shape[1:])
        made = rows.new_zeros(self.mask.numel(), *rows.shape[1:]).index_copy(0, self._rows, rows)
        return made.view(*self.mask.shape, *rows.shape[1:])


def project(layer: nn.Module, values: Tensor, mask: Tensor) -> Tensor:
    """A layer over the last dimension of the rows (..., X) that a mask (...) keeps; the others become 0."""
    kept = Kept(mask)
    projected: Tensor = layer(kept.take(values))
    return kept.put(projected)


def clean(values: Tensor, mask: Tensor) -> Tensor:
    """Values (..., X), of which the rows that a mask (...) does not keep are 0, even if they are NaN."""
    return values.masked_fill(~mask.unsqueeze(-1), 0.0)


def has_text(features: ModalityFeatures) -> Tensor:
    """Whether there is a text (...): a word that is no padding. Features with room for no words at all (T = 0) all have one."""
    return features.word_mask.any(-1) | (features.word_mask.shape[-1] == 0)


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last dimension of what a mask keeps; the rest is 0, and all of it where nothing is kept.

    >>> masked_softmax(torch.tensor([[1.0, 1.0, 9.0], [1.0, 2.0, 3.0]]), torch.tensor([[True, True, False], [False] * 3]))
    tensor([[0.5000, 0.5000, 0.0000],
            [0.0000, 0.0000, 0.0000]])
    """
    lowest = torch.finfo(scores.dtype).min
    return scores.masked_fill(~mask, lowest).softmax(-1).masked_fill(~mask, 0.0)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """The mean (..., X) of the rows of values (..., T, X) that a mask (..., T) keeps; 0 where it keeps none."""
    count = mask.sum(-1, keepdim=True).clamp(min=1)  # (..., 1)
    return clean(values, mask).sum(-2) / count  # (..., X)


def masked_max(scores: Tensor, mask: Tensor) -> Tensor:
    """The largest score (...) of scores (..., T) that a mask keeps; 0 where it keeps none."""
    best = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).amax(-1)  # (...)
    return best.masked_fill(~mask.any(-1), 0.0)


def best_pair(scores: Tensor, mentions: Tensor, entities: Tensor) -> tuple[Tensor, Tensor]:
    """The score of the two pictures that fit best, and whether there are two pictures.

    Args:
        scores: (M, K, I, J) of each picture of a mention and each of a candidate.
        mentions: (M, I) bool, the pictures of mentions that exist.
        entities: (M, K, J) bool, those of candidates that exist.

    Returns:
        (M, K) scores, and (M, K) bool.
    """
    pairs = (mentions[:, None, :, None] & entities.unsqueeze(-2)).flatten(-2)  # (M, K, I · J)
    return masked_max(scores.flatten(-2), pairs), pairs.any(-1)  # (M, K) twice


def picture_means(patches: Tensor, mask: Tensor) -> Tensor:
    """The mean patch (..., I, V) of each picture (..., I, P, V); 0 for a picture that is missing."""
    kept = Kept(mask)
    return kept.put(kept.take(patches).mean(-2))


def attend_patches(query: Tensor, patches: Tensor, mask: Tensor) -> Tensor:
    """The mean (..., V) of the patches of all pictures, weighted by softmax of their inner products with a query.

    A layer W of patches is not needed before: h · W p = (Wᵀ h) · p, and Σ α W p = W Σ α p, and the bias of W adds the same
    number to all inner products. So both are computed on narrow vectors instead of on all patches.

    Args:
        query: (..., V).
        patches: (..., I, P, V).
        mask: (..., I) bool, the pictures that exist. Where there is none, the result is 0.
    """
    kept = Kept(mask)
    rows = kept.take(patches)  # (n, P, V)
    queries = kept.take(query.unsqueeze(-2).expand(*mask.shape, -1))  # (n, V)
    products = kept.put((rows @ queries.unsqueeze(-1)).squeeze(-1))  # (..., I, P)
    places = mask.unsqueeze(-1).expand(products.shape)  # (..., I, P)
    weights = masked_softmax(products.flatten(-2), places.flatten(-2)).view(products.shape)  # (..., I, P)
    means = (kept.take(weights).unsqueeze(-2) @ rows).squeeze(-2)  # (n, V)
    return kept.put(means).sum(-2)  # (..., V)


class Adapter(nn.Module):
    """x + B A x: a change of low rank, which is small at first. It is trained in place of the tower, which is frozen here.

    Args:
        width: X, the width of the vectors.
        rank: the rank of the change.
    """

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, rank, bias=False)
        self.up = nn.Linear(rank, width, bias=False)
        nn.init.normal_(self.up.weight, std=1e-3)

    def forward(self, values: Tensor) -> Tensor:
        """Vectors (..., X) from vectors (..., X)."""
        changed: Tensor = values + self.up(self.down(values))
        return changed


@torch.no_grad()
def begin_as_identity(layer: nn.Linear) -> None:
    """Let a layer from H to H begin as the identity, so that what two sides share begins to be compared as it is."""
    nn.init.eye_(layer.weight)
    layer.bias.zero_()


class Scale(nn.Module):
    """A positive factor that is learned."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.tensor(float(start)).log())

    def forward(self, values: Tensor) -> Tensor:
        """The values times the factor."""
        return values * self.log.exp()


def unit_norm(values: Tensor) -> Tensor:
    """Vectors (..., X) with norm 1; a vector of zeros stays as it is."""
    return nn.functional.normalize(values, dim=-1)
