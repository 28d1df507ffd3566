"""Settings: the settings of a multimodal network in training."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from elq.errors import ElqError
from elq.multimodal.candidates import Nearest
from elq.multimodal.config import NetworkConfig
from elq.multimodal.network import MultimodalNetwork
from elq.multimodal.presets import FILTER, preset
from elq.multimodal.unit import Sizes

OWN = 24  # candidates of a way to find them that a preset has


@dataclass(frozen=True, kw_only=True)  # no slots: the training parser reads its __dict__
class MultimodalTraining:
    """All settings of a multimodal network in training.

    Args:
        preset: the name of a preset, whose units, losses and options are taken.
        units: instead of a preset, the names of units, which have their default settings.
        without: units of the preset that are left out, to see what they are worth.
        options: settings of units that differ from those of the preset, by the name of the unit.
        noise: whether a filter drops pictures that do not agree with the text and with some candidate's picture; null: as the
            preset says.
        lr: peak learning rate.
        lr_mean: that of the logarithms of the weights of the mean, which no step moves by more than it.
        weight_decay: weight decay of matrices; vectors have none.
        warmup_steps: number of optimiser steps of linear warm-up; then the learning rate falls linearly to 0.
        moving_mean: as in the training of a linker: the weights that are validated and exported are the moving mean of the
            steps; 0 takes the weights themselves.
    """

    preset: str = "mimic"
    units: list[str] = field(default_factory=list)
    without: list[str] = field(default_factory=list)
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    noise: bool | None = None
    lr: float = 1e-3
    lr_mean: float = 0.05
    weight_decay: float = 0.01
    warmup_steps: int = 20
    moving_mean: float = 0.0

    def __post_init__(self) -> None:
        for name, default in (("lr", 0.001), ("lr_mean", 0.05)):
            if not 0 < getattr(self, name) < 1:
                raise ElqError(
                    f"model.{name} is {getattr(self, name)}, but must be above 0 and below 1: set it to {default}, the default"
                )
        if not 0 <= self.moving_mean < 1:
            raise ElqError(
                f"model.moving_mean is {self.moving_mean}, but must be at least 0 and below 1: set it to 0.99, or leave it out"
            )
        if not self.units:
            preset(self.preset)

    @property
    def name(self) -> str:
        """The name of the preset; "" for a choice of units."""
        return "" if self.units else self.preset

    @property
    def decoding(self) -> str:
        """How the scores of a text become links: ``rank`` or ``matching``."""
        return "rank" if self.units else preset(self.preset).decoding

    @property
    def trees(self) -> bool:
        """Whether trees score the candidates in the end."""
        return not self.units and preset(self.preset).trees

    def candidates(self, nearest: Nearest) -> Nearest:
        """The numbers of candidates, with those that the preset finds in its own ways, unless they are given."""
        ways = () if self.units else preset(self.preset).retrieval
        chosen = {"words": "bm25" in ways, "joint": "joint" in ways}
        return replace(nearest, **{name: OWN for name, wanted in chosen.items() if wanted and not getattr(nearest, name)})

    def config(self, sizes: Sizes) -> NetworkConfig:
        """The configuration of the network for features of these widths.

        Raises:
            ElqError: a unit is unknown, is left out although it is not there, or no unit is left.
        """
        chosen: dict[str, Mapping[str, Any]] = {name: {} for name in self.units}
        more: dict[str, Any] = {}
        if not self.units:
            base = preset(self.preset)
            chosen, more = dict(base.units), {"mean": base.mean, "total_loss": base.total_loss, "noise": base.noise}
        if self.noise is not None:
            more["noise"] = (more.get("noise") or FILTER) if self.noise else None
        for names, what in ((self.without, "without"), (self.options, "options")):
            if unknown := sorted({*names} - chosen.keys()):
                raise ElqError(f"model.{what} names {', '.join(unknown)}, but the units are {', '.join(chosen)}: correct it")
        kept = {name: {**values, **self.options.get(name, {})} for name, values in chosen.items() if name not in self.without}
        return NetworkConfig(units=kept, text=sizes.text, picture=sizes.picture, **more)

    def network(self, sizes: Sizes) -> MultimodalNetwork:
        """A network with random weights."""
        return MultimodalNetwork(self.config(sizes))


@dataclass(frozen=True, kw_only=True)
class Negatives:
    """The wrong candidates of a mention in training.

    Args:
        hard: how many are drawn for each mention in each epoch: at most half of them of those with its name, the others of
            those that are nearest by text and by picture.
        in_batch: how many gold entities of other mentions of the batch are added.
    """

    hard: int = 16
    in_batch: int = 15

    def __post_init__(self) -> None:
        for name, least in (("hard", 1), ("in_batch", 0)):
            if type(value := getattr(self, name)) is not int or value < least:
                raise ElqError(f"data.negatives.{name} is {value!r}, but must be a whole number from {least}: correct it")
