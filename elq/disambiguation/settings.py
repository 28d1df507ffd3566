"""Settings: the settings of a training of given mentions, each declared only once."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from elq.errors import ElqError
from elq.model.biencoder_config import BiEncoderSettings
from elq.training.stages import Source


@dataclass
class MentionStage:
    """The mentions of ``epochs`` successive epochs.

    ``hard_negatives`` is the number of further entities for each mention, which the network of the epoch before found for it:
    half of them are drawn from the nearest entities, and half from those that the mention's name may mean too. If there are
    too few of one, there are more of the other. 0: the negatives are the other entities of the batch alone.
    """

    epochs: int = 1
    sources: list[Source] = field(default_factory=list)
    hard_negatives: int = 0


@dataclass(frozen=True, kw_only=True)  # no slots: the training parser reads its __dict__
class BiEncoderTraining(BiEncoderSettings):
    """The settings of a bi-encoder in training.

    Args:
        frozen_words: the word vectors of both towers are not trained, apart from those of added tokens.
        frozen_layers: the number of layers of both towers that are not trained, from the first one; the vectors of places and
            of token types are not trained either. This takes less time. 0: all layers are trained.
        lr_encoder: peak learning rate of the towers.
        lr_heads: learning rate of the logarithm of the scale.
        weight_decay: weight decay of matrices.
        warmup_steps: number of optimiser steps of linear warm-up; then the learning rate falls linearly to 0.
        moving_mean: as in the training of a linker: the weights that are validated and exported are the moving mean of the
            steps; 0 takes the weights themselves.
    """

    frozen_words: bool = False
    frozen_layers: int = 0
    lr_encoder: float = 1e-4
    lr_heads: float = 1e-2
    weight_decay: float = 0.01
    warmup_steps: int = 40
    moving_mean: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.frozen_layers < 0:
            raise ElqError(f"model.frozen_layers is {self.frozen_layers}, but must be at least 0: set it to 0, or leave it out")
        if not 0 <= self.moving_mean < 1:
            raise ElqError(
                f"model.moving_mean is {self.moving_mean}, but must be at least 0 and below 1: set it to 0.99, or leave it out"
            )

    def network(self) -> dict[str, Any]:
        """The settings that shape the network."""
        return {each.name: value for each in fields(BiEncoderSettings) for value in [asdict(self)[each.name]]}


def check_mention_stages(stages: Sequence[MentionStage]) -> None:
    """Raise an ElqError if there are no stages, or one has no epochs, no sources, fewer than 0 negatives, or ``swapped``."""
    if not stages or any(stage.epochs < 1 or not stage.sources or stage.hard_negatives < 0 for stage in stages):
        raise ElqError(
            f"data.train is {[*stages]}, but needs stages with at least one epoch, with sources, and with 0 or more hard"
            " negatives: give for example data.train=[{epochs: 2, sources: [{file: mine.jsonl}]}]"
        )
    for source in (source for stage in stages for source in stage.sources):
        if source.swapped:
            raise ElqError(
                f"swapped of {source.file} is {source.swapped}, but only the training of a linker has copies of questions with"
                " other entities: leave it out"
            )
