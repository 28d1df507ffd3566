"""The three units of MIMIC (Luo et al., KDD 2023): text with text, picture with picture, and text with picture.

The towers are frozen here, so a small change of their vectors (:class:`Adapter`) or a projection stands where the paper
trains the towers. Inner products of vectors after a layer norm are divided by √H, so that they start near 1.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from elq.multimodal.features import ModalityFeatures, UnitScores
from elq.multimodal.unit import Parts, ScaledSettings, Sizes, Unit, UnitSettings, unit_scores
from elq.multimodal.units.parts import (
    Adapter,
    Scale,
    attend_patches,
    best_pair,
    has_text,
    masked_mean,
    masked_softmax,
    picture_means,
    project,
    unit_norm,
)


class TGLU(Unit):
    """The text-based global-local unit: whole text with whole text, and whole text of the entity with words of the mention.

    Source: MIMIC (Luo et al., KDD 2023), section on the text-based global-local matching unit. With t the vectors of whole
    texts and T those of words, of a mention M and an entity E:

    - global to global: t_M · t_E; here the cosine times a factor,
    - global to local: H = softmax(Q Kᵀ / √H) V with Q = T_E W_q, K = T_M W_k and V = T_M W_v; h = LayerNorm(mean of H over the
      words of the entity); (W t_E) · h.

    The score is the mean of both. The mean over the words of the entity is taken of the weights, which gives the same h.
    """

    name = "tglu"
    needs = frozenset({"text", "words"})
    settings_class = ScaledSettings
    settings: ScaledSettings

    def __init__(self, sizes: Sizes, settings: ScaledSettings) -> None:
        super().__init__(sizes, settings)
        self.adapter = Adapter(sizes.text, settings.hidden)
        self.scale = Scale(settings.scale)
        self.query, self.key, self.value = (nn.Linear(sizes.text, settings.hidden, bias=False) for _ in range(3))
        self.whole = nn.Linear(sizes.text, settings.hidden)
        self.norm = nn.LayerNorm(settings.hidden)

    def mention(self, mentions: ModalityFeatures) -> Parts:
        """The text (M, D), keys and values (M, T, H), the mask of words (M, T), and whether there is a text (M,)."""
        words, mask = mentions.words, mentions.word_mask
        keys, values = project(self.key, words, mask), project(self.value, words, mask)
        return unit_norm(self.adapter(mentions.text)), keys, values, mask, has_text(mentions)

    def entity(self, entities: ModalityFeatures) -> Parts:
        """The text (..., D), its projection (..., H), queries (..., T, H), their mask, and whether there is a text (...)."""
        queries = project(self.query, entities.words, entities.word_mask)
        text = unit_norm(self.adapter(entities.text))
        return text, self.whole(entities.text), queries, entities.word_mask, has_text(entities)

    def compare(self, mention: Parts, entity: Parts) -> UnitScores:
        """The mean (M, K) of both comparisons."""
        text, keys, values, word_mask, there = mention
        width = math.sqrt(self.settings.hidden)
        whole = self.scale((entity[0] @ text.unsqueeze(-1)).squeeze(-1))  # (M, K)
        products = entity[2] @ keys.unsqueeze(1).transpose(-1, -2) / width  # (M, K, T of entities, T of mentions)
        weights = masked_softmax(products, word_mask[:, None, None])
        means = masked_mean(weights, entity[3])  # (M, K, T of mentions)
        context = self.norm(means @ values)  # (M, K, H)
        local = (entity[1] * context).sum(-1) / width  # (M, K)
        return unit_scores((whole + local) / 2, there.unsqueeze(-1) & entity[4])


class VDLU(Unit):
    """The vision-based dual unit: each picture, with the patches of the other one, is compared with the other one.

    Source: MIMIC (Luo et al., KDD 2023), section on the vision-based dual matching unit. With v the vectors of whole pictures
    and V those of patches, from entity to mention: c = W LayerNorm(mean of V_E + v_M), g = tanh(W' c),
    h = LayerNorm(g ∘ c + v_E), h · v_M; from mention to entity the same with both exchanged, and with layers of its own. The
    score is the mean of both. Of several pictures, the two that fit best count.
    """

    name = "vdlu"
    needs = frozenset({"pictures", "patches"})

    def __init__(self, sizes: Sizes, settings: UnitSettings) -> None:
        super().__init__(sizes, settings)
        hidden = settings.hidden
        self.whole = nn.Linear(sizes.picture, hidden)
        self.local = nn.Linear(sizes.picture, hidden)
        self.to_mention, self.to_entity = DualGate(hidden), DualGate(hidden)

    def mention(self, mentions: ModalityFeatures) -> Parts:
        """Whole pictures (..., I, H), the means of their patches (..., I, H), and the mask (..., I)."""
        mask = mentions.picture_mask
        means = picture_means(mentions.patches, mask)  # (..., I, V)
        return project(self.whole, mentions.pictures, mask), project(self.local, means, mask), mask

    def compare(self, mention: Parts, entity: Parts) -> UnitScores:
        """The mean (M, K) of both directions, of the best pair of pictures."""
        whole_m, local_m = (part[:, None, :, None] for part in mention[:2])  # (M, 1, I, 1, H) twice
        whole_e, local_e = (part.unsqueeze(2) for part in entity[:2])  # (M, K, 1, J, H) twice
        one = (self.to_mention(local_e, whole_m, whole_e) * whole_m).sum(-1)  # (M, K, I, J)
        other = (self.to_entity(local_m, whole_e, whole_m) * whole_e).sum(-1)  # (M, K, I, J)
        scores = (one + other) / 2 / math.sqrt(self.settings.hidden)
        return unit_scores(*best_pair(scores, mention[2], entity[2]))


class DualGate(nn.Module):
    """One direction of :class:`VDLU`: h = LayerNorm(g ∘ c + v) with c = W LayerNorm(patches + other) and g = tanh(W' c)."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.before, self.after = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.context, self.gate = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)

    def forward(self, patches: Tensor, other: Tensor, whole: Tensor) -> Tensor:
        """A vector (..., H) of three that broadcast: the mean patch, the other whole picture, and the picture's own vector."""
        context = self.context(self.before(patches + other))
        made: Tensor = self.after(self.gate(context).tanh() * context + whole)
        return made


@dataclass(frozen=True, kw_only=True)
class CMFUSettings(UnitSettings):
    """The settings of :class:`CMFU`.

    Args:
        back: whether whole pictures also attend to words. MIMIC has only texts that attend to patches; M3EL has both.
    """

    back: bool = False


class Fusion(nn.Module):
    """A vector that attends to parts of another modality: h = LayerNorm(tanh(W_3 q) ∘ q + Σ α W_2 p), with q = W_1 x."""

    def __init__(self, width: int, other: int, hidden: int) -> None:
        super().__init__()
        self.query, self.part = nn.Linear(width, hidden), nn.Linear(other, hidden)
        self.gate, self.norm = nn.Linear(hidden, hidden), nn.LayerNorm(hidden)

    def forward(self, whole: Tensor, parts: Tensor, mask: Tensor) -> Tensor:
        """Vectors (..., H) of whole vectors (..., X) and parts (..., I, P, Y) with a mask (..., I)."""
        query = self.query(whole)  # (..., H)
        context = attend_patches(query @ self.part.weight, parts, mask)  # (..., Y), see there why W_2 comes after it
        fused: Tensor = self.norm(self.gate(query).tanh() * query + self.part(context))
        return fused


class CMFU(Unit):
    """The cross-modal fusion unit: the text of each side attends to its own patches, and the two fused vectors are compared.

    Source: MIMIC (Luo et al., KDD 2023), section on the cross-modal fusion-based matching unit: h_t = W_1 t, α = softmax over
    patches of h_t · W_2 V, h_c = Σ α W_2 V, gate g = tanh(W_3 h_t), h = LayerNorm(g ∘ h_t + h_c); the score is h_M · h_E.
    With ``back``, there is a second comparison, in which the whole pictures attend to the words, as the cross-modal
    bidirectional matching of M3EL (Hu et al. 2024) has it; the score is then the mean of both.
    """

    name = "cmfu"
    needs = frozenset({"text", "patches"})
    settings_class = CMFUSettings
    settings: CMFUSettings

    def __init__(self, sizes: Sizes, settings: CMFUSettings) -> None:
        super().__init__(sizes, settings)
        if settings.back:
            self.needs = self.needs | {"words", "pictures"}
        self.forth = Fusion(sizes.text, sizes.picture, settings.hidden)
        self.back = Fusion(sizes.picture, sizes.text, settings.hidden) if settings.back else None

    def mention(self, mentions: ModalityFeatures) -> Parts:
        """The fused vectors (..., 1 or 2, H), and whether there are both a text and a picture (...)."""
        mask = mentions.picture_mask
        there = has_text(mentions) & mask.any(-1)
        fused = [self.forth(mentions.text, mentions.patches, mask)]
        if self.back is not None:
            whole = masked_mean(mentions.pictures, mask)  # (..., V)
            fused.append(self.back(whole, mentions.words.unsqueeze(-2), mentions.word_mask))  # each word is one patch
        return torch.stack(fused, dim=-2), there

    def compare(self, mention: Parts, entity: Parts) -> UnitScores:
        """The mean (M, K) of the comparisons."""
        products = (mention[0].unsqueeze(1) * entity[0]).sum(-1).mean(-1)  # (M, K)
        return unit_scores(products / math.sqrt(self.settings.hidden), mention[1].unsqueeze(-1) & entity[1])
