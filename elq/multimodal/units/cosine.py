"""Plain comparisons of whole texts and of whole pictures, which the other units are measured against."""

from dataclasses import dataclass

from elq.multimodal.features import ModalityFeatures, UnitScores
from elq.multimodal.unit import Parts, ScaledSettings, Sizes, Unit, unit_scores
from elq.multimodal.units.parts import Adapter, Scale, best_pair, has_text, project, unit_norm


@dataclass(frozen=True, kw_only=True)
class TextSettings(ScaledSettings):
    """The settings of :class:`TextUnit`.

    Args:
        cosine: whether vectors are compared by their cosine. If not, by their inner product, as those of a bi-encoder are.
        learned: whether the factor is learned. With False and a scale of 1 the unit has no parameters.
    """

    cosine: bool = True
    learned: bool = True


class TextUnit(Unit):
    """The cosine of the vectors of the whole texts, times a factor. It is valid where both have a word.

    Source: BLINK (Wu et al. 2020, section 4.1) compares the vectors of two texts in this way.
    """

    name = "text"
    needs = frozenset({"text"})
    settings_class = TextSettings
    settings: TextSettings

    def __init__(self, sizes: Sizes, settings: TextSettings) -> None:
        super().__init__(sizes, settings)
        self.scale = Scale(settings.scale) if settings.learned else None

    def mention(self, mentions: ModalityFeatures) -> Parts:
        """The vectors (..., D), and whether there is a text (...)."""
        return (unit_norm(mentions.text) if self.settings.cosine else mentions.text), has_text(mentions)

    def compare(self, mention: Parts, entity: Parts) -> UnitScores:
        """Inner products (M, K)."""
        products = (entity[0] @ mention[0].unsqueeze(-1)).squeeze(-1)  # (M, K)
        scores = products * self.settings.scale if self.scale is None else self.scale(products)
        return unit_scores(scores, mention[1].unsqueeze(-1) & entity[1])


@dataclass(frozen=True, kw_only=True)
class PictureSettings(ScaledSettings):
    """The settings of :class:`PictureUnit`; ``hidden`` is the rank of the change of the vectors.

    Args:
        scale: the factor of the cosine at the start; it is learned.
    """

    scale: float = 10.0


class PictureUnit(Unit):
    """The cosine of whole pictures, of the two that fit best, times a factor; the vectors are changed a little in training."""

    name = "picture"
    needs = frozenset({"pictures"})
    settings_class = PictureSettings
    settings: PictureSettings

    def __init__(self, sizes: Sizes, settings: PictureSettings) -> None:
        super().__init__(sizes, settings)
        self.adapter = Adapter(sizes.picture, settings.hidden)
        self.scale = Scale(settings.scale)

    def mention(self, mentions: ModalityFeatures) -> Parts:
        """Vectors (..., I, V) with norm 1, and the mask (..., I)."""
        return unit_norm(project(self.adapter, mentions.pictures, mentions.picture_mask)), mentions.picture_mask

    def compare(self, mention: Parts, entity: Parts) -> UnitScores:
        """The largest cosine (M, K) times the factor."""
        cosines = mention[0].unsqueeze(1) @ entity[0].transpose(-1, -2)  # (M, K, I, J)
        return unit_scores(*best_pair(self.scale(cosines), mention[1], entity[1]))
