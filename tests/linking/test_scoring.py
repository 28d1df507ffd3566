import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from elq.linking.decoding import without_overlaps
from elq.linking.scoring import entity_log_probs, with_bonus

SPANS = st.lists(
    st.tuples(st.integers(0, 12), st.integers(1, 5), st.floats(-9, 0)).map(lambda t: ((t[0], t[0] + t[1]), t[2])), max_size=12
)


def test_entity_log_probs_over_candidates_and_over_the_table():
    scores = torch.randn(3, 40)
    top, _ = scores.topk(4)
    whole = scores.log_softmax(-1).topk(4).values
    torch.testing.assert_close(entity_log_probs(top, scores.logsumexp(-1)), whole)
    torch.testing.assert_close(entity_log_probs(top).exp().sum(-1), torch.ones(3))
    # the table's normaliser makes the score independent of K; the candidates' does not
    torch.testing.assert_close(entity_log_probs(top[:, :2], scores.logsumexp(-1)), whole[:, :2])
    assert not torch.allclose(entity_log_probs(top[:, :2])[:, 0], entity_log_probs(top)[:, 0])


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(-100, 100, width=32), st.floats(-30, 30, width=32)), min_size=1, max_size=4),
    st.lists(st.floats(-100, 100, width=32), max_size=3),
)
def test_a_bonus_changes_the_normaliser_as_a_new_sum_would(name_matches, others):
    products, bonus = torch.tensor(name_matches).unbind(-1)
    old = torch.cat([products, torch.tensor(others)]).logsumexp(-1, keepdim=True)
    new = torch.cat([products + bonus, torch.tensor(others)]).double().logsumexp(-1, keepdim=True).float()
    rows = torch.tensor([[*range(len(name_matches)), -1]])
    found = with_bonus(old, torch.cat([products, old]).unsqueeze(0), rows, torch.cat([bonus, torch.zeros(1)]).unsqueeze(0))
    lowest = old - 6  # what a malus leaves of a sum has only the digits that the sum had
    torch.testing.assert_close(found.maximum(lowest), new.maximum(lowest), atol=0.02, rtol=1e-5)
    assert float(found) >= float((products + bonus).max()) - 1e-2  # so no probability is above 1


@given(SPANS, st.floats(-9, 0), st.floats(0, 9))
def test_a_higher_threshold_never_adds_a_link(spans, threshold, rise):
    def links(at):
        kept = [(span, score) for span, score in spans if score >= at]
        return {kept[i] for i in without_overlaps([span for span, _ in kept], [score for _, score in kept])}

    assert links(threshold + rise) <= links(threshold)
    assert links(threshold + rise) == {link for link in links(threshold) if link[1] >= threshold + rise}


@given(SPANS)
def test_kept_spans_are_apart_and_every_dropped_one_met_a_better(spans):
    kept = without_overlaps([span for span, _ in spans], [score for _, score in spans])
    for i, (span, score) in enumerate(spans):
        meets = [j for j in kept if spans[j][0][0] < span[1] and span[0] < spans[j][0][1] and j != i]
        if i in kept:
            assert not meets
        else:
            assert any(spans[j][1] >= score for j in meets)
