"""Reloading: opens the entities of a linker again after their folder was changed."""

from copy import copy

from elq.entities.manifest import Entities, Manifest, open_entities
from elq.linking.retriever import Retriever
from elq.linking.scorer import Scorer
from elq.linking.scoring import mode_for


class Reloading:
    """The part of :class:`elq.linking.linker.Linker` that opens changed entities. The constructor sets these attributes."""

    scorer: Scorer
    entities: Entities

    def reload(self) -> bool:
        """Open the entities again if their folder was changed, for example by `elq update`. Running calls keep the old ones.

        If the score mode is ``table`` and the new index does not compute the scores of all entities, it becomes ``shortlist``.

        Returns:
            Whether the folder was changed.

        Raises:
            ElqError: the folder cannot be opened.
        """
        folder = self.entities.folder
        if Manifest.load(folder) == self.entities.manifest:
            return False
        scorer, entities = copy(self.scorer), open_entities(folder)
        old = scorer.retriever
        scorer.retriever = Retriever(scorer.model, entities, types_in_score=old.types_in_score, balance=old.balance)
        scorer.score_mode = mode_for(scorer.score_mode, entities.index)
        self.scorer, self.entities = scorer, entities
        return True
