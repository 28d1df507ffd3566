"""Sharing: puts a linker on the Hub."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import elq
from elq.entities.manifest import Entities
from elq.errors import ElqError
from elq.linking.calibration import AnyCalibration
from elq.linking.decision import Decision
from elq.linking.scorer import Scorer
from elq.linking.scoring import same_scale


class Sharing:
    """What :class:`elq.linking.linker.Linker` can do with the Hub; its constructor sets these attributes."""

    scorer: Scorer
    entities: Entities
    threshold: float
    mention_threshold: float | None
    candidates: int
    calibration: AnyCalibration | None
    folders: tuple[Path, Path] | None  # the model folder and the entities folder; None: it was made of parts in memory

    def push_to_hub(
        self,
        name: str,
        *,
        private: bool | None = None,
        token: str | None = None,
        revision: str | None = None,
        message: str | None = None,
        evaluations: Sequence[str | Path] = (),
    ) -> str:
        """Upload the model folder, with a model card, to the Hub; then ``Linker.from_pretrained(name)`` opens it anywhere.

        The entities are those of this linker, and γ, the mention threshold, K and the score mode are those that it has now.

        Args:
            name: the name of the repository, as in :func:`elq.push_to_hub`.
            private: as there.
            token: as there.
            revision: as there.
            message: as there.
            evaluations: as there.

        Returns:
            The address of the commit.

        Raises:
            ElqError: the linker has no model folder, or the Hub refuses the push.
        """
        if self.folders is None:
            raise ElqError(
                "this linker was made from its parts, so it has no model folder that could be pushed: open a model folder with"
                " Linker.from_pretrained, or a catalogue with Linker.from_catalogue"
            )
        return elq.push_to_hub(
            self.folders[0],
            name,
            entities=self.entities.folder,
            decision=self._decision(self.folders[0]),
            private=private,
            token=token,
            revision=revision,
            message=message,
            evaluations=evaluations,
        )

    def _decision(self, folder: Path) -> Decision:
        """The decision of the folder, with what was changed in this linker since it was opened."""
        stored = Decision.load(folder)
        own = {name: getattr(self, name) for name in ("threshold", "mention_threshold", "candidates")}
        own["score_mode"] = self.scorer.score_mode
        if all(getattr(stored, name) == value for name, value in own.items()):
            return stored
        same_scores = stored.candidates == self.candidates and same_scale(stored.score_mode, self.scorer.score_mode)
        return replace(stored, **own, calibration=stored.calibration if same_scores else None, chosen=None)
