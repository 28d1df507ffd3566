"""BM25, nearest pictures, and lists that are merged."""

import math

import pytest
import torch

from elq.errors import ElqError
from elq.multimodal.retrieval import BM25, merged, nearest_entities

TEXTS = ["The Red fox", "a red, red apple and a red leaf", "", "Fox news: news of the fox", "blue whale"]
FOLDED = [
    ["the", "red", "fox"],
    "a red red apple and a red leaf".split(),
    [],
    "fox news news of the fox".split(),
    ["blue", "whale"],
]


def slow_score(query, row, k1, b):
    """The formula of BM25, a word at a time."""
    total = 0.0
    average = sum(map(len, FOLDED)) / len(FOLDED)
    for word in query:
        having = sum(word in text for text in FOLDED)
        idf = math.log(1 + (len(FOLDED) - having + 0.5) / (having + 0.5))
        times = FOLDED[row].count(word)
        total += idf * times * (k1 + 1) / (times + k1 * (1 - b + b * len(FOLDED[row]) / average)) if times else 0.0
    return total


@pytest.mark.parametrize(("k1", "b"), [(1.2, 0.75), (2.0, 0.0), (0.5, 1.0)])
@pytest.mark.parametrize("query", ["red fox", "Fox, fox! whale", "news about nothing", "zebra", ""])
def test_scores_are_those_of_the_formula(query, k1, b):
    bm25 = BM25(TEXTS, k1=k1, b=b)
    asked = query.lower().replace(",", "").replace("!", "").split()
    right = [slow_score(asked, row, k1, b) for row in range(len(TEXTS))]
    assert bm25.scores(query).tolist() == pytest.approx(right)
    rows, scores = bm25.search(query, 2)
    expected = sorted((row for row in range(len(TEXTS)) if right[row] > 0), key=lambda row: (-right[row], row))[:2]
    assert rows.tolist() == expected
    assert scores.tolist() == pytest.approx([right[row] for row in expected])


def test_no_texts_give_no_rows():
    assert BM25([]).search("red fox", 3)[0].tolist() == []
    assert BM25(["", ""]).search("red fox", 3)[0].tolist() == []


def test_settings_that_are_not_allowed_are_refused():
    for values in ({"k1": -1}, {"b": 2}):
        with pytest.raises(ElqError, match="leave them out"):
            BM25(TEXTS, **values)


def test_the_nearest_entities_are_those_of_a_loop():
    random = torch.Generator().manual_seed(0)
    pictures = torch.nn.functional.normalize(torch.randn(12, 4, generator=random), dim=-1)
    owners = torch.tensor([3, 3, 9, 1, 1, 1, 7, 7, 4, 9, 2, 4])
    queries = torch.nn.functional.normalize(torch.randn(5, 2, 4, generator=random), dim=-1)
    there = torch.tensor([[True, False], [True, True], [False, False], [False, True], [True, True]])
    queries[~there] = float("nan")
    rows, cosines = nearest_entities(queries, there, pictures, owners, 8)
    for m in range(5):
        best: dict[int, float] = {}
        for i in range(2):
            for r in range(12):
                if there[m, i]:
                    owner = int(owners[r])
                    best[owner] = max(best.get(owner, -2.0), float(queries[m, i] @ pictures[r]))
        right = sorted(best, key=lambda owner: -best[owner])
        assert rows[m].tolist() == right + [-1] * (8 - len(right))
        scores = [best[owner] for owner in right] + [-math.inf] * (8 - len(right))
        assert cosines[m].tolist() == pytest.approx(scores, abs=1e-6)
    assert nearest_entities(queries, there, pictures[:0], owners[:0], 2)[0].tolist() == [[-1, -1]] * 5


def test_merged_lists_have_each_row_once():
    assert merged([[5, 6, -1], [6, 5, 8], []], 10) == [5, 6, 8]
    assert merged([[5, 6], [7, 8]], 3) == [5, 7, 6]
    assert merged([], 3) == []
