import pytest
import torch

from elq.model.heads import SINGLE_SCALE
from elq.model.spans import SpanPooler, SpanScorer, keep_spans, mean_of_spans, span_logits, span_mask
from elq.tensors import Spans


def oracle_logits(start, end, inside, text_mask, length):
    """The slow oracle: equation 1, computed in three nested loops."""
    batch, tokens = start.shape
    logits = torch.full((batch, tokens, length), -torch.inf)
    for b in range(batch):
        for i in range(tokens):
            for j in range(i, min(i + length, tokens)):
                if text_mask[b, i : j + 1].all():
                    logits[b, i, j - i] = start[b, i] + end[b, j] + inside[b, i : j + 1].sum()
    return logits


@pytest.mark.parametrize("length", [1, 3, 10])
def test_span_logits_equal_the_loops(length):
    torch.manual_seed(length)
    start, end, inside = torch.randn(3, 4, 7)
    text_mask = torch.rand(4, 7) > 0.3
    found = span_logits(start, end, inside, span_mask(text_mask, length))
    torch.testing.assert_close(found, oracle_logits(start, end, inside, text_mask, length))


def test_no_span_is_longer_than_l_tokens():
    mask = span_mask(torch.ones(1, 30, dtype=torch.bool), 10)
    assert mask.shape[-1] == 10  # cell l is a span of l + 1 tokens: the first ELQ counted to 11 here
    assert mask[0, 0, 9]
    assert int(mask.sum()) == sum(30 - length + 1 for length in range(1, 11))


def test_special_tokens_and_padding_are_in_no_span():
    text_mask = torch.tensor([[False, True, True, False, False]])  # [CLS] a b [SEP] [PAD]
    spans, _ = keep_spans(
        span_logits(*torch.full((3, 1, 5), 9.0), span_mask(text_mask, 4)), threshold=-torch.inf, limits=torch.tensor([100])
    )
    assert sorted(zip(spans.start.tolist(), spans.end.tolist(), strict=True)) == [(1, 2), (1, 3), (2, 3)]


def test_padding_scores_of_any_value_change_nothing():
    torch.manual_seed(0)
    start, end, inside = torch.randn(3, 1, 5)
    mask = torch.tensor([[False, True, True, True, False]])
    plain = span_logits(start, end, inside, span_mask(mask, 3))
    widened = [torch.cat([part, torch.full((1, 2), value)], 1) for part, value in ((start, 1e30), (end, -1e30), (inside, 1e30))]
    wide = span_logits(*widened, span_mask(torch.nn.functional.pad(mask, (0, 2)), 3))
    torch.testing.assert_close(wide[:, :5], plain)
    assert (wide[:, 5:] == -torch.inf).all()


def test_keep_spans_threshold_and_limit():
    logits = torch.tensor([[[3.0, -1.0], [0.0, -torch.inf]], [[-5.0, 2.0], [1.0, -torch.inf]]])
    spans, scores = keep_spans(logits, threshold=torch.tensor(0.5).log().item() - 1e-6, limits=torch.tensor([1, 1]))
    assert [spans.question.tolist(), spans.start.tolist(), spans.end.tolist()] == [[0, 1], [0, 0], [1, 2]]
    torch.testing.assert_close(scores, torch.tensor([3.0, 2.0]).sigmoid().log())
    assert len(keep_spans(logits, threshold=-torch.inf, limits=torch.tensor([9, 9]))[0]) == 6
    assert keep_spans(logits, threshold=-torch.inf, limits=torch.tensor([1, 2]))[0].question.tolist() == [0, 1, 1]


def test_mean_of_spans_equals_the_mean():
    torch.manual_seed(0)
    hidden = torch.randn(3, 40, 8) * 100
    spans = Spans(torch.tensor([0, 2, 2, 1]), torch.tensor([1, 0, 38, 5]), torch.tensor([11, 1, 40, 9]))
    expected = [hidden[b, s:e].mean(0) for b, s, e in zip(spans.question, spans.start, spans.end, strict=True)]
    torch.testing.assert_close(mean_of_spans(hidden, spans), torch.stack(expected), rtol=1e-4, atol=1e-4)


def test_pooler_starts_as_the_mean_and_its_knobs_change_it():
    hidden = torch.randn(1, 5, 8)
    spans = Spans(torch.tensor([0]), torch.tensor([1]), torch.tensor([3]))
    mean = hidden[0, 1:3].mean(0, keepdim=True)
    torch.testing.assert_close(SpanPooler(8, projection=False, unit_norm=False)(hidden, spans), mean)
    torch.testing.assert_close(SpanPooler(8, projection=True, unit_norm=False)(hidden, spans), mean)
    scaled = SpanPooler(8, scale=7.0)(hidden, spans)
    torch.testing.assert_close(scaled, mean / mean.norm() * 7)
    assert SpanPooler(8, projection=False).projection is None


def test_scorer_gives_a_grid_with_gradients():
    scorer = SpanScorer(8, max_tokens=3)
    logits = scorer(torch.randn(2, 6, 8), torch.ones(2, 6, dtype=torch.bool))
    assert logits.shape == (2, 6, 3)
    logits[logits > -torch.inf].sum().backward()
    assert scorer.linear.weight.grad.isfinite().all()


def test_a_name_moves_the_logit_of_its_span_alone():
    torch.manual_seed(0)
    hidden, text_mask = (
        torch.randn(2, 5, 8),
        torch.tensor([[False, True, True, True, False], [False, True, True, False, False]]),
    )
    scorer = SpanScorer(8, max_tokens=3, names=True)
    named = torch.zeros(2, 5, 3, dtype=torch.int64)
    plain = scorer(hidden, text_mask, named)
    named[0, 1, 1] = named[1, 2, 2] = 1  # the second is no span of the text
    moved = scorer(hidden, text_mask, named)
    assert float(moved[0, 1, 1] - plain[0, 1, 1]) == pytest.approx(SINGLE_SCALE * float(scorer.name[0]), abs=1e-5)
    named[0, 1, 1] = 0
    assert torch.equal(scorer(hidden, text_mask, named), plain)
    assert moved[1, 2, 2] == -torch.inf


@pytest.mark.parametrize("fine", [False, True])
def test_beyond_l_only_names_have_logits(fine):
    """They are those of a scorer with a larger L."""
    torch.manual_seed(4)
    hidden, text_mask = torch.randn(3, 8, 8), torch.ones(3, 8, dtype=torch.bool)
    text_mask[:, 0] = text_mask[0, 6:] = False
    scorer, longer = (SpanScorer(8, max_tokens=length, names=True, fine=fine).eval() for length in (2, 6))
    with torch.no_grad():
        for parameter in scorer.parameters():
            parameter.normal_()
    longer.load_state_dict(scorer.state_dict())
    named = torch.where(torch.rand(3, 8, 6) < 0.3, torch.randint(1, 4, (3, 8, 6)), 0)
    logits, expected = scorer(hidden, text_mask, named), longer(hidden, text_mask, named)
    expected[..., 2:][named[..., 2:] == 0] = -torch.inf
    assert torch.equal(logits, expected)
    assert (logits[..., 2:] > -torch.inf).sum() > 9
    assert torch.equal(scorer(hidden, text_mask, named[..., :2]), logits[..., :2])


def test_capitals_add_scores_to_the_tokens_of_their_words():
    torch.manual_seed(3)
    scorer = SpanScorer(8, max_tokens=3, capitals=True).eval()
    hidden, text_mask = torch.randn(2, 5, 8), torch.ones(2, 5, dtype=torch.bool)
    capitals = torch.randint(0, 3, (2, 5))
    plain = scorer(hidden, text_mask)
    assert torch.equal(scorer(hidden, text_mask, None, capitals), plain)  # the scores start at 0
    with torch.no_grad():
        scorer.capitals.normal_()
    assert torch.equal(scorer(hidden, text_mask), plain)
    assert torch.equal(scorer(hidden, text_mask, None, torch.zeros_like(capitals)), plain)
    scores = scorer.linear(hidden).detach()
    for b, t in capitals.nonzero().tolist():
        scores[b, t] += SINGLE_SCALE * scorer.capitals[capitals[b, t] - 1].detach()
    expected = oracle_logits(*scores.unbind(-1), text_mask, 3)
    torch.testing.assert_close(scorer(hidden, text_mask, None, capitals).detach(), expected)
