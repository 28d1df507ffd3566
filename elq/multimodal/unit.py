"""The contract of units: a unit gives each candidate of a mention a score, and has a loss of its own.

Shape letters: M mentions, K candidates of a mention, N entities, T words, C letters, I pictures, P patches of a picture,
D width of texts, V width of pictures, H hidden width. An ellipsis stands for any shape, such as M, N, or (M, K).

A unit works in two steps, so that an entity that is a candidate of many mentions is encoded only once: ``mention`` and
``entity`` make the parts of one side, which know nothing of the other side, and ``compare`` makes scores of both.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from elq.errors import ElqError
from elq.multimodal.features import ModalityFeatures, UnitScores

Parts = tuple[Tensor, ...]  # each begins with the shape of the features they were made from
MODALITIES = ("text", "words", "characters", "pictures", "patches")


def check_numbers(settings: object, *names: str, least: float = 0.0, excluded: bool = True) -> None:
    """Check that settings are finite numbers above ``least``, or at least ``least`` if it is not excluded.

    Raises:
        ElqError: one of them is not.
    """
    for name in names:
        value = getattr(settings, name)
        if type(value) not in (int, float) or not least <= value < float("inf") or (excluded and value == least):
            raise ElqError(
                f"{name} is {value!r}, but must be a number {'above' if excluded else 'of at least'} {least:g}: leave it out,"
                " so that it has its default"
            )


def check_counts(settings: object, **least: int) -> None:
    """Check that settings are whole numbers, each of at least the one that is given for it.

    Raises:
        ElqError: one of them is not.
    """
    for name, lowest in least.items():
        if type(value := getattr(settings, name)) is not int or value < lowest:
            raise ElqError(f"{name} is {value!r}, but must be a whole number of at least {lowest}: raise it, or leave it out")


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The widths of the features.

    Args:
        text: D, the width of the vectors of texts and words.
        picture: V, the width of the vectors of pictures and patches.
    """

    text: int
    picture: int

    def __post_init__(self) -> None:
        check_counts(self, text=1, picture=1)


@dataclass(frozen=True, kw_only=True)  # no slots: the training parser reads its __dict__
class UnitSettings:
    """The settings that all units have.

    Args:
        hidden: H, the width in which the unit compares.
        loss_weight: the weight of the unit's own loss beside the cross-entropy of the total.
    """

    hidden: int = 96
    loss_weight: float = 1.0

    def __post_init__(self) -> None:
        check_counts(self, hidden=2)
        check_numbers(self, "loss_weight", excluded=False)
        if self.hidden % 2:
            raise ElqError(f"hidden is {self.hidden}, but must be even: set it to 96, the default")


@dataclass(frozen=True, kw_only=True)
class ScaledSettings(UnitSettings):
    """The settings of a unit with a cosine.

    Args:
        scale: the factor of the cosine at the start; it is learned.
    """

    scale: float = 20.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_numbers(self, "scale")


class Look(NamedTuple):
    """What a unit has computed for a batch, so that its loss need not compute it again."""

    mention: Parts  # each (M, …)
    entity: Parts  # each (M, K, …)
    scores: UnitScores


def unit_scores(scores: Tensor, valid: Tensor) -> UnitScores:
    """The record of scores (M, K), in which a score that is not valid is −inf."""
    return UnitScores(scores.float().masked_fill(~valid, -torch.inf), valid)


def cross_entropy(said: UnitScores, gold: Tensor) -> Tensor:
    """The mean of −log softmax of the gold candidate over the valid candidates of its mention, a scalar.

    Args:
        said: the scores (M, K).
        gold: (M,) int64 the number of the right candidate, −1 if it is not there. Such a mention does not count, and neither
            does one whose gold candidate is not valid. If no mention counts, the loss is 0.

    >>> said = UnitScores(torch.tensor([[0.0, 0.0, 9.0], [1.0, 2.0, 3.0]]), torch.tensor([[True, True, False], [True] * 3]))
    >>> round(cross_entropy(said, torch.tensor([1, -1])).item(), 4)
    0.6931
    """
    right = gold.clamp(min=0).unsqueeze(-1)  # (M, 1)
    counts = (gold >= 0) & said.valid.gather(-1, right).squeeze(-1)  # (M,)
    scores = said.scores[counts].masked_fill(~said.valid[counts], -torch.inf)  # (counting mentions, K)
    log_p = scores.log_softmax(-1).gather(-1, right[counts]).squeeze(-1)  # (counting mentions,)
    return -log_p.sum() / counts.sum().clamp(min=1)


class Unit(nn.Module):
    """What all units have in common. A unit is made from its settings and the widths of the features.

    Class attributes:
        name: the name by which networks and settings choose the unit.
        needs: the parts of the features that it reads (:data:`MODALITIES`).
        settings_class: the dataclass of its settings.
    """

    name: ClassVar[str]
    needs: frozenset[str]  # a setting may change it
    settings_class: ClassVar[type[UnitSettings]] = UnitSettings

    def __init__(self, sizes: Sizes, settings: UnitSettings) -> None:
        super().__init__()
        self.sizes = sizes
        self.settings = settings

    def mention(self, mentions: ModalityFeatures) -> Parts:
        """What the unit makes of mentions alone."""
        raise NotImplementedError

    def entity(self, entities: ModalityFeatures) -> Parts:
        """What the unit makes of entities alone, which is the same as of mentions unless a unit says otherwise.

        Args:
            entities: features of any shape, such as (N, …) or (M, K, …).
        """
        return self.mention(entities)

    def compare(self, mention: Parts, entity: Parts) -> UnitScores:
        """The scores (M, K) of parts (M, …) of mentions and parts (M, K, …) of candidates."""
        raise NotImplementedError

    def look(self, mentions: ModalityFeatures, entities: ModalityFeatures, rows: Tensor | None = None) -> Look:
        """The scores, and the parts from which they were made; the arguments are those of :meth:`forward`."""
        mention, entity = self.mention(mentions), self.entity(entities)
        if rows is not None:
            entity = tuple(part[rows] for part in entity)  # (N, …) -> (M, K, …)
        return Look(mention, entity, self.compare(mention, entity))

    def forward(self, mentions: ModalityFeatures, entities: ModalityFeatures, rows: Tensor | None = None) -> UnitScores:
        """The scores of the candidates.

        Args:
            mentions: the features of M mentions.
            entities: the features (M, K, …) of their candidates, or those (N, …) of entities, of which ``rows`` chooses.
            rows: (M, K) int64, the candidates of each mention among N entities.
        """
        return self.look(mentions, entities, rows).scores

    def loss_of(self, look: Look, gold: Tensor) -> Tensor:
        """The unit's own loss for what it has computed, a scalar: the cross-entropy of its valid scores."""
        return cross_entropy(look.scores, gold)

    def loss(self, mentions: ModalityFeatures, entities: ModalityFeatures, gold: Tensor, rows: Tensor | None = None) -> Tensor:
        """The unit's own loss, a scalar.

        Args:
            mentions: as in :meth:`forward`.
            entities: as in :meth:`forward`.
            gold: (M,) int64 the number of the right one among the K candidates, −1 if it is not there.
            rows: as in :meth:`forward`.
        """
        return self.loss_of(self.look(mentions, entities, rows), gold)
