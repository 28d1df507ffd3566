"""Settings: the settings of a cross-encoder in training."""

from dataclasses import dataclass, fields
from typing import Any

from elq.errors import ElqError
from elq.model.cross_config import CrossSettings


@dataclass(frozen=True, kw_only=True)  # no slots: the training parser reads its __dict__
class CrossTraining(CrossSettings):
    """All settings of a cross-encoder in training.

    Args:
        frozen_words: the word vectors of the encoder are not trained, so unseen names keep theirs, and a step is faster.
        lr_encoder: peak learning rate of the encoder.
        lr_heads: peak learning rate of the linear map that makes the score.
        weight_decay: weight decay of matrices; vectors have none.
        warmup_steps: number of optimiser steps of linear warm-up; then the learning rate falls linearly to 0.
    """

    frozen_words: bool = True
    lr_encoder: float = 5e-5
    lr_heads: float = 1e-3
    weight_decay: float = 0.01
    warmup_steps: int = 50

    def network(self) -> dict[str, Any]:
        """The settings that shape the network, for :meth:`elq.model.crossencoder.CrossEncoder.from_encoder`."""
        return {field.name: getattr(self, field.name) for field in fields(CrossSettings)}


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much of the examples a training of a cross-encoder uses.

    Args:
        candidates: K, the number of candidates of each mention that the first stage finds.
        margin: candidates whose log p is lower than that of the best one by more than this are left out, in training and later;
            null: all K are used. It makes training and re-ranking several times quicker behind a first stage that is sure.
        negatives: number of wrong candidates of each mention in an epoch, drawn anew in each epoch, the first ones more often.
            Fewer than K − 1 make a training shorter.
        most: the largest number of mentions in an epoch; null: all of them.
        fit_share: part of the training texts that is held out. The weights of both stages are fitted on their mentions, if
            ``data.fit`` gives no other questions.
        fit_most: the largest number of these mentions.
    """

    candidates: int = 16
    margin: float | None = None
    negatives: int = 15
    most: int | None = None
    fit_share: float = 0.1
    fit_most: int = 500

    def __post_init__(self) -> None:
        for name, least in (("candidates", 2), ("negatives", 1), ("most", 1), ("fit_most", 1)):
            if (value := getattr(self, name)) is not None and value < least:
                raise ElqError(f"data.sizes.{name} is {value}, but must be at least {least}: give a larger number")
        if self.margin is not None and not self.margin > 0:
            raise ElqError(f"data.sizes.margin is {self.margin}, but must be above 0: give for example 8.0, or null")
        if not 0 < self.fit_share < 1:
            raise ElqError(f"data.sizes.fit_share is {self.fit_share}, but must be above 0 and below 1: give 0.1, the default")
