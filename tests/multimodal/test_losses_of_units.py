"""The losses of units, against loops over mentions and candidates."""

import math

import pytest
import torch

from elq.multimodal.unit import unit_scores
from elq.multimodal.units.kinds import make_unit, settings_of
from elq.multimodal.units.losses import contrast, hinge, same_entity
from tests.multimodal.made import HIDDEN, SIZES, features, shuffled
from tests.multimodal.slow import adapted, cosine, dot, linear, mean, one, softmax
from tests.multimodal.test_unit_laws import slow_contrast

M, K = 6, 5
GOLD = torch.tensor([0, 3, -1, 1, 2, 4])


def unit_of(name, **settings):
    made = make_unit(name, SIZES, settings_of(name, hidden=HIDDEN, **settings))
    shuffled(made)
    return made.eval()


def batch():
    """Mentions 0 and 4 have the same gold entity."""
    mentions, entities = features(M, pictures=2), features(M, K, pictures=2, seed=1)
    for part in entities:
        part[4, GOLD[4]] = part[0, GOLD[0]]
    return mentions, entities


def slow_hinge(said, gold, margin, hardest):
    losses = []
    for m in range(len(gold)):
        right = int(gold[m])
        wrong = [k for k in range(said.scores.shape[1]) if k != right and said.valid[m, k]]
        if right >= 0 and said.valid[m, right] and wrong:
            each = [max(0.0, margin + said.scores[m, k].item() - said.scores[m, right].item()) for k in wrong]
            losses.append(max(each) if hardest else sum(each) / len(each))
    return sum(losses) / max(len(losses), 1)


@pytest.mark.parametrize("hardest", [False, True])
@pytest.mark.parametrize("margin", [0.1, 1.0])
def test_the_hinge_loss_is_that_of_a_loop(margin, hardest):
    random = torch.Generator().manual_seed(0)
    said = unit_scores(torch.randn(40, K, generator=random), torch.rand(40, K, generator=random) < 0.6)
    gold = torch.randint(-1, K, (40,), generator=random)
    right = slow_hinge(said, gold, margin, hardest)
    assert right > 0
    assert hinge(said, gold, margin, hardest=hardest).item() == pytest.approx(right, rel=1e-5)
    assert hinge(said, torch.full_like(gold, -1), margin).item() == 0.0


def test_the_contrast_is_that_of_a_loop():
    random = torch.Generator().manual_seed(0)
    left, right = torch.randn(8, 4, generator=random), torch.randn(8, 4, generator=random)
    there = torch.rand(8, generator=random) < 0.7
    same = torch.rand(8, 8, generator=random) < 0.3
    made = contrast(left, right, there, 0.7, same)
    assert made.item() == pytest.approx(slow_contrast(left, right, there, 0.7, lambda m, n: same[m, n]), rel=1e-5)
    assert contrast(left, right, there, 0.7).item() == pytest.approx(slow_contrast(left, right, there, 0.7), rel=1e-5)
    assert contrast(left, right, torch.zeros_like(there), 0.7).item() == 0.0


def test_mentions_with_the_same_gold_entity_are_seen():
    _, entities = batch()
    same = same_entity(entities.text, GOLD)
    pairs = {(m, n) for m in range(M) for n in range(M) if same[m, n] and m != n}
    assert pairs == {(0, 4), (4, 0)}


@pytest.mark.parametrize("name", ["dzmned", "jmel"])
def test_units_with_a_hinge_loss_have_it(name):
    unit, (mentions, entities) = unit_of(name, margin=2.5), batch()
    right = slow_hinge(unit(mentions, entities), GOLD, 2.5, hardest=False)
    assert right > 0
    assert unit.loss(mentions, entities, GOLD).item() == pytest.approx(right, rel=1e-4)


def test_the_loss_of_ghmfc_is_triplet_and_contrast():
    unit, (mentions, entities) = unit_of("ghmfc", contrast=0.7, temperature=0.4), batch()
    _, there, read, seen = unit.mention(mentions)
    right = slow_hinge(unit(mentions, entities), GOLD, 1.0, hardest=False)
    right += 0.7 * slow_contrast(read, seen, there, 0.4)
    assert unit.loss(mentions, entities, GOLD).item() == pytest.approx(right, rel=1e-4)


def test_the_loss_of_dxr_has_four_pairs_of_modalities():
    unit, (mentions, entities) = unit_of("dxr", margin=0.3), batch()
    losses = []
    for own in ("text", "pictures"):
        for other in ("text", "pictures"):
            scores, valid = torch.zeros(M, K), torch.zeros(M, K, dtype=torch.bool)
            for m in range(M):
                for k in range(K):
                    sides = []
                    for side, kind in ((one(mentions, m), own), (one(entities, m, k), other)):
                        texts = [linear(unit.text, side.text)] if kind == "text" else []
                        sides.append(texts or [linear(unit.picture, picture) for picture in side.pictures])
                    cosines = [cosine(a, b) for a in sides[0] for b in sides[1]] if all(sides) else []
                    cosines = cosines if kind_there(own, mentions, m) else []
                    valid[m, k], scores[m, k] = bool(cosines), max(cosines, default=0.0)
            losses.append(slow_hinge(unit_scores(scores, valid), GOLD, 0.3, hardest=True))
    right = sum(losses) / 4 + slow_hinge(unit(mentions, entities), GOLD, 0.3, hardest=True)
    assert unit.loss(mentions, entities, GOLD).item() == pytest.approx(right, rel=1e-4)


def kind_there(kind, mentions, m):
    return kind == "text" or bool(mentions.picture_mask[m].any())


def test_the_joint_index_of_dxr_has_a_row_for_each_text_and_picture():
    unit, entities = unit_of("dxr"), features(7, pictures=2, seed=4)
    rows = unit.joint_rows(entities)
    right = []
    for n in range(7):
        entity = one(entities, n)
        right.append((n, False, linear(unit.text, entity.text)))
        right += [(n, True, linear(unit.picture, picture)) for picture in entity.pictures]
    assert rows.entities.tolist() == [n for n, _, _ in right]
    assert rows.pictures.tolist() == [kind for _, kind, _ in right]
    for made, (_, _, vector) in zip(rows.vectors, right, strict=True):
        assert made.tolist() == pytest.approx((vector / math.sqrt(dot(vector, vector))).tolist(), abs=1e-5)


def test_the_contrast_of_m3el_has_negatives_of_both_sources():
    unit, (mentions, entities) = unit_of("icl", temperature=0.5), batch()
    losses = []
    for kind in ("text", "picture"):
        each = []
        for m in range(M):
            own, gold = one(mentions, m), int(GOLD[m])

            def score(other, own=own, kind=kind):
                if kind == "text":
                    return cosine(adapted(unit.text, own.text), adapted(unit.text, other.text))
                pairs = [
                    cosine(adapted(unit.picture, a), adapted(unit.picture, b)) for a in own.pictures for b in other.pictures
                ]
                return max(pairs, default=None)

            scores = [score(one(entities, m, k)) for k in range(K)]
            if gold < 0 or scores[gold] is None:
                continue
            right = scores[gold]
            others = [one(mentions, n) for n in range(M) if n != m and {m, n} != {0, 4}]
            scores += [score(other) for other in others]
            numbers = [number / 0.5 for number in scores if number is not None]
            each.append(-math.log(softmax(numbers)[numbers.index(right / 0.5)]))
        losses.append(sum(each) / len(each))
    assert unit.loss(mentions, entities, GOLD).item() == pytest.approx(sum(losses) / 2, rel=1e-4)


def test_the_loss_of_fbmel_is_weighted_by_its_alignment():
    mentions, entities = batch()
    unit = unit_of("fbmel", alignment=0.4, temperature=0.6)
    whole, local, seen = unit.mention(mentions)
    alone = unit_of("fbmel", alignment=0.0).loss(mentions, entities, GOLD).item()
    pictures, texts, there = torch.zeros(M, SIZES.picture), torch.zeros(M, HIDDEN), []
    for m in range(M):
        entity = one(entities, m, int(GOLD[m]))
        there.append(bool(seen[m]) and bool(entity.pictures) and GOLD[m] >= 0)
        if there[m]:
            vectors = [adapted(unit.adapter, picture) for picture in entity.pictures]
            middle = mean([vector / math.sqrt(dot(vector, vector)) for vector in vectors])
            pictures[m] = middle / math.sqrt(dot(middle, middle))
            text = linear(unit.entity_text, entity.text)
            texts[m] = text / math.sqrt(dot(text, text))
    assert sum(there) > 1

    def same(m, n):
        return {m, n} == {0, 4}

    parts = [slow_contrast(a, b, there, 0.6, same) for a, b in ((whole, pictures), (local, texts))]
    assert unit.loss(mentions, entities, GOLD).item() == pytest.approx(0.6 * alone + 0.4 * sum(parts) / 2, rel=1e-4)
