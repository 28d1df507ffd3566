"""The unit of DXR (Gur et al. 2021): one space, and so one index, of texts and pictures."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from elq.multimodal.features import ModalityFeatures, UnitScores
from elq.multimodal.unit import Look, Parts, Sizes, Unit, unit_scores
from elq.multimodal.units.fused import FusedSettings, speaks_of
from elq.multimodal.units.losses import hinge
from elq.multimodal.units.parts import Scale, has_text, masked_max, project, unit_norm


class JointRows(NamedTuple):
    """The rows of one index of texts and pictures."""

    vectors: Tensor  # (R, H) fp32 with norm 1
    entities: Tensor  # (R,) int64 number of the entity whose text or picture it is
    pictures: Tensor  # (R,) bool, whether the row is a picture


@dataclass(frozen=True, kw_only=True)
class DXRSettings(FusedSettings):
    """The settings of :class:`DXR`; the margin is one of cosines."""

    margin: float = 0.2


class DXR(Unit):
    """The best of all pairs of a text or picture of the mention and a text or picture of the entity, in one common space.

    Source: Gur et al., Findings of EMNLP 2021, section on the alignment model DXR: texts and pictures are projected into one
    space, trained by a contrast with the hardest wrong row of the batch, and one index holds rows of both modalities. Here the
    loss is that hinge, for each of the four pairs of modalities, and the score is the largest cosine times a factor.
    """

    name = "dxr"
    needs = frozenset({"text", "pictures"})
    settings_class = DXRSettings
    settings: DXRSettings

    def __init__(self, sizes: Sizes, settings: DXRSettings) -> None:
        super().__init__(sizes, settings)
        self.text, self.picture = nn.Linear(sizes.text, settings.hidden), nn.Linear(sizes.picture, settings.hidden)
        self.scale = Scale(settings.scale)

    def rows(self, features: ModalityFeatures) -> tuple[Tensor, Tensor]:
        """The rows (..., 1 + I, H) of the text and of the pictures, with norm 1, and which of them there are (..., 1 + I)."""
        mask, there = features.picture_mask, has_text(features).unsqueeze(-1)  # (..., I) and (..., 1)
        text = project(self.text, features.text.unsqueeze(-2), there)  # (..., 1, H)
        rows = torch.cat([text, project(self.picture, features.pictures, mask)], -2)
        return unit_norm(rows), torch.cat([there, mask], -1)

    def joint_rows(self, entities: ModalityFeatures) -> JointRows:
        """The rows of the texts and pictures of N entities, for one index; what is missing has no row."""
        vectors, there = self.rows(entities)  # (N, 1 + I, H) and (N, 1 + I)
        place = there.nonzero()  # (R, 2)
        return JointRows(vectors[there], place[:, 0], place[:, 1] > 0)

    def mention(self, mentions: ModalityFeatures) -> Parts:
        """The rows (M, 1 + I, H), which of them there are (M, 1 + I), and which mentions count (M,)."""
        return *self.rows(mentions), speaks_of(mentions, self.settings)

    def entity(self, entities: ModalityFeatures) -> Parts:
        """The rows (..., 1 + J, H), which of them there are (..., 1 + J), and whether there is a text (...)."""
        return *self.rows(entities), has_text(entities)

    def pairs(self, mention: Parts, entity: Parts) -> tuple[Tensor, Tensor]:
        """The cosines (M, K, 1 + I, 1 + J) of all pairs of rows, and which of them there are."""
        cosines = mention[0].unsqueeze(1) @ entity[0].transpose(-1, -2)
        there = mention[1][:, None, :, None] & entity[1].unsqueeze(-2)
        return cosines, there & entity[2][..., None, None]

    def compare(self, mention: Parts, entity: Parts) -> UnitScores:
        """The largest cosine (M, K) times the factor."""
        cosines, there = self.pairs(mention, entity)
        best = masked_max(cosines.flatten(-2), there.flatten(-2))  # (M, K)
        return unit_scores(self.scale(best), mention[2].unsqueeze(-1) & entity[2])

    def loss_of(self, look: Look, gold: Tensor) -> Tensor:
        """The hinge with the hardest wrong candidate: the mean over the four pairs of modalities, plus that of the score."""
        cosines, there = self.pairs(look.mention, look.entity)
        losses = []
        for own in (slice(0, 1), slice(1, None)):
            for other in (slice(0, 1), slice(1, None)):
                some = there[..., own, other].flatten(-2)  # (M, K, pairs)
                said = unit_scores(masked_max(cosines[..., own, other].flatten(-2), some), some.any(-1))
                losses.append(hinge(said, gold, self.settings.margin, hardest=True))
        return torch.stack(losses).mean() + hinge(look.scores, gold, self.settings.margin, hardest=True)
