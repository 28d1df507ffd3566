"""An untrained unit already finds the entity whose picture is like that of a mention, so that training begins there."""

import pytest
import torch

from elq.multimodal.features import ModalityFeatures
from elq.multimodal.unit import Sizes
from elq.multimodal.units.kinds import make_unit, settings_of

M, T, P = 40, 3, 4
SIZES = Sizes(text=32, picture=128)


def seen(pictures, random):
    """Features of random texts and of pictures (M, V), whose patches differ a little from them."""
    patches = pictures[:, None, None] + 0.3 * torch.randn(M, 1, P, SIZES.picture, generator=random)
    return ModalityFeatures(
        text=torch.nn.functional.normalize(torch.randn(M, SIZES.text, generator=random), dim=-1),
        words=torch.randn(M, T, SIZES.text, generator=random),
        word_mask=torch.ones(M, T, dtype=torch.bool),
        characters=torch.randint(1, 64, (M, 6), generator=random),
        pictures=pictures.unsqueeze(1),
        patches=patches,
        picture_mask=torch.ones(M, 1, dtype=torch.bool),
        named=torch.ones(M, dtype=torch.bool),
    )


UNITS = ("picture", "vdlu", "cmfu", "drin", "dxr", "fbmel", "m3el_vision", "dzmned", "ghmfc")
SETTINGS = {"ghmfc": {"entity_patches": True}}


@pytest.mark.parametrize("name", UNITS)
def test_an_untrained_unit_finds_the_entity_with_the_same_picture(name):
    torch.manual_seed(0)
    random = torch.Generator().manual_seed(0)
    pictures = torch.randn(M, SIZES.picture, generator=random)
    others = pictures + 0.5 * torch.randn(M, SIZES.picture, generator=random)
    mentions, entities = seen(others, random), seen(pictures, random)
    mentions = mentions._replace(characters=torch.zeros(M, 6, dtype=torch.int64))  # a box has no name
    unit = make_unit(name, SIZES, settings_of(name, hidden=64, **SETTINGS.get(name, {}))).eval()
    rows = torch.arange(M).expand(M, M)  # every entity is a candidate of every mention
    found = unit(mentions, entities, rows).scores.argmax(-1)
    assert (found == torch.arange(M)).float().mean() > 0.6
