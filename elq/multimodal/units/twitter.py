"""The unit of the Twitter system (Adjali et al., ECIR and LREC 2020): a triplet network over joined texts and pictures.

The other part of that system, trees over popularity, BM25 and similarities, is in ``elq/multimodal/trees.py``.
"""

import torch
from torch import Tensor, nn

from elq.multimodal.features import ModalityFeatures, UnitScores
from elq.multimodal.unit import Look, Parts, Sizes, Unit, unit_scores
from elq.multimodal.units.fused import FusedSettings, speaks_of
from elq.multimodal.units.losses import hinge
from elq.multimodal.units.parts import Scale, has_text, masked_mean, project, unit_norm


class JMEL(Unit):
    """A joint vector of text and picture from fully connected layers; mentions and entities are compared by cosine.

    Source: Adjali et al., ECIR 2020, section on the joint representation of texts and pictures (JMEL): the vectors of both
    modalities go through a layer each, are joined, and go through a last layer; the loss is a triplet loss over a mention, its
    entity and a wrong one. Where a picture is missing, a learned vector stands for it.
    """

    name = "jmel"
    needs = frozenset({"text", "pictures"})
    settings_class = FusedSettings
    settings: FusedSettings

    def __init__(self, sizes: Sizes, settings: FusedSettings) -> None:
        super().__init__(sizes, settings)
        hidden = settings.hidden
        self.text, self.picture = nn.Linear(sizes.text, hidden), nn.Linear(sizes.picture, hidden)
        self.no_picture = nn.Parameter(torch.randn(hidden) / hidden**0.5)
        self.joint = nn.Linear(2 * hidden, hidden)
        self.scale = Scale(settings.scale)

    def vector(self, features: ModalityFeatures) -> Tensor:
        """The joint vector (..., H) with norm 1."""
        mask = features.picture_mask
        pictures = masked_mean(project(self.picture, features.pictures, mask), mask)  # (..., H)
        pictures = torch.where(mask.any(-1, keepdim=True), pictures, self.no_picture)
        text = project(self.text, features.text, has_text(features))  # (..., H)
        return unit_norm(self.joint(torch.cat([text, pictures], -1).tanh()))

    def mention(self, mentions: ModalityFeatures) -> Parts:
        """The joint vector (M, H), and which mentions count (M,)."""
        return self.vector(mentions), speaks_of(mentions, self.settings)

    def entity(self, entities: ModalityFeatures) -> Parts:
        """The joint vector (..., H), and whether there is a text (...)."""
        return self.vector(entities), has_text(entities)

    def compare(self, mention: Parts, entity: Parts) -> UnitScores:
        """The cosines (M, K) times the factor."""
        cosines = (entity[0] @ mention[0].unsqueeze(-1)).squeeze(-1)  # (M, K)
        return unit_scores(self.scale(cosines), mention[1].unsqueeze(-1) & entity[1])

    def loss_of(self, look: Look, gold: Tensor) -> Tensor:
        """The triplet loss over all wrong candidates, a scalar."""
        return hinge(look.scores, gold, self.settings.margin)
