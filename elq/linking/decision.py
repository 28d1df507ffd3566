"""The decision of one model: how its scores become links, and on which questions that was chosen.

File format: ``decision.json`` in the model folder, the fields of :class:`Decision`. The entities folder holds facts only, so
that one entities folder serves many models. A model folder of format 4 has no such file: its decision lies in
``entities/manifest.json``, and is read from there.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from elq.entities.manifest import MOVED_TO_DECISION, manifest_values
from elq.errors import ElqError
from elq.files import write_json
from elq.linking.calibration import check_calibration
from elq.linking.folder import DECISION, ENTITIES
from elq.linking.scoring import SCORE_MODES

FORMAT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """How the scores of one model become links.

    Args:
        threshold: γ, the lowest joint score of a link, a natural logarithm.
        mention_threshold: the lowest log p(mention) of a link; None: γ alone decides.
        candidates: K, entities retrieved for each mention. In the score mode ``candidates`` the scores depend on it.
        score_mode: what p(entity | mention) is normalised over, see elq/linking/scoring.py.
        calibration: offset and slopes of elq/linking/calibration.py, fitted with this score mode and K; None: links have no
            probability.
        chosen: who chose these values (``by``: training or elq tune), on which ``questions``, for which ``objective``, and the
            ``f1`` they reach there; None: nobody did, as in an imported model.

    Raises:
        ElqError: a value of another type, or out of its limits.
    """

    threshold: float
    mention_threshold: float | None = None
    candidates: int = 10
    score_mode: str = "candidates"
    calibration: Sequence[float] | None = None
    chosen: dict[str, Any] | None = None
    format: int = FORMAT

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise ElqError(f"{DECISION} has format {self.format!r}, but format {FORMAT} can be read: export the model again")
        if self.score_mode not in SCORE_MODES:
            raise ElqError(f"{DECISION} has score_mode {self.score_mode!r}, but must have one of {', '.join(SCORE_MODES)}")
        if type(self.candidates) is not int or self.candidates < 1:
            raise ElqError(f"{DECISION} has candidates {self.candidates!r}, but must have a whole number of at least 1")
        for name in ("threshold", "mention_threshold"):
            value = getattr(self, name)
            if value is None and name == "mention_threshold":
                continue
            if type(value) not in (int, float) or math.isnan(value):
                raise ElqError(f"{DECISION} has the {name} {value!r}, but it must be a number: choose it again with `elq tune`")
        if self.calibration is not None:
            check_calibration(self.calibration)
        if not isinstance(self.chosen, dict | None):
            raise ElqError(f"{DECISION} has chosen {self.chosen!r}, but it must be an object: choose it again with `elq tune`")

    def save(self, folder: str | Path) -> None:
        """Write ``decision.json`` into a model folder, whole or not at all."""
        write_json(Path(folder) / DECISION, asdict(self))

    @classmethod
    def load(cls, folder: str | Path) -> "Decision":
        """Read the decision of a model folder, of this format or of format 4.

        Raises:
            ElqError: there is none, it is no JSON, it has unknown or missing keys, or a value that is not allowed.
        """
        path = Path(folder) / DECISION
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return _of_format_4(Path(folder))
        except (OSError, ValueError, TypeError) as error:
            names = ", ".join(field.name for field in fields(cls))
            raise ElqError(f"{path} is not a decision ({error}): it needs the keys {names}") from None


def _of_format_4(folder: Path) -> Decision:
    """The decision that a model folder of format 4 holds in the manifest of its entities."""
    values = {key: value for key, value in manifest_values(folder / ENTITIES).items() if key in MOVED_TO_DECISION}
    if values.get("threshold") is None:
        raise ElqError(
            f"{folder} has no {DECISION}: its entities were built, but no model was trained with them; train one, or give a"
            " folder that a training exported"
        )
    tuned = values.pop("tuned", None)
    values.pop("score_unit", None)
    if isinstance(tuned, dict):
        tuned = {"by": "elq tune", **tuned}
    return Decision(**values, chosen=tuned)
