"""Loss, mining, measures and ranking against slow, obvious computations."""

import math
import random

import pytest
import torch

from elq.disambiguation.examples import MentionCollator, MentionExample, drawn, examples_of, is_for_ranking
from elq.disambiguation.losses import in_batch_loss
from elq.disambiguation.mining import BLOCK, QUERIES, hard_negatives, mention_table, namesakes, nearest, pool_of
from elq.disambiguation.ranking import KINDS, Features, Ranking, fit_ranking, scores_of
from elq.disambiguation.split import is_development
from elq.entities.texts import EntityText
from elq.errors import ElqError
from elq.model.biencoder import BiEncoder
from elq.model.heads import START_BONUS
from elq.names.dictionary import Dictionary
from elq.questions.annotated import read_questions


def slow_loss(vectors, entities, gold, rows):
    """The mean of −log p(gold) over columns that are the gold one or have another entity."""
    losses = []
    for m, own in enumerate(gold.tolist()):
        scores = [sum(a * b for a, b in zip(vectors[m].tolist(), column, strict=True)) for column in entities.tolist()]
        right = rows.tolist().index(own)
        others = [score for c, score in enumerate(scores) if rows[c] != own]
        losses.append(math.log(sum(math.exp(score) for score in (scores[right], *others))) - scores[right])
    return sum(losses) / len(losses)


@pytest.mark.parametrize("seed", range(3))
def test_the_loss_against_loops(seed):
    torch.manual_seed(seed)
    vectors, entities = torch.randn(5, 4), torch.randn(8, 4)
    gold, rows = torch.tensor([3, 9, 3, 7, 9]), torch.tensor([9, 3, 7, 3, 2, 9, 8, 7])  # 3, 7 and 9 are there twice
    assert float(in_batch_loss(vectors, entities, gold, rows)) == pytest.approx(slow_loss(vectors, entities, gold, rows), 1e-5)


def test_another_mention_of_the_same_entity_is_no_negative():
    torch.manual_seed(0)
    vectors, entities = torch.randn(2, 4), torch.randn(2, 4)
    entities[1] = entities[0]
    assert float(in_batch_loss(vectors, entities, torch.tensor([5, 5]), torch.tensor([5, 5]))) == 0
    assert float(in_batch_loss(vectors, entities, torch.tensor([5, 6]), torch.tensor([5, 6]))) > 0.6


def test_nearest_over_several_blocks(monkeypatch):
    torch.manual_seed(0)
    vectors, table = torch.randn(3, 4), torch.randn(50, 4).half()
    expected = (vectors @ table.float().T).sort(-1, descending=True)
    for block, queries in ((7, 2), (BLOCK, QUERIES)):
        monkeypatch.setattr("elq.disambiguation.mining.BLOCK", block)
        monkeypatch.setattr("elq.disambiguation.mining.QUERIES", queries)
        scores, places = nearest(vectors, table, 9)
        assert torch.equal(places, expected.indices[:, :9])
        torch.testing.assert_close(scores, expected.values[:, :9])
    assert nearest(vectors, table, 99)[1].shape == (3, 50)


def test_hard_negatives_are_the_nearest_without_the_gold_entity():
    table, rows = torch.eye(5), torch.tensor([10, 11, 12, 13, 14])
    vectors = torch.tensor([[5.0, 4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0, 5.0]])
    examples = [MentionExample("a", 0, 1, 11), MentionExample("a", 0, 1, 10)]
    assert hard_negatives(vectors, table, rows, examples, 3) == [[10, 12, 13], [14, 13, 12]]
    assert pool_of([[10, 12], [14, 12]]) == [10, 12, 14]


def test_namesakes_are_the_others_with_the_name(entities):
    catalogue = entities.catalogue
    paris, texas = catalogue.rows(["Q90", "Q830149"]).tolist()
    found = namesakes(Dictionary(catalogue), [MentionExample("in paris", 3, 8, paris), MentionExample("xyz", 0, 3, paris)])
    assert found == [[texas], []]


def test_drawn_negatives_have_both_kinds():
    for seed in range(20):
        found = drawn(range(10), range(100, 110), 6, str(seed))
        assert (len(found), sum(row >= 100 for row in found)) == (6, 3)
        assert found == drawn(range(10), range(100, 110), 6, str(seed))
    assert drawn([], range(100, 110), 4, "0") < {*range(100, 110)}
    assert len(drawn([1], range(100, 110), 4, "0")) == 4
    assert drawn([], [], 4, "0") == set()


def test_examples_of_the_parts(entities, question_file):
    questions = read_questions(question_file)
    every = examples_of(questions, entities.catalogue, "file")
    assert len(every) == 7
    assert every[0].mention == "titanic"
    assert entities.catalogue[every[0].row].id == "Q44578"
    parts = [
        examples_of(questions, entities.catalogue, "file", development=development, ranking=ranking)
        for development in (False, True)
        for ranking in (False, True)
    ]
    assert sorted(map(repr, every)) == sorted(repr(example) for part in parts for example in part)
    for part, wanted in zip(parts, [(False, False), (False, True), (True, False), (True, True)], strict=True):
        ids = [entities.catalogue[example.row].id for example in part]
        assert all((is_development(entity), is_for_ranking(entity)) == wanted for entity in ids)
    assert 60 < sum(is_for_ranking(f"Q{number}") for number in range(1000)) < 140
    with pytest.raises(ElqError, match="question q0 has the entity Q44578, which is not in the catalogue"):
        examples_of(questions, _Empty(), "file")


class _Empty:
    def rows(self, ids):
        return torch.full((len(ids),), -1)


def test_a_batch_has_every_entity_once_and_all_gold_ones(encoder_folder, entities, question_file):
    _, texts = BiEncoder.from_encoder(encoder_folder, context_tokens=20, entity_tokens=20)
    examples = examples_of(read_questions(question_file), entities.catalogue, "file")
    text = EntityText(("title", "description"), separator=" [unused2] ")
    others = [([row for row in range(7) if row != example.row], []) for example in examples]
    make = MentionCollator(texts, entities.catalogue, text, 0, examples, others, count=2, seed=1)
    batch = make([0, 1, 4])
    assert batch.gold.tolist() == [examples[number].row for number in (0, 1, 4)]
    rows = batch.rows.tolist()
    assert rows == sorted({*rows})
    assert {*batch.gold.tolist()} < {*rows}
    for row, ids, there in zip(rows, batch.entities.ids, batch.entities.attention, strict=True):
        assert ids[there].tolist() == texts.entities([text(entities.catalogue[row])])[0]
    frozen = MentionCollator(texts, entities.catalogue, text, 0, examples, others, count=2, seed=1, table=entities.table)
    assert torch.equal(frozen([0, 1, 4]).entities, entities.table.gather(batch.rows))
    plain = MentionCollator(texts, entities.catalogue, text, 0, examples)([0, 1, 4])
    assert plain.rows.tolist() == sorted({*plain.gold.tolist()})
    assert plain.to("cpu").rows.tolist() == plain.rows.tolist()


def test_a_table_of_mentions_does_not_depend_on_the_batch(encoder_folder, monkeypatch):
    network, texts = BiEncoder.from_encoder(encoder_folder, context_tokens=20)
    examples = [MentionExample(text, 0, 3, 0) for text in ("who is the queen of paris", "the river", "who?")]
    found = mention_table(network.eval(), texts, examples)
    monkeypatch.setattr("elq.disambiguation.mining.BATCH", 1)
    torch.testing.assert_close(mention_table(network, texts, examples), found, rtol=1e-4, atol=1e-4)


def some_features(seed=0, mentions=40, entities=6):
    torch.manual_seed(seed)
    generator = random.Random(seed)
    kinds = torch.tensor([[generator.choice([-1, 0, 1, 8]) for _ in range(entities)] for _ in range(mentions)])
    products = torch.randn(mentions, entities)
    products[0, 3:] = -torch.inf
    return Features(products, torch.rand(mentions, entities, 4), kinds, torch.zeros(mentions, dtype=torch.int64))


def test_scores_of_a_ranking_against_loops():
    features = some_features()
    weights = torch.randn(1 + 4 + KINDS)
    found = scores_of(features, weights, 4)
    ranking = Ranking(vectors=float(weights[0]), prior=weights[1:5].tolist(), names=weights[5:].tolist())
    for m in range(40):
        for e in range(6):
            expected = -math.inf
            if features.products[m, e] > -math.inf:
                kind = int(features.kinds[m, e])
                expected = ranking.vectors * float(features.products[m, e]) + (ranking.names[kind] if kind >= 0 else 0.0)
                expected += sum(w * float(x) for w, x in zip(ranking.prior, features.prior[m, e], strict=True))
            assert float(found[m, e]) == pytest.approx(expected, abs=1e-4)
    vectors, table = torch.randn(3, 5), torch.randn(4, 9)
    expected = ranking.vectors * vectors @ table[:, :5].T + table[:, 5:] @ torch.tensor(ranking.prior)
    torch.testing.assert_close(ranking.queries(vectors) @ table.T, expected, rtol=1e-4, atol=1e-4)
    assert ranking.bonus(torch.tensor([[-1, 3]])).tolist() == [[0.0, pytest.approx(ranking.names[3])]]


def test_the_fit_is_better_than_all_near_it_and_finds_what_says_the_entity():
    features = some_features()
    features.kinds[:, 0] = 8  # the gold entity always has the name, others sometimes
    ranking = fit_ranking(features, ("qid", "popularity"))
    assert ranking.names[8] > 4
    assert ranking.fitted == 40
    best = torch.tensor([ranking.vectors, *ranking.prior, *ranking.names], dtype=torch.float64)
    start = torch.tensor([1.0, *[0.0] * 4, *START_BONUS])

    def loss(weights):
        scores = scores_of(features, weights, 4)
        nll = sum(float(scores[m].logsumexp(-1) - scores[m, 0]) for m in range(40))
        return nll + 0.01 * float((weights - start).square().sum())

    for place in range(len(best)):
        for change in (-0.05, 0.05):
            other = best.clone()
            other[place] += change
            assert loss(other) > loss(best) - 1e-6


def test_a_ranking_is_saved_and_read(tmp_path):
    ranking = Ranking(vectors=2.0, prior=(0.5, 1.0), candidates=7)
    ranking.save(tmp_path)
    assert Ranking.load(tmp_path) == ranking
    (tmp_path / "ranking.json").write_text('{"format": 9}')
    with pytest.raises(ElqError, match="is not a ranking of format 1"):
        Ranking.load(tmp_path)
    with pytest.raises(ElqError, match="candidates is 0"):
        Ranking(candidates=0)
    with pytest.raises(ElqError, match="18 of them as names"):
        Ranking(names=(0.0,))
    assert (
        fit_ranking(Features(torch.empty(0, 1), torch.empty(0, 1, 2), torch.empty(0, 1), torch.empty(0)), ["qid"]).fitted == 0
    )
