"""Optimal matching of the mentions and faces of documents."""

import itertools
import math

import pytest
import torch

from elq.errors import ElqError
from elq.multimodal.matching import matched, pairs_of


def tables(mentions, entities, k, seed):
    """Random scores of K candidates each, some of which do not exist."""
    random = torch.Generator().manual_seed(seed)
    rows = torch.stack([torch.randperm(entities, generator=random)[:k] for _ in range(mentions)]) + 100
    scores = torch.randn(mentions, k, generator=random)
    gone = torch.rand(mentions, k, generator=random) < 0.15
    return scores.masked_fill(gone, -math.inf), rows.masked_fill(gone, -1)


def best_assignment(scores, rows, sharing):
    """The best choice of candidates (None: nothing) by trying all: as many as possible, then the largest sum."""
    choices = [[None, *[k for k in range(scores.shape[1]) if rows[m, k] >= 0]] for m in range(len(scores))]
    best, chosen = (-1, -math.inf), None
    for choice in itertools.product(*choices):
        takers: dict[int, list[int]] = {}
        for m, k in enumerate(choice):
            if k is not None:
                takers.setdefault(int(rows[m, k]), []).append(m)
        total = sum(scores[m, k].item() for m, k in enumerate(choice) if k is not None)
        allowed = True
        for together in takers.values():  # all but one of those that share pay, and may only share their best
            paying = len(together) - 1
            able = [m for m in together if scores[m, choice[m]] == scores[m].max()]
            allowed &= len(able) >= paying
            total -= sharing * paying if paying else 0.0
        value = (sum(k is not None for k in choice), total)
        if allowed and total > -math.inf and value > best:
            best, chosen = value, choice
    return chosen


@pytest.mark.parametrize("sharing", [math.inf, 0.4])
@pytest.mark.parametrize("seed", range(12))
def test_the_matching_is_the_best_of_all(seed, sharing):
    scores, rows = tables(4, 5, 3, seed)
    right = best_assignment(scores, rows, sharing)
    made = matched(scores, rows, ["one"] * 4, sharing=sharing)
    for m, k in enumerate(right):
        order = scores[m].argsort(descending=True)
        if k is None or (scores[m] == -math.inf).all():
            assert torch.equal(made[m], scores[m])
            continue
        assert made[m].argmax() == k
        swapped = scores[m].clone()
        swapped[[k, int(order[0])]] = swapped[[int(order[0]), k]]
        assert torch.equal(made[m], swapped)


def test_documents_do_not_know_of_each_other():
    scores, rows = tables(6, 5, 3, 3)
    together = matched(scores, rows, [0, 1, 0, 1, 0, 1])
    for document in (0, 1):
        part = slice(document, None, 2)
        assert torch.equal(together[part], matched(scores[part], rows[part], [7, 7, 7]))
    assert torch.equal(matched(scores, rows, range(6)), scores)


def test_candidates_in_another_order_are_matched_alike():
    scores, rows = tables(4, 5, 3, 5)
    order = torch.tensor([2, 0, 1])
    assert torch.equal(matched(scores[:, order], rows[:, order], [0] * 4), matched(scores, rows, [0] * 4)[:, order])


def test_a_mention_and_its_face_have_one_entity_of_which_the_sum_decides():
    rows = torch.tensor([[1, 2], [1, 2], [1, 3]])
    scores = torch.tensor([[2.0, 1.5], [0.0, 1.5], [3.0, -5.0]])
    alone = matched(scores, rows, [0, 0, 0])
    assert [rows[m, alone[m].argmax()].item() for m in range(3)] == [1, 2, 3]
    joined = matched(scores, rows, [0, 0, 0], groups=["name", "name", "other"])
    assert [rows[m, joined[m].argmax()].item() for m in range(3)] == [2, 2, 1]


def test_an_entity_that_one_member_lacks_counts_with_its_lowest_score():
    rows, scores = torch.tensor([[1, 2], [2, 3]]), torch.tensor([[1.0, 0.0], [0.3, 2.0]])
    made = matched(scores, rows, [0, 0], groups=[0, 0])  # 1: 1.0 + 0.3, 2: 0.0 + 0.3, 3: 0.0 + 2.0
    assert rows[1, made[1].argmax()] == 3
    assert torch.equal(made[0], scores[0])


@pytest.mark.parametrize("seed", range(6))
def test_mentions_and_faces_are_paired_best(seed):
    similarity = torch.rand(3, 4, generator=torch.Generator().manual_seed(seed))
    found = pairs_of(similarity, least=0.6)
    best = -1.0
    for faces in itertools.permutations([*range(4), None, None, None], 3):
        pairs = [(m, f) for m, f in enumerate(faces) if f is not None and similarity[m, f] >= 0.6]
        best = max(best, sum(similarity[m, f].item() - 0.6 for m, f in pairs))
    assert sum(similarity[m, f].item() - 0.6 for m, f in found) == pytest.approx(best, abs=1e-6)
    assert len({m for m, _ in found}) == len({f for _, f in found}) == len(found)
    assert all(similarity[m, f] >= 0.6 for m, f in found)


def test_other_numbers_of_documents_are_refused():
    scores, rows = tables(2, 3, 2, 0)
    with pytest.raises(ElqError, match="1 documents and 2 groups are given for 2 mentions"):
        matched(scores, rows, [0])
    with pytest.raises(ElqError, match="sharing is -1"):
        matched(scores, rows, [0, 0], sharing=-1)
