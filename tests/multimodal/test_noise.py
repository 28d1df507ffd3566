"""The noise filter: agreement of pictures, thresholds from development data, and what is reported."""

import math

import pytest
import torch

from elq.errors import ElqError
from elq.multimodal.config import NetworkConfig
from elq.multimodal.network import MultimodalNetwork
from elq.multimodal.noise import Agreement, NoiseFilter, NoiseSettings, choose_thresholds, right_at_one
from elq.multimodal.presets import preset
from elq.multimodal.unit import unit_scores
from tests.multimodal.made import HIDDEN, NAN, SIZES, features, padded, shuffled
from tests.multimodal.slow import adapted, cosine, dot, linear, mean, one
from tests.multimodal.test_unit_laws import slow_contrast

M, K = 6, 5
GOLD = torch.tensor([0, 3, -1, 1, 2, 4])


def filter_of(**settings):
    made = NoiseFilter(SIZES, NoiseSettings(hidden=HIDDEN, **settings))
    shuffled(made)
    return made.eval()


def batch():
    return features(M, pictures=2), features(M, K, pictures=2, seed=1)


def agreement_of(made, mentions, entities):
    return made.agreement(made.parts(mentions), made.parts(entities))


def network(noise):
    units = {name: {"hidden": HIDDEN} for name in ("text", "picture")}
    made = MultimodalNetwork(NetworkConfig(units=units, text=SIZES.text, picture=SIZES.picture, noise=noise))
    shuffled(made)
    return made.eval()


def test_the_agreement_is_that_of_a_loop():
    made, (mentions, entities) = filter_of(), batch()
    found = agreement_of(made, mentions, entities)
    kinds = set()
    for m in range(M):
        own = one(mentions, m)
        text = [cosine(linear(made.picture, picture), linear(made.text, own.text)) for picture in own.pictures]
        pairs = [
            cosine(adapted(made.adapter, picture), adapted(made.adapter, other))
            for picture in own.pictures
            for k in range(K)
            for other in one(entities, m, k).pictures
        ]
        for stage, cosines in enumerate((text, pairs)):
            kinds.add(bool(cosines))
            assert bool(found.known[m, stage]) == bool(cosines)
            if cosines:
                assert found.cosines[m, stage].item() == pytest.approx(max(cosines), abs=1e-5)
    assert kinds == {True, False}
    again = agreement_of(made, padded(mentions), padded(entities))
    torch.testing.assert_close(again.cosines, found.cosines)
    assert torch.equal(again.known, found.known)


def test_the_second_stage_may_compare_with_the_candidates_of_the_nearest_texts_only():
    (mentions, entities), narrow, wide = batch(), filter_of(candidates=2), filter_of()
    found, everything = agreement_of(narrow, mentions, entities), agreement_of(wide, mentions, entities)
    assert set(mentions.named.tolist()) == {True, False}
    for m in range(M):
        order = sorted(range(K), key=lambda k, m=m: -cosine(mentions.text[m], entities.text[m, k]))
        pairs = [
            cosine(adapted(narrow.adapter, picture), adapted(narrow.adapter, other))
            for picture in one(mentions, m).pictures
            for k in order[:2]
            for other in one(entities, m, k).pictures
        ]
        assert bool(found.known[m, 1]) == (bool(pairs) and bool(mentions.named[m]))
        assert bool(found.known[m, 0]) == (bool(everything.known[m, 0]) and bool(mentions.named[m]))
        if pairs:
            assert found.cosines[m, 1].item() == pytest.approx(max(pairs), abs=1e-5)
    assert not torch.equal(found.cosines[:, 1], everything.cosines[:, 1])
    torch.testing.assert_close(agreement_of(filter_of(candidates=K), mentions, entities).cosines, everything.cosines)


def test_a_picture_without_words_is_never_dropped():
    made, (mentions, entities) = network({"hidden": HIDDEN, "candidates": 2}), batch()
    made.noise.thresholds = torch.tensor([2.0, 2.0])  # above every cosine
    keeps = made.noise.keeps(agreement_of(made.noise, mentions, entities))
    assert keeps[~mentions.named].all()
    assert not keeps[mentions.named & mentions.picture_mask.any(-1)].any()


def test_the_loss_is_three_contrasts():
    made, (mentions, entities) = filter_of(temperature=0.5), batch()
    for part in entities:
        part[4, 2] = part[0, 0]  # mentions 0 and 4 mean the same
    sides = [one(mentions, m) for m in range(M)], [one(entities, m, max(int(GOLD[m]), 0)) for m in range(M)]

    def unit(vector):
        return vector / math.sqrt(dot(vector, vector))

    def of(side, layer):
        if not side.pictures:
            return torch.zeros(HIDDEN if layer is made.picture else SIZES.picture)
        project = linear if layer is made.picture else adapted
        return unit(mean([unit(project(layer, picture)) for picture in side.pictures]))

    crossed = [torch.stack([of(side, made.picture) for side in each]) for each in sides]
    whole = [torch.stack([of(side, made.adapter) for side in each]) for each in sides]
    texts = [torch.stack([unit(linear(made.text, side.text)) for side in each]) for each in sides]
    seen = [bool(side.pictures) for side in sides[0]]
    gold = [bool(sides[1][m].pictures) and GOLD[m] >= 0 for m in range(M)]

    def same(m, n):
        return {m, n} == {0, 4}

    right = [
        slow_contrast(crossed[0], texts[0], seen, 0.5, same),
        slow_contrast(whole[0], whole[1], [a and b for a, b in zip(seen, gold, strict=True)], 0.5, same),
        slow_contrast(crossed[1], texts[1], gold, 0.5, same),
    ]
    loss = made.loss(made.parts(mentions), made.parts(entities), GOLD)
    assert loss.item() == pytest.approx(sum(right) / 3, rel=1e-4)
    loss.backward()
    assert all(value.grad is not None and value.grad.abs().sum() > 0 for value in made.parameters())


def test_the_thresholds_are_the_best_of_all_pairs_and_drop_no_more_than_needed():
    random = torch.Generator().manual_seed(0)
    for _ in range(5):
        agreement = Agreement(torch.rand(40, 2, generator=random), torch.rand(40, 2, generator=random) < 0.8)
        kept, dropped = (torch.rand(40, generator=random) < 0.5 for _ in range(2))
        found = choose_thresholds(agreement, kept, dropped)

        def value(pair, agreement=agreement, kept=kept, dropped=dropped):
            keeps = [all(not agreement.known[m, s] or agreement.cosines[m, s] >= pair[s] for s in (0, 1)) for m in range(40)]
            return sum(bool(kept[m] if keeps[m] else dropped[m]) for m in range(40)), sum(keeps)

        marks = [[-math.inf, *agreement.cosines[agreement.known[:, s], s].tolist()] for s in (0, 1)]
        best = max(value((a, b)) for a in marks[0] for b in marks[1])
        assert value(found)[0] >= best[0] - 1  # 24 quantiles are tried, not each value
        assert value(found)[0] >= value((-math.inf, -math.inf))[0]
    nothing = choose_thresholds(agreement, kept, kept)
    assert nothing == (-math.inf, -math.inf)


def test_a_picture_that_is_dropped_counts_as_missing():
    made, (mentions, entities) = network({"hidden": HIDDEN}), batch()
    plain = network(None)
    torch.testing.assert_close(made(mentions, entities), plain(mentions, entities))
    found = agreement_of(made.noise, mentions, entities)
    made.noise.thresholds = torch.tensor([found.cosines[found.known[:, 0], 0].max().item() - 1e-4, -1.0])
    keeps = made.noise.keeps(agreement_of(made.noise, mentions, entities))
    assert (keeps & found.known[:, 0]).sum() == 1
    assert (~keeps).sum() >= 1
    pictures = mentions.pictures.clone()
    pictures[~keeps] = NAN
    lost = mentions._replace(picture_mask=mentions.picture_mask & keeps.unsqueeze(-1), pictures=pictures)
    assert torch.equal(made(mentions, entities).scores, plain(lost, entities).scores)


def test_either_stage_drops_a_picture():
    made = filter_of()
    cosines = torch.tensor([[0.5, 0.5], [0.1, 0.5], [0.5, 0.1], [0.1, 0.1]])
    made.thresholds = torch.tensor([0.3, 0.3])
    assert made.keeps(Agreement(cosines, torch.ones(4, 2, dtype=torch.bool))).tolist() == [True, False, False, False]
    assert made.keeps(Agreement(cosines, torch.zeros(4, 2, dtype=torch.bool))).all()  # nothing is known


def wrong_pictures(count=60):
    """Mentions of which a third have a picture of nothing; their text is right, and the picture of the others decides."""
    random = torch.Generator().manual_seed(1)
    entities = features(count, seed=2)
    entities = entities._replace(
        picture_mask=torch.ones(count, 1, dtype=torch.bool), pictures=torch.randn(count, 1, SIZES.picture, generator=random)
    )
    wrong = torch.arange(count) % 3 == 0
    pictures = entities.pictures + 0.05 * torch.randn(count, 1, SIZES.picture, generator=random)
    pictures[wrong] = torch.randn(int(wrong.sum()), 1, SIZES.picture, generator=random)
    text = torch.where(wrong.unsqueeze(-1), entities.text, torch.randn(count, SIZES.text, generator=random))
    rows = (torch.arange(count)[:, None] + torch.arange(8)) % count
    return entities._replace(pictures=pictures, text=text), entities, torch.zeros(count, dtype=torch.int64), rows


def test_the_filter_helps_with_wrong_pictures_and_says_so():
    torch.manual_seed(0)
    made = MultimodalNetwork(
        NetworkConfig(units={"text": {"scale": 5.0}, "picture": {}}, text=SIZES.text, picture=SIZES.picture, noise={})
    ).eval()
    data = wrong_pictures()
    report = made.choose_noise([data])
    assert report.mentions == report.pictures == 60
    assert 15 <= report.dropped <= 25
    assert report.hits > max(report.hits_with_all, report.hits_without_any)
    mentions, entities, gold, rows = data
    assert right_at_one(made(mentions, entities, rows), gold).float().mean().item() == pytest.approx(report.hits)
    assert made.noise.thresholds.tolist() == pytest.approx(report.thresholds)
    assert f"{report.dropped} of 60 pictures were dropped; of 60 mentions, " in report.sentence()
    parts = [tuple(each[at : at + 25] for each in (gold, rows)) for at in (0, 25, 50)]
    batches = [
        (mentions.at(torch.arange(at, min(at + 25, 60))), entities, *part) for at, part in zip((0, 25, 50), parts, strict=True)
    ]
    assert made.choose_noise(batches) == report


def test_thresholds_are_saved(tmp_path):
    made, (mentions, entities) = network({"hidden": HIDDEN}), batch()
    made.noise.thresholds = torch.tensor([0.25, -torch.inf])
    made.save_pretrained(tmp_path)
    again = MultimodalNetwork.from_pretrained(tmp_path)
    assert again.noise.thresholds.tolist() == [0.25, -math.inf]
    assert torch.equal(again(mentions, entities).scores, made(mentions, entities).scores)
    assert preset("hq").network(SIZES).noise is not None


def test_what_cannot_be_chosen_is_one_sentence():
    mentions, entities = batch()
    with pytest.raises(ElqError, match="has no noise filter"):
        network(None).choose_noise([])
    with pytest.raises(ElqError, match="0 mentions of the development data"):
        network({}).choose_noise([(mentions, entities, torch.full((M,), -1), None)])
    for settings, message in (
        ({"hidden": 0}, "hidden is 0"),
        ({"candidates": -1}, "candidates is -1"),
        ({"depth": 1}, "has no setting depth"),
        ({"temperature": 0}, "above 0"),
    ):
        with pytest.raises(ElqError, match=message):
            network(settings)
    with pytest.raises(ElqError, match="loss_weight is -1"):
        NoiseSettings(loss_weight=-1)


def test_a_gold_candidate_that_is_not_valid_is_never_right():
    said = unit_scores(torch.zeros(2, 3), torch.tensor([[False] * 3, [True, False, True]]))
    assert right_at_one(said, torch.tensor([0, 0])).tolist() == [False, True]
