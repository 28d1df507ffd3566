"""The balance of a model: how much a name, NIL and capital letters count against the context.

A training learns a bonus for the entities that a mention's name may mean, a score of NIL, and scores of words with and without
capital letters. They fit the questions of the training. On other questions a smaller bonus or a lower score of NIL may be
better; `elq tune --balance` chooses these two.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from elq.encoding.capitals import CAPITAL, SMALL, small_spans
from elq.errors import ElqError
from elq.tensors import Spans

MOST_SHIFT, MOST_FACTOR = 20.0, 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Three numbers that change learned scores. The defaults change nothing, not even a bit.

    Args:
        nil_shift: a number that is added to the score of NIL, a natural logarithm; below 0, NIL wins less often.
        name_factor: a factor of the name bonus, at least 0; below 1, the words around a mention count for more.
        small_shift: a number that is added to the mention logit of a span with a word in small letters, and without one that is
            known to have a capital, in texts where capital letters tell names from other words; below 0, such spans are linked
            less often. Only a model that was trained with capitals knows these words (elq/encoding/capitals.py); with another
            one the number has no effect.

    Raises:
        ElqError: a number is outside its limits.
    """

    nil_shift: float = 0.0
    name_factor: float = 1.0
    small_shift: float = 0.0

    def __post_init__(self) -> None:
        shift = (-MOST_SHIFT, MOST_SHIFT)
        for name, (least, most) in {"nil_shift": shift, "name_factor": (0.0, MOST_FACTOR), "small_shift": shift}.items():
            value = getattr(self, name)
            if type(value) not in (int, float) or not math.isfinite(value) or not least <= value <= most:
                raise ElqError(
                    f"{name} is {value!r}, but must be a number from {least:g} to {most:g}: give one, or leave {name} out"
                )

    def of_bonus(self, bonus: Tensor) -> Tensor:
        """The bonuses (Q, E) of the entities that a name may mean."""
        return bonus if self.name_factor == 1 else bonus * self.name_factor

    def of_nil(self, nil: Tensor) -> Tensor:
        """The scores (Q,) of NIL."""
        return nil if self.nil_shift == 0 else nil + self.nil_shift

    def of_spans(self, spans: Spans, capitals: Tensor | None) -> Tensor:
        """What :meth:`of_mentions` adds to the mention logits of Q spans of any length, (Q,) fp32."""
        added = torch.zeros(len(spans), device=spans.start.device)
        if capitals is None:
            return added
        sums = [pad((capitals == kind).cumsum(-1), (1, 0)) for kind in (SMALL, CAPITAL)]  # each (B, T + 1)
        small, capital = (one[spans.question, spans.end] - one[spans.question, spans.start] for one in sums)  # each (Q,)
        return added.masked_fill((small > 0) & (capital == 0), self.small_shift)

    def of_mentions(self, logits: Tensor, capitals: Tensor | None) -> Tensor:
        """The mention logits (B, T, L) of B texts, whose tokens are in words of the kinds (B, T); None: nothing is known."""
        if self.small_shift == 0 or capitals is None:
            return logits
        return logits + self.small_shift * small_spans(capitals, logits.shape[-1])


AS_LEARNED = Balance()


def shifted(score: float, nil_score: float, shift: float) -> float:
    """The score of a candidate after a number is added to the score of NIL, without a new search.

    The probability of NIL is part of the sum by which every probability is divided, so the sum changes, and nothing else.

    Args:
        score: a joint score, or log p(entity | mention).
        nil_score: log p(NIL | mention) before; it may be rounded to a number above 0, which counts as 0.
        shift: the number that is added to the score of NIL.

    >>> round(math.exp(shifted(math.log(0.3), math.log(0.5), -math.inf)), 6)
    0.6
    """
    return score - math.log1p(math.exp(min(nil_score, 0.0)) * math.expm1(shift))
