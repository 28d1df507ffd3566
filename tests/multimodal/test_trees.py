"""Trees that rank candidates."""

import numpy as np
import pytest
import torch
from sklearn.ensemble import ExtraTreesClassifier

from elq.errors import ElqError
from elq.multimodal.trees import COLUMNS, Trees, pair_numbers
from tests.multimodal.made import features
from tests.multimodal.slow import cosine, one

M, K = 30, 6


def learnable():
    """Numbers of which two decide together which candidate is right."""
    random = torch.Generator().manual_seed(0)
    numbers = torch.randn(M, K, len(COLUMNS), generator=random)
    gold = (numbers[..., 0] + numbers[..., 3]).argmax(-1)
    gold[0] = -1
    there = torch.rand(M, K, generator=random) < 0.9
    there[torch.arange(M), gold.clamp(min=0)] = True
    return numbers, gold, there


def test_scores_are_the_probabilities_of_the_forest_of_sklearn():
    numbers, gold, there = learnable()
    trees = Trees.fit(numbers, gold, there, trees=20, seed=3)
    forest = ExtraTreesClassifier(20, min_samples_leaf=2, class_weight="balanced", random_state=3)
    labels = [bool(gold[m] == k) for m in range(M) for k in range(K) if there[m, k]]
    forest.fit(numbers[there].numpy(), labels)
    right = forest.predict_proba(numbers.reshape(-1, len(COLUMNS)).numpy())[:, 1].reshape(M, K)
    np.testing.assert_allclose(trees.scores(numbers).numpy(), right, atol=1e-6)


def test_trees_learn_and_are_the_same_after_saving(tmp_path):
    numbers, gold, there = learnable()
    trees = Trees.fit(numbers, gold, there)
    scores = trees.scores(numbers).masked_fill(~there, -1.0)
    assert (scores.argmax(-1) == gold)[1:].float().mean() > 0.9
    trees.save(tmp_path)
    again = Trees.load(tmp_path)
    assert torch.equal(again.scores(numbers), trees.scores(numbers))
    alone = trees.scores(numbers[3:4, [4, 2]])
    assert alone.tolist() == trees.scores(numbers)[3:4, [4, 2]].tolist()
    assert not torch.equal(Trees.fit(numbers, gold, there, seed=1).scores(numbers), trees.scores(numbers))


def test_the_numbers_of_a_pair_are_those_of_a_loop():
    mentions, entities = features(3), features(3, 4, pictures=2, seed=1)
    popularity = torch.randint(0, 900, (3, 4), generator=torch.Generator().manual_seed(2))
    bm25, total = torch.rand(3, 4), torch.randn(3, 4)
    total[1, 2], total[2] = -torch.inf, -torch.inf
    numbers = pair_numbers(mentions, entities, popularity, bm25, total)
    for m in range(3):
        finite = [score for score in total[m].tolist() if score > -torch.inf]
        for k in range(4):
            own, other = one(mentions, m), one(entities, m, k)
            pictures = [cosine(a, b) for a in own.pictures for b in other.pictures]
            right = {
                "popularity": np.log(1 + popularity[m, k].item()),
                "bm25": bm25[m, k].item(),
                "total": max(total[m, k].item(), min(finite, default=0.0)),
                "text": cosine(own.text, other.text),
                "picture": max(pictures, default=0.0),
                "has_picture": float(bool(pictures)),
            }
            assert numbers[m, k].tolist() == pytest.approx([right[name] for name in COLUMNS], abs=1e-5)


def test_what_cannot_be_fitted_or_read_is_one_sentence(tmp_path):
    numbers, gold, there = learnable()
    with pytest.raises(ElqError, match="trees need both"):
        Trees.fit(numbers, torch.full_like(gold, -1), there)
    with pytest.raises(ElqError, match="cannot be read"):
        Trees.load(tmp_path)
    trees = Trees.fit(numbers, gold, there, trees=3)
    with pytest.raises(ElqError, match="but the trees need"):
        trees.scores(numbers[..., :1])
    trees.nodes["left"] = np.where(trees.nodes["left"] > 0, 0, -1)  # a circle
    trees.save(tmp_path)
    with pytest.raises(ElqError, match="lead nowhere"):
        Trees.load(tmp_path)
