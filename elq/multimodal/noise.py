"""The noise filter: a picture is kept only if it agrees with the text, and with a picture of some candidate.

Source: Zhang et al., DASFAA 2021, "Attention-Based Multimodal Entity Linking with High-Quality Images", section on the
two-stage mechanism: the first stage compares the picture with the text, the second one with the pictures of the candidates.
Both thresholds are chosen on development data. A picture that is dropped counts as missing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from elq.multimodal.features import ModalityFeatures, UnitScores
from elq.multimodal.unit import Sizes, check_counts, check_numbers
from elq.multimodal.units.losses import contrast, of_gold, same_entity
from elq.multimodal.units.parts import Adapter, best_pair, has_text, masked_mean, project, unit_norm

STEPS = 24  # thresholds that are tried at each stage, besides none


@dataclass(frozen=True, kw_only=True)
class NoiseSettings:
    """The settings of a filter.

    Args:
        hidden: H, the width of the space in which pictures are compared with texts.
        temperature: what the cosines of its contrast are divided by.
        loss_weight: the weight of its loss.
        candidates: with how many candidates the picture is compared in the second stage, those whose texts are nearest to that
            of the mention. Only pictures of mentions whose words are a name are then dropped, since the others have nothing
            else. A wrong picture agrees with the candidates that it found itself, whatever they are. 0: with all, and for all
            mentions.
    """

    hidden: int = 96
    temperature: float = 0.1
    loss_weight: float = 0.5
    candidates: int = 0

    def __post_init__(self) -> None:
        check_counts(self, hidden=1, candidates=0)
        check_numbers(self, "temperature")
        check_numbers(self, "loss_weight", excluded=False)


class Agreement(NamedTuple):
    """How well the pictures of mentions agree with what is around them."""

    cosines: Tensor  # (M, 2): with the text, and with the picture of the candidate whose picture is nearest
    known: Tensor  # (M, 2) bool, False where there is no picture, or nothing that it could be compared with


class NoiseParts(NamedTuple):
    """What a filter makes of mentions or of entities."""

    text: Tensor  # (..., H) with norm 1
    crossed: Tensor  # (..., I, H) pictures in the space of texts, with norm 1
    pictures: Tensor  # (..., I, V) with norm 1
    read: Tensor  # (...) bool, whether there is a text
    mask: Tensor  # (..., I) bool
    whole: Tensor  # (..., D) the vector of the text as it is, with norm 1
    named: Tensor  # (...) bool, whether the words of the mention are a name


class NoiseFilter(nn.Module):
    """The filter, which keeps all pictures until its thresholds are chosen."""

    def __init__(self, sizes: Sizes, settings: NoiseSettings) -> None:
        super().__init__()
        self.settings = settings
        self.text, self.picture = nn.Linear(sizes.text, settings.hidden), nn.Linear(sizes.picture, settings.hidden)
        self.adapter = Adapter(sizes.picture, settings.hidden)
        self.thresholds: Tensor
        self.register_buffer("thresholds", torch.full((2,), -torch.inf))

    def parts(self, features: ModalityFeatures) -> NoiseParts:
        """What the filter makes of one side, which may have any shape."""
        read, mask = has_text(features), features.picture_mask
        text = unit_norm(project(self.text, features.text, read))
        crossed = unit_norm(project(self.picture, features.pictures, mask))
        pictures = unit_norm(project(self.adapter, features.pictures, mask))
        return NoiseParts(text, crossed, pictures, read, mask, unit_norm(features.text), features.named)

    def agreement(self, mention: NoiseParts, entity: NoiseParts) -> Agreement:
        """The cosines of mentions (M, …) with their texts and with candidates (M, K, …), each of the best picture."""
        own = (mention.crossed @ mention.text.unsqueeze(-1)).squeeze(-1)  # (M, I)
        own = own.masked_fill(~mention.mask, -1.0).amax(-1)  # (M,)
        others, there = best_pair(mention.pictures.unsqueeze(1) @ entity.pictures.transpose(-1, -2), mention.mask, entity.mask)
        if self.settings.candidates:
            there = there & nearest_by_text(mention.whole, entity.whole, entity.read, self.settings.candidates)
        best = others.masked_fill(~there, -1.0).amax(-1)  # (M,)
        known = torch.stack([mention.mask.any(-1) & mention.read, there.any(-1)], -1)
        if self.settings.candidates:
            known = known & mention.named.unsqueeze(-1)
        return Agreement(torch.stack([own, best], -1), known)

    def keeps(self, agreement: Agreement) -> Tensor:
        """The mentions (M,) whose picture is kept: both cosines reach their thresholds, where they are known."""
        return ((agreement.cosines >= self.thresholds) | ~agreement.known).all(-1)

    def loss(self, mention: NoiseParts, entity: NoiseParts, gold: Tensor) -> Tensor:
        """The mean of three contrasts within the batch, a scalar.

        They are those of the picture of a mention with its text, with the picture of its gold entity, and of the picture of the
        gold entity with that entity's text. Mentions of the same entity are no negatives of each other.
        """
        right = NoiseParts(*(of_gold(part, gold) for part in entity))
        same = same_entity(entity.text, gold) & (gold >= 0).unsqueeze(-1) & (gold >= 0)  # (M, M)
        seen, some = mention.mask.any(-1), right.mask.any(-1) & (gold >= 0)  # (M,) twice
        own, other = (unit_norm(masked_mean(side.crossed, side.mask)) for side in (mention, right))  # (M, H) twice
        whole = [unit_norm(masked_mean(side.pictures, side.mask)) for side in (mention, right)]  # (M, V) twice
        heat = self.settings.temperature
        losses = (
            contrast(own, mention.text, seen & mention.read, heat, same),
            contrast(whole[0], whole[1], seen & some, heat, same),
            contrast(other, right.text, some & right.read, heat, same),
        )
        return torch.stack(losses).mean()


def nearest_by_text(mention: Tensor, entity: Tensor, read: Tensor, count: int) -> Tensor:
    """Which candidates (M, K) are among the ``count`` whose texts are nearest to that of their mention, by the cosine.

    Args:
        mention: (M, D) vectors of norm 1.
        entity: (M, K, D) vectors of norm 1.
        read: (M, K) bool, the candidates that have a text; the others are nearest to nothing.
        count: how many are chosen; of equal cosines, more may be.
    """
    cosines = (entity @ mention.unsqueeze(-1)).squeeze(-1).masked_fill(~read, -torch.inf)  # (M, K)
    least = cosines.topk(min(count, cosines.shape[-1]), -1).values[:, -1:]  # (M, 1)
    return (cosines >= least) & read


@dataclass(frozen=True, slots=True)
class NoiseReport:
    """What a filter does on development data.

    Args:
        thresholds: those of the text and of the pictures; −inf drops nothing.
        mentions: the number of mentions with a gold candidate.
        pictures: how many of them have a picture.
        dropped: how many pictures are dropped.
        hits: the share of the mentions whose best candidate is right, with the filter.
        hits_with_all: the same if all pictures are kept.
        hits_without_any: the same if all pictures are dropped.
    """

    thresholds: tuple[float, float]
    mentions: int
    pictures: int
    dropped: int
    hits: float
    hits_with_all: float
    hits_without_any: float

    def sentence(self) -> str:
        """The report in words."""
        return (
            f"{self.dropped:,} of {self.pictures:,} pictures were dropped; of {self.mentions:,} mentions, {self.hits:.3f} are"
            f" right ({self.hits_with_all:.3f} with all pictures, {self.hits_without_any:.3f} without any)"
        )


def right_at_one(said: UnitScores, gold: Tensor) -> Tensor:
    """Which mentions (M,) have their gold candidate first; one whose gold candidate is not valid has not."""
    first = said.scores.argmax(-1)  # (M,)
    return (first == gold) & said.valid.gather(-1, gold.clamp(min=0).unsqueeze(-1)).squeeze(-1)


def choose_thresholds(agreement: Agreement, kept: Tensor, dropped: Tensor) -> tuple[float, float]:
    """The two thresholds with which most mentions are right; of equal ones, those that drop the fewest pictures.

    Args:
        agreement: of M mentions.
        kept: (M,) bool, which of them are right if their picture is kept.
        dropped: (M,) bool, which are right if it is dropped.
    """
    tried = []
    for stage in (0, 1):
        values = agreement.cosines[agreement.known[:, stage], stage]
        marks = torch.linspace(0, 1, STEPS + 1, device=values.device)[1:]
        tried.append([-torch.inf, *(values.double().quantile(marks.double()).tolist() if len(values) else [])])
    best, chosen = (-1, -len(kept) - 1), (-torch.inf, -torch.inf)
    for first in tried[0]:
        for second in tried[1]:
            marks = torch.tensor([first, second], device=kept.device)
            keeps = ((agreement.cosines >= marks) | ~agreement.known).all(-1)  # (M,)
            value = (int(torch.where(keeps, kept, dropped).sum()), int(keeps.sum()))
            if value > best:
                best, chosen = value, (first, second)
    return chosen


def report(agreement: Agreement, kept: Tensor, dropped: Tensor, filtering: NoiseFilter) -> NoiseReport:
    """What a filter with its thresholds does to mentions; the arguments are those of :func:`choose_thresholds`."""
    keeps, pictures = filtering.keeps(agreement), agreement.known.any(-1)
    first, second = filtering.thresholds.tolist()
    return NoiseReport(
        (first, second),
        len(kept),
        int(pictures.sum()),
        int((~keeps & pictures).sum()),
        torch.where(keeps, kept, dropped).float().mean().item(),
        kept.float().mean().item(),
        dropped.float().mean().item(),
    )


def joined(parts: Iterable[tuple[Agreement, Tensor, Tensor]]) -> tuple[Agreement, Tensor, Tensor]:
    """The agreements and results of several batches in one."""
    rows = list(parts)
    agreement = Agreement(*(torch.cat([row[0][n] for row in rows]) for n in (0, 1)))
    return agreement, torch.cat([row[1] for row in rows]), torch.cat([row[2] for row in rows])
