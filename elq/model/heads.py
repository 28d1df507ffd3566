"""Heads beside the span scorer: what NIL scores, and what a name is worth."""

import torch
from torch import Tensor, nn

from elq.types import NAME_KINDS

NAME_SCORES = (4.0, 2.0, 0.0)  # where the scores of a name, another spelling, and a part of one start, logits
START_BONUS = (
    4.0,
    4.0,
    *[2.0] * (2 * len(NAME_KINDS) - 2),
)  # what each kind is worth at first, natural logarithms
SINGLE_SCALE = 20.0  # of single learned values: a learning rate made for matrices takes small steps


class NilScorer(nn.Module):
    """s(NIL, span): what "no entity of the catalogue" scores for a mention, beside the entities (not in the paper).

    A learned vector's inner product with the mention's, and a learned value for how the span is a name of the catalogue.

    Args:
        width: D of the encoder.
        names: whether the model knows how a span is a name; otherwise one value serves all.
    """

    def __init__(self, width: int, *, names: bool = False) -> None:
        super().__init__()
        self.linear = nn.Linear(width, 1, bias=False)
        nn.init.zeros_(self.linear.weight)
        self.value = nn.Parameter(torch.zeros(len(NAME_SCORES) + 1 if names else 1))

    def forward(self, vectors: Tensor, named: Tensor) -> Tensor:
        """Scores (Q,) fp32 of Q mentions.

        Args:
            vectors: (Q, D + P) mention vectors, of which those of the prior take no part.
            named: (Q,) int64 how each span is a name, see :class:`elq.tensors.TokenBatch`; 0 for all where nobody looked.
        """
        scores: Tensor = self.linear(vectors[:, : self.linear.in_features]).squeeze(-1)  # (Q,)
        return scores + SINGLE_SCALE * self.value[named]


class NameBonus(nn.Module):
    """What an entity that may be meant by a mention's name is worth on top of the inner product, by kind
    (elq/names/lookup.py)."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(START_BONUS) / SINGLE_SCALE)

    def forward(self, kinds: Tensor) -> Tensor:
        """Natural logarithms (Q, E) of kinds (Q, E), 0 where there is none (−1)."""
        return SINGLE_SCALE * nn.functional.pad(self.weight, (1, 0))[kinds + 1]
