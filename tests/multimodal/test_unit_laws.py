"""Laws that hold for every unit and for every choice of its settings."""

import math

import pytest
import torch

from elq.multimodal.features import ModalityFeatures
from elq.multimodal.unit import MODALITIES
from elq.multimodal.units.kinds import UNITS, make_unit, settings_of
from tests.multimodal import slow_fused, slow_mimic
from tests.multimodal.made import HIDDEN, NAN, SIZES, features, padded, shuffled
from tests.multimodal.slow import dot, one, softmax
from tests.multimodal.slow_drin import drin

# The unit, the settings, and the slow oracle of a pair.
CASES = {
    "text": ("text", {}, slow_mimic.text),
    "text, inner product": ("text", {"cosine": False, "scale": 1.0, "learned": False}, slow_mimic.text),
    "picture": ("picture", {}, slow_mimic.picture),
    "tglu": ("tglu", {}, slow_mimic.tglu),
    "vdlu": ("vdlu", {}, slow_mimic.vdlu),
    "cmfu": ("cmfu", {}, slow_mimic.cmfu),
    "cmfu, back": ("cmfu", {"back": True}, slow_mimic.cmfu),
    "dzmned": ("dzmned", {}, slow_fused.dzmned),
    "dzmned, text alone": ("dzmned", {"text_alone": True, "letters": 20, "letter_width": 3}, slow_fused.dzmned),
    "ghmfc": ("ghmfc", {}, slow_fused.ghmfc),
    "ghmfc, texts of entities": ("ghmfc", {"entity_pictures": False}, slow_fused.ghmfc),
    "ghmfc, patches of entities": ("ghmfc", {"entity_patches": True}, slow_fused.ghmfc),
    "icl": ("icl", {}, slow_fused.icl),
    "m3el_vision": ("m3el_vision", {}, slow_fused.vision),
    "drin": ("drin", {}, drin),
    "drin, text alone": ("drin", {"text_alone": True, "layers": 3, "readout": "text"}, drin),
    "cross": ("cross", {}, slow_fused.cross),
    "cross, text alone": ("cross", {"text_alone": True}, slow_fused.cross),
    "dxr": ("dxr", {}, slow_fused.dxr),
    "dxr, text alone": ("dxr", {"text_alone": True}, slow_fused.dxr),
    "hq": ("hq", {}, slow_fused.hq),
    "fbmel": ("fbmel", {"prompts": 3}, slow_fused.fbmel),
    "jmel": ("jmel", {"margin": 50.0}, slow_fused.jmel),
    "jmel, text alone": ("jmel", {"text_alone": True}, slow_fused.jmel),
}
M, K = 6, 5


@pytest.fixture(params=CASES)
def case(request):
    name, settings, slow = CASES[request.param]
    unit = make_unit(name, SIZES, settings_of(name, hidden=HIDDEN, **settings))
    shuffled(unit)
    return unit.eval(), rows_of(slow), features(M, pictures=2), features(M, K, pictures=2, seed=1)


def rows_of(slow):
    """An oracle that gives the scores of all candidates of a mention."""
    return slow if slow is drin else lambda unit, mention, entities: [slow(unit, mention, entity) for entity in entities]


def slow_scores(unit, slow, mentions, entities):
    """What the oracle says, M lists of K scores."""
    count = entities.text.shape[1]
    return [slow(unit, one(mentions, m), [one(entities, m, k) for k in range(count)]) for m in range(len(mentions.text))]


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
    right = slow_scores(unit, slow, mentions, entities)
    for m in range(M):
        for k in range(K):
            assert bool(said.valid[m, k]) == (right[m][k] is not None)
            score = -torch.inf if right[m][k] is None else right[m][k]
            assert said.scores[m, k].item() == pytest.approx(score, rel=1e-4, abs=1e-4)
    assert said.valid.any()


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
    entities, rows = (
        features(6, pictures=2, seed=2),
        torch.tensor([[0, 3, 3], [1, 2, 5], [5, 4, 0], [2, 2, 1], [3, 1, 0], [4, 4, 2]]),
    )
    same(unit(mentions, entities, rows), unit(mentions, entities.at(rows)))


def test_a_missing_picture_is_not_valid_where_it_is_needed_and_is_never_read(case):
    unit, slow, mentions, entities = case
    m, k = (int(part) for part in (unit(mentions, entities).valid & entities.picture_mask.any(-1)).nonzero()[0])
    other = next(n for n in range(M) if n != m)
    lost, gone = entities.picture_mask.clone(), mentions.picture_mask.clone()
    lost[m, k], gone[other] = False, False
    mentions, entities = mentions._replace(picture_mask=gone), entities._replace(picture_mask=lost)
    said, right = unit(mentions, entities), slow_scores(unit, slow, mentions, entities)
    assert said.valid.tolist() == [[score is not None for score in scores] for scores in right]
    empty = []
    for each in (mentions, entities):
        pictures, patches = each.pictures.clone(), each.patches.clone()
        pictures[~each.picture_mask], patches[~each.picture_mask] = NAN, NAN
        empty.append(each._replace(pictures=pictures, patches=patches))
    same(unit(*empty), said)


def test_what_a_unit_does_not_need_changes_nothing(case):
    unit, _, mentions, entities = case
    said, drop = unit(mentions, entities), {name: None for name in {"words", "pictures", "patches", "text"} - unit.needs}
    for name in drop:
        empty = [each._replace(**{name: torch.full_like(getattr(each, name), NAN)}) for each in (mentions, entities)]
        same(unit(*empty), said)


def test_the_gradient_reaches_every_parameter_and_is_finite(case):
    unit, _, mentions, entities = case
    mentions = mentions._replace(text=mentions.text.clone().requires_grad_())  # a unit may have no parameters
    valid = unit(mentions, entities).valid
    loss = unit.loss(mentions, entities, torch.where(valid.any(-1), valid.int().argmax(-1), -1))
    (loss + 0.0 * mentions.text.sum()).backward()
    for name, parameter in unit.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_mentions_without_a_valid_gold_candidate_have_no_loss(case):
    unit, _, mentions, entities = case
    none = unit.loss(mentions, entities, torch.full((M,), -1))
    right = 0.0
    if unit.name == "ghmfc":  # the contrast between texts and pictures needs no gold candidate
        _, there, read, seen = unit.mention(mentions)
        right = unit.settings.contrast * slow_contrast(read, seen, there, unit.settings.temperature)
    assert none.item() == pytest.approx(right, abs=1e-4)


def slow_contrast(left, right, there, temperature, same=lambda m, n: False):
    """The contrast of each row with the rows of the others."""
    rows = [m for m in range(len(there)) if there[m]]
    losses = []
    for m in rows:
        others = [n for n in rows if n == m or not same(m, n)]
        weights = softmax([dot(left[m], right[n]) / temperature for n in others])
        losses.append(-math.log(weights[others.index(m)]))
    return sum(losses) / max(len(losses), 1)
