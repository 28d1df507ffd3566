"""Named spans: the least logits of names hold for the longest of them only."""

from itertools import product
from math import inf

import torch

from elq.names.named import (
    FINE,
    INSIDE,
    LEAST,
    LONG,
    MATCHES,
    PER_SIZE,
    SIZES,
    fine_kind,
    greatest_logits,
    least_logits,
    with_long_names,
)
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


def test_spans_inside_a_name_of_several_words_have_a_greatest_logit():
    draws = torch.Generator().manual_seed(1)
    kinds = torch.randint(1, FINE + 1, (60, 7, 4), generator=draws)
    named = torch.where(torch.rand(kinds.shape, generator=draws) < 0.2, kinds, 0)
    named[..., 1:] *= torch.arange(7)[:, None] + torch.arange(1, 4) < 7  # no span goes beyond the last token
    several = {fine_kind(match, 2, size) for match in (0, 1, 2) for size in (100, 1_000, 10_000, 1_000_000)}
    expected = torch.full(named.shape, inf)
    for b, one in enumerate(named.tolist()):
        long = [(t, t + n + 1) for t in range(7) for n in range(4) if one[t][n] in several]
        for t, n in product(range(7), range(4)):
            if any(start <= t and t + n + 1 <= end and (start, end) != (t, t + n + 1) for start, end in long):
                expected[b, t, n] = INSIDE
    assert torch.equal(greatest_logits(named), expected)
    assert 100 < int((expected < inf).sum()) < expected.numel() // 2


def test_names_of_more_than_l_tokens_hide_what_is_inside_them():
    draws = torch.Generator().manual_seed(2)
    kinds = torch.randint(1, FINE + 1, (60, 7, 5), generator=draws)
    named = torch.where(torch.rand(kinds.shape, generator=draws) < 0.2, kinds, 0)
    named[..., 1:] *= torch.arange(7)[:, None] + torch.arange(1, 5) < 7  # no span goes beyond the last token
    logits = 4 * torch.randn(named.shape, generator=draws)
    whole = {fine_kind(match, words, size) for match in (0, 1) for words in (1, 2) for size in (100, 1_000, 10_000, 1_000_000)}
    expected = logits.clone()
    for b, one in enumerate(named.tolist()):
        long = [(t, t + n + 1) for t in range(7) for n in range(2, 5) if one[t][n] in whole]
        for t, n in product(range(7), range(5)):
            if any(start <= t and t + n + 1 <= end and (start, end) != (t, t + n + 1) for start, end in long):
                expected[b, t, n] = -inf
            elif (t, t + n + 1) in long:
                expected[b, t, n] = max(LONG, float(logits[b, t, n]))
    assert torch.equal(with_long_names(logits, named, 2), expected)
    assert 100 < int((expected == -inf).sum()) < expected.numel() // 2
    assert int((expected == LONG).sum()) > 20


def test_the_words_that_people_add_do_not_make_a_name_one_of_several_words():
    kinds = [
        fine_kind(MATCHES.index("spelling"), words_of(key), 100) for key in ("the drift", "drift", "newton s", "drift cruiser")
    ]
    assert kinds[0] == kinds[1] == kinds[2] != kinds[3]
