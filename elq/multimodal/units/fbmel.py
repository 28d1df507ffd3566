"""The unit of FBMEL (Mi et al. 2024, VP-MEL): a box in a picture instead of a mention in a text."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from elq.errors import ElqError
from elq.multimodal.features import ModalityFeatures, UnitScores
from elq.multimodal.unit import Look, Parts, Sizes, Unit, check_counts, check_numbers, cross_entropy, unit_scores
from elq.multimodal.units.fused import FusedSettings
from elq.multimodal.units.losses import contrast, of_gold, same_entity
from elq.multimodal.units.parts import Adapter, Scale, has_text, masked_mean, masked_softmax, project, unit_norm

ROWS = 2  # the whole picture with the box drawn in it, and what is in the box


@dataclass(frozen=True, kw_only=True)
class FBMELSettings(FusedSettings):
    """The settings of :class:`FBMEL`, which needs a picture in any case.

    Args:
        prompts: the number of local prompt vectors.
        alignment: λ: the loss is (1 − λ) times the cross-entropy of the scores, plus λ times the contrastive alignment.
        temperature: what the cosines of the alignment are divided by.
    """

    prompts: int = 4
    alignment: float = 0.3
    temperature: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.text_alone:
            raise ElqError("text_alone is True, but the unit fbmel needs the picture of a mention: leave it out")
        check_counts(self, prompts=1)
        check_numbers(self, "temperature")
        check_numbers(self, "alignment", excluded=False)
        if self.alignment >= 1:
            raise ElqError(f"alignment is {self.alignment!r}, but must be at least 0 and below 1: set it to 0.3, the default")


class FBMEL(Unit):
    """A marked part of a picture: its own vector with pictures of entities, and prompts that the text attends to with texts.

    Source: Mi et al. 2024, "VP-MEL: Visual Prompts Guided Multimodal Entity Linking", sections on the visual encoder with
    prompts, on the fusion with the text, and on the contrastive loss. A mention has up to two rows of pictures: the whole
    picture with the box drawn in it, and the crop of the box; a picture without a box has one row.

    - global: v = Σ w V with learned weights w of the two rows (softmax over those that exist); its cosine with the best picture
      of the entity,
    - local: N learned prompts p attend to the patches of the last row, l_n = Σ softmax(p_n · K x / √H) U x; the text attends to
      them, c = Σ softmax(q · l_n / √H) l_n with q = W t; the cosine of LayerNorm(q + c) with the entity's text.

    The score is the mean of both, times a factor each. The alignment is a contrast of v and of the local vector with the gold
    entities of the other mentions of the batch. Where there is no text at all, q is 0.
    """

    name = "fbmel"
    needs = frozenset({"text", "pictures", "patches"})
    settings_class = FBMELSettings
    settings: FBMELSettings

    def __init__(self, sizes: Sizes, settings: FBMELSettings) -> None:
        super().__init__(sizes, settings)
        hidden = settings.hidden
        self.adapter = Adapter(sizes.picture, hidden)
        self.rows = nn.Parameter(torch.tensor([0.0, 2.0]))  # the crop counts more
        self.prompts = nn.Parameter(torch.randn(settings.prompts, hidden))
        self.key, self.value = nn.Linear(sizes.picture, hidden, bias=False), nn.Linear(sizes.picture, hidden)
        self.query, self.norm = nn.Linear(sizes.text, hidden), nn.LayerNorm(hidden)
        self.entity_text = nn.Linear(sizes.text, hidden)
        self.whole_scale, self.local_scale = Scale(settings.scale), Scale(settings.scale)

    def mention(self, mentions: ModalityFeatures) -> Parts:
        """The global vector (M, V) and the local one (M, H), with norm 1, and whether there is a picture (M,)."""
        if mentions.picture_mask.shape[-1] > ROWS:
            mentions = mentions._replace(
                pictures=mentions.pictures[:, :ROWS],
                patches=mentions.patches[:, :ROWS],
                picture_mask=mentions.picture_mask[:, :ROWS],
            )
        mask = mentions.picture_mask  # (M, I)
        pictures = unit_norm(project(self.adapter, mentions.pictures, mask))  # (M, I, V)
        weights = masked_softmax(self.rows[: mask.shape[-1]].expand(mask.shape), mask)  # (M, I)
        whole = unit_norm((weights.unsqueeze(-1) * pictures).sum(-2))  # (M, V)
        return whole, unit_norm(self.local(mentions)), mask.any(-1)

    def local(self, mentions: ModalityFeatures) -> Tensor:
        """The text with the prompts that it attends to (M, H)."""
        mask, width = mentions.picture_mask, math.sqrt(self.settings.hidden)
        last = (mask * torch.arange(1, mask.shape[-1] + 1, device=mask.device)).argmax(-1)  # (M,) the last row that exists
        place, some = torch.arange(len(mask), device=mask.device), mask.any(-1)
        patches = mentions.patches[place, last]  # (M, P, V)
        keys, values = project(self.key, patches, some), project(self.value, patches, some)  # (M, P, H) twice
        prompts = (keys @ self.prompts.T / width).transpose(-1, -2).softmax(-1) @ values  # (M, N, H)
        query = project(self.query, mentions.text, has_text(mentions))  # (M, H)
        attention = ((prompts @ query.unsqueeze(-1)).squeeze(-1) / width).softmax(-1)  # (M, N)
        local: Tensor = self.norm(query + (attention.unsqueeze(-2) @ prompts).squeeze(-2))
        return local

    def entity(self, entities: ModalityFeatures) -> Parts:
        """Pictures (..., J, V) and the text (..., H), with norm 1, the mask (..., J), and whether there is a text (...)."""
        mask, there = entities.picture_mask, has_text(entities)
        pictures = unit_norm(project(self.adapter, entities.pictures, mask))
        return pictures, unit_norm(project(self.entity_text, entities.text, there)), mask, there

    def compare(self, mention: Parts, entity: Parts) -> UnitScores:
        """The mean (M, K) of the comparisons with the best picture and with the text."""
        cosines = (entity[0] @ mention[0][:, None, :, None]).squeeze(-1)  # (M, K, J)
        best = cosines.masked_fill(~entity[2], -1.0).amax(-1)  # (M, K)
        text = (entity[1] @ mention[1].unsqueeze(-1)).squeeze(-1)  # (M, K)
        scores = (self.whole_scale(best) + self.local_scale(text)) / 2
        return unit_scores(scores, mention[2].unsqueeze(-1) & entity[2].any(-1) & entity[3])

    def loss_of(self, look: Look, gold: Tensor) -> Tensor:
        """(1 − λ) · cross-entropy + λ · the mean of both contrasts, a scalar."""
        whole, local, there = look.mention
        pictures, text, mask, _ = (of_gold(part, gold) for part in look.entity)
        there = there & mask.any(-1) & (gold >= 0)
        same = same_entity(look.entity[1], gold)
        picture = unit_norm(masked_mean(pictures, mask))  # (M, V)
        contrasts = [contrast(a, b, there, self.settings.temperature, same) for a, b in ((whole, picture), (local, text))]
        share = self.settings.alignment
        return (1 - share) * cross_entropy(look.scores, gold) + share * (contrasts[0] + contrasts[1]) / 2
