"""The units of M3EL (Hu et al. 2024) that MIMIC does not have: a contrast within each modality, and pictures at two levels.

The matching of texts is TGLU, and the cross-modal matching in both directions is CMFU with ``back``.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from elq.multimodal.features import ModalityFeatures, UnitScores
from elq.multimodal.unit import (
    Look,
    Parts,
    ScaledSettings,
    Sizes,
    Unit,
    UnitSettings,
    check_numbers,
    cross_entropy,
    unit_scores,
)
from elq.multimodal.units.losses import same_entity
from elq.multimodal.units.parts import (
    Adapter,
    Scale,
    best_pair,
    has_text,
    project,
    unit_norm,
)


class VisionUnit(Unit):
    """Pictures at two levels: whole picture with whole picture, and whole picture of the entity with parts of the mention's.

    Source: M3EL (Hu et al. 2024), section on the intra-modal matching network, coarse-grained global-to-global and fine-grained
    global-to-local: with v of whole pictures and V of patches, the cosine of v_M and v_E times a factor, and
    (W v_E) · LayerNorm(Σ α V_M W_v) / √H with α = softmax over patches of (v_E W_q) · (V_M W_k) / √H. The score is the mean of
    both. Of several pictures, the two that fit best count.
    """

    name = "m3el_vision"
    needs = frozenset({"pictures", "patches"})
    settings_class = ScaledSettings
    settings: ScaledSettings

    def __init__(self, sizes: Sizes, settings: ScaledSettings) -> None:
        super().__init__(sizes, settings)
        self.adapter = Adapter(sizes.picture, settings.hidden)
        self.scale = Scale(settings.scale)
        self.query, self.key, self.value = (nn.Linear(sizes.picture, settings.hidden, bias=False) for _ in range(3))
        self.whole, self.norm = nn.Linear(sizes.picture, settings.hidden), nn.LayerNorm(settings.hidden)

    def mention(self, mentions: ModalityFeatures) -> Parts:
        """Whole pictures (M, I, V), keys and values of patches (M, I, P, H), and the mask (M, I)."""
        mask, patches = mentions.picture_mask, mentions.patches
        whole = unit_norm(project(self.adapter, mentions.pictures, mask))
        return whole, project(self.key, patches, mask), project(self.value, patches, mask), mask

    def entity(self, entities: ModalityFeatures) -> Parts:
        """Whole pictures (..., J, V), their queries and their projections (..., J, H), and the mask (..., J)."""
        mask, pictures = entities.picture_mask, entities.pictures
        whole = unit_norm(project(self.adapter, pictures, mask))
        return whole, project(self.query, pictures, mask), project(self.whole, pictures, mask), mask

    def compare(self, mention: Parts, entity: Parts) -> UnitScores:
        """The mean (M, K) of both levels, of the best pair of pictures."""
        width = math.sqrt(self.settings.hidden)
        coarse = self.scale(mention[0].unsqueeze(1) @ entity[0].transpose(-1, -2))  # (M, K, I, J)
        products = torch.einsum("mkjh,miph->mkijp", entity[1], mention[1]) / width  # (M, K, I, J, P)
        context = torch.einsum("mkijp,miph->mkijh", products.softmax(-1), mention[2])  # (M, K, I, J, H)
        fine = (self.norm(context) * entity[2].unsqueeze(2)).sum(-1) / width  # (M, K, I, J)
        return unit_scores(*best_pair((coarse + fine) / 2, mention[3], entity[3]))


@dataclass(frozen=True, kw_only=True)
class ContrastSettings(UnitSettings):
    """The settings of :class:`ContrastUnit`; ``hidden`` is the rank of the change of the vectors.

    Args:
        temperature: what the cosines are divided by.
    """

    temperature: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_numbers(self, "temperature")


class ContrastUnit(Unit):
    """A contrast within each modality: the text of a mention with texts, and its picture with pictures.

    Source: M3EL (Hu et al. 2024), section on intra-modal contrastive learning: in each modality, the mention and its entity are
    the positive pair, the other entities are negatives of the other source, and the other mentions are negatives of the same
    source; −log exp(s⁺/τ) / (exp(s⁺/τ) + Σ exp(s/τ) over both kinds). The loss is the mean over both modalities. The score is
    the mean of both cosines, divided by τ. Mentions of the same entity are not negatives of each other. Of several pictures,
    the two that fit best count.
    """

    name = "icl"
    needs = frozenset({"text", "pictures"})
    settings_class = ContrastSettings
    settings: ContrastSettings

    def __init__(self, sizes: Sizes, settings: ContrastSettings) -> None:
        super().__init__(sizes, settings)
        self.text, self.picture = Adapter(sizes.text, settings.hidden), Adapter(sizes.picture, settings.hidden)

    def mention(self, mentions: ModalityFeatures) -> Parts:
        """Texts (..., D) and pictures (..., I, V) with norm 1, whether there is a text (...), and the mask (..., I)."""
        there, mask = has_text(mentions), mentions.picture_mask
        text = unit_norm(project(self.text, mentions.text, there))
        return text, unit_norm(project(self.picture, mentions.pictures, mask)), there, mask

    def modalities(self, mention: Parts, entity: Parts) -> tuple[UnitScores, UnitScores]:
        """The scores (M, K) of texts and of pictures apart."""
        text = (entity[0] @ mention[0].unsqueeze(-1)).squeeze(-1)  # (M, K)
        pictures = mention[1].unsqueeze(1) @ entity[1].transpose(-1, -2)  # (M, K, I, J)
        best, seen = best_pair(pictures, mention[3], entity[3])
        read = mention[2].unsqueeze(-1) & entity[2]
        temperature = self.settings.temperature
        return unit_scores(text / temperature, read), unit_scores(best / temperature, seen)

    def compare(self, mention: Parts, entity: Parts) -> UnitScores:
        """The mean (M, K) of both modalities."""
        text, picture = self.modalities(mention, entity)
        return unit_scores((text.scores + picture.scores) / 2, text.valid & picture.valid)

    def loss_of(self, look: Look, gold: Tensor) -> Tensor:
        """The mean of the contrasts of both modalities, a scalar."""
        (own, pictures, there, mask), entity = look.mention, look.entity
        same = same_entity(entity[0], gold) & (gold >= 0).unsqueeze(-1) & (gold >= 0)  # (M, M)
        mentions = tuple(part.unsqueeze(0).expand(len(own), *part.shape) for part in (own, pictures, there, mask))  # (M, M, …)
        others = self.modalities(look.mention, mentions)
        losses = [
            cross_entropy(with_mentions(said, other, same), gold)
            for said, other in zip(self.modalities(look.mention, entity), others, strict=True)
        ]
        return (losses[0] + losses[1]) / 2


def with_mentions(said: UnitScores, others: UnitScores, same: Tensor) -> UnitScores:
    """Scores (M, K + M) of the candidates and of the other mentions, of which those that mean the same are not valid."""
    own = torch.eye(len(same), dtype=torch.bool, device=same.device)  # (M, M)
    valid = torch.cat([said.valid, others.valid & ~same & ~own], -1)
    return UnitScores(torch.cat([said.scores, others.scores], -1), valid)
