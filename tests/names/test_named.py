"""Named spans: the least logits of names hold for the longest of them only."""

from math import inf

import torch

from elq.names.named import FINE, LEAST, MATCHES, PER_SIZE, SIZES, fine_kind, least_logits
from elq.names.spelling import words_of


def slow(named: torch.Tensor) -> torch.Tensor:
    """The least logit of each span, span by span."""
    questions, tokens, length = named.shape
    alone = torch.full(named.shape, -inf)
    for place in (named > 0).nonzero().tolist():
        kind = int(named[tuple(place)]) - 1
        size, match, several = kind // PER_SIZE, kind % PER_SIZE // 2, kind % 2
        alone[tuple(place)] = LEAST[match][several] if size < len(SIZES) else -inf
    found = alone.clone()
    for b in range(questions):
        spans = [(t, t + n + 1) for t in range(tokens) for n in range(length) if alone[b, t, n] > -inf]
        for start, end in spans:
            if any(s <= start and end <= e and (s, e) != (start, end) for s, e in spans):
                found[b, start, end - start - 1] = -inf
    return found


def test_least_logits_equal_those_of_a_slow_oracle():
    draws = torch.Generator().manual_seed(0)
    inside = 0
    for share in (0.05, 0.3):
        kinds = torch.randint(1, FINE + 1, (60, 7, 4), generator=draws)
        named = torch.where(torch.rand(kinds.shape, generator=draws) < share, kinds, 0)
        named[..., 1:] *= torch.arange(7)[:, None] + torch.arange(1, 4) < 7  # no span goes beyond the last token
        expected = slow(named)
        assert torch.equal(least_logits(named), expected)
        inside += int((expected == -inf)[named > 0].sum())
    assert inside > 100


def test_the_words_that_people_add_do_not_make_a_name_one_of_several_words():
    kinds = [
        fine_kind(MATCHES.index("spelling"), words_of(key), 100) for key in ("the drift", "drift", "newton s", "drift cruiser")
    ]
    assert kinds[0] == kinds[1] == kinds[2] != kinds[3]
