"""The unit of GHMFC (Wang et al., SIGIR 2022): gated co-attention of words, phrases and parts of the picture."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from elq.errors import ElqError
from elq.multimodal.features import ModalityFeatures, UnitScores
from elq.multimodal.unit import Look, Parts, Sizes, Unit, check_numbers, unit_scores
from elq.multimodal.units.fused import FusedSettings
from elq.multimodal.units.losses import contrast, hinge
from elq.multimodal.units.parts import (
    Scale,
    clean,
    has_text,
    masked_mean,
    masked_softmax,
    picture_means,
    project,
    unit_norm,
)

WINDOWS = (1, 2, 3)  # words of a phrase


@dataclass(frozen=True, kw_only=True)
class GHMFCSettings(FusedSettings):
    """The settings of :class:`GHMFC`, which needs a picture in any case.

    Args:
        contrast: the weight of the contrast between the texts and the pictures of mentions.
        temperature: what the cosines of that contrast are divided by.
        entity_pictures: whether the vector of an entity also has its pictures. In the paper it has only its text.
        entity_patches: whether these are the means of their patches. A mention has nothing else of its picture, and a tower
            may give vectors of whole pictures that are not comparable with those of patches.
    """

    contrast: float = 0.5
    temperature: float = 0.1
    entity_pictures: bool = True
    entity_patches: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_numbers(self, "contrast", excluded=False)
        check_numbers(self, "temperature")
        if self.text_alone:
            raise ElqError("text_alone is True, but the unit ghmfc needs the picture of a mention: leave it out")


def co_attention(words: Tensor, word_mask: Tensor, patches: Tensor, patch_mask: Tensor) -> tuple[Tensor, Tensor]:
    """Words that parts of the picture attend to, and parts of the picture that words attend to, (M, H) each.

    Args:
        words: (M, T, H).
        word_mask: (M, T).
        patches: (M, P, H).
        patch_mask: (M, P).
    """
    products = words @ patches.transpose(-1, -2) / math.sqrt(words.shape[-1])  # (M, T, P)
    seen = masked_softmax(products, patch_mask.unsqueeze(1)) @ patches  # (M, T, H)
    read = masked_softmax(products.transpose(-1, -2), word_mask.unsqueeze(1)) @ words  # (M, P, H)
    return masked_mean(read, patch_mask), masked_mean(seen, word_mask)


class GHMFC(Unit):
    """One vector of a mention: co-attention of its text and its picture at the levels of words and phrases, then a gate.

    Source: Wang et al., SIGIR 2022, sections on hierarchical co-attention, gated fusion and contrastive training:

    - phrases: the largest value over windows of 1, 2 and 3 words that begin at a word (convolutions), then tanh,
    - at both levels, words attend to patches and patches to words; the attended texts t and the attended pictures v of both
      levels are joined: t = W_t [t_word; t_phrase], v = W_v [v_word; v_phrase],
    - gate g = σ(W [t; v]); the vector is LayerNorm(g ∘ tanh t + (1 − g) ∘ tanh v), compared with the entity by cosine,
    - loss: a triplet loss over candidates, and a contrast between t and v of the mentions of a batch.

    The layers of entities begin equal to those of words and patches, and W_t and W_v as the mean words and patches of a mention
    with a tenth of random weights, so that both sides are comparable before the training.
    """

    name = "ghmfc"
    needs = frozenset({"text", "words", "pictures", "patches"})
    settings_class = GHMFCSettings
    settings: GHMFCSettings

    def __init__(self, sizes: Sizes, settings: GHMFCSettings) -> None:
        super().__init__(sizes, settings)
        hidden = settings.hidden
        self.word, self.patch = nn.Linear(sizes.text, hidden), nn.Linear(sizes.picture, hidden)
        self.windows = nn.ModuleList(nn.Conv1d(hidden, hidden, window) for window in WINDOWS)
        self.read, self.seen = nn.Linear(2 * hidden, hidden), nn.Linear(2 * hidden, hidden)
        self.gate, self.norm = nn.Linear(2 * hidden, hidden), nn.LayerNorm(hidden)
        self.entity_text = nn.Linear(sizes.text, hidden)
        self.entity_picture = nn.Linear(sizes.picture, hidden, bias=False) if settings.entity_pictures else None
        self.scale = Scale(settings.scale)
        self.begin_alike()

    @torch.no_grad()
    def begin_alike(self) -> None:
        """Let the vectors of entities begin in the space of those of mentions."""
        for layer in (self.read, self.seen):
            layer.weight.mul_(0.1)[:, : self.settings.hidden] += torch.eye(self.settings.hidden)
        self.entity_text.load_state_dict(self.word.state_dict())
        if self.entity_picture is not None:
            self.entity_picture.weight.copy_(self.patch.weight)

    def phrases(self, words: Tensor, mask: Tensor) -> Tensor:
        """The phrases (M, T, H) that begin at words (M, T, H); behind the last word there are zeros."""
        columns = clean(words, mask).transpose(-1, -2)  # (M, H, T)
        windows = [layer(nn.functional.pad(columns, (0, w - 1))) for w, layer in zip(WINDOWS, self.windows, strict=True)]
        return torch.stack(windows).amax(0).tanh().transpose(-1, -2)  # (M, T, H)

    def mention(self, mentions: ModalityFeatures) -> Parts:
        """The vector (M, H) with norm 1, which mentions have a picture and a text (M,), and t and v (M, H) with norm 1."""
        mask, word_mask = mentions.picture_mask, mentions.word_mask
        words = project(self.word, mentions.words, word_mask)  # (M, T, H)
        patches = project(self.patch, mentions.patches, mask)  # (M, I, P, H)
        patch_mask = mask.unsqueeze(-1).expand(patches.shape[:-1]).flatten(1)  # (M, I · P)
        levels = [
            co_attention(level, word_mask, patches.flatten(1, 2), patch_mask)
            for level in (words, self.phrases(words, word_mask))
        ]
        read = self.read(torch.cat([level[0] for level in levels], -1))  # (M, H)
        seen = self.seen(torch.cat([level[1] for level in levels], -1))  # (M, H)
        gate = self.gate(torch.cat([read, seen], -1)).sigmoid()
        vector = self.norm(gate * read.tanh() + (1 - gate) * seen.tanh())  # (M, H)
        there = word_mask.any(-1) & mask.any(-1)
        return unit_norm(vector), there, unit_norm(read), unit_norm(seen)

    def entity(self, entities: ModalityFeatures) -> Parts:
        """The vector (..., H) with norm 1, and whether there is a text (...)."""
        there = has_text(entities)
        vector = project(self.entity_text, entities.text, there)
        if self.entity_picture is not None:
            mask = entities.picture_mask
            pictures = picture_means(entities.patches, mask) if self.settings.entity_patches else entities.pictures
            vector = vector + masked_mean(project(self.entity_picture, pictures, mask), mask)
        return unit_norm(vector), there

    def compare(self, mention: Parts, entity: Parts) -> UnitScores:
        """The cosines (M, K) times the factor."""
        cosines = (entity[0] @ mention[0].unsqueeze(-1)).squeeze(-1)  # (M, K)
        return unit_scores(self.scale(cosines), mention[1].unsqueeze(-1) & entity[1])

    def loss_of(self, look: Look, gold: Tensor) -> Tensor:
        """The triplet loss, and the weighted contrast between texts and pictures, a scalar."""
        _, there, read, seen = look.mention
        triplet = hinge(look.scores, gold, self.settings.margin)
        return triplet + self.settings.contrast * contrast(read, seen, there, self.settings.temperature)
