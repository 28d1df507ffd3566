"""What is known of mentions and of entities before they are compared: vectors of texts and of pictures, and letters."""

from typing import NamedTuple

import torch
from torch import Tensor


class ModalityFeatures(NamedTuple):
    """The vectors of mentions, or of entities. ``...`` is M for mentions, and (M, K) for the K candidates of M mentions.

    A picture that is missing is False in ``picture_mask``; its vectors are not read. A mention has at most one picture of its
    own (I = 1), an entity may have several.
    """

    text: Tensor  # (..., D) fp32 vector of the whole text
    words: Tensor  # (..., T, D) fp32 vectors of the tokens
    word_mask: Tensor  # (..., T) bool, False is padding
    characters: Tensor  # (..., C) int64 numbers of the letters of the mention or name, 0 is padding
    pictures: Tensor  # (..., I, V) fp32 vectors of whole pictures
    patches: Tensor  # (..., I, P, V) fp32 vectors of the parts of pictures
    picture_mask: Tensor  # (..., I) bool, False where there is no picture
    named: Tensor  # (...) bool, whether the words of the mention are a name in the catalogue; True for entities

    def at(self, rows: Tensor) -> "ModalityFeatures":
        """The features of some rows of the first dimension. ``rows`` may have any shape, which the result starts with."""
        return ModalityFeatures(*(part[rows] for part in self))

    def to(self, device: torch.device | str) -> "ModalityFeatures":
        """The features on a device."""
        return ModalityFeatures(*(part.to(device) for part in self))


class UnitScores(NamedTuple):
    """What one unit says about the K candidates of M mentions."""

    scores: Tensor  # (M, K) fp32, higher is better
    valid: Tensor  # (M, K) bool, False where the unit cannot say anything, because a picture is missing
