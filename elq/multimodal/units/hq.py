"""The attention of "Attention-Based Multimodal Entity Linking with High-Quality Images" (Zhang et al., DASFAA 2021).

Its filter, which drops pictures that do not agree with the text or with any candidate, is in ``elq/multimodal/noise.py``.
"""

import math

from torch import Tensor, nn

from elq.multimodal.features import ModalityFeatures, UnitScores
from elq.multimodal.unit import Parts, Sizes, Unit, unit_scores
from elq.multimodal.units.fused import FusedSettings, speaks_of
from elq.multimodal.units.mimic import Fusion
from elq.multimodal.units.parts import has_text, masked_softmax, project


class HQ(Unit):
    """A mention, whose text attends to its picture, attends to the words and to the pictures of an entity.

    Source: Zhang et al., DASFAA 2021, section on multiple attention: the mention's vector is made of its text and of the parts
    of its (kept) picture by attention, and attends to what is known of the entity. Here m = LayerNorm(tanh(W q) ∘ q + Σ α v),
    as in CMFU, and the score is the mean of m · LayerNorm(Σ β w) / √H over the words w of the entity and over its pictures,
    with β = softmax(m · K w / √H); an entity without pictures is scored by its words.
    """

    name = "hq"
    needs = frozenset({"text", "words", "pictures", "patches"})
    settings_class = FusedSettings
    settings: FusedSettings

    def __init__(self, sizes: Sizes, settings: FusedSettings) -> None:
        super().__init__(sizes, settings)
        hidden = settings.hidden
        self.fusion = Fusion(sizes.text, sizes.picture, hidden)
        self.word_key, self.word_value = nn.Linear(sizes.text, hidden, bias=False), nn.Linear(sizes.text, hidden)
        self.picture_key, self.picture_value = nn.Linear(sizes.picture, hidden, bias=False), nn.Linear(sizes.picture, hidden)
        self.word_norm, self.picture_norm = nn.LayerNorm(hidden), nn.LayerNorm(hidden)

    def mention(self, mentions: ModalityFeatures) -> Parts:
        """The fused vector (M, H), and which mentions count (M,)."""
        return self.fusion(mentions.text, mentions.patches, mentions.picture_mask), speaks_of(mentions, self.settings)

    def entity(self, entities: ModalityFeatures) -> Parts:
        """Keys and values (..., T, H) of words, their mask, the same of pictures (..., J, H), and whether there is a text."""
        words, mask, pictures, seen = entities.words, entities.word_mask, entities.pictures, entities.picture_mask
        read = project(self.word_key, words, mask), project(self.word_value, words, mask), mask
        return (
            *read,
            project(self.picture_key, pictures, seen),
            project(self.picture_value, pictures, seen),
            seen,
            has_text(entities),
        )

    def attended(self, query: Tensor, parts: Parts, norm: nn.Module) -> Tensor:
        """Inner products (M, K) of queries (M, H) and what they attend to: keys, values (M, K, X, H) and a mask (M, K, X)."""
        keys, values, mask = parts
        width = math.sqrt(self.settings.hidden)
        products = (keys @ query[:, None, :, None]).squeeze(-1) / width  # (M, K, X)
        context: Tensor = norm((masked_softmax(products, mask).unsqueeze(-2) @ values).squeeze(-2))  # (M, K, H)
        return (context @ query.unsqueeze(-1)).squeeze(-1) / width

    def compare(self, mention: Parts, entity: Parts) -> UnitScores:
        """The mean (M, K) of both attentions, or that of words alone where an entity has no picture."""
        words = self.attended(mention[0], entity[:3], self.word_norm)  # (M, K)
        pictures = self.attended(mention[0], entity[3:6], self.picture_norm)  # (M, K)
        scores = ((words + pictures) / 2).where(entity[5].any(-1), words)
        return unit_scores(scores, mention[1].unsqueeze(-1) & entity[6] & entity[2].any(-1))
