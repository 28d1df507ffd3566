"""Problems: collects and counts the pictures that cannot be used."""

import logging
from collections import Counter
from dataclasses import dataclass, field

from elq.errors import ElqError

log = logging.getLogger(__name__)

SHOWN = 5  # problems that are written to the log one by one


class PictureProblem(ElqError):  # noqa: N818 (it is collected and counted, and seldom raised to a user)
    """A picture that cannot be used, and so counts as none. ``source`` says which one, ``reason`` why."""

    def __init__(self, source: str, reason: str) -> None:
        self.source, self.reason = source, reason
        super().__init__(f"picture {source} {reason}")


@dataclass(slots=True)
class Problems:
    """Collects and counts the pictures that could not be used. The first ones are written to the log, each with its reason."""

    found: list[PictureProblem] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many pictures could not be used."""
        return len(self.found)

    def add(self, problem: PictureProblem) -> None:
        """Note a problem."""
        self.found.append(problem)
        if self.count <= SHOWN:
            log.warning("%s; it counts as no picture", problem)

    def report(self, total: int) -> None:
        """Write to the log how many of ``total`` pictures could not be used. Nothing is written if all could."""
        if self.found:
            reasons = Counter(problem.reason.partition(" (")[0].partition(":")[0] for problem in self.found)
            said = "; ".join(f"{count:,} × {reason}" for reason, count in reasons.most_common(3))
            log.warning("%s of %s pictures cannot be used and count as none: %s", f"{self.count:,}", f"{total:,}", said)
