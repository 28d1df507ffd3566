"""The decision of one model: the settings that turn its scores into links.

File format: ``decision.json`` in the model folder, with the fields of :class:`Decision`. The entities folder contains only
facts about the entities, so that many models can use the same entities folder. A model folder of an earlier version has no
``decision.json``: its decision is read from ``entities/manifest.json``, which then has the format 3.
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
from elq.linking.balance import Balance
from elq.linking.calibration import calibration_of
from elq.linking.concepts import KEEP, check_concepts
from elq.linking.folder import DECISION, ENTITIES
from elq.linking.scoring import SCORE_MODES

FORMAT = 5
DEFAULTS: dict[str, float | str] = {  # of keys that are newer
    "nil_shift": 0.0,
    "name_factor": 1.0,
    "small_shift": 0.0,
    "concepts": KEEP,
}
CANDIDATES, SCORE_MODE = 10, "candidates"  # the defaults, as published


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """How the scores of one model become links.

    Args:
        threshold: the threshold γ, the lowest joint score of a link, a natural logarithm.
        mention_threshold: the lowest log p(mention) of a link. If it is None, only γ is applied.
        candidates: K, the number of entities retrieved for each mention. In the score mode ``candidates`` the scores depend on
            it.
        score_mode: the entities over which p(entity | mention) is normalised, see elq/linking/scoring.py.
        calibration: the offset and slope of elq/linking/calibration.py, fitted with this score mode and K. If it is None,
            links have no probability.
        chosen: how these values were chosen: ``by`` training or elq tune, on which ``questions``, for which ``objective``, and
            the ``f1`` that they reach on these questions. It is None where they were not chosen, as in an imported model.
        nil_shift, name_factor, small_shift: how much NIL, names and small letters count, see
            :class:`elq.linking.balance.Balance`. The file has them, and ``concepts``, only where they differ from their
            defaults, so that earlier versions read it.
        concepts: whether links of generic nouns are shown, ``keep`` or ``drop`` (elq/linking/concepts.py).

    Raises:
        ElqError: a value has the wrong type or is outside its limits.
    """

    threshold: float
    mention_threshold: float | None = None
    candidates: int = CANDIDATES
    score_mode: str = SCORE_MODE
    calibration: Sequence[float] | None = None
    chosen: dict[str, Any] | None = None
    nil_shift: float = 0.0
    name_factor: float = 1.0
    small_shift: float = 0.0
    concepts: str = KEEP
    format: int = FORMAT

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise ElqError(
                f"{DECISION} has the format {self.format!r}, but this version of elq reads format {FORMAT} only: train or"
                " import the model again, or install the version of elq that wrote the file"
            )
        if self.score_mode not in SCORE_MODES:
            raise ElqError(
                f"{DECISION} has the score_mode {self.score_mode!r}, but it must be one of {', '.join(SCORE_MODES)}: write one"
                " of these into the file, then choose the threshold again with `elq tune`"
            )
        if type(self.candidates) is not int or self.candidates < 1:
            raise ElqError(
                f"{DECISION} has candidates {self.candidates!r}, but it must be a whole number of at least 1: write such a"
                " number, for example 10, into the file, then choose the threshold again with `elq tune`"
            )
        for name in ("threshold", "mention_threshold"):
            value = getattr(self, name)
            if value is None and name == "mention_threshold":
                continue
            if type(value) not in (int, float) or math.isnan(value):
                raise ElqError(
                    f"{DECISION} has the {name} {value!r}, but it must be a number: write a number, such as -3.0, into the"
                    " file, then choose it again with `elq tune`"
                )
        if self.calibration is not None:
            calibration_of(self.calibration)
        self._check_further()
        if not isinstance(self.chosen, dict | None):
            raise ElqError(f"{DECISION} has chosen {self.chosen!r}, but it must be a JSON object or null: write null")

    def _check_further(self) -> None:
        try:
            check_concepts(self.concepts)
            _ = self.balance
        except ElqError as error:
            raise ElqError(f"{DECISION}: {error}") from None

    @property
    def balance(self) -> Balance:
        """How much NIL, names and small letters count."""
        return Balance(nil_shift=self.nil_shift, name_factor=self.name_factor, small_shift=self.small_shift)

    @property
    def further(self) -> dict[str, float | str]:
        """The settings among those of :data:`DEFAULTS` that differ from their default."""
        return {name: getattr(self, name) for name in DEFAULTS if getattr(self, name) != DEFAULTS[name]}

    def save(self, folder: str | Path) -> None:
        """Write ``decision.json`` into a model folder. If writing fails, the old file stays as it was."""
        values = asdict(self)
        write_json(
            Path(folder) / DECISION, {key: values[key] for key in values if key not in DEFAULTS or values[key] != DEFAULTS[key]}
        )

    @classmethod
    def load(cls, folder: str | Path) -> "Decision":
        """Read the decision of a model folder, of this format or of format 4.

        Raises:
            ElqError: the file is missing, is not JSON, has unknown or missing keys, or has a value that is not allowed.
        """
        path = Path(folder) / DECISION
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(values, dict) and values.get("format", FORMAT) != FORMAT:
                values = {
                    "threshold": 0.0,
                    "format": values["format"],
                }  # its keys may be others
            return cls(**values)
        except FileNotFoundError:
            return _of_format_4(Path(folder))
        except (OSError, ValueError, TypeError) as error:
            names = ", ".join(field.name for field in fields(cls))
            raise ElqError(
                f"{path} is not a decision of a model ({error}): it must be a JSON object with the keys {names}; put a whole"
                " copy of the file in its place"
            ) from None


def _of_format_4(folder: Path) -> Decision:
    """The decision of a model folder of format 4, which is in the manifest of its entities."""
    values = {key: value for key, value in manifest_values(folder / ENTITIES).items() if key in MOVED_TO_DECISION}
    if values.get("threshold") is None:
        raise ElqError(
            f"{folder} has no {DECISION}: its entities were built, but no model was trained with them; train a model with"
            " `elq train`, or give the folder of a trained model, such as runs/starter/latest/model (a model folder of an"
            f" earlier version has its decision in {ENTITIES}/manifest.json: put the old {ENTITIES} folder back)"
        )
    tuned = values.pop("tuned", None)
    values.pop("score_unit", None)
    if isinstance(tuned, dict):
        tuned = {"by": "elq tune", **tuned}
    try:
        return Decision(**values, chosen=tuned)
    except ElqError as error:
        raise ElqError(f"{folder / ENTITIES}/manifest.json, of an earlier version: {error}") from None
