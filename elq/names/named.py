"""Named spans: the numbers that say which kind of name a span of a question is.

There are two sets of numbers. The three coarse kinds are: 1 a name, 2 another spelling of a name, 3 a part of a name. The
fine kinds distinguish seven ways in which the words match a name, one word from several words, and four sizes of the
catalogue: among a hundred entities, a part of a name says much; among a hundred thousand, nearly every word is a part of some
name. In both sets, 0 means that the span is no name.
"""

from bisect import bisect_right
from math import inf

import torch
from torch import Tensor

from elq.tensors import Spans, TokenBatch
from elq.types import NAME_KINDS

COARSE = 3
MATCHES = NAME_KINDS[:7]  # those in which the words are not more than the name
TO_COARSE = (1, 2, 2, 2, 3, 3, 3)  # the coarse kind of each match
SIZES = (150, 1_500, 15_000)  # entities at which a larger kind of catalogue begins
PER_SIZE = 2 * len(MATCHES)  # fine kinds of one size: every match with one word, and with several words
FINE = PER_SIZE * (len(SIZES) + 1)
# The least logit of p(mention) of a span in a linker: of one word, and of several. In a catalogue below the largest size, the
# very words of a name are meant as the name by default, whatever the rest of the question says. Chosen on the catalogues of
# benchmarks/general/development. −inf: the rest of the question decides alone.
LEAST = ((-1.0, 1.0), (-1.5, 0.5), (-inf, 0.0), (-inf, -inf), (-inf, -0.5), (-inf, -0.5), (-inf, 0.0))
# The greatest logit of p(mention) of a span inside a name of several words, or a spelling or misspelling of one, in a linker:
# what is sure enough is linked, but of two sure spans the longer name stays. Chosen on the same catalogues; 1 to 2 do as well.
INSIDE = 1.5
# The least logit of p(mention) of a span of more than L tokens that is a name or another spelling of one, in a linker, and what
# is taken from its score of NIL: nobody writes so many tokens by chance. Words inside it are no mention: a long number
# may begin with another one.
LONG, LONG_NIL = 4.0, 10.0
START_SCORES = (4.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0)  # start values (logits) of the scores of the matches


def fine_kind(match: int, words: int, entities: int) -> int:
    """The fine kind of a span.

    Args:
        match: place in ``MATCHES``.
        words: number of words of the span (:func:`elq.names.spelling.words_of`).
        entities: number of entities of the catalogue.

    >>> fine_kind(0, 1, 100), fine_kind(0, 2, 100), fine_kind(6, 3, 1_000_000)
    (1, 2, 56)
    """
    return 1 + PER_SIZE * bisect_right(SIZES, entities) + 2 * match + (words > 1)


def named_kinds(tokens: TokenBatch, spans: Spans) -> Tensor:
    """What kind of name each of Q spans is, (Q,) int64, see :class:`elq.tensors.TokenBatch`; 0 for one that is too long."""
    if tokens.named is None:
        return torch.zeros_like(spans.start)
    more, longest = spans.end - spans.start - 1, tokens.named.shape[-1] - 1
    return tokens.named[spans.question, spans.start, more.clamp_max(longest)].masked_fill(more > longest, 0)  # (Q,)


def is_whole_name(named: Tensor, *, fine: bool) -> Tensor:
    """Which spans are a name as it is in the catalogue, as bool, from their coarse or fine kinds; any shape.

    >>> is_whole_name(torch.tensor([0, 1, 2, 3, 15, 16, 17]), fine=True).tolist()
    [False, True, True, False, True, True, False]
    """
    return (named > 0) & ((named - 1) % PER_SIZE < 2) if fine else named == 1


def coarse_kind(kind: int, *, fine: bool) -> int:
    """The coarse kind of a coarse or fine kind.

    >>> [coarse_kind(fine_kind(match, 2, 1_000), fine=True) for match in range(len(MATCHES))], coarse_kind(0, fine=True)
    ([1, 2, 2, 2, 3, 3, 3], 0)
    """
    return TO_COARSE[(kind - 1) % PER_SIZE // 2] if fine and kind > 0 else kind


def match_and_words(named: Tensor) -> Tensor:
    """The fine kinds without the size of the catalogue, from 0 to ``PER_SIZE`` − 1; 0 where the span is no name."""
    return torch.where(named > 0, (named - 1) % PER_SIZE, 0)


def least_logits(named: Tensor) -> Tensor:
    """The least logit of p(mention) of each span in a linker, from the fine kinds (B, T, L) of all spans; −inf: none. fp32.

    A span inside a longer span with such a logit has none: in "the drift cruiser", the name "Drift Cruiser 29" is meant, and
    not the name "Drift".

    >>> least_logits(torch.tensor([[[1, 0, 0], [2, 4, 0], [fine_kind(0, 2, 1_000_000), 0, 0]]]))
    tensor([[[-1.0000,    -inf,    -inf],
             [   -inf,  0.5000,    -inf],
             [   -inf,    -inf,    -inf]]])
    """
    of_size = [least for pair in LEAST for least in pair]
    table = torch.tensor([-inf, *of_size * len(SIZES), *[-inf] * PER_SIZE], device=named.device)
    least = table[named]  # (B, T, L)
    return least.masked_fill(_inside(least > -inf), -inf)


def greatest_logits(named: Tensor) -> Tensor:
    """The greatest logit of p(mention) of each span in a linker, from the fine kinds (B, T, L) of all spans; inf: none. fp32.

    >>> greatest_logits(torch.tensor([[[1, 2], [0, 0]]]))
    tensor([[[1.5000,    inf],
             [1.5000,    inf]]])
    """
    long = (named > 0) & (match_and_words(named) < 6) & (named % 2 == 0)  # (B, T, L) a whole name of several words
    return torch.where(_inside(long), INSIDE, inf)


def is_long_name(named: Tensor) -> Tensor:
    """Which spans of more than L tokens, with these fine kinds, are a name or another spelling of one, as bool; any shape."""
    return (named > 0) & (match_and_words(named) < 4)


def with_long_names(logits: Tensor, named: Tensor, max_tokens: int) -> Tensor:
    """The mention logits (B, T, L) in a linker of spans with the fine kinds (B, T, L), of which some have over ``max_tokens``.

    >>> with_long_names(torch.tensor([[[2.0, 1.0], [3.0, 5.0]]]), torch.tensor([[[1, 2], [1, 0]]]), 1)
    tensor([[[-inf, 4.],
             [-inf, 5.]]])
    """
    long = is_long_name(named)  # (B, T, L)
    long[..., :max_tokens] = False
    return torch.where(long, logits.clamp_min(LONG), logits).masked_fill(_inside(long), -inf)


def _inside(chosen: Tensor) -> Tensor:
    """Which spans are inside a longer one of the chosen spans, (B, T, L) bool; the argument too."""
    starts = torch.arange(chosen.shape[1], device=chosen.device)[:, None]  # (T, 1)
    ends = starts + torch.arange(1, chosen.shape[2] + 1, device=chosen.device)  # (T, L)
    furthest = torch.where(chosen, ends, 0).amax(-1)  # (B, T) the furthest end of the chosen spans, for each first token
    before = torch.cat([torch.zeros_like(furthest[:, :1]), furthest.cummax(1).values[:, :-1]], 1)  # (B, T) of earlier ones
    return (before[..., None] >= ends) | (furthest[..., None] > ends)


def start_scores(*, fine: bool) -> list[float]:
    """The start values of the scores of all kinds but 0."""
    if not fine:
        return [4.0, 2.0, 0.0]
    return [score for _ in range(len(SIZES) + 1) for score in START_SCORES for _ in range(2)]
