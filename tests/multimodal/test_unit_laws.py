"""Laws that hold for every unit and for every choice of its settings."""

import pytest
import torch

from elq.multimodal.features import ModalityFeatures
from elq.multimodal.unit import MODALITIES
from elq.multimodal.units.kinds import UNITS, make_unit, settings_of
from tests.multimodal import slow_mimic
from tests.multimodal.made import HIDDEN, NAN, SIZES, features, padded, shuffled
from tests.multimodal.slow import one

# The unit, the settings, and the slow oracle of a pair.
CASES = {
    "text": ("text", {}, slow_mimic.text),
    "text, inner product": ("text", {"cosine": False, "scale": 1.0, "learned": False}, slow_mimic.text),
    "picture": ("picture", {}, slow_mimic.picture),
    "tglu": ("tglu", {}, slow_mimic.tglu),
    "vdlu": ("vdlu", {}, slow_mimic.vdlu),
    "cmfu": ("cmfu", {}, slow_mimic.cmfu),
    "cmfu, back": ("cmfu", {"back": True}, slow_mimic.cmfu),
}
M, K = 4, 5


@pytest.fixture(params=CASES)
def case(request):
    name, settings, slow = CASES[request.param]
    unit = make_unit(name, SIZES, settings_of(name, hidden=HIDDEN, **settings))
    shuffled(unit)
    return unit.eval(), slow, features(M), features(M, K, pictures=2, seed=1)


def same(said, other):
    assert torch.equal(said.valid, other.valid)
    torch.testing.assert_close(said.scores, other.scores, rtol=1e-4, atol=1e-5)


def test_every_unit_has_a_case():
    assert {name for name, _, _ in CASES.values()} == set(UNITS)
    assert all(unit.needs <= set(MODALITIES) for unit in UNITS.values())


def test_values_are_those_of_the_slow_oracle(case):
    unit, slow, mentions, entities = case
    said = unit(mentions, entities)
    assert said.scores.shape == said.valid.shape == (M, K)
    kinds = set()
    for m in range(M):
        for k in range(K):
            right = slow(unit, one(mentions, m), one(entities, m, k))
            kinds.add(right is None)
            assert bool(said.valid[m, k]) == (right is not None)
            assert said.scores[m, k].item() == pytest.approx(-torch.inf if right is None else right, rel=1e-4, abs=1e-4)
    assert False in kinds
    assert (True in kinds) == (bool(unit.needs & {"pictures", "patches"}) and bool((~said.valid).any()))


def test_padding_changes_nothing(case):
    unit, _, mentions, entities = case
    same(unit(padded(mentions), padded(entities)), unit(mentions, entities))


def test_one_mention_alone_has_the_scores_that_it_has_in_a_batch(case):
    unit, _, mentions, entities = case
    said = unit(mentions, entities)
    for m in range(M):
        alone = unit(mentions.at(torch.tensor([m])), entities.at(torch.tensor([m])))
        same(alone, type(said)(*(part[m : m + 1] for part in said)))


def test_candidates_in_another_order_have_their_scores_in_that_order(case):
    unit, _, mentions, entities = case
    order = torch.tensor([3, 0, 4, 2, 1])
    other = ModalityFeatures(*(part[:, order] for part in entities))
    said = unit(mentions, entities)
    same(unit(mentions, other), type(said)(*(part[:, order] for part in said)))


def test_entities_that_are_chosen_by_rows_are_the_same_as_candidates_in_place(case):
    unit, _, mentions, _ = case
    entities, rows = features(6, pictures=2, seed=2), torch.tensor([[0, 3, 3], [1, 2, 5], [5, 4, 0], [2, 2, 1]])
    same(unit(mentions, entities, rows), unit(mentions, entities.at(rows)))


def test_a_missing_picture_is_not_valid_where_it_is_needed_and_is_never_read(case):
    unit, slow, mentions, entities = case
    lost = entities.picture_mask.clone()
    lost[0, 0] = False
    gone = mentions.picture_mask.clone()
    gone[1] = False
    mentions, entities = mentions._replace(picture_mask=gone), entities._replace(picture_mask=lost)
    said = unit(mentions, entities)
    for place in ((0, 0), (1, 2)):
        right = slow(unit, one(mentions, place[0]), one(entities, *place))
        assert bool(said.valid[place]) == (right is not None)
    pictures, patches = entities.pictures.clone(), entities.patches.clone()
    pictures[0, 0], patches[0, 0] = NAN, NAN
    same(unit(mentions, entities._replace(pictures=pictures, patches=patches)), said)


def test_what_a_unit_does_not_need_changes_nothing(case):
    unit, _, mentions, entities = case
    said, drop = unit(mentions, entities), {name: None for name in {"text", "words", "pictures", "patches"} - unit.needs}
    for name in drop:
        empty = [each._replace(**{name: torch.full_like(getattr(each, name), NAN)}) for each in (mentions, entities)]
        same(unit(*empty), said)


def test_the_gradient_reaches_every_parameter_and_is_finite(case):
    unit, _, mentions, entities = case
    mentions = mentions._replace(text=mentions.text.clone().requires_grad_())  # a unit may have no parameters
    loss = unit.loss(mentions, entities, torch.tensor([0, 2, 1, 4]))
    (loss + 0.0 * mentions.text.sum()).backward()
    for name, parameter in unit.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_the_loss_is_that_of_the_mentions_that_have_a_gold_candidate(case):
    unit, _, mentions, entities = case
    first, none = unit.loss(mentions, entities, torch.tensor([-1] * M)), torch.tensor(0.0)
    assert first.item() == pytest.approx(none.item(), abs=1e-6)
