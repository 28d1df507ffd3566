"""Heads: the learned scores of NIL, and of entities found by a name."""

import torch
from torch import Tensor, nn

from elq.types import NAME_KINDS

START_BONUS = (
    4.0,
    4.0,
    *[2.0] * (2 * len(NAME_KINDS) - 2),
)  # start values of the bonus of each kind of name match, natural logarithms
START_WHOLE = 8.0  # start value of the weight of the whole question
SINGLE_SCALE = 20.0  # factor of learned numbers that are not in a matrix: the learning rate of matrices is too small for them


class NilScorer(nn.Module):
    """s(NIL, span): the score of "no entity of the catalogue" as a candidate of a mention (not in the paper).

    The score is the inner product of the mention vector and a learned vector, plus a learned value, which depends on whether
    the span is a name of the catalogue.

    Args:
        width: D of the encoder.
        names: the number of kinds of names of the model; with 0, there is one value for all spans.
    """

    def __init__(self, width: int, *, names: int = 0) -> None:
        super().__init__()
        self.linear = nn.Linear(width, 1, bias=False)
        nn.init.zeros_(self.linear.weight)
        self.value = nn.Parameter(torch.zeros(names + 1))

    def forward(self, vectors: Tensor, named: Tensor) -> Tensor:
        """Scores (Q,) fp32 of Q mentions.

        Args:
            vectors: (Q, D + P) mention vectors; the P columns of the prior are not used.
            named: (Q,) int64 what kind of name each span is, see :class:`elq.tensors.TokenBatch`; 0 for all if it is unknown.
        """
        scores: Tensor = self.linear(vectors[:, : self.linear.in_features]).squeeze(-1)  # (Q,)
        return scores + SINGLE_SCALE * self.value[named]


class WholeQuestion(nn.Module):
    """The vector of the whole question, which is added to the vectors of its mentions when entities are searched for (not in
    the paper).

    The vector is the mean of the question's token vectors, divided by its norm and multiplied by a learned weight. So an entity
    whose text is like the question gets a higher score: "who directed titanic?" is more like the text of the film than like
    that of the ship. The encoder has computed the token vectors already, and the index needs no change.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([START_WHOLE / SINGLE_SCALE]))

    def forward(self, hidden: Tensor, text_mask: Tensor) -> Tensor:
        """Vectors (B, D) fp32 of B questions from their token vectors (B, T, D) and text masks (B, T)."""
        sums = torch.einsum("btd,bt->bd", hidden.float(), text_mask.float())  # (B, D); the norm makes the mean of the sum
        return SINGLE_SCALE * self.weight * nn.functional.normalize(sums, dim=-1)  # (B, D)


class NameBonus(nn.Module):
    """The learned bonus of entities that a mention's name may mean, added to their inner product.

    There is one bonus for each kind of name match (elq/names/lookup.py).
    """

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([bonus / SINGLE_SCALE for bonus in START_BONUS]))

    def forward(self, kinds: Tensor) -> Tensor:
        """The bonuses (Q, E), natural logarithms, for the kinds (Q, E); 0 where the kind is −1 (no match)."""
        return SINGLE_SCALE * nn.functional.pad(self.weight, (1, 0))[kinds + 1]
