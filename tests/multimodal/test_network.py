"""The network of several units: its total, its loss, its files, and the presets."""

import json

import pytest
import torch

from elq.errors import ElqError
from elq.multimodal.config import NetworkConfig
from elq.multimodal.features import UnitScores
from elq.multimodal.network import MultimodalNetwork, weighted_mean
from elq.multimodal.presets import PRESETS, preset
from elq.multimodal.unit import Sizes, UnitSettings, cross_entropy
from elq.multimodal.units.kinds import settings_of, unit_class
from tests.multimodal.made import HIDDEN, SIZES, features, shuffled

M, K = 4, 5
GOLD = torch.tensor([0, 3, -1, 1])


def network(**settings):
    units = {name: {"hidden": HIDDEN} for name in ("tglu", "vdlu", "cmfu")}
    made = MultimodalNetwork(NetworkConfig(**{"units": units, "text": SIZES.text, "picture": SIZES.picture, **settings}))
    shuffled(made)
    return made.eval()


def batch():
    return features(M), features(M, K, pictures=2, seed=1)


def without_pictures(made):
    return made._replace(picture_mask=torch.zeros_like(made.picture_mask))


def test_the_total_is_the_weighted_mean_of_the_valid_units():
    made, (mentions, entities) = network(), batch()
    total, said = made(mentions, entities), {name: unit(mentions, entities) for name, unit in made.units.items()}
    weights = made.log_weights.exp().tolist()
    assert len(set(weights)) == 3
    counts = set()
    for m in range(M):
        for k in range(K):
            pairs = [(w, each.scores[m, k].item()) for w, each in zip(weights, said.values(), strict=True) if each.valid[m, k]]
            counts.add(len(pairs))
            right = sum(w * score for w, score in pairs) / sum(w for w, _ in pairs)
            assert total.scores[m, k].item() == pytest.approx(right, rel=1e-5)
    assert counts == {1, 3}


def test_mentions_in_words_have_weights_of_their_own():
    made, (mentions, entities) = network(mean="by_words"), batch()
    assert set(mentions.named.tolist()) == {True, False}
    total, said = made(mentions, entities), [unit(mentions, entities) for unit in made.units.values()]
    for m in range(M):
        weights = made.log_weights[int(mentions.named[m])].exp().tolist()
        for k in range(K):
            pairs = [(w, each.scores[m, k].item()) for w, each in zip(weights, said, strict=True) if each.valid[m, k]]
            right = sum(w * score for w, score in pairs) / sum(w for w, _ in pairs)
            assert total.scores[m, k].item() == pytest.approx(right, rel=1e-5)
    other = made(mentions._replace(named=~mentions.named), entities)
    assert not torch.allclose(other.scores, total.scores)


def test_a_plain_mean_has_no_weights():
    made, (mentions, entities) = network(mean="equal"), batch()
    assert made.log_weights is None
    said = [unit(mentions, entities) for unit in made.units.values()]
    m, k = (place.item() for place in torch.stack([each.valid for each in said]).all(0).nonzero()[0])
    mean = sum(each.scores[m, k].item() for each in said) / 3
    assert made(mentions, entities).scores[m, k].item() == pytest.approx(mean, rel=1e-5)


def test_without_a_picture_the_total_is_the_score_of_the_text_bit_for_bit():
    made, (mentions, entities) = network(), batch()
    for sides in ((without_pictures(mentions), entities), (mentions, without_pictures(entities))):
        total = made(*sides)
        assert total.valid.all()
        assert torch.equal(total.scores, made.units["tglu"](*sides).scores)


@pytest.mark.parametrize("name", PRESETS)
def test_without_a_picture_every_preset_gives_the_score_of_its_text_unit_bit_for_bit(name):
    made = preset(name).network(SIZES)
    mentions, entities = batch()
    total = made.eval()(without_pictures(mentions), entities)
    unit = made.units["text" if "text" in made.units else "tglu"]
    assert torch.equal(total.scores, unit(mentions, entities).scores)


def test_where_no_unit_is_valid_the_total_is_not_valid_either():
    made = network(units={"vdlu": {"hidden": HIDDEN}, "picture": {"hidden": HIDDEN}})
    mentions, entities = batch()
    total = made(without_pictures(mentions), entities)
    assert not total.valid.any()
    assert (total.scores == -torch.inf).all()
    loss = made.loss(without_pictures(mentions), entities, GOLD)
    assert loss.item() == 0.0
    loss.backward()
    assert all(value.grad is None or value.grad.isfinite().all() for value in made.parameters())


def test_the_loss_is_the_weighted_sum_of_all_losses():
    units = {"tglu": {"hidden": HIDDEN, "loss_weight": 0.5}, "cmfu": {"hidden": HIDDEN, "loss_weight": 0.0}}
    made, (mentions, entities) = network(units=units, total_loss=2.0), batch()
    looks = made.look(mentions, entities)
    assert set(made.losses_of(looks, GOLD)) == {"total", "tglu"}
    own = made.units["tglu"].loss(mentions, entities, GOLD)
    right = 2.0 * cross_entropy(made(mentions, entities), GOLD) + 0.5 * own
    assert made.loss(mentions, entities, GOLD).item() == pytest.approx(right.item(), rel=1e-5)


def test_the_cross_entropy_counts_valid_candidates_of_mentions_with_a_valid_gold_candidate():
    scores = torch.tensor([[1.0, 2.0, 50.0], [1.0, 2.0, 3.0], [0.5, 0.1, 0.2]], requires_grad=True)
    valid = torch.tensor([[True, True, False], [True, True, False], [True, True, True]])
    loss = cross_entropy(UnitScores(scores, valid), torch.tensor([1, 2, -1]))
    assert loss.item() == pytest.approx(torch.tensor([1.0, 2.0]).logsumexp(0).item() - 2.0, rel=1e-6)
    loss.backward()
    assert scores.grad is not None
    assert scores.grad[0, 2] == 0
    assert (scores.grad[1:] == 0).all()


def test_weights_below_and_above_change_the_mean():
    scores, valid = torch.tensor([[[2.0]], [[4.0]]]), torch.ones(2, 1, 1, dtype=torch.bool)
    assert weighted_mean(scores, valid, torch.tensor([3.0, 1.0])).scores.item() == 2.5


def test_save_then_load_is_the_identity(tmp_path):
    made, (mentions, entities) = network(), batch()
    made.save_pretrained(tmp_path)
    again = MultimodalNetwork.from_pretrained(tmp_path)
    assert again.config == made.config
    assert {name: value.tolist() for name, value in again.state_dict().items()} == {
        name: value.tolist() for name, value in made.state_dict().items()
    }
    assert torch.equal(again(mentions, entities).scores, made(mentions, entities).scores)
    assert not again.training


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "biencoder"}, "is not the configuration of a multimodal network"),
        ({"format": 2}, "of format 1"),
        ({"more": 1}, "has or lacks the keys more"),
        ({"units": {"tglu": {"depth": 2}}}, "the unit tglu has no setting depth"),
        ({"units": {"none": {}}}, "there is no unit 'none'"),
        ({"units": ["tglu"]}, "must be objects"),
        ({"units": {}}, "has 0 units"),
        ({"text": 7}, "cannot be read"),
        ({"text": 0}, "text is 0, but must be a whole number"),
        ({"mean": "none"}, "must be one of by_words, learned, equal"),
        ({"total_loss": -1}, "total_loss is -1"),
    ],
)
def test_a_damaged_configuration_is_one_sentence(tmp_path, change, message):
    network().save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ElqError, match=message):
        MultimodalNetwork.from_pretrained(tmp_path)


def test_missing_or_damaged_files_are_one_sentence(tmp_path):
    with pytest.raises(ElqError, match="cannot be read"):
        MultimodalNetwork.from_pretrained(tmp_path)
    network().save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ElqError, match="put whole copies"):
        MultimodalNetwork.from_pretrained(tmp_path)


REFUSED = (
    *((unit, {"scale": 0}) for unit in ("text", "picture", "tglu", "m3el_vision", "jmel")),
    *((unit, {"temperature": 0.0}) for unit in ("icl", "ghmfc", "fbmel")),
    *(("dxr", {"margin": -1}), ("ghmfc", {"contrast": -1}), ("dzmned", {"letters": 1}), ("dzmned", {"letter_width": 0})),
    *(("drin", {"layers": 0}), ("drin", {"readout": "none"}), ("fbmel", {"prompts": 0})),
    *(("fbmel", {"alignment": -0.1}), ("fbmel", {"alignment": 1.0})),
    *((unit, {"text_alone": True}) for unit in ("ghmfc", "fbmel")),
)


def test_settings_that_are_not_allowed_are_refused():
    for values, message in (
        ({"hidden": 5}, "hidden is 5, but must be even: set it to 96"),
        ({"hidden": 0}, "hidden is 0, but must be a whole number of at least 2: raise it"),
        ({"loss_weight": -0.5}, "loss_weight is -0.5, but must be a number of at least 0: leave it out"),
    ):
        with pytest.raises(ElqError, match=message):
            UnitSettings(**values)
    for unit, values in REFUSED:
        [(name, value)] = values.items()
        with pytest.raises(ElqError, match=f"{name} is {value!r}, but"):
            settings_of(unit, **values)
    with pytest.raises(ElqError, match="there is no preset 'best': choose one of text, "):
        preset("best")
    assert unit_class("tglu").name == "tglu"


def separable(count=24):
    """Mentions whose entity has almost the same text and picture, and K candidates of each."""
    random = torch.Generator().manual_seed(5)
    entities = features(count, seed=3)
    entities = entities._replace(picture_mask=torch.ones_like(entities.picture_mask))
    entities = entities._replace(
        pictures=torch.randn(entities.pictures.shape, generator=random),
        patches=torch.randn(entities.patches.shape, generator=random),
    )
    mentions = entities._replace(
        text=entities.text + 0.1 * torch.randn(entities.text.shape, generator=random),
        pictures=entities.pictures + 0.1 * torch.randn(entities.pictures.shape, generator=random),
    )
    rows = (torch.arange(count)[:, None] + torch.randint(1, count, (count, 6), generator=random)) % count
    rows[:, 0] = torch.arange(count)
    return mentions, entities, rows, torch.zeros(count, dtype=torch.int64)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_learns_what_can_be_separated(name):
    torch.manual_seed(0)
    made = preset(name).network(Sizes(text=SIZES.text, picture=SIZES.picture))
    mentions, entities, rows, gold = separable()
    optimiser = torch.optim.AdamW(made.parameters(), lr=3e-3)
    losses = []
    for _ in range(30):
        loss = made.loss(mentions, entities, gold, rows)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[1] < losses[0]
    assert losses[-1] < 0.8 * losses[0]
    first = made.eval()(mentions, entities, rows).scores.argmax(-1)
    assert (first == gold).float().mean() > 0.8


@pytest.mark.parametrize("name", PRESETS)
def test_the_gradient_reaches_every_parameter_of_every_preset(name):
    torch.manual_seed(0)
    made = preset(name).network(Sizes(text=SIZES.text, picture=SIZES.picture))
    mentions, entities = features(24, pictures=2, seed=8), features(24, 6, pictures=2, seed=9)  # some pictures are missing
    made.loss(mentions, entities, made(mentions, entities).valid.int().argmax(-1)).backward()
    for parameter, value in made.named_parameters():
        assert value.grad is not None, parameter
        assert value.grad.isfinite().all(), parameter
        assert value.grad.abs().sum() > 0, parameter
    assert preset(name).source
