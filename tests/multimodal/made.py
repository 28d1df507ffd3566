"""Random features for tests: padding and missing pictures hold NaN, so that whoever reads them is found out."""

import math

import torch
from torch import Tensor

from elq.multimodal.features import ModalityFeatures
from elq.multimodal.unit import Sizes

SIZES = Sizes(text=6, picture=8)
HIDDEN = 4
NAN = float("nan")


def with_nan(features: ModalityFeatures) -> ModalityFeatures:
    """The features, with NaN where there is no word or no picture, and no letter there."""
    words, pictures, patches = features.words.clone(), features.pictures.clone(), features.patches.clone()
    words[~features.word_mask] = NAN
    pictures[~features.picture_mask] = NAN
    patches[~features.picture_mask] = NAN
    return features._replace(words=words, pictures=pictures, patches=patches)


def features(
    *shape: int, words: int = 5, letters: int = 7, pictures: int = 1, patches: int = 3, seed: int = 0
) -> ModalityFeatures:
    """Random features of a shape, such as (M,) or (M, K). Every row has a word and two letters; some have no picture."""
    random = torch.Generator().manual_seed(seed)

    def normal(*more: int) -> Tensor:
        return torch.randn(*shape, *more, generator=random)

    word_counts = torch.randint(1, words + 1, (*shape, 1), generator=random)
    letter_counts = torch.randint(2, letters + 1, (*shape, 1), generator=random)
    characters = torch.randint(1, 3000, (*shape, letters), generator=random)
    return with_nan(
        ModalityFeatures(
            text=normal(SIZES.text),
            words=normal(words, SIZES.text),
            word_mask=torch.arange(words) < word_counts,
            characters=characters * (torch.arange(letters) < letter_counts),
            pictures=normal(pictures, SIZES.picture),
            patches=normal(pictures, patches, SIZES.picture),
            picture_mask=torch.rand(*shape, pictures, generator=random) < 0.5,
            named=torch.arange(math.prod(shape)).view(shape) % 3 != 1,
        )
    )


def padded(features: ModalityFeatures) -> ModalityFeatures:
    """The same features with room for two more words, three more letters and one more picture."""

    def longer(values: Tensor, dim: int, count: int, fill: float | bool | int) -> Tensor:
        shape = list(values.shape)
        shape[dim] = count
        return torch.cat([values, torch.full(shape, fill, dtype=values.dtype)], dim)

    return ModalityFeatures(
        text=features.text,
        words=longer(features.words, -2, 2, NAN),
        word_mask=longer(features.word_mask, -1, 2, False),
        characters=longer(features.characters, -1, 3, 0),
        pictures=longer(features.pictures, -2, 1, NAN),
        patches=longer(features.patches, -3, 1, NAN),
        picture_mask=longer(features.picture_mask, -1, 1, False),
        named=features.named,
    )


def shuffled(module: torch.nn.Module, seed: int = 1) -> None:
    """Give all parameters random values, so that biases are not 0 and small changes not small."""
    random = torch.Generator().manual_seed(seed)
    for name, value in module.named_parameters():
        value.data = torch.randn(value.shape, generator=random) * (0.5 if "log" not in name else 0.1)
