"""The cross-modality ranking of multimodal entity tagging (Peng et al. 2022).

Its in-modality ranking is that of the units ``text`` and ``picture``, and its retrieval is in ``elq/multimodal/retrieval.py``.
"""

import torch
from torch import nn

from elq.multimodal.features import ModalityFeatures, UnitScores
from elq.multimodal.unit import Parts, Sizes, Unit, unit_scores
from elq.multimodal.units.fused import FusedSettings
from elq.multimodal.units.parts import Scale, has_text, masked_max, project, unit_norm


class CrossUnit(Unit):
    """The text of a mention with the pictures of an entity, and the picture of a mention with the text of an entity.

    Source: Peng et al. 2022, "Multimodal Entity Tagging with Multimodal Knowledge Base", section on ranking: candidates that
    were retrieved by texts and by pictures are ranked by comparisons within a modality and across modalities. Here texts and
    pictures are projected into one space; the score is the mean of the cosines of the directions that exist, each that of the
    best picture, times a factor.
    """

    name = "cross"
    needs = frozenset({"text", "pictures"})
    settings_class = FusedSettings
    settings: FusedSettings

    def __init__(self, sizes: Sizes, settings: FusedSettings) -> None:
        super().__init__(sizes, settings)
        self.text, self.picture = nn.Linear(sizes.text, settings.hidden), nn.Linear(sizes.picture, settings.hidden)
        self.scale = Scale(settings.scale)

    def mention(self, mentions: ModalityFeatures) -> Parts:
        """The text (..., H), the pictures (..., I, H), whether there is a text (...), and the mask (..., I)."""
        there, mask = has_text(mentions), mentions.picture_mask
        text = unit_norm(project(self.text, mentions.text, there))
        return text, unit_norm(project(self.picture, mentions.pictures, mask)), there, mask

    def compare(self, mention: Parts, entity: Parts) -> UnitScores:
        """The mean (M, K) of the directions that exist, times the factor."""
        forth = (entity[1] @ mention[0][:, None, :, None]).squeeze(-1)  # (M, K, J)
        back = (mention[1].unsqueeze(1) @ entity[0].unsqueeze(-1)).squeeze(-1)  # (M, K, I)
        there_forth = entity[3] & mention[2][:, None, None]  # (M, K, J)
        there_back = mention[3].unsqueeze(1) & entity[2].unsqueeze(-1)  # (M, K, I)
        best = torch.stack([masked_max(forth, there_forth), masked_max(back, there_back)])  # (2, M, K)
        there = torch.stack([there_forth.any(-1), there_back.any(-1)])  # (2, M, K)
        mean = best.sum(0) / there.sum(0).clamp(min=1)
        speaks = mention[3].any(-1) if not self.settings.text_alone else torch.ones_like(mention[2])
        return unit_scores(self.scale(mean), there.any(0) & speaks.unsqueeze(-1))
