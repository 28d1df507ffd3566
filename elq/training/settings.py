"""Settings of training, each declared once: those of the network, the loss, the optimiser, and the decision.

In a config file they stand side by side below ``model``, as ``model.max_span_tokens`` and ``model.lr_heads``.
"""

from dataclasses import dataclass, fields
from typing import Any

from elq.errors import ElqError
from elq.linking.scoring import check_score_mode
from elq.model.config import NetworkSettings

LOSSES = ("table", "sampled", "released")


@dataclass(frozen=True, kw_only=True)  # no slots: the training parser reads its __dict__
class LossSettings:
    """The losses, see elq/training/entity_loss.py.

    Args:
        loss: of disambiguation: ``table`` (cross-entropy over all entities, exact), ``sampled`` (over gold, in-batch and
            nearest ones), or ``released`` (the released ELQ's losses over in-batch or hard negatives).
        hard_negatives: nearest entities per mention in ``sampled`` and ``released``.
        table_sharding: with several processes, each holds a share of the rows in ``table`` (the same loss, less memory).
        mention_weight: factor of the mention loss in the sum of both losses.
        unsure_weight: what a name that nobody annotated counts as a negative, in a file with ``partial`` annotation.
    """

    loss: str = "table"
    hard_negatives: int = 10
    table_sharding: bool = False
    mention_weight: float = 20.0
    unsure_weight: float = 0.0

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise ElqError(f"model.loss is {self.loss!r}, but must be one of {', '.join(LOSSES)}")
        if self.table_sharding and self.loss != "table":
            raise ElqError(f"model.table_sharding needs model.loss to be table, not {self.loss}: set one of them")


@dataclass(frozen=True, kw_only=True)
class OptimiserSettings:
    """What learns, and how fast, see elq/training/schedule.py.

    Args:
        frozen_words: the encoder's word vectors stay as they are: unseen names keep theirs, and a step is faster.
        lr_encoder: peak learning rate of the encoder.
        lr_heads: peak learning rate of scorer and pooler.
        weight_decay: of matrices; vectors (biases, norms, the scale) have none.
        warmup_steps: optimiser steps of linear warm-up; a linear decay to 0 over all epochs follows.
    """

    frozen_words: bool = False
    lr_encoder: float = 5e-5
    lr_heads: float = 1e-3
    weight_decay: float = 0.01
    warmup_steps: int = 100


@dataclass(frozen=True, kw_only=True)
class DecisionSettings:
    """How links are decided in validation and by the exported folder.

    Args:
        score_mode: ``candidates``, ``table`` or ``elq``, see elq/linking/scoring.py; ``elq`` also trains on questions as it
            reads them.
        candidates: K, entities of a mention.
        threshold: γ of the exported folder; None lets the development questions choose it, see elq/evaluation/sweep.py.
    """

    score_mode: str = "candidates"
    candidates: int = 10
    threshold: float | None = None


GROUPS = (NetworkSettings, LossSettings, OptimiserSettings, DecisionSettings)


@dataclass(frozen=True, kw_only=True)
class ModelSettings(DecisionSettings, OptimiserSettings, LossSettings, NetworkSettings):
    """All settings of a model in training. The last base comes first in the help."""

    def __post_init__(self) -> None:
        NetworkSettings.__post_init__(self)
        LossSettings.__post_init__(self)
        if (self.names or self.nil) and (self.table_sharding or self.loss == "released"):
            raise ElqError("model.names and model.nil need no table_sharding and another loss than released: drop one")
        check_score_mode(self.score_mode, names=self.names)

    def network(self) -> dict[str, Any]:
        """The settings that shape the network, for :meth:`elq.model.network.ELQ.from_encoder`."""
        return {field.name: getattr(self, field.name) for field in fields(NetworkSettings)}

    @property
    def longest_question(self) -> int | None:
        """Tokens after which questions are cut, as the released ELQ does in score mode ``elq``; None: they are not cut."""
        return self.question_tokens if self.score_mode == "elq" else None
