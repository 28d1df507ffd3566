"""The multimodal network: several units, whose scores become one by a weighted mean of those that are valid.

File format of a saved network: ``config.json`` (:class:`NetworkConfig`) and ``model.safetensors``.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from elq.encoding.packed import load_weights
from elq.errors import ElqError
from elq.files import write_json
from elq.model.network import save_weights
from elq.multimodal.features import ModalityFeatures, UnitScores
from elq.multimodal.unit import Look, Sizes, Unit, cross_entropy
from elq.multimodal.units.kinds import make_unit, settings_of

CONFIG, WEIGHTS = "config.json", "model.safetensors"
KIND, FORMAT = "multimodal", 1
MEANS = ("learned", "equal")


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """Everything from which a network is built before its weights are loaded.

    Args:
        units: the settings of each unit that differ from its defaults, by the name of the unit.
        text: D, the width of the vectors of texts and words.
        picture: V, the width of the vectors of pictures and patches.
        mean: ``learned`` (the mean of the units has learned weights, which begin equal) or ``equal`` (plain mean).
        total_loss: the weight of the cross-entropy of the total. Each unit has a ``loss_weight`` of its own.
        kind: what the folder is.
        format: number of this file format.
    """

    units: Mapping[str, Mapping[str, Any]]
    text: int
    picture: int
    mean: str = "learned"
    total_loss: float = 1.0
    kind: str = KIND
    format: int = FORMAT

    def __post_init__(self) -> None:
        if not self.units:
            raise ElqError("a multimodal network has 0 units, but must have at least 1: choose units, or a preset")
        if self.mean not in MEANS:
            raise ElqError(f"mean is {self.mean!r}, but must be one of {', '.join(MEANS)}: choose one")
        if type(self.total_loss) not in (int, float) or not 0 <= self.total_loss < float("inf"):
            raise ElqError(f"total_loss is {self.total_loss!r}, but must be a number of at least 0: set it to 1, the default")


@dataclass(frozen=True)
class Looks:
    """What a network has computed for a batch."""

    total: UnitScores
    units: dict[str, Look] = field(default_factory=dict)


def weighted_mean(scores: Tensor, valid: Tensor, weights: Tensor) -> UnitScores:
    """The weighted mean of the valid scores of each candidate. One valid score alone is taken as it is, bit for bit.

    Args:
        scores: (U, M, K) of U units.
        valid: (U, M, K) bool.
        weights: (U,) above 0.

    Returns:
        Scores (M, K), which are −inf where no unit is valid.

    >>> scores = torch.tensor([[[1.0, 0.1]], [[4.0, 9.0]]])
    >>> valid = torch.tensor([[[True, True]], [[True, False]]])
    >>> weighted_mean(scores, valid, torch.tensor([2.0, 1.0])).scores
    tensor([[2.0000, 0.1000]])
    """
    finite = scores.masked_fill(~valid, 0.0)  # (U, M, K)
    shares = weights.view(-1, 1, 1) * valid  # (U, M, K)
    mean = (shares * finite).sum(0) / shares.sum(0).clamp(min=torch.finfo(scores.dtype).tiny)  # (M, K)
    total = torch.where(valid.sum(0) == 1, finite.sum(0), mean)  # (M, K)
    return UnitScores(total.masked_fill(~valid.any(0), -torch.inf), valid.any(0))


class MultimodalNetwork(nn.Module):
    """Several units and the weights of their mean.

    Args:
        config: the configuration.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        sizes = Sizes(text=config.text, picture=config.picture)
        made = {name: make_unit(name, sizes, settings_of(name, **values)) for name, values in config.units.items()}
        self.units = nn.ModuleDict(made)
        learned = config.mean == "learned" and len(made) > 1
        self.log_weights = nn.Parameter(torch.zeros(len(made))) if learned else None

    @property
    def needs(self) -> frozenset[str]:
        """The parts of the features that the units read."""
        return frozenset().union(*(unit.needs for unit in self._units().values()))

    def _units(self) -> dict[str, Unit]:
        return {name: unit for name, unit in self.units.items() if isinstance(unit, Unit)}

    def weights(self) -> Tensor:
        """(U,) the weights of the units in the mean; their sum is 1."""
        if self.log_weights is None:
            return torch.full((len(self.units),), 1 / len(self.units))
        return self.log_weights.softmax(-1)

    def look(self, mentions: ModalityFeatures, entities: ModalityFeatures, rows: Tensor | None = None) -> Looks:
        """The total, and what each unit has computed; the arguments are those of :meth:`forward`."""
        looks = {name: unit.look(mentions, entities, rows) for name, unit in self._units().items()}
        said = [look.scores for look in looks.values()]
        scores, valid = torch.stack([each.scores for each in said]), torch.stack([each.valid for each in said])
        return Looks(weighted_mean(scores, valid, self.weights().to(scores.device)), looks)

    def forward(self, mentions: ModalityFeatures, entities: ModalityFeatures, rows: Tensor | None = None) -> UnitScores:
        """The total of the candidates.

        Args:
            mentions: the features of M mentions.
            entities: the features (M, K, …) of their candidates, or those (N, …) of entities, of which ``rows`` chooses.
            rows: (M, K) int64, the candidates of each mention among N entities. Entities are then encoded only once.

        Returns:
            Scores (M, K), which are −inf where no unit can say anything.
        """
        return self.look(mentions, entities, rows).total

    def losses_of(self, looks: Looks, gold: Tensor) -> dict[str, Tensor]:
        """The loss of the total, and that of each unit by name, each a scalar that is not weighted yet."""
        units = self._units()
        own = {name: units[name].loss_of(look, gold) for name, look in looks.units.items() if units[name].settings.loss_weight}
        return {"total": cross_entropy(looks.total, gold), **own}

    def loss(self, mentions: ModalityFeatures, entities: ModalityFeatures, gold: Tensor, rows: Tensor | None = None) -> Tensor:
        """The weighted sum of the cross-entropy of the total and the units' own losses, a scalar.

        Args:
            mentions: as in :meth:`forward`.
            entities: as in :meth:`forward`.
            gold: (M,) int64 the number of the right one among the K candidates, −1 if it is not there.
            rows: as in :meth:`forward`.
        """
        return self.weighted(self.losses_of(self.look(mentions, entities, rows), gold))

    def weighted(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of the losses that :meth:`losses_of` gives, a scalar."""
        weight = {"total": self.config.total_loss} | {name: unit.settings.loss_weight for name, unit in self._units().items()}
        return torch.stack([weight[name] * loss for name, loss in losses.items()]).sum()

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``config.json`` and ``model.safetensors`` into an existing folder."""
        folder = Path(folder)
        write_json(folder / CONFIG, asdict(self.config))
        save_weights(folder / WEIGHTS, {name: value.detach().cpu().numpy() for name, value in self.state_dict().items()})

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> "MultimodalNetwork":
        """Read a network from the files that :meth:`save_pretrained` wrote.

        Raises:
            ElqError: a file is missing or unreadable, or the weights are not those that config.json describes.
        """
        from safetensors import SafetensorError

        folder = Path(folder)
        network = cls(read_config(folder))
        try:
            network.load_state_dict(load_weights(folder / WEIGHTS))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise ElqError(
                f"{folder} cannot be read ({' '.join(str(error).split())[:200]}): put whole copies of its files in their place,"
                " or train the model again"
            ) from None
        return network.eval()


def read_config(folder: str | Path) -> NetworkConfig:
    """Read ``config.json`` of the folder of a multimodal network.

    Raises:
        ElqError: the file is missing, is not that of a multimodal network, or has keys or values that are not allowed.
    """
    path = Path(folder) / CONFIG
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ElqError(f"{path} cannot be read ({error}): give the folder of a multimodal network") from None
    if not isinstance(values, dict) or values.get("kind") != KIND or values.get("format") != FORMAT:
        raise ElqError(f"{path} is not the configuration of a multimodal network of format {FORMAT}: give the folder of one")
    known = {each.name for each in fields(NetworkConfig)}
    if wrong := sorted(values.keys() ^ known):
        raise ElqError(
            f"{path} has or lacks the keys {', '.join(wrong)}, but must have {', '.join(sorted(known))}: put a whole copy of"
            " the file in its place, or install the version of elq that wrote it"
        )
    if not isinstance(values["units"], dict) or not all(isinstance(each, dict) for each in values["units"].values()):
        raise ElqError(f"units in {path} must be objects with settings: put a whole copy of the file in its place")
    return NetworkConfig(**values)
