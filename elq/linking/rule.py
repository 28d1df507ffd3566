"""The rule of one call: what a link needs to be shown."""

from dataclasses import dataclass

from elq.errors import ElqError
from elq.linking.calibration import LEAST_SCORE, AnyCalibration
from elq.linking.concepts import KEEP
from elq.linking.inputs import check_probability, check_threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a link needs to be shown.

    Args:
        threshold: the threshold γ, the lowest joint score of a link.
        mention_threshold: the lowest log p(mention) of a link. If it is None, only γ is applied.
        min_probability: the lowest probability of a link. If it is None, the probability is not asked for.
        calibration: gives links a probability. If it is None, they have none.
        nil: whether NIL is a candidate.
        concepts: whether links of generic nouns are shown, ``keep`` or ``drop`` (elq/linking/concepts.py).
    """

    threshold: float
    mention_threshold: float | None = None
    min_probability: float | None = None
    calibration: AnyCalibration | None = None
    nil: bool = False
    concepts: str = KEEP

    @property
    def floor(self) -> float:
        """The lowest log p(mention) of a span that can become a link, since log p(entity | mention) is at most 0."""
        return self.threshold if self.mention_threshold is None else max(self.threshold, self.mention_threshold)

    def likely(self, mention: float, score: float) -> bool:
        """Whether a span with this log p(mention) and this joint score is likely enough.

        The same formula is used where its best candidate is NIL.
        """
        if self.min_probability is None or self.calibration is None:
            return True
        return self.calibration.probability(mention, score - mention) >= self.min_probability

    def shows(self, mention: float, score: float) -> bool:
        """Whether a span with this log p(mention) and this joint score is shown, if no other one overlaps it."""
        return mention >= self.floor and score >= self.threshold and self.likely(mention, score)


def rule_of(
    threshold: float | None,
    min_probability: float | None,
    *,
    mention_threshold: float | None = None,
    calibration: AnyCalibration | None = None,
    nil: bool = False,
) -> Rule:
    """Check the settings of a call, and make its rule.

    With a probability and no γ, the links of at least the score ``LEAST_SCORE`` are decoded, since calibrations are fitted to
    these links. Those that are likely enough are kept.

    Args:
        threshold, min_probability: γ and the lowest probability; at least one of them is given.
        mention_threshold, calibration, nil: see :class:`Rule`.

    Raises:
        ElqError: neither is given, a value is outside its limits, or a probability is asked for and there is no calibration.
    """
    if min_probability is None:
        if threshold is None:
            raise ElqError("neither a threshold nor min_probability is given: give one of them, such as threshold=-2.5")
        least = check_threshold(threshold)
        return Rule(threshold=least, mention_threshold=mention_threshold, calibration=calibration, nil=nil)
    probability = check_probability(min_probability)
    if calibration is None:
        raise ElqError(
            f"min_probability is {probability:g}, but these links have no probability, since no calibration was fitted with"
            " this model, score mode and K: fit one with `elq tune`, or give a threshold instead"
        )
    least = LEAST_SCORE if threshold is None else check_threshold(threshold)
    return Rule(
        threshold=max(least, calibration.floor(probability)),
        mention_threshold=mention_threshold,
        min_probability=probability,
        calibration=calibration,
        nil=nil,
    )
