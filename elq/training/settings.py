"""Settings: the settings of a model in training, each declared only once.

There are groups for the network, the loss, the optimiser and the decision. A config file has all of them below ``model``, such
as ``model.max_span_tokens`` and ``model.lr_heads``.
"""

import math
from dataclasses import dataclass, fields
from typing import Any

from elq.errors import ElqError
from elq.linking.balance import Balance
from elq.linking.decision import CANDIDATES, SCORE_MODE
from elq.linking.scoring import check_score_mode
from elq.model.config import NetworkSettings

LOSSES = ("table", "sampled", "released")


@dataclass(frozen=True, kw_only=True)  # no slots: the training parser reads its __dict__
class LossSettings:
    """Settings of the losses, see elq/training/entity_loss.py.

    Args:
        loss: disambiguation loss: ``table`` (exact cross-entropy over all entities), ``sampled`` (over gold, in-batch and
            nearest entities), or ``released`` (the losses of the released ELQ, over in-batch or hard negatives).
        hard_negatives: number of nearest entities for each mention, in ``sampled`` and ``released``.
        table_sharding: each of several processes holds only a share of the table, in ``table`` (the same loss, less memory).
        mention_weight: factor of the mention loss in the sum of both losses.
        wrong_names: number of spans in each question that are a name or a part of one, but no mention, and that the
            disambiguation loss takes as NIL. It needs model.names and model.nil; names that may be mentions without an
            annotation are left out.
        name_dropout: probability that the bonus of the entities that a name may mean is hidden in a question, so that the words
            around the mention must decide between them. They remain candidates. It needs model.names.
        unsure_weight: weight as a negative of a name without annotation, in a file with ``partial`` (incomplete) annotation.
        noun_weight: weight as a negative of a generic noun that touches no mention, such as "actor" (elq/training/nouns.py), in
            every file; 0: they count as other words and names.
        small_weight: factor of the weight as a negative of a name without capital letters, in texts where capital letters tell
            names from other words (elq/encoding/capitals.py). With ``model.capitals`` the score of such a name falls by about
            the logarithm of it.
        type_weight: factor of the loss of types in the sum of the losses, if ``model.types`` is not none. The factor rises
            from 0 to this value in the training (elq/training/type_loss.py).
        positive_types, negative_types: weights of the types that an entity has and of those that it has not, in that loss.
    """

    loss: str = "table"
    hard_negatives: int = 10
    table_sharding: bool = False
    mention_weight: float = 20.0
    unsure_weight: float = 0.0
    noun_weight: float = 0.0
    small_weight: float = 1.0
    wrong_names: int = 0
    name_dropout: float = 0.0
    type_weight: float = 1.0
    positive_types: float = 1.0
    negative_types: float = 1.0

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise ElqError(f"model.loss is {self.loss!r}, but must be one of {', '.join(LOSSES)}: give one as model.loss=NAME")
        for name in ("type_weight", "positive_types", "negative_types", "noun_weight", "small_weight"):
            if not 0 <= (value := getattr(self, name)) < math.inf:
                raise ElqError(f"model.{name} is {value}, but must be a number of at least 0: set it to 1.0")
        if not 0 <= self.name_dropout < 1:
            raise ElqError(
                f"model.name_dropout is {self.name_dropout}, but must be at least 0 and below 1: give 0.15, for example"
            )
        if self.table_sharding and self.loss != "table":
            raise ElqError(
                f"model.table_sharding needs model.loss to be table, not {self.loss}: set model.loss=table or"
                " model.table_sharding=false"
            )


@dataclass(frozen=True, kw_only=True)
class OptimiserSettings:
    """Settings of the optimiser, see elq/training/schedule.py.

    Args:
        frozen_words: the word vectors of the encoder are not trained, so unseen names keep theirs, and a step is faster.
        lr_encoder: peak learning rate of the encoder.
        lr_heads: peak learning rate of the heads: mention scorer, pooler, name bonus and NIL.
        weight_decay: weight decay of matrices; vectors (biases, norms, the scale) have none.
        warmup_steps: number of optimiser steps of linear warm-up; then the learning rate falls linearly to 0.
        moving_mean: the weights that are validated and exported are the moving mean of the steps, of which this share stays at
            each step; 0.999 looks back some thousand steps, 0 takes the weights themselves (elq/training/averaging.py).
    """

    frozen_words: bool = False
    lr_encoder: float = 5e-5
    lr_heads: float = 1e-3
    weight_decay: float = 0.01
    warmup_steps: int = 100
    moving_mean: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.moving_mean < 1:
            raise ElqError(
                f"model.moving_mean is {self.moving_mean}, but must be at least 0 and below 1: set it to 0.999, or leave it out"
            )


@dataclass(frozen=True, kw_only=True)
class DecisionSettings:
    """Settings of the decision: how scores become links in validation and in the exported model folder.

    Args:
        score_mode: ``candidates``, ``table``, ``shortlist`` or ``elq``, see elq/linking/scoring.py; ``elq`` also cuts the
            questions in training as in linking.
        candidates: K, the number of candidates of a mention.
        threshold: γ, the threshold of the model folder; null: it is chosen on the development questions, see
            elq/evaluation/sweep.py.
        nil_shift: a number that is added to the learned score of NIL in linking (elq/linking/balance.py), so also where the
            best epoch and γ are chosen. It needs model.nil.
        small_shift: a number that is added to the mention logit of words in small letters in linking, in texts where capital
            letters tell names from other words (elq/linking/balance.py). It needs model.capitals.
        keep_best: the model from which the training goes on is measured too, and exported if the trained one is not better on
            the development questions.
    """

    score_mode: str = SCORE_MODE
    candidates: int = CANDIDATES
    threshold: float | None = None
    nil_shift: float = 0.0
    small_shift: float = 0.0
    keep_best: bool = False

    def __post_init__(self) -> None:
        _ = self.balance
        if self.candidates < 1:
            raise ElqError(f"model.candidates is {self.candidates}, but must be at least 1: set it to 10, the default")
        if self.threshold is not None and math.isnan(self.threshold):
            raise ElqError("model.threshold is nan, but must be a number, such as -3.0, or null: set model.threshold=null")

    @property
    def balance(self) -> Balance:
        """How much NIL, names and small letters count in linking. Raises ElqError if a shift is outside its limits."""
        return Balance(nil_shift=self.nil_shift, small_shift=self.small_shift)


GROUPS = (NetworkSettings, LossSettings, OptimiserSettings, DecisionSettings)


@dataclass(frozen=True, kw_only=True)
class ModelSettings(DecisionSettings, OptimiserSettings, LossSettings, NetworkSettings):
    """All settings of a model in training. The help lists the settings of the last base class first."""

    def __post_init__(self) -> None:
        NetworkSettings.__post_init__(self)
        LossSettings.__post_init__(self)
        OptimiserSettings.__post_init__(self)
        DecisionSettings.__post_init__(self)
        if (self.names or self.nil) and (self.table_sharding or self.loss == "released"):
            raise ElqError(
                f"model.names={self.names} and model.nil={self.nil} do not work with model.table_sharding="
                f"{self.table_sharding} and model.loss={self.loss}: set names and nil to false, or set table_sharding to false"
                " and loss to table or sampled"
            )
        if self.wrong_names < 0 or (self.wrong_names and not (self.names and self.nil)):
            raise ElqError(
                f"model.wrong_names is {self.wrong_names}, but must be 0, or larger with model.names=true and model.nil=true:"
                " set these, or leave out model.wrong_names"
            )
        if self.name_dropout and not self.names:
            raise ElqError(
                f"model.name_dropout is {self.name_dropout}, but model.names is false, so there is no bonus to hide: set"
                " model.names=true, or leave out model.name_dropout"
            )
        if self.nil_shift and not self.nil:
            raise ElqError(
                f"model.nil_shift is {self.nil_shift}, but model.nil is false, so there is no score of NIL: set model.nil=true,"
                " or leave out model.nil_shift"
            )
        if self.small_shift and not self.capitals:
            raise ElqError(
                f"model.small_shift is {self.small_shift}, but model.capitals is false, so nothing is known about capital"
                " letters: set model.capitals=true, or leave out model.small_shift"
            )
        check_score_mode(self.score_mode, names=self.names)

    def network(self) -> dict[str, Any]:
        """The settings that shape the network, for :meth:`elq.model.network.ELQ.from_encoder`."""
        return {field.name: getattr(self, field.name) for field in fields(NetworkSettings)}

    @property
    def needs_names(self) -> bool:
        """Whether a training needs the names of the catalogue."""
        return self.names or self.noun_weight > 0

    @property
    def longest_question(self) -> int | None:
        """Number of tokens after which questions are cut in score mode ``elq``; None: they are not cut."""
        return self.question_tokens if self.score_mode == "elq" else None
