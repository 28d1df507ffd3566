from dataclasses import replace
from itertools import product

import pytest
import torch

from elq.encoding.capitals import with_capitals
from elq.model.spans import span_logits, span_mask
from elq.tensors import Spans
from elq.training.losses import (
    candidate_rows,
    hidden_names,
    mention_loss,
    nearest_rows,
    sampled_loss,
    sharded_table_loss,
    small_names,
    table_loss,
)


def test_mention_loss_equals_the_loops():
    torch.manual_seed(0)
    text_mask = torch.tensor([[False, True, True, True, False], [False, True, False, False, False]])
    logits = span_logits(*torch.randn(3, 2, 5), span_mask(text_mask, 2))
    gold = Spans(torch.tensor([0, 1]), torch.tensor([1, 1]), torch.tensor([3, 2]))
    terms = []
    for b in range(2):
        for i in range(5):
            for length in range(2):
                if logits[b, i, length] > -torch.inf:
                    p = logits[b, i, length].sigmoid()
                    positive = any(
                        gold.question[m] == b and gold.start[m] == i and gold.end[m] == i + length + 1 for m in (0, 1)
                    )
                    terms.append(-(p if positive else 1 - p).log())
    assert len(terms) == 6
    total, spans = mention_loss(logits, gold)
    torch.testing.assert_close(total, torch.stack(terms).sum())
    assert spans == 6


def test_table_loss_is_cross_entropy_over_all_and_nil_takes_no_part():
    torch.manual_seed(0)
    table, vectors = torch.randn(9, 4), torch.randn(3, 4, requires_grad=True)
    expected = torch.stack([-(vectors[m] @ table.T).log_softmax(-1)[row] for m, row in ((0, 5), (2, 8))]).sum()
    found, mentions = table_loss(vectors, torch.tensor([5, -1, 8]), table)
    torch.testing.assert_close(found, expected)
    assert mentions == 2
    found.backward()
    assert (vectors.grad[1] == 0).all()
    assert (vectors.grad[[0, 2]] != 0).all()


def test_only_nil_gives_zero_with_a_gradient():
    vectors = torch.randn(2, 4, requires_grad=True)
    loss, _ = table_loss(vectors, torch.tensor([-1, -1]), torch.randn(3, 4))
    loss.backward()
    assert loss.item() == 0
    assert (vectors.grad == 0).all()
    assert table_loss(torch.empty(0, 4), torch.empty(0, dtype=torch.int64), torch.randn(3, 4)) == (0, 0)


def test_sampled_loss_over_all_rows_equals_table_loss():
    torch.manual_seed(0)
    table, vectors, gold = torch.randn(9, 4), torch.randn(5, 4), torch.tensor([5, -1, 8, 5, 0])
    torch.testing.assert_close(sampled_loss(vectors, gold, torch.arange(9), table), table_loss(vectors, gold, table))


def test_a_gold_is_masked_for_its_own_mention_only():
    """The first ELQ removed a negative for every mention of a question if it was the gold entity of one of them."""
    table, vectors = torch.eye(4) * 3, torch.randn(2, 4)
    gold, nearest = torch.tensor([0, 1]), torch.tensor([[1, 2], [0, 2]])  # each one's gold is the other's hard negative
    rows = candidate_rows(gold, nearest)
    assert rows.tolist() == [0, 1, 2]
    expected = torch.stack([-(vectors[m] @ table[rows].T).log_softmax(-1)[m] for m in (0, 1)]).sum()
    torch.testing.assert_close(sampled_loss(vectors, gold, rows, table[rows])[0], expected)


@pytest.mark.parametrize("nearest", [torch.empty(2, 0, dtype=torch.int64), torch.tensor([[3, 4], [-1, -1]])])
def test_hard_negatives_are_a_knob(nearest):
    assert candidate_rows(torch.tensor([7, -1]), nearest).tolist() == ([7] if nearest.shape[1] == 0 else [3, 4, 7])


def test_a_sharded_batch_without_mentions_costs_nothing():
    none, gold = torch.empty(0, 4, requires_grad=True), torch.empty(0, dtype=torch.int64)
    total, count = sharded_table_loss(none, gold, none, torch.randn(3, 4), lambda value: torch.stack([value, value]), 0)
    total.backward()
    assert (total, count) == (0, 0)


def test_the_bonus_of_the_bearers_of_a_name_stands_in_the_loss():
    torch.manual_seed(0)
    vectors, table, gold = torch.randn(3, 4), torch.randn(6, 4), torch.tensor([2, -1, 5])
    name_matches, bonus = torch.tensor([[2, 0], [1, -1], [-1, -1]]), torch.tensor([[1.5, 0.5], [3.0, 0.0], [0.0, 0.0]])
    total, number = table_loss(vectors, gold, table, name_matches, bonus)
    slow = []
    for m, row in ((0, 2), (2, 5)):
        scores = vectors[m] @ table.T
        for bearer, value in zip(name_matches[m].tolist(), bonus[m].tolist(), strict=True):
            if bearer >= 0:
                scores[bearer] += value
        slow.append(torch.nn.functional.cross_entropy(scores, torch.tensor(row)))
    torch.testing.assert_close((total, number), (sum(slow), torch.tensor(2)))
    assert table_loss(vectors, gold, table, name_matches, torch.zeros(3, 2))[0] == table_loss(vectors, gold, table)[0]
    rows = torch.tensor([0, 2, 3, 5])  # of all candidates of the batch; entity 1 is none of them
    some = sampled_loss(vectors, gold, rows, table[rows], name_matches, bonus)
    places = torch.tensor([[1, 0], [-1, -1], [-1, -1]])
    kept = torch.tensor([[1.5, 0.5], [0.0, 0.0], [0.0, 0.0]])
    torch.testing.assert_close(some, table_loss(vectors, torch.tensor([1, -1, 3]), table[rows], places, kept))


def test_the_names_of_a_share_of_the_questions_are_hidden_and_all_those_of_one_question_together():
    torch.manual_seed(0)
    question = torch.arange(4000) // 2  # two mentions of each question
    bonus = torch.rand(4000, 3) + 1
    found = hidden_names(bonus, question, 2000, 0.25)
    seen = (found == bonus).all(-1)
    assert ((found == 0).all(-1) | seen).all()
    assert (seen[::2] == seen[1::2]).all()
    assert 0.22 < 1 - seen.float().mean() < 0.28
    assert hidden_names(bonus, question, 2000, 0.0).equal(bonus)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_nearest_rows_are_those_with_the_largest_products_in_that_precision(dtype):
    torch.manual_seed(0)
    vectors, table = torch.randn(5, 8), torch.randn(50, 8).to(dtype)
    products = vectors.to(dtype) @ table.T  # (M, N)
    for k, block in ((3, 7), (7, 50), (60, 16)):
        rows = nearest_rows(vectors, table, k, block=block)
        assert rows.shape == (5, min(k, 50))
        assert all(len({*some}) == len(some) for some in rows.tolist())
        torch.testing.assert_close(products.gather(-1, rows), products.sort(-1, descending=True).values[:, :k])


def test_names_without_capitals_are_stronger_negatives(tokenizer):
    texts = ["was Queen in paris or the Titanic", "was queen in paris"]
    tokens = with_capitals(texts, tokenizer(texts))
    length, shape = 3, (*tokens.ids.shape, 3)
    torch.manual_seed(0)
    named, logits = torch.randint(0, 2, shape), torch.randn(shape)
    found = small_names(replace(tokens, named=named), length)
    kinds, expected = tokens.capitals.tolist(), torch.zeros(shape, dtype=torch.bool)
    for b, t, n in product(*map(range, shape)):
        inside = kinds[b][t : t + n + 1]
        expected[b, t, n] = 2 not in inside and 1 in inside and bool(named[b, t, n])
    assert torch.equal(found, expected)
    assert found.any()
    assert not found[1].any()
    assert torch.equal(small_names(tokens, length) & (named > 0), found)
    assert small_names(with_capitals(texts[1:], tokenizer(texts[1:])), length) is None

    cell = found.nonzero()[0].tolist()
    gold = Spans(torch.tensor(cell[:1]), torch.tensor(cell[1:2]), torch.tensor([cell[1] + cell[2] + 1]))
    total, weights = mention_loss(logits, gold, small=found, small_weight=3.0)
    wanted = [0.0, 0.0]
    for b, t, n in product(*map(range, shape)):
        right = [b, t, n] == cell
        weight = 3.0 if expected[b, t, n] and not right else 1.0
        wanted[0] -= weight * float(torch.nn.functional.logsigmoid(logits[b, t, n] if right else -logits[b, t, n]))
        wanted[1] += weight
    assert (float(total), float(weights)) == pytest.approx(tuple(wanted), rel=1e-5)
