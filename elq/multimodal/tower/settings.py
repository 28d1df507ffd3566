"""Settings: the settings of an image tower in training."""

from dataclasses import dataclass, field

from elq.errors import ElqError
from elq.vision.layout import CHANNELS, LayoutConfig


@dataclass(frozen=True, kw_only=True)  # no slots: the training parser reads its __dict__
class TowerTraining:
    """All settings of a layout tower in training.

    Args:
        width: V, the width of the vectors.
        side: the side of the square of pixels, a multiple of 32. The time of a picture grows with its square.
        grid: the number of cells of a pooled map in each direction.
        levels: the numbers of the blocks of EfficientNet-Lite0 whose maps are pooled, from 0 to 16.
        frozen: how many of the first blocks keep their weights; 18 is all of them, and only the projections are trained.
        temperature: what the cosines are divided by in the loss.
        lr: peak learning rate of the blocks.
        lr_projections: peak learning rate of the two linear functions that make the vectors.
        weight_decay: weight decay of matrices; vectors have none.
        warmup_steps: number of optimiser steps of linear warm-up; then the learning rates fall linearly to 0.
        moving_mean: the weights that are validated and exported are the moving mean of the steps, which looks back some
            1 / (1 − moving_mean) steps; 0 takes the weights themselves.
        whitening: after the training, the vectors are centred, and each of their principal directions is divided by this power
            of its standard deviation, as both are for the pictures of the training's entities in the catalogue; null: neither.
    """

    width: int = 512
    side: int = 128
    grid: int = 4
    levels: list[int] = field(default_factory=lambda: [3, 8, 11])
    frozen: int = 6
    temperature: float = 0.05
    lr: float = 2e-4
    lr_projections: float = 1e-3
    weight_decay: float = 0.01
    warmup_steps: int = 30
    moving_mean: float = 0.95
    whitening: float | None = None

    def __post_init__(self) -> None:
        for name in ("lr", "lr_projections", "temperature"):
            if not 0 < getattr(self, name) < 1:
                raise ElqError(f"model.{name} is {getattr(self, name)}, but must be above 0 and below 1: leave it out")
        if not 0 <= self.moving_mean < 1:
            raise ElqError(f"model.moving_mean is {self.moving_mean}, but must be at least 0 and below 1: leave it out")
        if self.whitening is not None and not 0 <= self.whitening <= 1:
            raise ElqError(
                f"model.whitening is {self.whitening}, but must be from 0 to 1: set it to null, which leaves the vectors as"
                " they are, or to 0.3, as the experiment has it"
            )
        if type(self.frozen) is not int or not 0 <= self.frozen <= len(CHANNELS) + 1:
            raise ElqError(
                f"model.frozen is {self.frozen!r}, but must be a whole number from 0 to {len(CHANNELS) + 1}: leave it out"
            )
        self.network  # noqa: B018 (it refuses wrong values)

    @property
    def network(self) -> LayoutConfig:
        """The configuration of the network."""
        return LayoutConfig(width=self.width, side=self.side, grid=self.grid, levels=[*self.levels])
